"""What was read becomes a message of a ticket, or says what became of a reply that was sent earlier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.attachments.kept import GivenFile, KeptFile, row_of
from desk.attachments.pictures import wish_for_descriptions
from desk.conversation import add_customer_message, append_message, lock_ticket
from desk.customer_facts import wish_for_facts
from desk.customers.proofs import prove_sender
from desk.db.unit_of_work import announce
from desk.delivery import confirm_delivery, return_delivery
from desk.drafting.requests import request_draft, retire_current
from desk.inbound.marks import file_mark, file_reaction
from desk.inbound.remote import add_from_colleague, date_back, known_from_remote, link_ticket, take_over
from desk.inbound.texts import body_of, name_of, shown_quote
from desk.inbound.threading import find_ticket, takes_part
from desk.intake import LONGEST_SUBJECT, CustomerDetails, find_or_create_customer, open_ticket
from desk.models import Attachment, Connection, Customer, Delivery, Message, Ticket
from desk.plain_text import clean_line
from desk.ports import (
    ConnectionDetails,
    DeliveryMark,
    DeliveryReport,
    Ignored,
    Inbound,
    InboundFile,
    InboundMessage,
    Reaction,
    ReadAgain,
    RemoteState,
    Sender,
)
from desk.reachability import note_consent

FACTS_HEAD_START_SECONDS = 3.0
"""What another system knows of the customer is fetched at the same moment, and the draft is better with it."""


@dataclass(frozen=True, slots=True)
class Filed:
    ticket_id: UUID
    message_id: UUID | None
    """None when only the ticket was changed."""


async def file_inbound(
    session: AsyncSession,
    connection: ConnectionDetails,
    inbound: Inbound,
    entry_id: UUID,
    files: Sequence[KeptFile],
    debounce_seconds: float,
    *,
    has_facts: bool = False,
) -> Filed | Ignored | None:
    """In the caller's transaction, once: the inbox row's state is what keeps it from happening twice.

    None when it is about something that may yet become known.

    `has_facts`: the channel's other side knows things about its customers.
    """
    if isinstance(inbound, DeliveryReport):
        filed = await _file_report(session, connection, inbound)
        if filed is not None:
            return filed
        inbound = inbound.original or Ignored(
            f"a report on a delivery that this connection did not make: {inbound.detail}"
        )
    if not isinstance(inbound, InboundMessage):
        return await _file_news(session, connection, inbound)
    filed = await _file_message(session, connection, inbound, entry_id, debounce_seconds, has_facts=has_facts)
    if isinstance(filed, Filed):
        rows: list[Attachment] = []
        for kept in files:
            row = row_of(kept)
            row.ticket_id, row.message_id = filed.ticket_id, filed.message_id
            session.add(row)
            rows.append(row)
        if rows and filed.message_id is not None:
            await wish_for_descriptions(session, await session.get_one(Message, filed.message_id), rows)
    return filed


async def _file_news(
    session: AsyncSession,
    connection: ConnectionDetails,
    news: DeliveryMark | Reaction | RemoteState | ReadAgain | Ignored,
) -> Filed | Ignored | None:
    """What is no message."""
    match news:
        case DeliveryMark():
            return await file_mark(session, connection, news)
        case Reaction():
            return await file_reaction(session, connection, news)
        case RemoteState():
            changed = await take_over(session, connection, news, await _channel_words(session, connection))
            return changed if isinstance(changed, Ignored) else Filed(changed.id, None)
        case ReadAgain():
            return Ignored("said that something has happened; the ticket was looked at")
        case Ignored():
            return news


def given_files(inbound: Inbound, fetched: Sequence[InboundFile] = ()) -> tuple[GivenFile, ...]:
    """What is to be kept before the message is filed; of a report nothing is."""
    if not isinstance(inbound, InboundMessage):
        return ()
    files = (*inbound.files, *fetched)
    return tuple(GivenFile(each.name, each.content_type, each.content, each.content_id) for each in files)


async def _file_message(
    session: AsyncSession,
    connection: ConnectionDetails,
    message: InboundMessage,
    entry_id: UUID,
    debounce_seconds: float,
    *,
    has_facts: bool,
) -> Filed | Ignored:
    known = await _known_copy(session, connection, message)
    if known is not None:
        return known
    await _one_at_a_time(session, connection, message)
    ticket = await find_ticket(session, connection, message)
    if ticket is not None and (own := await known_from_remote(session, ticket, message)) is not None:
        return own
    if ticket is not None and message.is_reply_by_machine:
        return await _add_beside(session, ticket, message, "automatic_reply", body_of(message))
    is_new = ticket is None
    if ticket is None:
        ticket = await _begin_ticket(session, connection, message)
    if message.remote is not None:
        await link_ticket(session, connection, ticket, message.remote)
    key = await _free_key(session, ticket, message.key, entry_id)
    if message.author != "customer":
        words = await _channel_words(session, connection)
        return Filed(ticket.id, (await add_from_colleague(session, ticket, message, key, words)).id)
    added = await add_customer_message(session, ticket, body_of(message), external_id=key, name=name_of(message))
    added.quoted, added.html = shown_quote(message), message.html
    added.automatic = message.automatic
    added.reply_to = await _reply_to(session, connection, ticket, message, is_new=is_new)
    await prove_sender(session, connection, await _channel_of(session, connection), message.sender)
    await date_back(session, ticket, added, message.sent_at if message.remote else None)
    if not is_new:
        events.record(session, ticket.id, "message_received", seq=added.seq)
    await _follow(session, connection, ticket, message, debounce_seconds, has_facts=has_facts)
    await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return Filed(ticket.id, added.id)


async def _follow(
    session: AsyncSession,
    connection: ConnectionDetails,
    ticket: Ticket,
    message: InboundMessage,
    debounce_seconds: float,
    *,
    has_facts: bool,
) -> None:
    """What the message asks for."""
    if message.consent:
        await _note_consent(session, ticket, message)
    elif message.is_reply_by_machine:
        ticket.waiting_since, ticket.tags = None, list(dict.fromkeys([*ticket.tags, "automatic"]))
    elif not message.is_past:
        delay = await _delay(session, ticket, connection, debounce_seconds, has_facts=has_facts)
        await request_draft(session, ticket, delay_seconds=delay)


async def _note_consent(session: AsyncSession, ticket: Ticket, message: InboundMessage) -> None:
    """Shown in the conversation, and nothing waits for an answer to it."""
    stops = message.consent == "stop"
    await note_consent(session, ticket, stops=stops)
    await retire_current(session, ticket)
    ticket.waiting_since = None
    events.record(session, ticket.id, "opted_out" if stops else "opted_in")


async def _delay(
    session: AsyncSession, ticket: Ticket, connection: ConnectionDetails, debounce_seconds: float, *, has_facts: bool
) -> float:
    """Until the draft is begun, in seconds; asks for the customer's facts where there are any."""
    if not has_facts or not await wish_for_facts(session, ticket.customer_id, connection.connection_id):
        return debounce_seconds
    return max(debounce_seconds, FACTS_HEAD_START_SECONDS)


async def _begin_ticket(session: AsyncSession, connection: ConnectionDetails, message: InboundMessage) -> Ticket:
    row = await session.get_one(Connection, connection.connection_id)
    remote = message.remote
    sender = message.sender if remote is None else remote.requester
    if sender.verified is False:
        # Somebody who writes under another's address: a customer apart, whom no look-up by address finds.
        customer = Customer(name=clean_line(sender.name)[:200], email=clean_line(sender.address) or None)
        session.add(customer)
        await session.flush()
    else:
        customer = await find_or_create_customer(session, row.id, _details(sender))
    subject = clean_line(message.subject)[:LONGEST_SUBJECT] or "(no subject)"
    department = remote.department.here[0] if remote and remote.department and remote.department.here else None
    ticket = await open_ticket(session, row, customer, subject=subject, department=department)
    ticket.external_id = message.external_ticket_id or None
    if remote is not None and remote.priority is not None and remote.priority.here:
        ticket.priority = remote.priority.here[0]
    events.record(session, ticket.id, "ticket_created", channel=ticket.channel)
    if sender.verified is False:
        events.record(session, ticket.id, "sender_not_genuine", address=sender.address)
    return ticket


def _details(sender: Sender) -> CustomerDetails:
    return CustomerDetails(
        external_id=sender.external_id or None,
        email=sender.address or None,
        name=clean_line(sender.name)[:200] or None,
        also=sender.also,
    )


async def _known_copy(session: AsyncSession, connection: ConnectionDetails, message: InboundMessage) -> Ignored | None:
    """A copy that came another way (over a list, as a blind copy) differs in its headers only."""
    if not message.key:
        return None
    # One after another, so that two copies at once do not both find nothing.
    await session.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"{connection.connection_id}:{message.key}", 0)))
    )
    # Where another system keeps the messages a key is never used twice; anywhere else the words must be the same too.
    same = true() if message.remote is not None else Message.body == body_of(message)
    known = await session.execute(
        select(Message.id)
        .join(Ticket, Ticket.id == Message.ticket_id)
        .where(Message.external_id == message.key, same, Ticket.connection_id == connection.connection_id)
        .limit(1)
    )
    return Ignored("a copy of a message that is here already") if known.scalar_one_or_none() else None


async def _one_at_a_time(session: AsyncSession, connection: ConnectionDetails, message: InboundMessage) -> None:
    """Two first messages of one conversation, read at once, must not each begin a ticket of its own."""
    whose = message.external_ticket_id or (message.sender.external_id if message.joins_newest else "")
    if whose:
        lock = f"{connection.connection_id}:conversation:{whose}"
        await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(lock, 0))))


async def _free_key(session: AsyncSession, ticket: Ticket, key: str, entry_id: UUID) -> str | None:
    """Broken senders use one id for several messages; the second one of a ticket gets its inbox row's beside it."""
    if not key:
        return None
    taken = await session.execute(
        select(Message.id).where(Message.ticket_id == ticket.id, Message.external_id == key).limit(1)
    )
    return key if taken.scalar_one_or_none() is None else f"{key}#{entry_id}"


async def _reply_to(
    session: AsyncSession, connection: ConnectionDetails, ticket: Ticket, message: InboundMessage, *, is_new: bool
) -> dict[str, Any] | None:
    """Where the answer goes, frozen now. A third person who writes with a ticket's token joins the conversation, and
    the answers still go to its customer."""
    if ticket.connection_id != connection.connection_id:
        return None
    recipient = dict(message.recipient)
    if is_new or not message.sender.address or await takes_part(session, ticket, message.sender):
        return recipient
    events.record(session, ticket.id, "participant_wrote", address=message.sender.address)
    return {**recipient, **await _customers_address(session, ticket)}


async def _channel_words(session: AsyncSession, connection: ConnectionDetails) -> str:
    """What people call the other system: the connection's own name."""
    return (await session.get_one(Connection, connection.connection_id)).name


async def _channel_of(session: AsyncSession, connection: ConnectionDetails) -> str:
    return (await session.get_one(Connection, connection.connection_id)).channel


async def _customers_address(session: AsyncSession, ticket: Ticket) -> Mapping[str, Any]:
    customer = await session.get_one(Customer, ticket.customer_id)
    return {"email": customer.email, "name": customer.name}


async def _add_beside(session: AsyncSession, ticket: Ticket, message: InboundMessage, kind: str, body: str) -> Filed:
    """Shown in the conversation as a note: it is no customer's word, so nothing waits for an answer to it."""
    note = await append_message(session, ticket, "note", body, name=name_of(message))
    note.automatic = message.automatic or "report"
    note.quoted, note.html = shown_quote(message), message.html
    events.record(session, ticket.id, kind, seq=note.seq)
    await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return Filed(ticket.id, note.id)


async def _file_report(
    session: AsyncSession, connection: ConnectionDetails, report: DeliveryReport
) -> Filed | Ignored | None:
    """None when it fits no delivery of this connection to this recipient: reports are forged as easily as mail."""
    found = await session.execute(
        select(Delivery.id, Delivery.ticket_id)
        .where(
            Delivery.connection_id == connection.connection_id,
            Delivery.provider_id.in_(report.provider_ids),
            func.lower(func.coalesce(Delivery.recipient["email"].astext, "")) == report.recipient.casefold(),
        )
        .limit(1)
    )
    row = found.one_or_none()
    if row is None:
        return None
    ticket = await lock_ticket(session, row.ticket_id)
    delivery = await session.get_one(Delivery, row.id, with_for_update=True, populate_existing=True)
    if report.action == "delivered":
        await confirm_delivery(session, delivery, ticket, report.detail)
        return Ignored("confirms that a reply was delivered")
    shown = report.original or InboundMessage(key="", sender=Sender(), body=report.detail)
    if report.action == "failed":
        await return_delivery(session, delivery, ticket, report.detail)
        words = f"The reply to {report.recipient} came back: {report.detail}"
        return await _add_beside(session, ticket, replace(shown, automatic="bounce"), "reply_returned", words)
    words = f"The reply to {report.recipient} is delayed and still being tried: {report.detail}"
    return await _add_beside(session, ticket, replace(shown, automatic="bounce"), "reply_delayed", words)
