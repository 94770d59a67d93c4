"""The kill switch across processes: what had not begun when it was turned does not begin."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from sqlalchemy import func, select

from desk.db.roles import DatabaseAddress
from desk.db.unit_of_work import Database
from desk.models import Delivery
from desk.policy.rules import stop_sending
from tests.conftest import new_owner
from tests.desk.test_delivery import automatic_delivery
from tests.processes import eventually

DUE = 24
SECONDS_A_REPLY = 0.2
WORKERS = 2


async def worker(address: DatabaseAddress, log: Path) -> Process:
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.desk.delivering", str(log), str(SECONDS_A_REPLY), stdin=PIPE, stdout=PIPE
    )
    assert started.stdin is not None
    started.stdin.write(address.app.render_as_string(hide_password=False).encode() + b"\n")
    return started


async def ready(worker: Process) -> None:
    assert worker.stdout is not None
    assert await asyncio.wait_for(worker.stdout.readline(), 60) == b"ready\n"


def begun(log: Path) -> list[tuple[str, float]]:
    """Process and moment of every reply that a worker began to send."""
    lines = log.read_text().splitlines() if log.exists() else []
    return [(pid, float(moment)) for pid, moment, _ in (line.split() for line in lines)]


async def test_no_worker_sends_anything_a_second_after_the_switch_was_turned(
    fresh_database: Database, fresh_address: DatabaseAddress, tmp_path: Path
) -> None:
    database, actor, log = fresh_database, await new_owner(fresh_database), tmp_path / "begun.log"
    for _ in range(DUE):
        await automatic_delivery(database, actor)
    workers = [await worker(fresh_address, log) for _ in range(WORKERS)]
    for each in workers:
        await ready(each)
    for each in workers:
        assert each.stdin is not None
        each.stdin.write(b"begin\n")
    assert await asyncio.to_thread(eventually, lambda: len({pid for pid, _ in begun(log)}) == WORKERS, 30)

    async with database.transaction(actor.scope) as session:
        await stop_sending(session, stopped=True)
    turned = time.time()

    assert [await asyncio.wait_for(each.wait(), 60) for each in workers] == [0] * WORKERS
    sent = begun(log)
    assert max(moment for _, moment in sent) < turned + 1
    async with database.transaction(actor.scope) as session:
        rows = await session.execute(select(Delivery.state, func.count()).group_by(Delivery.state))
        states = dict(rows.all())
    assert states == {"sent": len(sent), "cancelled": DUE - len(sent)}
    assert states["cancelled"] > 0
