"""Signs of life of the desk's processes, by which `/health` and `desk doctor` know whether anybody works."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.tenancy import NO_TENANT
from desk.db.unit_of_work import Database
from desk.models import ProcessHeartbeat

ALIVE_SECONDS = 35


async def beat(database: Database, name: str, role: str) -> None:
    async with database.transaction(NO_TENANT) as session:
        await session.execute(
            insert(ProcessHeartbeat)
            .values(id=uuid7(), name=name, role=role, seen_at=func.now())
            .on_conflict_do_update(constraint="uq_process_heartbeats_name", set_={"seen_at": func.now()})
        )
        await session.execute(
            delete(ProcessHeartbeat).where(ProcessHeartbeat.seen_at < func.now() - timedelta(hours=1))
        )


async def alive(session: AsyncSession, role: str) -> int:
    """How many processes of this role gave a sign lately."""
    counted = await session.execute(
        select(func.count()).where(
            ProcessHeartbeat.role == role,
            ProcessHeartbeat.seen_at > func.now() - timedelta(seconds=ALIVE_SECONDS),
        )
    )
    return counted.scalar_one()
