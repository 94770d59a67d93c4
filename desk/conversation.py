"""A ticket's thread: locking it, appending to it, reading what the customer asked."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk import events
from desk.db.gathering import put
from desk.db.leases import Claim, LostLeaseError, database_time, hold
from desk.errors import NotFoundError
from desk.greetings import is_only_greeting
from desk.models import Delivery, Draft, Message, RemoteChange, Review, Ticket
from desk.quality import renew_quality
from desk.quality.renewing import FINISHED
from desk.signals import note_signals

_OfTicket = TypeVar("_OfTicket", Draft, Delivery, Review, RemoteChange)
LIVE_CHANNELS = frozenset({"chat", "widget"})
"""Where somebody waits in front of a screen, writes messages without a subject, and is told what happens."""

MESSENGERS = frozenset({"whatsapp_twilio", "whatsapp_meta"})
"""Where people write messages without a subject and do not wait in front of a screen."""


async def hold_with_ticket(session: AsyncSession, row_type: type[_OfTicket], held: Claim) -> tuple[_OfTicket, Ticket]:
    """A claimed row and its ticket, both locked: ticket first, row second, as everyone locks.

    Raises LostLeaseError when the row is gone or was claimed again.
    """
    found = await session.execute(
        select(Ticket)
        .join(row_type, row_type.ticket_id == Ticket.id)
        .where(row_type.id == held.row_id)
        .with_for_update(of=Ticket)
        .execution_options(populate_existing=True)
    )
    ticket = found.scalar_one_or_none()
    if ticket is None:
        raise LostLeaseError(f"{held.kind} {held.row_id} is gone")
    return await hold(session, row_type, held), ticket


async def lock_ticket(session: AsyncSession, ticket_id: UUID) -> Ticket:
    """The ticket, locked against everyone else who would change it. Raises NotFoundError."""
    ticket = await session.get(Ticket, ticket_id, with_for_update=True, populate_existing=True)
    if ticket is None:
        msg = "there is no such ticket"
        raise NotFoundError(msg)
    return ticket


async def add_customer_message(
    session: AsyncSession, ticket: Ticket, body: str, *, external_id: str | None, name: str
) -> Message:
    """Append what the customer wrote and put the ticket back into the queue."""
    message = await append_message(session, ticket, "customer", body, name=name, external_id=external_id)
    ticket.last_inbound_seq = message.seq
    ticket.waiting_since = ticket.waiting_since or message.sent_at
    was_finished = ticket.status in FINISHED
    if ticket.status != "open":
        ticket.status = "open"
    ticket.snoozed_until = None
    await note_signals(session, ticket, message)
    if was_finished:
        events.record(session, ticket.id, "ticket_reopened", reason="the customer wrote again")
        await renew_quality(session, ticket)
    return message


async def append_message(
    session: AsyncSession, ticket: Ticket, author: str, body: str, *, name: str, external_id: str | None = None
) -> Message:
    """The ticket must be locked or new: sequence numbers have no gaps and no doubles."""
    ticket.last_seq += 1
    now = await database_time(session)
    message = Message(
        id=uuid7(),
        ticket_id=ticket.id,
        seq=ticket.last_seq,
        author=author,
        body=body,
        sent_at=now,
        author_name=name,
        external_id=external_id,
    )
    if author != "note":
        ticket.last_message_at = now
    session.add(message)
    await put(session)
    return message


async def customer_words(session: AsyncSession, ticket: Ticket, through_seq: int) -> str:
    """What the reply answers: subject and the customer's messages since the last reply, oldest first."""
    return words_of(ticket, await _said_since_reply(session, ticket, through_seq))


async def _said_since_reply(session: AsyncSession, ticket: Ticket, through_seq: int) -> list[str]:
    answered = (
        select(Message.seq)
        .where(Message.ticket_id == ticket.id, Message.author.in_(("agent", "machine")), Message.seq < through_seq)
        .order_by(Message.seq.desc())
        .limit(1)
    )
    since = (await session.execute(answered)).scalar_one_or_none() or 0
    bodies = await session.execute(
        select(Message.body)
        .where(
            Message.ticket_id == ticket.id,
            Message.author == "customer",
            Message.seq > since,
            Message.seq <= through_seq,
        )
        .order_by(Message.seq)
    )
    return list(bodies.scalars())


def words_of(ticket: Ticket, said: list[str]) -> str:
    """`customer_words` for who has read the messages: `said` are those since the last reply, oldest first."""
    if ticket.channel in LIVE_CHANNELS:
        # Somebody who was greeted back and then asks has asked one question, not two.
        said = [body for body in said if not is_only_greeting(body)] or said
    return "\n\n".join([written_subject(ticket), *said]).strip()


def written_subject(ticket: Ticket) -> str:
    """What the customer wrote as a subject. A conversation by messages has none: its title is made from its first
    message, and read again with every later question it would only lead away from that."""
    return "" if ticket.channel in LIVE_CHANNELS | MESSENGERS else ticket.subject
