"""Asking for a draft. The row in state `writing` is the request; a worker finds it when it is due."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from sqlalchemy import case, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.gathering import put
from desk.db.leases import due_in
from desk.db.unit_of_work import wake
from desk.models import Draft, Ticket

CURRENT = ("writing", "ready")


async def request_draft(
    session: AsyncSession, ticket: Ticket, *, delay_seconds: float = 0.0, instruction: str = "", tone: str = ""
) -> Draft:
    """A new draft for the newest customer message. The one before it becomes `stale`, or `superseded` when it
    answered the same message. The ticket must be locked by the caller."""
    draft = await begin_draft(session, ticket, uuid7())
    draft.instruction, draft.tone = instruction, tone
    await due_in(session, draft, delay_seconds)
    session.add(draft)
    await put(session)
    wake(session, "drafts")
    return draft


async def begin_draft(session: AsyncSession, ticket: Ticket, draft_id: UUID) -> Draft:
    """A draft in the place of the current one, for the caller to write or to make due. The ticket must be locked."""
    if ticket not in session.new:
        await retire_current(session, ticket)
    ticket.level = None
    return Draft(
        id=draft_id, ticket_id=ticket.id, state="writing", based_on_seq=ticket.last_inbound_seq, usd=Decimal(0)
    )


async def retire_current(session: AsyncSession, ticket: Ticket) -> None:
    """End the current draft: it was written for an older state of the conversation, or a newer one replaces it."""
    outdated = Draft.based_on_seq < ticket.last_inbound_seq
    await session.execute(
        update(Draft)
        .where(Draft.ticket_id == ticket.id, Draft.state.in_(CURRENT))
        .values(
            state=case((outdated, "stale"), else_="superseded"),
            due_at=None,
            lease_until=None,
            fence=Draft.fence + 1,
        )
    )


async def leave_stale(session: AsyncSession, ticket: Ticket) -> None:
    """End the current draft because somebody has answered where the desk had no part in it."""
    await session.execute(
        update(Draft)
        .where(Draft.ticket_id == ticket.id, Draft.state.in_(CURRENT))
        .values(state="stale", due_at=None, lease_until=None, fence=Draft.fence + 1)
    )
    ticket.level = None


async def has_current(session: AsyncSession, ticket: Ticket) -> bool:
    found = await session.execute(
        select(Draft.id).where(Draft.ticket_id == ticket.id, Draft.state.in_(CURRENT)).limit(1)
    )
    return found.scalar_one_or_none() is not None


async def restore_set_aside(session: AsyncSession, ticket: Ticket) -> None:
    """Give back the draft that an agent's own reply had set aside, now that the reply was undone."""
    newest = await session.execute(
        select(Draft).where(Draft.ticket_id == ticket.id).order_by(Draft.id.desc()).limit(1).with_for_update()
    )
    draft = newest.scalar_one_or_none()
    if draft is None or draft.state != "superseded" or draft.based_on_seq != ticket.last_inbound_seq:
        return
    if draft.body:
        draft.state = "ready"
        ticket.level = (draft.confidence or {}).get("level")
    else:
        await request_draft(session, ticket)


async def current_draft(session: AsyncSession, ticket: Ticket) -> Draft | None:
    """The draft to look at: the one being written or ready, else the newest failed or decided one for the newest
    customer message."""
    found = await session.execute(
        select(Draft)
        .where(Draft.ticket_id == ticket.id, Draft.state.in_((*CURRENT, "failed", "approved", "sent", "rejected")))
        .order_by(Draft.state.in_(CURRENT).desc(), Draft.id.desc())
        .limit(1)
    )
    return found.scalar_one_or_none()
