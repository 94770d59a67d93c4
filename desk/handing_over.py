"""What is changed here about a ticket that another system keeps too is put into the outbox of changes."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.leases import database_time, due_in
from desk.db.unit_of_work import wake
from desk.models import RemoteChange, RemoteLink, Ticket
from desk.ports import ChangeField

HANDED_OVER: tuple[ChangeField, ...] = ("status", "priority", "department")


async def remote_link(session: AsyncSession, ticket_id: UUID) -> RemoteLink | None:
    """The other system's ticket that replies go to; None when no other system keeps this ticket."""
    found = await session.execute(
        select(RemoteLink)
        .join(Ticket, Ticket.id == RemoteLink.ticket_id)
        .where(RemoteLink.ticket_id == ticket_id)
        .order_by((RemoteLink.external_id == Ticket.external_id).desc(), RemoteLink.id.desc())
        .limit(1)
    )
    return found.scalar_one_or_none()


async def hand_over(
    session: AsyncSession, ticket: Ticket, field: ChangeField, value: str, by: str, *, message_id: UUID | None = None
) -> None:
    """Nothing happens for a ticket that only the desk keeps. The ticket is locked.

    A newer change of the same thing takes the place of one that has not gone out yet; notes all go out.
    """
    link = await remote_link(session, ticket.id)
    if link is None or link.gone:
        return
    if field != "note":
        await session.execute(
            update(RemoteChange)
            .where(RemoteChange.ticket_id == ticket.id, RemoteChange.field == field, RemoteChange.state == "pending")
            .values(state="superseded", due_at=None, lease_until=None, fence=RemoteChange.fence + 1)
        )
    change = RemoteChange(
        id=uuid7(),
        ticket_id=ticket.id,
        connection_id=link.connection_id,
        field=field,
        value=value,
        message_id=message_id,
        decided_by=by,
        decided_at=await database_time(session),
        state="pending",
    )
    await due_in(session, change, 0)
    session.add(change)
    await session.flush()
    wake(session, "remote_changes")


async def open_changes(session: AsyncSession, ticket_id: UUID) -> list[RemoteChange]:
    """What has not arrived over there and needs somebody to know, newest first; of each thing the newest only."""
    found = await session.execute(
        select(RemoteChange)
        .where(RemoteChange.ticket_id == ticket_id, RemoteChange.state.in_(("failed", "uncertain", "sent")))
        .order_by(RemoteChange.id.desc())
    )
    newest: dict[str, RemoteChange] = {}
    for row in found.scalars():
        newest.setdefault(str(row.id) if row.field == "note" else row.field, row)
    return [row for row in newest.values() if row.state != "sent"]
