"""Claiming work rows under a lease, with a fencing token.

The database's clock decides when a lease ends. A worker that lost its lease finds that its fence is stale
and changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.elements import ColumnElement

from desk.db.tenancy import BEGUN, Scope
from desk.db.unit_of_work import Database
from desk.models.base import TenantRow, Work


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on one row until the lease ends."""

    kind: str
    row_id: UUID
    tenant_id: UUID
    fence: int

    @property
    def scope(self) -> Scope:
        return Scope(self.tenant_id)


_Row = TypeVar("_Row", bound=TenantRow)


class LostLeaseError(Exception):
    """Another worker has taken the row over; whatever was prepared is dropped."""


async def claim(database: Database, kind: str, most: int, lease_seconds: float) -> list[Claim]:
    """Up to `most` due rows of the table `kind`, over all tenants, oldest first."""
    rows = await database.look_up(
        "SELECT id, tenant_id, fence FROM desk_claim_work(:kind, :most, :lease)",
        kind=kind,
        most=most,
        lease=lease_seconds,
    )
    return [Claim(kind, row["id"], row["tenant_id"], row["fence"]) for row in rows]


async def claim_these(
    session: AsyncSession, row_type: type[_Row], row_ids: Sequence[UUID], lease_seconds: float
) -> list[Claim]:
    """Those of the given rows of the session's tenant that are due and that nobody works on."""
    columns: Any = row_type
    fence: InstrumentedAttribute[int] = columns.fence
    attempts: InstrumentedAttribute[int] = columns.attempts
    due: ColumnElement[bool] = columns.id.in_(row_ids) & (columns.due_at <= func.now())
    unheld: ColumnElement[bool] = columns.lease_until.is_(None) | (columns.lease_until < func.now())
    free = select(row_type.id).where(due, unheld).with_for_update(skip_locked=True)
    claimed = await session.execute(
        update(row_type)
        .where(row_type.id.in_(free))
        .values(
            lease_until=func.now() + timedelta(seconds=lease_seconds),
            fence=fence + 1,
            attempts=attempts + 1,
        )
        .returning(row_type.id, row_type.tenant_id, fence)
    )
    return [Claim(str(row_type.__tablename__), *row) for row in claimed]


async def hold(session: AsyncSession, row_type: type[_Row], held: Claim) -> _Row:
    """The claimed row, locked until the transaction ends. Raises LostLeaseError when the fence is stale."""
    row = await session.get(row_type, held.row_id, with_for_update=True, populate_existing=True)
    if row is None or not isinstance(row, Work):
        raise LostLeaseError(f"{held.kind} {held.row_id} is gone")
    if row.fence != held.fence:
        raise LostLeaseError(f"{held.kind} {held.row_id} was claimed again ({row.fence} after {held.fence})")
    return row


def was_held_up(begun: float, lease_seconds: float) -> bool:
    """Whether this process may have slept through its lease since `begun`, on `time.monotonic`: asked right before a
    call that cannot be taken back, after a transaction that found the lease its own. Others may have looked meanwhile
    whether the call was made."""
    return monotonic() - begun > lease_seconds / 2


def finish(row: Work) -> None:
    """The work is done or given up: never due again."""
    row.due_at, row.lease_until = None, None


async def due_in(session: AsyncSession, row: Work, seconds: float) -> None:
    """Make the row due `seconds` from now, by the database's clock, and let go of it."""
    row.due_at, row.lease_until = await database_time(session) + timedelta(seconds=seconds), None


async def database_time(session: AsyncSession) -> datetime:
    """The database's clock, which all leases and delays are measured by: `now()`, read when the transaction began."""
    await session.connection()
    begun: datetime = session.info[BEGUN]
    return begun


async def extend(database: Database, row_type: type[TenantRow], held: Claim, seconds: float) -> None:
    """Ask for more time in the middle of long work. Raises LostLeaseError when it is too late."""
    columns: Any = row_type
    still_mine: ColumnElement[bool] = (
        (columns.id == held.row_id) & (columns.fence == held.fence) & columns.lease_until.is_not(None)
    )
    async with database.transaction(held.scope) as session:
        changed = await session.execute(
            update(row_type)
            .where(still_mine)
            .values(lease_until=func.now() + timedelta(seconds=seconds))
            .returning(columns.id)
        )
        if changed.scalar_one_or_none() is None:
            raise LostLeaseError(f"{held.kind} {held.row_id}")
