"""Handing a ticket to a person, with a reason code, once."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.accounts.identity import Actor
from desk.conversation import lock_ticket
from desk.db.leases import database_time
from desk.db.unit_of_work import Database, announce
from desk.models import Ticket, TicketEvent
from desk.plain_text import clean_line

LONGEST_REASON = 60


async def escalate(session: AsyncSession, ticket: Ticket, reason: str, actor: str) -> None:
    """Mark the locked ticket; the first reason stays, later ones are in its history."""
    if ticket.escalated_at is None:
        ticket.escalated_at, ticket.escalation_reason = await database_time(session), reason[:LONGEST_REASON]
        if ticket.priority in {"low", "normal"}:
            ticket.priority = "high"
    events.record(session, ticket.id, "ticket_escalated", actor, reason=reason)


async def escalate_ticket(
    database: Database, actor: Actor, ticket_id: UUID, *, reason: str, requested_by: str | None
) -> Ticket:
    """By hand or by API. Raises NotFoundError."""
    async with database.transaction(actor.scope) as session:
        ticket = await lock_ticket(session, ticket_id)
        await escalate(session, ticket, clean_line(reason) or "agent_asked", clean_line(requested_by or actor.label))
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return ticket


async def settle_escalation(session: AsyncSession, ticket: Ticket, actor: str, **detail: Any) -> None:
    """A person has taken it: the mark goes, the history stays and says what it was."""
    if ticket.escalated_at is None:
        return
    mark = {"since": ticket.escalated_at.isoformat(), "reason": ticket.escalation_reason}
    ticket.escalated_at, ticket.escalation_reason = None, None
    events.record(session, ticket.id, "escalation_settled", actor, **mark, **detail)


async def restore_escalation(session: AsyncSession, ticket: Ticket, delivery_id: UUID, actor: str) -> None:
    """The mark as it was before this reply settled it, where it did and nobody has set another since."""
    settled = await session.execute(
        select(TicketEvent.detail).where(
            TicketEvent.ticket_id == ticket.id,
            TicketEvent.kind == "escalation_settled",
            TicketEvent.detail["delivery"].astext == str(delivery_id),
        )
    )
    mark = settled.scalar_one_or_none()
    if mark is None or ticket.escalated_at is not None:
        return
    ticket.escalated_at, ticket.escalation_reason = datetime.fromisoformat(mark["since"]), mark["reason"]
    events.record(session, ticket.id, "ticket_escalated", actor, reason=mark["reason"], delivery=str(delivery_id))
