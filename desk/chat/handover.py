"""Handing a live conversation to a person: told to the visitor at once, and from then on the machine keeps quiet.
Who has only said hello is asked what it is about first, once.

A notice in the ticket's history marks the place in the conversation; it is no message, so that what the customer
asked is still unanswered, for the queue and for the draft.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.escalation import escalate
from desk.greetings import is_only_greeting
from desk.models import Delivery, Message, Ticket, TicketEvent

NOTICE = "handed_over"
DETAILS = "details_asked"


@dataclass(frozen=True, slots=True)
class Notice:
    """The visitor was told that a person will answer."""

    after_seq: int
    """Sequence of the message it stands under."""
    reason: str


async def is_with_person(session: AsyncSession, ticket: Ticket) -> bool:
    """Whether the conversation is a person's: handed over, assigned, or last answered by one, sent yet or not."""
    if ticket.escalated_at is not None or ticket.assignee_id is not None:
        return True
    if ticket in session.new:
        return False
    newest = await session.execute(
        select(Delivery.is_automatic)
        .where(Delivery.ticket_id == ticket.id, Delivery.state.not_in(("cancelled", "failed")))
        .order_by(Delivery.id.desc())
        .limit(1)
    )
    return newest.scalar_one_or_none() is False


async def hand_over(session: AsyncSession, ticket: Ticket, reason: str, actor: str = "desk") -> bool:
    """Mark the locked ticket and leave the notice. False, and nothing done, when it is a person's already."""
    if await is_with_person(session, ticket):
        return False
    events.record(session, ticket.id, NOTICE, actor, seq=ticket.last_inbound_seq, reason=reason)
    await escalate(session, ticket, reason, actor)
    return True


async def tell_who_waits(session: AsyncSession, ticket: Ticket, reason: str) -> bool:
    """There is no answer to let out: a person will give it. Who has only greeted is asked for more instead, once.

    True when the visitor knows how it goes on; False, and nothing done, when it is a person's already.
    """
    if await is_with_person(session, ticket):
        return False
    asked = await details_asked_after(session, ticket)
    if asked:
        if asked[-1] == ticket.last_inbound_seq:
            return True
    elif await _only_greets(session, ticket):
        events.record(session, ticket.id, DETAILS, seq=ticket.last_inbound_seq)
        return True
    return await hand_over(session, ticket, reason)


async def _only_greets(session: AsyncSession, ticket: Ticket) -> bool:
    added = (row for row in session.new if isinstance(row, Message) and row.seq == ticket.last_inbound_seq)
    if (message := next(added, None)) is not None:
        return is_only_greeting(message.body)
    newest = await session.execute(
        select(Message.body).where(Message.ticket_id == ticket.id, Message.seq == ticket.last_inbound_seq)
    )
    return is_only_greeting(newest.scalar_one_or_none() or "")


async def notices(session: AsyncSession, ticket: Ticket) -> Sequence[Notice]:
    """Oldest first."""
    found = await _details_of(session, ticket, NOTICE)
    return [Notice(int(detail["seq"]), str(detail["reason"])) for detail in found]


async def details_asked_after(session: AsyncSession, ticket: Ticket) -> tuple[int, ...]:
    """Sequences of the messages under which the visitor was asked what it is about, oldest first."""
    return tuple(int(detail["seq"]) for detail in await _details_of(session, ticket, DETAILS))


async def _details_of(session: AsyncSession, ticket: Ticket, kind: str) -> Sequence[dict[str, Any]]:
    if ticket in session.new:
        return ()
    found = await session.execute(
        select(TicketEvent.detail)
        .where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == kind)
        .order_by(TicketEvent.created_at, TicketEvent.id)
    )
    return found.scalars().all()
