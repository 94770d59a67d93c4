"""How soon work starts: from the commit of its row to the worker that has it, beside a hand-written queue."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from time import perf_counter
from uuid import UUID, uuid4

from sqlalchemy import text

from desk.db.leases import Claim, finish, hold
from desk.db.roles import DatabaseAddress
from desk.db.unit_of_work import Database, Waker
from desk.installation import Installation
from desk.knowledge import Upload, take_in
from desk.measuring.figures import Figure, take_turns
from desk.measuring.scratch import GrownTenant
from desk.models import DocumentVersion
from desk.work import start_worker

_SAMPLES = 20
_POLL_SECONDS = 0.002
_WAIT_SECONDS = 10.0


@dataclass
class _Watch:
    """Notes when a row was committed and when a worker had claimed it."""

    inner: Waker
    committed: float = 0.0
    started: asyncio.Future[float] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def wake(self, kinds: frozenset[str]) -> None:
        """Called right after the commit."""
        self.committed = perf_counter()
        await self.inner.wake(kinds)


class _Indexer:
    """Stands for the work: it only notes that it was started, and ends it."""

    def __init__(self, database: Database, watch: _Watch) -> None:
        self._database = database
        self._watch = watch

    async def index(self, tenant_id: UUID, version_id: UUID, fence: int) -> None:
        self._watch.started.set_result(perf_counter())
        held = Claim("document_versions", version_id, tenant_id, fence)
        async with self._database.transaction(held.scope) as session:
            version = await hold(session, DocumentVersion, held)
            version.state = "indexed"
            finish(version)

    async def index_many(self, tenant_id: UUID, fences: Mapping[UUID, int]) -> None:
        for version_id, fence in fences.items():
            await self.index(tenant_id, version_id, fence)


async def measure_job_start(installation: Installation, address: DatabaseAddress, tenant: GrownTenant) -> Figure:
    """With a worker loop in this process, woken through the queue in the database. Closes the installation."""
    watch = _Watch(installation.database.waker)
    database = Database(installation.database.engine, watch)
    working = replace(installation, indexer=_Indexer(installation.database, watch))
    bare = _BareQueue(Database.connect(address.owner_url(), pool_size=2))
    await bare.prepare()

    async def ours() -> float:
        watch.started = asyncio.get_running_loop().create_future()
        upload = Upload(file_name="job.txt", raw=uuid4().bytes, origin=f"bench:{uuid4()}")
        await take_in(database, installation.storage, tenant.actor.scope, upload, maximum_bytes=100)
        async with asyncio.timeout(_WAIT_SECONDS):
            return 1000 * (await watch.started - watch.committed)

    async with start_worker(working) as loop:
        running = asyncio.create_task(loop.run())
        await ours()
        taken = await take_turns(ours, bare.sample, samples=_SAMPLES)
        await loop.stop(_WAIT_SECONDS)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    await bare.close()
    yardstick = f"a bare SKIP LOCKED poll every {1000 * _POLL_SECONDS:.0f} ms"
    return taken.figure("start of a job, from commit to claim", "ms", yardstick)


class _BareQueue:
    """The least that could be written by hand: one table, one statement, polled."""

    def __init__(self, database: Database) -> None:
        self._engine = database.engine

    async def prepare(self) -> None:
        async with self._engine.begin() as connection:
            await connection.exec_driver_sql(
                "CREATE TABLE bare_queue (id bigserial PRIMARY KEY, taken boolean NOT NULL)"
            )

    async def sample(self) -> float:
        claimed: asyncio.Task[float] = asyncio.create_task(self._claim())
        async with self._engine.begin() as connection:
            await connection.exec_driver_sql("INSERT INTO bare_queue (taken) VALUES (false)")
        committed = perf_counter()
        return max(0.0, 1000 * (await claimed - committed))

    async def _claim(self) -> float:
        while True:
            async with self._engine.begin() as connection:
                found = await connection.execute(
                    text(
                        "UPDATE bare_queue SET taken = true WHERE id IN (SELECT id FROM bare_queue WHERE NOT taken"
                        " ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id"
                    )
                )
                if found.scalar_one_or_none() is not None:
                    break
            await asyncio.sleep(_POLL_SECONDS)
        return perf_counter()

    async def close(self) -> None:
        await self._engine.dispose()
