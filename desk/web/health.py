"""Is the process alive, can it take a message in, could it draft?

A check says `ok`, `off` where nothing is configured, or in a sentence what is wrong.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
import psycopg
from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from psycopg_pool import PoolTimeout
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from desk.db.tenancy import NO_TENANT
from desk.errors import DeskError, ServiceUnavailableError
from desk.heartbeat import ALIVE_SECONDS, alive
from desk.installation import Installation
from desk.models import GLOBAL_TENANT_ID
from desk.web.permissions import PUBLIC
from desk.web.waiting import work_waiting

LEAST_FREE_BYTES = 200 * 1024 * 1024
INDEXING_BEHIND_SECONDS = 900.0
EMBEDDER_CHECK_SECONDS = 60.0
SECONDS_FOR_A_CHECK = 3.0
OK = "ok"
OFF = "off"
_OPT = {**PUBLIC, "skip_session": True}
"""Health must answer when sessions cannot be read."""
_NEEDED_TO_DRAFT = ("database", "worker", "indexes", "disk")


@dataclass(slots=True)
class EmbedderCheck:
    """An embedding endpoint may cost money: it is asked once a minute at most."""

    asked_at: float = field(default=float("-inf"))
    answer: str = OK

    async def run(self, installation: Installation) -> str:
        if time.monotonic() - self.asked_at > EMBEDDER_CHECK_SECONDS:
            try:
                await installation.embedder.embed(["health"])
                self.answer = OK
            except DeskError as error:
                self.answer = f"texts cannot be embedded: {error.detail}"
            self.asked_at = time.monotonic()
        return self.answer


class HealthAnswer(msgspec.Struct):
    status: str
    """ok, degraded, or failing."""
    checks: dict[str, str]


class HealthController(Controller):
    path = "/health"
    opt = _OPT
    tags = ("health",)

    @get("/live", summary="The process answers")
    async def live(self) -> dict[str, str]:
        return {"status": OK}

    @get("/ready", summary="A message can be taken in")
    async def ready(self, installation: NamedDependency[Installation]) -> dict[str, str]:
        answer = await _guarded(lambda: _database(installation))
        if answer != OK:
            raise ServiceUnavailableError(answer)
        return {"status": OK}

    @get(
        "/",
        summary="Every part; 503 when the desk could not draft",
        responses={503: ResponseSpec(HealthAnswer, generate_examples=False, description="The desk could not draft.")},
    )
    async def health(
        self, installation: NamedDependency[Installation], embedder_check: NamedDependency[EmbedderCheck]
    ) -> Response[HealthAnswer]:
        checks = {
            "database": await _guarded(lambda: _database(installation)),
            "queue": await _guarded(lambda: _queue(installation)),
            "worker": await _guarded(lambda: _worker(installation)),
            "indexes": await _guarded(lambda: _indexes(installation, embedder_check)),
            "disk": _disk(installation),
            "llm": await _guarded(lambda: _model(installation)),
        }
        could_not_draft = any(checks[name] != OK for name in _NEEDED_TO_DRAFT)
        all_well = all(answer in {OK, OFF} for answer in checks.values())
        status = "failing" if could_not_draft else OK if all_well else "degraded"
        return Response(HealthAnswer(status, checks), status_code=503 if could_not_draft else 200)


async def _guarded(check: Callable[[], Awaitable[str]]) -> str:
    try:
        async with asyncio.timeout(SECONDS_FOR_A_CHECK):
            return await check()
    except (SQLAlchemyError, OSError, TimeoutError, psycopg.Error, PoolTimeout) as error:
        return f"cannot be reached ({type(error).__name__})"


async def _database(installation: Installation) -> str:
    async with installation.database.transaction(NO_TENANT) as session:
        read_only = (await session.execute(text("SELECT current_setting('transaction_read_only')"))).scalar_one()
    return OK if read_only == "off" else "the database takes no writes"


async def _queue(installation: Installation) -> str:
    await installation.queue.count("queued")
    return OK


async def _worker(installation: Installation) -> str:
    async with installation.database.transaction(NO_TENANT) as session:
        working = await alive(session, "worker")
    return OK if working else f"no worker has given a sign of life for {ALIVE_SECONDS} seconds"


async def _indexes(installation: Installation, embedder_check: EmbedderCheck) -> str:
    for kind in await work_waiting(installation.database):
        if kind.kind == "document_versions" and kind.oldest_seconds > INDEXING_BEHIND_SECONDS:
            return f"{kind.waiting} documents wait to be indexed, the oldest for {kind.oldest_seconds / 60:.0f} minutes"
    return await embedder_check.run(installation)


def _disk(installation: Installation) -> str:
    free = shutil.disk_usage(installation.settings.data_dir).free
    return OK if free >= LEAST_FREE_BYTES else f"only {free / 1e6:.0f} MB are free in the data folder"


async def _model(installation: Installation) -> str:
    """Whether one is configured; it is not called, for a call costs money."""
    model = await installation.models.for_tenant(GLOBAL_TENANT_ID)
    return OFF if model is None else OK
