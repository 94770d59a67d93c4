"""One ticket with all that an agent looks at, and one draft with its sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.attachments.pictures import descriptions_of
from desk.attachments.threads import files_of_deliveries, files_of_messages
from desk.chat.unread import newest_notice
from desk.conversation import MESSENGERS
from desk.customer_facts import FactSheet, fact_sheets
from desk.customers.people import Suggestion, family_of, proofs_of, suggestions_for
from desk.drafting.requests import current_draft
from desk.errors import NotFoundError
from desk.handing_over import open_changes, remote_link
from desk.models import (
    Attachment,
    ChatSession,
    Connection,
    Customer,
    CustomerProof,
    Delivery,
    Draft,
    DraftSource,
    Message,
    MessageTemplate,
    PictureDescription,
    RemoteChange,
    RemoteLink,
    ReplyNotice,
    Ticket,
    TicketEvent,
    User,
    Visitor,
)
from desk.parts import marks_of
from desk.reachability import Hindrance, hindrance, window_until

MOST_TEMPLATES = 100
EARLIER_TICKETS = 20
MOST_EVENTS = 200


@dataclass(frozen=True, slots=True)
class DraftView:
    draft: Draft
    sources: Sequence[DraftSource]
    """In the order they were ranked; `used` ones are cited."""


@dataclass(frozen=True, slots=True)
class Messaging:
    """Of a conversation by a messenger."""

    window_until: datetime | None
    hindrance: Hindrance | None
    """Why no free text can be sent now."""
    marks: Mapping[UUID, str]
    """By delivery: how far it has come over there."""
    templates: Sequence[MessageTemplate]


@dataclass(frozen=True, slots=True)
class TicketView:
    ticket: Ticket
    customer: Customer
    assignee_name: str | None
    messages: Sequence[Message]
    """The whole thread, oldest first, notes among it."""
    current_draft: DraftView | None
    deliveries: Sequence[Delivery]
    """Newest first."""
    events: Sequence[TicketEvent]
    """The newest ones, oldest first."""
    earlier_tickets: Sequence[Ticket]
    """Other tickets of the same person, newest first."""
    files: Mapping[UUID, Sequence[Attachment]]
    """By message."""
    outgoing_files: Mapping[UUID, Sequence[Attachment]]
    """By delivery."""
    chat: ChatSession | None = None
    """Of a live conversation: where it began, and what the visitor made of it."""
    reply_notice: ReplyNotice | None = None
    """Whether the visitor was told by e-mail of a reply that stayed unread."""
    messaging: Messaging | None = None
    """None on other channels."""
    verified_email: str = ""
    """The visitor's, when more than their word speaks for it."""
    remote: RemoteLink | None = None
    """The ticket of another system that is the same as this one."""
    remote_name: str = ""
    """What people call that system: its connection's name."""
    open_changes: Sequence[RemoteChange] = ()
    """Changes that have not arrived over there."""
    fact_sheets: Sequence[FactSheet] = ()
    """What connected systems know of the customer."""
    others: Sequence[Customer] = ()
    """Further customers who are the same person."""
    descriptions: Mapping[UUID, PictureDescription] = field(default_factory=dict[UUID, PictureDescription])
    """Of pictures, by attachment."""
    proofs: Sequence[CustomerProof] = ()
    """Addresses that are proved to be this person's."""
    suggestions: Sequence[Suggestion] = ()
    """Persons who have proved one of them as well."""


async def get_ticket(session: AsyncSession, ticket_id: UUID) -> Ticket:
    """Without a lock. Raises NotFoundError."""
    ticket = (await session.execute(select(Ticket).where(Ticket.id == ticket_id))).scalar_one_or_none()
    if ticket is None:
        msg = "there is no such ticket"
        raise NotFoundError(msg)
    return ticket


async def ticket_view(session: AsyncSession, ticket_id: UUID) -> TicketView:
    """Raises NotFoundError."""
    ticket = await get_ticket(session, ticket_id)
    customer = (await session.execute(select(Customer).where(Customer.id == ticket.customer_id))).scalar_one()
    messages = await session.execute(select(Message).where(Message.ticket_id == ticket.id).order_by(Message.seq))
    deliveries = await session.execute(
        select(Delivery).where(Delivery.ticket_id == ticket.id).order_by(Delivery.id.desc())
    )
    newest_events = await session.execute(
        select(TicketEvent)
        .where(TicketEvent.ticket_id == ticket.id)
        .order_by(TicketEvent.created_at.desc(), TicketEvent.id.desc())
        .limit(MOST_EVENTS)
    )
    family = await family_of(session, customer.id)
    proofs = await proofs_of(session, family)
    others = await session.scalars(select(Customer).where(Customer.id.in_(family), Customer.id != customer.id))
    earlier = await session.execute(
        select(Ticket)
        .where(Ticket.customer_id.in_(family), Ticket.id != ticket.id)
        .order_by(Ticket.last_message_at.desc())
        .limit(EARLIER_TICKETS)
    )
    thread, outbox = messages.scalars().all(), deliveries.scalars().all()
    files = await files_of_messages(session, [message.id for message in thread])
    draft = await current_draft(session, ticket)
    remote = await remote_link(session, ticket.id)
    system = None if remote is None else await session.get(Connection, remote.connection_id)
    found = await session.execute(select(ChatSession).where(ChatSession.ticket_id == ticket.id))
    chat = found.scalar_one_or_none()
    visitor = await session.get(Visitor, chat.visitor_id) if chat is not None and chat.visitor_id else None
    return TicketView(
        ticket=ticket,
        customer=customer,
        assignee_name=await _display_name(session, ticket.assignee_id),
        messages=thread,
        current_draft=DraftView(draft, await _sources(session, draft.id)) if draft else None,
        deliveries=outbox,
        events=newest_events.scalars().all()[::-1],
        earlier_tickets=earlier.scalars().all(),
        files=files,
        descriptions=await descriptions_of(session, [row.id for rows in files.values() for row in rows]),
        outgoing_files=await files_of_deliveries(session, [delivery.id for delivery in outbox]),
        chat=chat,
        reply_notice=await newest_notice(session, chat) if chat is not None else None,
        messaging=await _messaging(session, ticket, outbox) if ticket.channel in MESSENGERS else None,
        verified_email=visitor.verified_email if visitor is not None else "",
        remote=remote,
        remote_name=system.name if system is not None else "",
        open_changes=await open_changes(session, ticket.id) if remote is not None else (),
        fact_sheets=await fact_sheets(session, customer.id),
        others=others.all(),
        proofs=proofs,
        suggestions=await suggestions_for(session, customer.id) if proofs else (),
    )


async def _messaging(session: AsyncSession, ticket: Ticket, outbox: Sequence[Delivery]) -> Messaging:
    found = await hindrance(session, ticket)
    usable = (
        select(MessageTemplate)
        .where(
            MessageTemplate.connection_id == ticket.connection_id,
            MessageTemplate.status == "approved",
            MessageTemplate.hindrance == "",
        )
        .order_by(MessageTemplate.name, MessageTemplate.language)
        .limit(MOST_TEMPLATES)
    )
    return Messaging(
        window_until=await window_until(session, ticket),
        hindrance=found,
        marks=await marks_of(session, [delivery.id for delivery in outbox]),
        templates=(await session.execute(usable)).scalars().all() if found is not None else (),
    )


async def draft_view(session: AsyncSession, draft_id: UUID) -> DraftView:
    """Raises NotFoundError."""
    draft = (await session.execute(select(Draft).where(Draft.id == draft_id))).scalar_one_or_none()
    if draft is None:
        msg = "there is no such draft"
        raise NotFoundError(msg)
    return DraftView(draft, await _sources(session, draft.id))


async def _sources(session: AsyncSession, draft_id: UUID) -> Sequence[DraftSource]:
    found = await session.execute(
        select(DraftSource).where(DraftSource.draft_id == draft_id).order_by(DraftSource.ordinal)
    )
    return found.scalars().all()


async def _display_name(session: AsyncSession, user_id: UUID | None) -> str | None:
    if user_id is None:
        return None
    person = (await session.execute(select(User.name, User.email).where(User.id == user_id))).one_or_none()
    return (person.name or person.email) if person else None
