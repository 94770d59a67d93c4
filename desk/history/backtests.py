"""Replays of a tenant's imported tickets: asked for by people, done by a worker, one at a time."""

from __future__ import annotations

from uuid import UUID

import msgspec
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.leases import database_time, finish
from desk.db.tenancy import session_scope
from desk.db.unit_of_work import announce, wake
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.history.account import BacktestAccount
from desk.history.imports import has_history
from desk.models import Backtest
from desk.paging import Page, read_page

KIND = "backtests"
MOST_TICKETS = 2_000
RISK = 0.05
CONFIDENCE = 0.95


async def ask_for_backtest(
    session: AsyncSession,
    asked_by: str,
    *,
    most_tickets: int = MOST_TICKETS,
    risk: float = RISK,
    confidence: float = CONFIDENCE,
) -> Backtest:
    """Over the newest imported tickets. Raises ConflictError while one is under way, InvalidInputError."""
    if not 1 <= most_tickets <= MOST_TICKETS:
        raise InvalidInputError(f"most_tickets is 1 to {MOST_TICKETS:,}")
    for name, value in (("risk", risk), ("confidence", confidence)):
        if not 0.0 < value < 1.0:
            raise InvalidInputError(f"the {name} must lie between 0 and 1")
    if not await has_history(session):
        raise InvalidInputError("there are no imported tickets to replay; import a ticket history first")
    tenant_id = session_scope(session.sync_session).tenant_id
    now = await database_time(session)
    added = await session.execute(
        insert(Backtest)
        .values(
            id=uuid7(),
            tenant_id=tenant_id,
            asked_by=asked_by,
            most_tickets=most_tickets,
            risk=risk,
            confidence=confidence,
            due_at=now,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id"], index_where=Backtest.state == "waiting")
        .returning(Backtest)
    )
    row = added.scalar_one_or_none()
    if row is None:
        raise ConflictError("a replay of your tickets is under way already; wait for it or stop it")
    wake(session, KIND)
    await announce(session, row.tenant_id, "history")
    return row


async def stop_backtest(session: AsyncSession, backtest_id: UUID) -> Backtest:
    """Whoever works on it notices within a second. Raises NotFoundError, ConflictError when it has ended."""
    row = await session.get(Backtest, backtest_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError("There is no such replay.")
    if row.state != "waiting":
        raise ConflictError("this replay has ended already")
    row.state, row.stage, row.finished_at = "stopped", "", await database_time(session)
    row.fence += 1
    finish(row)
    await announce(session, row.tenant_id, "history")
    return row


async def list_backtests(session: AsyncSession, *, limit: int, offset: int) -> Page[Backtest]:
    """Newest first."""
    rows, total = await read_page(session, select(Backtest).order_by(Backtest.id.desc()), limit=limit, offset=offset)
    return Page([row[0] for row in rows], total, limit, offset)


async def get_backtest(session: AsyncSession, backtest_id: UUID) -> Backtest:
    """Raises NotFoundError."""
    row = await session.get(Backtest, backtest_id)
    if row is None:
        raise NotFoundError("There is no such replay.")
    return row


async def waiting_backtest(session: AsyncSession) -> Backtest | None:
    return (await session.execute(select(Backtest).where(Backtest.state == "waiting"))).scalar_one_or_none()


async def tell_progress(session: AsyncSession, row_id: UUID, fence: int, stage: str, done: int, total: int) -> bool:
    """False when the replay was stopped, or belongs to another worker by now."""
    mine = (Backtest.id == row_id) & (Backtest.fence == fence) & (Backtest.state == "waiting")
    changed = await session.execute(
        update(Backtest)
        .where(mine)
        .values(stage=stage, done=done, total=total, updated_at=func.now())
        .returning(Backtest.tenant_id)
    )
    tenant_id = changed.scalar_one_or_none()
    if tenant_id is None:
        return False
    await announce(session, tenant_id, "history")
    return True


def account_of(row: Backtest) -> BacktestAccount | None:
    """What it found; None until it has."""
    return None if row.account is None else msgspec.convert(row.account, BacktestAccount)
