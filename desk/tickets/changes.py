"""What an agent sets on a ticket: status, assignee, tags, priority, department, snooze, spam."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.accounts.identity import Actor
from desk.conversation import lock_ticket
from desk.db.leases import database_time
from desk.db.unit_of_work import Database, announce
from desk.errors import InvalidInputError
from desk.escalation import settle_escalation
from desk.handing_over import HANDED_OVER, hand_over
from desk.models import Draft, Membership, Message, Ticket
from desk.models.tickets import PRIORITIES, TICKET_STATUSES
from desk.plain_text import clean_line
from desk.quality import renew_quality

MOST_TAGS = 30
LONGEST_TAG = 60
LONGEST_DEPARTMENT = 100
_FINISHED = ("resolved", "closed")


class TicketChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Only what is given is changed; null empties what can be empty."""

    status: str | UnsetType = UNSET
    assignee: UUID | UnsetType | None = UNSET
    """The id of a member of the tenant."""
    tags: list[str] | UnsetType = UNSET
    priority: str | UnsetType = UNSET
    department: str | UnsetType | None = UNSET
    snoozed_until: datetime | UnsetType | None = UNSET
    spam: bool | UnsetType = UNSET


async def change_ticket(database: Database, actor: Actor, ticket_id: UUID, change: TicketChange) -> Ticket:
    """Raises NotFoundError, and InvalidInputError naming the field."""
    async with database.transaction(actor.scope) as session:
        ticket = await lock_ticket(session, ticket_id)
        before = _state(ticket)
        await _apply(session, ticket, change, actor.label)
        after = _state(ticket)
        changed = {name: {"from": before[name], "to": after[name]} for name in after if after[name] != before[name]}
        if changed:
            events.record(session, ticket.id, "ticket_changed", actor.label, **changed)
            if "status" in changed:
                await renew_quality(session, ticket)
            for field in HANDED_OVER:
                if field in changed:
                    await hand_over(session, ticket, field, after[field] or "", actor.label)
            await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return ticket


async def take_over_change(session: AsyncSession, ticket: Ticket, change: TicketChange, by: str) -> None:
    """What was changed in another system that keeps this ticket too: not handed back to it. The ticket is locked."""
    before = _state(ticket)
    await _apply(session, ticket, change, by)
    after = _state(ticket)
    changed = {name: {"from": before[name], "to": after[name]} for name in after if after[name] != before[name]}
    if changed:
        events.record(session, ticket.id, "ticket_changed", by, **changed)
        if "status" in changed:
            await renew_quality(session, ticket)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)


async def _apply(session: AsyncSession, ticket: Ticket, change: TicketChange, by: str) -> None:
    if change.assignee is not UNSET:
        ticket.assignee_id = await _member(session, change.assignee)
    if change.tags is not UNSET:
        ticket.tags = _tags(change.tags)
    if change.priority is not UNSET:
        ticket.priority = _one_of("priority", change.priority, PRIORITIES)
    if change.department is not UNSET:
        ticket.department = clean_line(change.department or "")[:LONGEST_DEPARTMENT] or None
    if change.snoozed_until is not UNSET:
        ticket.snoozed_until = await _future(session, change.snoozed_until)
    if change.spam is not UNSET:
        ticket.is_spam = change.spam
    if change.status is not UNSET:
        ticket.status = _one_of("status", change.status, TICKET_STATUSES)
        ticket.waiting_since = None if ticket.status in _FINISHED else await unanswered_since(session, ticket)
    if ticket.status in _FINISHED:
        await settle_escalation(session, ticket, by)
    if ticket.status in _FINISHED or ticket.is_spam:
        await _stop_writing(session, ticket)


def _state(ticket: Ticket) -> dict[str, Any]:
    return {
        "status": ticket.status,
        "assignee": str(ticket.assignee_id) if ticket.assignee_id else None,
        "tags": list(ticket.tags),
        "priority": ticket.priority,
        "department": ticket.department,
        "snoozed_until": ticket.snoozed_until.isoformat() if ticket.snoozed_until else None,
        "spam": ticket.is_spam,
    }


async def unanswered_since(session: AsyncSession, ticket: Ticket) -> datetime | None:
    """When the oldest customer message after the last reply came; None when there is none."""
    answered = (
        select(Message.seq)
        .where(Message.ticket_id == ticket.id, Message.author.in_(("agent", "machine")))
        .order_by(Message.seq.desc())
        .limit(1)
    )
    last_reply = (await session.execute(answered)).scalar_one_or_none() or 0
    waiting = (
        select(Message.sent_at)
        .where(Message.ticket_id == ticket.id, Message.author == "customer", Message.seq > last_reply)
        .order_by(Message.seq)
        .limit(1)
    )
    return (await session.execute(waiting)).scalar_one_or_none()


async def reopen(session: AsyncSession, ticket: Ticket) -> None:
    """Put the locked ticket back into the queue: its reply did not go out."""
    ticket.status = "open"
    ticket.waiting_since = ticket.waiting_since or await unanswered_since(session, ticket)


async def _stop_writing(session: AsyncSession, ticket: Ticket) -> None:
    """Nothing is to be sent by itself into a ticket a person has put away; a finished draft stays for reopening."""
    await session.execute(
        update(Draft)
        .where(Draft.ticket_id == ticket.id, Draft.state == "writing")
        .values(state="superseded", due_at=None, lease_until=None, fence=Draft.fence + 1)
    )


async def _member(session: AsyncSession, user_id: UUID | None) -> UUID | None:
    if user_id is None:
        return None
    found = await session.execute(select(Membership.user_id).where(Membership.user_id == user_id))
    if found.scalar_one_or_none() is None:
        msg = "assignee must be a member of this tenant"
        raise InvalidInputError(msg)
    return user_id


def _tags(tags: list[str]) -> list[str]:
    cleaned = list(dict.fromkeys(tag for each in tags if (tag := clean_line(each))))
    if len(cleaned) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in cleaned):
        msg = f"tags: at most {MOST_TAGS}, each of at most {LONGEST_TAG} characters"
        raise InvalidInputError(msg)
    return cleaned


async def _future(session: AsyncSession, moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        msg = "snoozed_until needs a time zone, such as 2026-01-31T09:00:00Z"
        raise InvalidInputError(msg)
    if moment <= await database_time(session):
        msg = "snoozed_until must be in the future"
        raise InvalidInputError(msg)
    return moment


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        msg = f"{name} must be one of {', '.join(allowed)}"
        raise InvalidInputError(msg)
    return value
