"""Inbound messages become tickets: inbox row, customer, ticket, message, and the wish for a draft.

The JSON API validates first, so inbox row and ticket are made in one transaction and the caller gets the ticket
(design section 3). A message that comes twice, at once or months later, has one effect.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk import events
from desk.accounts.identity import Actor
from desk.attachments.threads import attach_to_message
from desk.conversation import add_customer_message, append_message, lock_ticket
from desk.db.gathering import put
from desk.db.leases import database_time
from desk.db.tenancy import session_scope
from desk.db.unit_of_work import Database, announce
from desk.drafting.requests import request_draft
from desk.errors import InvalidInputError
from desk.handing_over import hand_over
from desk.models import Connection, Customer, CustomerIdentity, InboxEntry, Message, TenantSettings, Ticket
from desk.plain_text import clean_line, clean_text

LONGEST_BODY = 100_000
LONGEST_SUBJECT = 1_000
LONGEST_EXTERNAL_ID = 500


@dataclass(frozen=True, slots=True)
class CustomerDetails:
    external_id: str | None = None
    email: str | None = None
    name: str | None = None
    also: tuple[str, ...] = ()
    """Further ids of the same person in the same system."""


@dataclass(frozen=True, slots=True)
class NewTicket:
    subject: str
    body: str
    customer: CustomerDetails
    department: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class NewMessage:
    body: str
    external_id: str | None = None
    attachments: tuple[UUID, ...] = ()
    """Uploaded to the ticket before."""


async def accept_ticket(
    database: Database, actor: Actor, new: NewTicket, *, debounce_seconds: float
) -> tuple[Ticket, bool]:
    """The ticket, and whether it is new; the same `external_id` again gives the ticket it made the first time."""
    body, subject = message_body(new.body), clean_line(new.subject)[:LONGEST_SUBJECT]
    async with database.transaction(actor.scope) as session:
        connection = await rest_connection(session)
        entry_id = await take_in(session, connection.id, f"ticket:{new.external_id or uuid7()}", new)
        if entry_id is None:
            return await _ticket_of_entry(session, connection.id, f"ticket:{new.external_id}"), False
        customer = await find_or_create_customer(session, connection.id, new.customer)
        ticket = await open_ticket(session, connection, customer, subject=subject, department=new.department)
        ticket.external_id = new.external_id
        message = await add_customer_message(session, ticket, body, external_id=None, name=customer.name)
        await processed(session, entry_id, ticket.id, message.id)
        events.record(session, ticket.id, "ticket_created", actor.label, channel=ticket.channel)
        await request_draft(session, ticket, delay_seconds=debounce_seconds)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return ticket, True


async def accept_message(
    database: Database, actor: Actor, ticket_id: UUID, new: NewMessage, *, debounce_seconds: float
) -> tuple[Message, bool]:
    """A further message of the customer; the draft that did not know of it becomes stale. Raises NotFoundError."""
    body = message_body(new.body)
    async with database.transaction(actor.scope) as session:
        ticket = await lock_ticket(session, ticket_id)
        key = f"message:{ticket_id}:{new.external_id or uuid7()}"
        entry_id = await take_in(session, ticket.connection_id, key, new)
        if entry_id is None:
            earlier = select(InboxEntry.message_id).where(
                InboxEntry.connection_id == ticket.connection_id, InboxEntry.external_id == key
            )
            known = await session.execute(select(Message).where(Message.id.in_(earlier)))
            return known.scalar_one(), False
        customer = await session.get_one(Customer, ticket.customer_id)
        message = await add_customer_message(session, ticket, body, external_id=new.external_id, name=customer.name)
        await attach_to_message(session, message, new.attachments)
        await processed(session, entry_id, ticket.id, message.id)
        events.record(session, ticket.id, "message_received", actor.label, seq=message.seq)
        await request_draft(session, ticket, delay_seconds=debounce_seconds)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return message, True


async def add_note(
    database: Database, actor: Actor, ticket_id: UUID, body: str, attachments: Sequence[UUID] = ()
) -> Message:
    """An internal note; the customer never sees it. Raises NotFoundError."""
    async with database.transaction(actor.scope) as session:
        ticket = await lock_ticket(session, ticket_id)
        message = await append_message(session, ticket, "note", message_body(body), name=actor.name or actor.label)
        message.user_id = actor.user_id
        await attach_to_message(session, message, attachments)
        events.record(session, ticket.id, "note_added", actor.label, seq=message.seq)
        await hand_over(session, ticket, "note", message.body, actor.name or actor.label, message_id=message.id)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return message


async def rest_connection(session: AsyncSession) -> Connection:
    found = await session.execute(
        select(Connection).where(Connection.channel == "rest", Connection.is_active).order_by(Connection.id).limit(1)
    )
    connection = found.scalar_one_or_none()
    if connection is None:
        msg = "the REST channel of this tenant is switched off; switch it on under Channels"
        raise InvalidInputError(msg)
    return connection


async def draw_number(session: AsyncSession) -> int:
    """The tenant's next ticket number. All of the tenant's that draw one wait until this transaction ends."""
    counted = await session.execute(
        update(TenantSettings)
        .values(next_ticket_number=TenantSettings.next_ticket_number + 1)
        .returning(TenantSettings.next_ticket_number)
    )
    return counted.scalar_one() - 1


async def open_ticket(
    session: AsyncSession,
    connection: Connection,
    customer: Customer,
    *,
    subject: str,
    department: str | None,
    ticket_id: UUID | None = None,
    number: int | None = None,
) -> Ticket:
    """A new ticket with the tenant's next number, or the one that was drawn for it, without a message yet."""
    number = number or await draw_number(session)
    ticket = Ticket(
        id=ticket_id or uuid7(),
        tenant_id=connection.tenant_id,
        number=number,
        subject=subject,
        channel=connection.channel,
        connection_id=connection.id,
        customer_id=customer.id,
        department=clean_line(department) if department else None,
        last_message_at=await database_time(session),
        last_seq=0,
        last_inbound_seq=0,
        status="open",
        priority="normal",
        tags=[],
        signals={},
        summary="",
        summary_through_seq=0,
        is_spam=False,
    )
    session.add(ticket)
    await put(session)
    return ticket


def message_body(text: str) -> str:
    """Cleaned. Raises InvalidInputError when it is empty or too long."""
    body = clean_text(text)
    if not body.strip():
        msg = "the message is empty"
        raise InvalidInputError(msg)
    if len(body) > LONGEST_BODY:
        msg = f"the message has {len(body):,} characters; at most {LONGEST_BODY:,} are taken"
        raise InvalidInputError(msg)
    return body


async def take_in(
    session: AsyncSession, connection_id: UUID, external_id: str, payload: NewTicket | NewMessage
) -> UUID | None:
    """Insert the inbox row; None when this external id was taken in before (waits for a concurrent one)."""
    _check_external_id(payload.external_id)
    inserted = await session.execute(
        insert(InboxEntry)
        .values(
            id=uuid7(),
            tenant_id=session_scope(session.sync_session).tenant_id,
            connection_id=connection_id,
            external_id=external_id,
            raw=_raw(payload),
            state="received",
        )
        .on_conflict_do_nothing(constraint="uq_inbox_external_id")
        .returning(InboxEntry.id)
    )
    return inserted.scalar_one_or_none()


def _check_external_id(value: str | None) -> None:
    """It is looked up by an index, which takes no longer ones. Raises InvalidInputError."""
    if value is not None and len(value) > LONGEST_EXTERNAL_ID:
        msg = f"external ids and addresses have at most {LONGEST_EXTERNAL_ID} characters"
        raise InvalidInputError(msg)


def keep_raw(session: AsyncSession, ticket: Ticket, message: Message, payload: NewMessage) -> None:
    """The inbox row of a message whose key is its own id, so that it cannot have come before."""
    _check_external_id(payload.external_id)
    session.add(
        InboxEntry(
            id=uuid7(),
            connection_id=ticket.connection_id,
            external_id=f"message:{message.id}",
            raw=_raw(payload),
            state="processed",
            ticket_id=ticket.id,
            message_id=message.id,
        )
    )


def _raw(payload: NewTicket | NewMessage) -> bytes:
    """Escaped, so that even what PostgreSQL's text could not hold is kept as it came."""
    return json.dumps(asdict(payload), default=str).encode()


async def processed(session: AsyncSession, entry_id: UUID, ticket_id: UUID, message_id: UUID) -> None:
    await session.execute(
        update(InboxEntry)
        .where(InboxEntry.id == entry_id)
        .values(state="processed", ticket_id=ticket_id, message_id=message_id)
    )


async def _ticket_of_entry(session: AsyncSession, connection_id: UUID, external_id: str) -> Ticket:
    entry = select(InboxEntry.ticket_id).where(
        InboxEntry.connection_id == connection_id, InboxEntry.external_id == external_id
    )
    return (await session.execute(select(Ticket).where(Ticket.id.in_(entry)))).scalar_one()


async def find_or_create_customer(session: AsyncSession, connection_id: UUID, details: CustomerDetails) -> Customer:
    """By the tenant's own id first, then by address. An address known under another id stays another customer."""
    _check_external_id(details.external_id or details.email)
    identities: list[tuple[str, str]] = []
    if details.external_id:
        ids = dict.fromkeys(clean_line(each) for each in (details.external_id, *details.also))
        identities += [(f"external:{connection_id.hex[:12]}", each) for each in ids if each]
    elif details.email:
        identities.append(("email", clean_line(details.email).casefold()))
    for kind, value in identities:
        found = await session.execute(
            select(CustomerIdentity.customer_id).where(CustomerIdentity.kind == kind, CustomerIdentity.value == value)
        )
        if (customer_id := found.scalar_one_or_none()) is not None:
            customer = await _refresh(session, customer_id, details)
            await _know_by(session, customer, identities)
            return customer
    customer = Customer(
        id=uuid7(), name=clean_line(details.name or ""), email=clean_line(details.email) if details.email else None
    )
    session.add(customer)
    await (session.flush() if identities else put(session))
    if identities and not await _know_by(session, customer, identities):
        await session.delete(customer)
        await session.flush()
        return await find_or_create_customer(session, connection_id, details)
    return customer


async def _know_by(session: AsyncSession, customer: Customer, identities: Sequence[tuple[str, str]]) -> bool:
    """Whether any of the ids is new, and this customer's from now on."""
    added = await session.execute(
        insert(CustomerIdentity)
        .values(
            [
                {
                    "id": uuid7(),
                    "tenant_id": customer.tenant_id,
                    "customer_id": customer.id,
                    "kind": kind,
                    "value": value,
                }
                for kind, value in sorted(identities)
            ]
        )
        .on_conflict_do_nothing(constraint="uq_customer_identities_value")
        .returning(CustomerIdentity.id)
    )
    return bool(added.scalars().all())


async def _refresh(session: AsyncSession, customer_id: UUID, details: CustomerDetails) -> Customer:
    """What the tenant's system says now wins over what it said before; silence changes nothing."""
    customer = await session.get_one(Customer, customer_id)
    if details.name:
        customer.name = clean_line(details.name)
    if details.email:
        customer.email = clean_line(details.email)
    return customer
