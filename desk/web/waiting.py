"""How much work is due and what became of the last, over all tenants: numbers only."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from desk.db.tenancy import NO_TENANT
from desk.db.unit_of_work import Database


@dataclass(frozen=True, slots=True)
class WorkWaiting:
    kind: str
    """The table the work lies in."""
    waiting: int
    oldest_seconds: float


async def work_waiting(database: Database) -> list[WorkWaiting]:
    async with database.transaction(NO_TENANT) as session:
        rows = await session.execute(text("SELECT kind, waiting, oldest_seconds FROM desk_work_waiting()"))
        return [WorkWaiting(row.kind, row.waiting, float(row.oldest_seconds or 0.0)) for row in rows]


@dataclass(frozen=True, slots=True)
class StateCount:
    kind: str
    """drafts or deliveries."""
    state: str
    number: int


async def states_of_week(database: Database) -> list[StateCount]:
    """Of what was made in the last seven days."""
    async with database.transaction(NO_TENANT) as session:
        rows = await session.execute(text("SELECT kind, state, number FROM desk_states_of_week()"))
        return [StateCount(row.kind, row.state, row.number) for row in rows]
