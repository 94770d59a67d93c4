"""Who works, what waits, and what is stuck."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from desk.accounts.listing import named_tenants
from desk.db.policies import table_name, tenant_tables
from desk.db.tenancy import NO_TENANT, Scope
from desk.db.unit_of_work import Database
from desk.doctor.findings import Finding, judged
from desk.heartbeat import ALIVE_SECONDS, alive
from desk.installation import Installation
from desk.models import Delivery, TenantRow, Work
from desk.web.waiting import work_waiting

LATE_SECONDS = 60.0
"""Work that has been due for longer is not just about to be picked up."""
STUCK_ATTEMPTS = 2


async def queue(installation: Installation) -> Finding:
    await installation.queue.connect()
    try:
        queued = await installation.queue.count("queued")
    finally:
        await installation.queue.disconnect()
    return Finding("queue", "ok", f"reachable, {queued} wake-ups waiting")


async def worker(database: Database) -> Finding:
    async with database.transaction(NO_TENANT) as session:
        working = await alive(session, "worker")
    if working:
        return Finding("worker", "ok", f"{working} at work")
    due = sum(kind.waiting for kind in await work_waiting(database))
    silent = f"none has given a sign of life for {ALIVE_SECONDS} seconds: start `desk up` or `desk worker`"
    return (
        Finding("worker", "fail", f"{due} pieces of work are due and {silent}")
        if due
        else Finding("worker", "warn", silent)
    )


async def waiting(database: Database) -> Finding:
    late = [kind for kind in await work_waiting(database) if kind.waiting and kind.oldest_seconds > LATE_SECONDS]
    problems = [
        f"{kind.waiting} of {kind.kind} are due, the oldest for {kind.oldest_seconds / 60:.0f} minutes" for kind in late
    ]
    return judged("work due", problems, "nothing waits for long")


async def stuck(database: Database) -> Finding:
    """What failed and is tried again, and replies of which nobody knows whether they arrived."""
    problems: list[str] = []
    for tenant in await named_tenants(database):
        async with database.transaction(Scope(tenant.id)) as session:
            for row in _work_rows():
                columns: Any = row
                failing = await session.execute(
                    select(func.count(), func.max(columns.last_error)).where(
                        columns.due_at.is_not(None),
                        columns.attempts >= STUCK_ATTEMPTS,
                        columns.last_error.is_not(None),
                    )
                )
                count, reason = failing.one()
                if count:
                    problems.append(f"{tenant.slug}: {count} of {table_name(row)} fail again and again ({reason})")
            uncertain = await session.execute(select(func.count()).where(Delivery.state == "uncertain"))
            if count := uncertain.scalar_one():
                problems.append(f"{tenant.slug}: {count} replies may or may not have arrived; decide in their tickets")
    return judged("stuck work", problems, "none", outcome="warn")


def _work_rows() -> list[type[TenantRow]]:
    return [row for row in tenant_tables() if issubclass(row, Work)]
