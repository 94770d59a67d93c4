"""Signals raise a ticket's priority. They never lower it, and no guard reads them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.db.leases import database_time
from desk.db.unit_of_work import announce
from desk.models import Message, Ticket
from desk.models.tickets import PRIORITIES
from desk.signals.reading import LONG_WAIT_HOURS, Signals, read_signals

MOST_AT_ONCE = 200
"""Tickets raised in one go; the clock comes again in a minute."""


def asked_priority(signals: Signals) -> str:
    """The priority these signals speak for; `low` when they ask for none."""
    if signals.urgency == "high":
        return "urgent" if signals.sentiment == "negative" else "high"
    if signals.urgency == "raised" or signals.sentiment == "negative":
        return "high"
    return "low"


def raised(priority: str, signals: Signals, before: str) -> str:
    """The priority with the signals taken into account: never a lower one.

    `before` is what earlier signals had asked for: what a person has put down again stays down until something new
    is said.
    """
    asked = asked_priority(signals)
    if PRIORITIES.index(asked) <= PRIORITIES.index(before):
        return priority
    return max(priority, asked, key=PRIORITIES.index)


async def note_signals(session: AsyncSession, ticket: Ticket, message: Message) -> None:
    """Read what a customer just wrote, and raise the ticket for it. The ticket must be locked or new."""
    await _note(session, ticket, message, message.sent_at)


async def raise_for_waiting(session: AsyncSession) -> int:
    """Raise tickets of the session's tenant whose customers have waited long without writing again.

    Done once for each wait; returns how many.
    """
    now = await database_time(session)
    found = await session.scalars(
        select(Ticket)
        .where(
            Ticket.status == "open",
            Ticket.waiting_since <= now - timedelta(hours=LONG_WAIT_HOURS),
            ~Ticket.is_history,
            ~Ticket.is_spam,
            Ticket.signals["has_waited"].as_boolean().is_not(True),
        )
        .order_by(Ticket.waiting_since)
        .limit(MOST_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    tickets = found.all()
    for ticket in tickets:
        newest = select(Message).where(Message.ticket_id == ticket.id, Message.seq == ticket.last_inbound_seq)
        message = (await session.scalars(newest)).one_or_none()
        if message is None:
            ticket.signals = {**ticket.signals, "has_waited": True}
            continue
        await _note(session, ticket, message, now)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return len(tickets)


async def _note(session: AsyncSession, ticket: Ticket, message: Message, at: datetime) -> None:
    hours = 0.0
    if ticket.waiting_since is not None:
        hours = (at - ticket.waiting_since).total_seconds() / 3600
    words = message.body if message.seq > 1 else f"{ticket.subject}\n{message.body}"
    signals = read_signals(words, repeated=await _unanswered(session, ticket, message), waiting_hours=hours)
    before = str((ticket.signals or {}).get("asked", "low"))
    priority = raised(ticket.priority or "normal", signals, before)
    asked = max(before, asked_priority(signals), key=PRIORITIES.index)
    ticket.signals = {
        **asdict(signals),
        "reasons": list(signals.reasons),
        "asked": asked,
        "has_waited": hours >= LONG_WAIT_HOURS,
    }
    if priority != (ticket.priority or "normal"):
        ticket.priority = priority
        why = f"{priority}, because of {', '.join(signals.reasons)}"
        events.record(session, ticket.id, "priority_raised", priority=priority, reason=why)


async def _unanswered(session: AsyncSession, ticket: Ticket, message: Message) -> int:
    """How many messages before this one nobody has answered."""
    if message.seq == 1:
        return 0
    found = await session.execute(
        select(func.count()).where(
            Message.ticket_id == ticket.id,
            Message.author == "customer",
            Message.seq < message.seq,
            Message.sent_at >= ticket.waiting_since,
        )
    )
    return found.scalar_one()
