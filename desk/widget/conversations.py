"""What visitors do: write, look at their conversations, ask for a person, leave an address, say whether it helped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk import events
from desk.attachments.threads import attach_visitors_files
from desk.chat.ground import FaqRound, Ground, ask_faqs, question_asked, read_ground
from desk.chat.handover import hand_over
from desk.chat.sessions import public_messages
from desk.chat.taking import add_live_message, recipient_of, say_at_once, title_of
from desk.chat.unread import note_read
from desk.conversation import lock_ticket
from desk.db.leases import database_time
from desk.db.unit_of_work import Database, announce
from desk.drafting.context import QuestionAsked
from desk.errors import InvalidInputError, TooLargeError
from desk.installation import Installation
from desk.intake import message_body, open_ticket
from desk.models import ChatSession, Connection, Customer, Message, Ticket, Visitor
from desk.plain_text import clean_line, clean_text
from desk.quality import renew_quality
from desk.widget.access import VisitorClaim, Widget
from desk.widget.limits import count_message
from desk.widget.visible import (
    VisibleConversation,
    VisibleMessage,
    VisiblePage,
    conversation_of,
    is_closed,
    visible_conversations,
    visible_message,
    visible_messages,
    visible_state,
)
from desk.widget.visitors import Particulars, ensure_visitor, lock_visitor, note_particulars, visitor_of

LONGEST_URL = 1_000
LONGEST_TITLE = 200
LONGEST_COMMENT = 2_000
LARGEST_PAGE = 100
RATINGS = range(1, 6)
VISITOR = "visitor"


@dataclass(frozen=True, slots=True)
class WidgetMessage:
    client_message_id: UUID
    body: str
    conversation_id: UUID | None = None
    """None: a new conversation."""
    page_url: str = ""
    page_title: str = ""
    said: Particulars = field(default_factory=Particulars)
    wants_person: bool = False
    attachments: Sequence[UUID] = ()
    """Uploaded by this visitor before."""


@dataclass(frozen=True, slots=True)
class Taken:
    conversation_id: UUID
    message: VisibleMessage
    is_new: bool


async def take_message(
    installation: Installation, widget: Widget, claim: VisitorClaim, new: WidgetMessage, address_hash: str
) -> Taken:
    """Take one message in, with what can be said at once; the same `client_message_id` again gives the message it
    made the first time.

    Raises InvalidInputError, TooLargeError, TooManyError, NotFoundError for somebody else's conversation.
    """
    body = _checked_body(widget, new.body)
    said = new.said.cleaned()
    async with installation.database.transaction(widget.scope) as session:
        await lock_visitor(session, claim)
        visitor = await visitor_of(session, widget, claim)
        if (taken := await _taken_before(session, widget, visitor, new.client_message_id)) is not None:
            return taken
        # Before the FAQs are asked: a stranger who writes too often must not cost more than this.
        await count_message(session, widget, address_hash)
        ground, asked = await _ground(session, widget, visitor, new, body)
    faqs = FaqRound() if new.wants_person else await ask_faqs(installation.drafting, ground, asked)
    async with installation.database.transaction(widget.scope) as session:
        await lock_visitor(session, claim)
        visitor = await visitor_of(session, widget, claim)
        if (taken := await _taken_before(session, widget, visitor, new.client_message_id)) is not None:
            return taken
        visitor = await ensure_visitor(session, widget, claim, said)
        chat, ticket = await _conversation(session, widget, visitor, new, body, ground)
        customer = await session.get_one(Customer, visitor.customer_id)
        message = await add_live_message(session, ticket, customer, body, client_id=str(new.client_message_id))
        await attach_visitors_files(session, message, claim.visitor_id, new.attachments)
        chat.read_seq = message.seq
        await note_read(session, chat, message.seq)
        if new.wants_person:
            await hand_over(session, ticket, "customer_asked", VISITOR)
        recipient = recipient_of(customer, chat)
        await say_at_once(session, ticket, customer, message, ground, faqs, recipient)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
        return Taken(chat.id, await visible_message(session, widget, message), True)


async def _ground(
    session: AsyncSession, widget: Widget, visitor: Visitor | None, new: WidgetMessage, body: str
) -> tuple[Ground, QuestionAsked]:
    """What the message may be answered from, before it is taken in."""
    connection = await session.get_one(Connection, widget.connection_id)
    ticket = None
    if new.conversation_id is not None:
        chat, ticket_id = await conversation_of(session, visitor, new.conversation_id)
        known = await session.get_one(Ticket, ticket_id)
        ticket = None if is_closed(chat, known) else known
    ground = await read_ground(session, connection, ticket)
    customer = ground.customer
    if customer is None and visitor is not None:
        customer = await session.get_one(Customer, visitor.customer_id)
    return ground, question_asked(ground, body, await database_time(session), customer=customer)


def _checked_body(widget: Widget, text: str) -> str:
    body, longest = message_body(text).strip(), widget.configuration.longest_message
    if len(body) > longest:
        msg = f"this message has {len(body):,} characters; up to {longest:,} fit in one. Please send it in parts"
        raise TooLargeError(msg)
    return body


async def _taken_before(
    session: AsyncSession, widget: Widget, visitor: Visitor | None, client_message_id: UUID
) -> Taken | None:
    if visitor is None:
        return None
    found = await session.execute(
        select(ChatSession.id, Message)
        .join(Message, Message.ticket_id == ChatSession.ticket_id)
        .where(ChatSession.visitor_id == visitor.id, Message.external_id == str(client_message_id))
    )
    row = found.first()
    return None if row is None else Taken(row[0], await visible_message(session, widget, row[1]), False)


async def _conversation(
    session: AsyncSession, widget: Widget, visitor: Visitor, new: WidgetMessage, body: str, ground: Ground
) -> tuple[ChatSession, Ticket]:
    """The one that is named, unless it is closed; else a new one, whose ticket is the one meant by the ground."""
    if new.conversation_id is not None:
        chat, known_id = await conversation_of(session, visitor, new.conversation_id)
        ticket = await lock_ticket(session, known_id)
        if not is_closed(chat, ticket):
            return chat, ticket
    connection = await session.get_one(Connection, widget.connection_id)
    customer = await session.get_one(Customer, visitor.customer_id)
    ticket = await open_ticket(
        session,
        connection,
        customer,
        subject=title_of(body),
        department=None,
        ticket_id=ground.new_ticket_id,
        number=ground.number,
    )
    chat = ChatSession(
        id=uuid7(),
        connection_id=connection.id,
        ticket_id=ticket.id,
        visitor_id=visitor.id,
        user_id=visitor.user_id,
        details={},
        page_url=_page_address(new.page_url),
        page_title=clean_line(new.page_title)[:LONGEST_TITLE],
    )
    session.add(chat)
    await session.flush()
    events.record(session, ticket.id, "ticket_created", VISITOR, channel=ticket.channel)
    return chat, ticket


def _page_address(given: str) -> str:
    """Without query and fragment, which may hold what is nobody's business."""
    try:
        parts = urlsplit(clean_line(given))
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return urlunsplit((parts.scheme, _with_port(host, parts.netloc), parts.path, "", ""))[:LONGEST_URL]


def _with_port(host: str, netloc: str) -> str:
    port = netloc.rpartition(":")[2]
    return f"{host}:{port}" if port.isdigit() and not netloc.endswith("]") else host


async def list_conversations(
    database: Database, widget: Widget, claim: VisitorClaim
) -> tuple[VisibleConversation, ...]:
    async with database.transaction(widget.scope) as session:
        return await visible_conversations(session, await visitor_of(session, widget, claim))


async def read_page(
    database: Database,
    widget: Widget,
    claim: VisitorClaim,
    conversation_id: UUID,
    now: datetime,
    *,
    before: int | None,
    limit: int,
) -> VisiblePage:
    """The newest messages, or those before one; oldest first. Raises NotFoundError."""
    async with database.transaction(widget.scope) as session:
        visitor = await visitor_of(session, widget, claim)
        chat, ticket_id = await conversation_of(session, visitor, conversation_id)
        ticket = await session.get_one(Ticket, ticket_id)
        customer = await session.get_one(Customer, ticket.customer_id)
        found = await public_messages(session, ticket.id, before=before, limit=min(limit, LARGEST_PAGE) + 1)
        has_earlier = len(found) > min(limit, LARGEST_PAGE)
        state = await visible_state(session, widget, chat, ticket, now, has_email=bool(customer.email))
        shown = await visible_messages(session, widget, found[1:] if has_earlier else found)
        return VisiblePage(shown, has_earlier, state)


async def mark_read(database: Database, widget: Widget, claim: VisitorClaim, conversation_id: UUID, seq: int) -> None:
    """The visitor has seen everything up to this message. Raises NotFoundError."""
    async with database.transaction(widget.scope) as session:
        chat, ticket_id = await conversation_of(session, await visitor_of(session, widget, claim), conversation_id)
        ticket = await session.get_one(Ticket, ticket_id)
        read = await session.execute(
            update(ChatSession)
            .where(ChatSession.id == chat.id, ChatSession.read_seq < min(seq, ticket.last_seq))
            .values(read_seq=min(seq, ticket.last_seq))
            .returning(ChatSession.id)
        )
        if read.scalar_one_or_none() is not None:
            await note_read(session, chat, min(seq, ticket.last_seq))
            await announce(session, widget.tenant_id, "ticket", ticket=ticket.id)


async def tell_typing(database: Database, widget: Widget, claim: VisitorClaim, conversation_id: UUID) -> None:
    """Raises NotFoundError."""
    async with database.transaction(widget.scope) as session:
        _, ticket_id = await conversation_of(session, await visitor_of(session, widget, claim), conversation_id)
        await announce(session, widget.tenant_id, "typing", ticket=ticket_id, by=VISITOR)


async def ask_for_person(database: Database, widget: Widget, claim: VisitorClaim, conversation_id: UUID) -> None:
    """Raises NotFoundError."""
    async with database.transaction(widget.scope) as session:
        _, ticket_id = await conversation_of(session, await visitor_of(session, widget, claim), conversation_id)
        ticket = await lock_ticket(session, ticket_id)
        await hand_over(session, ticket, "customer_asked", VISITOR)
        await announce(session, widget.tenant_id, "ticket", ticket=ticket.id)


async def leave_particulars(
    database: Database, widget: Widget, claim: VisitorClaim, conversation_id: UUID, said: Particulars
) -> None:
    """Raises NotFoundError, InvalidInputError."""
    given = said.cleaned()
    async with database.transaction(widget.scope) as session:
        visitor = await visitor_of(session, widget, claim)
        _, ticket_id = await conversation_of(session, visitor, conversation_id)
        if visitor is None:
            return
        await note_particulars(session, visitor, given)
        events.record(session, ticket_id, "contact_left", VISITOR)
        await announce(session, widget.tenant_id, "ticket", ticket=ticket_id)


async def rate(
    database: Database, widget: Widget, claim: VisitorClaim, conversation_id: UUID, rating: int, comment: str
) -> None:
    """1 to 5; the newest counts. Raises NotFoundError, InvalidInputError."""
    if rating not in RATINGS:
        msg = "a rating is a whole number from 1 to 5"
        raise InvalidInputError(msg)
    words = clean_text(comment).strip()[:LONGEST_COMMENT]
    async with database.transaction(widget.scope) as session:
        chat, ticket_id = await conversation_of(session, await visitor_of(session, widget, claim), conversation_id)
        ticket = await lock_ticket(session, ticket_id)
        chat.rating, chat.rating_comment = rating, words
        events.record(session, ticket_id, "chat_rated", VISITOR, rating=rating, comment=words)
        await renew_quality(session, ticket)
        await announce(session, widget.tenant_id, "ticket", ticket=ticket_id)
