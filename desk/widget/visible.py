"""Everything a visitor may see, and nothing else: these types are all that is ever serialised for the widget.

There is no field for a draft, a note, a score, a tag, an assignee or an address; a test enumerates the fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.chat.answering import draft_of, shown_sources
from desk.chat.handover import details_asked_after, is_with_person, notices
from desk.chat.joining import living_session
from desk.chat.presence import is_here
from desk.chat.sessions import public_messages
from desk.db.leases import database_time
from desk.errors import NotFoundError
from desk.models import ChatSession, Message, Ticket, User, Visitor
from desk.plain_text import excerpt
from desk.widget.access import Widget
from desk.widget.configuration import is_open
from desk.widget.files import VisibleFile, visible_files

LONGEST_PREVIEW = 100
MOST_CONVERSATIONS = 20


class VisibleSource(msgspec.Struct, frozen=True):
    title: str
    url: str


class VisibleMessage(msgspec.Struct, frozen=True):
    id: UUID
    seq: int
    author: Literal["visitor", "person", "machine"] = msgspec.field(name="from")
    body: str
    sent_at: datetime
    name: str
    """Of the person who answered, where the tenant shows names; else empty."""
    client_message_id: str | None
    sources: tuple[VisibleSource, ...]
    files: tuple[VisibleFile, ...]


class VisibleState(msgspec.Struct, frozen=True):
    """A conversation as it stands now."""

    id: UUID
    status: Literal["open", "closed"]
    with_person: bool
    handed_over_after: tuple[int, ...]
    """Sequences of the messages under which the visitor was told that a person will answer."""
    details_asked_after: tuple[int, ...]
    """Sequences of the messages under which the visitor, who had only said hello, was asked what it is about."""
    is_waiting: bool
    """An answer is being looked for."""
    is_person_here: bool
    """Somebody has the conversation open."""
    seen_seq: int
    """Sequence of the newest message that somebody has looked at."""
    is_away: bool
    """Nobody is there at this hour."""
    has_email: bool
    read_seq: int
    rating: int | None
    edition: int
    """Sequences count within one edition: merging or splitting tickets numbers the messages anew."""


class VisibleConversation(msgspec.Struct, frozen=True):
    """One line of the visitor's own list."""

    id: UUID
    status: Literal["open", "closed"]
    preview: str
    last_message_at: datetime
    unread: int


class VisiblePage(msgspec.Struct, frozen=True):
    messages: tuple[VisibleMessage, ...]
    has_earlier: bool
    state: VisibleState


async def conversation_of(
    session: AsyncSession, visitor: Visitor | None, conversation_id: UUID
) -> tuple[ChatSession, UUID]:
    """The session and its ticket's id; of a conversation that was merged, those it was merged into.

    Raises NotFoundError for anybody else's.
    """
    if visitor is not None:
        found = await session.execute(
            select(ChatSession).where(ChatSession.id == conversation_id, ChatSession.visitor_id == visitor.id)
        )
        if (chat := found.scalar_one_or_none()) is not None:
            chat = await living_session(session, chat)
            if chat.ticket_id is not None:
                return chat, chat.ticket_id
    msg = "there is no such conversation"
    raise NotFoundError(msg)


async def visible_messages(
    session: AsyncSession, widget: Widget, rows: Sequence[Message]
) -> tuple[VisibleMessage, ...]:
    return tuple([await visible_message(session, widget, row) for row in rows])


async def visible_message(session: AsyncSession, widget: Widget, row: Message) -> VisibleMessage:
    author: Literal["visitor", "person", "machine"]
    author = "visitor" if row.author == "customer" else "person" if row.author == "agent" else "machine"
    return VisibleMessage(
        id=row.id,
        seq=row.seq,
        author=author,
        body=row.body,
        sent_at=row.sent_at,
        name=await _person(session, row) if author == "person" and widget.configuration.show_agent_names else "",
        client_message_id=row.external_id if author == "visitor" else None,
        sources=await _sources(session, row) if author == "machine" and widget.configuration.show_sources else (),
        files=await visible_files(session, row),
    )


async def _person(session: AsyncSession, row: Message) -> str:
    """The name that colleagues see, never the address."""
    if row.user_id is None:
        return ""
    return (await session.execute(select(User.name).where(User.id == row.user_id))).scalar_one_or_none() or ""


async def _sources(session: AsyncSession, row: Message) -> tuple[VisibleSource, ...]:
    shown = await shown_sources(session, await draft_of(session, row))
    linked = [VisibleSource(source.title, source.url) for source in shown if source.url and _is_link(source.url)]
    return tuple(dict.fromkeys(linked))


def _is_link(url: str) -> bool:
    return urlsplit(url).scheme in {"http", "https"}


async def visible_state(
    session: AsyncSession, widget: Widget, chat: ChatSession, ticket: Ticket, now: datetime, *, has_email: bool
) -> VisibleState:
    with_person = await is_with_person(session, ticket)
    told = await notices(session, ticket)
    asked = await details_asked_after(session, ticket)
    is_told = with_person or ticket.last_inbound_seq in asked
    return VisibleState(
        id=chat.id,
        status="closed" if is_closed(chat, ticket) else "open",
        with_person=with_person,
        handed_over_after=tuple(dict.fromkeys(notice.after_seq for notice in told)),
        details_asked_after=asked,
        is_waiting=ticket.last_inbound_seq > 0 and not is_told and await _is_unanswered(session, ticket),
        is_person_here=is_here(chat, await database_time(session)),
        seen_seq=min(chat.person_seen_seq, ticket.last_seq),
        is_away=not is_open(widget.configuration, now),
        has_email=has_email,
        read_seq=chat.read_seq,
        rating=chat.rating,
        edition=chat.edition,
    )


async def _is_unanswered(session: AsyncSession, ticket: Ticket) -> bool:
    return not await public_messages(session, ticket.id, after=ticket.last_inbound_seq, limit=1)


def is_closed(chat: ChatSession, ticket: Ticket) -> bool:
    return chat.closed_at is not None or ticket.status == "closed"


async def visible_conversations(session: AsyncSession, visitor: Visitor | None) -> tuple[VisibleConversation, ...]:
    """The visitor's own, newest first."""
    if visitor is None:
        return ()
    rows = await session.execute(
        select(ChatSession, Ticket)
        .join(Ticket, Ticket.id == ChatSession.ticket_id)
        .where(ChatSession.visitor_id == visitor.id, ChatSession.joined_into_id.is_(None))
        .order_by(Ticket.last_message_at.desc())
        .limit(MOST_CONVERSATIONS)
    )
    return tuple([await _line(session, chat, ticket) for chat, ticket in rows.all()])


async def _line(session: AsyncSession, chat: ChatSession, ticket: Ticket) -> VisibleConversation:
    newest = await public_messages(session, ticket.id, limit=1)
    unread = await session.execute(
        select(func.count(Message.id)).where(
            Message.ticket_id == ticket.id, Message.author.in_(("agent", "machine")), Message.seq > chat.read_seq
        )
    )
    return VisibleConversation(
        id=chat.id,
        status="closed" if is_closed(chat, ticket) else "open",
        preview=excerpt(newest[-1].body, LONGEST_PREVIEW) if newest else "",
        last_message_at=ticket.last_message_at,
        unread=unread.scalar_one(),
    )
