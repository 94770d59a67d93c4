"""A worker process put together: the work loop with its duties, SAQ's wake-ups, and the clock jobs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, ClassVar

import structlog
from psycopg import OperationalError
from psycopg_pool import PoolTimeout
from saq.job import CronJob
from saq.worker import Worker

from desk.db.leases import Claim
from desk.housekeeping import keep_house
from desk.installation import Installation
from desk.jobs import Duty, WorkLoop, wake_job
from desk.ports import DocumentIndexer, EditNotes, HistoryReader, HistoryReplayer, Learner
from desk.upkeep import UpkeepDesk
from desk.wakeups import WAKE_JOB, saq_queue

_log = structlog.get_logger(__name__)
_RECONNECT_SECONDS = 2.0
MOST_WATCHED = 100
"""Connections one worker watches at once; with more of them they take turns, or another worker joins in."""
WEBHOOKS = 16
"""Attempts at once; each may take a quarter of a minute."""
CRAWLS = 4
"""Websites one worker crawls at once, each for a minute at a time."""


class WakeupWorker(Worker[Any]):
    """SAQ's worker, which leaves the process's signals to us."""

    SIGNALS: ClassVar[list[signal.Signals]] = []


@asynccontextmanager
async def start_worker(installation: Installation) -> AsyncGenerator[WorkLoop]:
    """A work loop that is woken by SAQ; everything is closed at the end."""
    settings = installation.settings
    await installation.queue.connect()
    loop = WorkLoop(
        installation.database,
        duties(installation),
        lease_seconds=settings.lease_seconds,
        poll_seconds=settings.poll_seconds,
    )
    stopping = asyncio.Event()
    wakeups = asyncio.create_task(_follow_wakeups(installation, loop, stopping), name="wakeups")
    try:
        yield loop
    finally:
        stopping.set()
        await wakeups
        await installation.queue.disconnect()
        await installation.models.close()
        await installation.database.close()


def duties(installation: Installation) -> tuple[Duty, ...]:
    most = installation.settings.worker_concurrency
    return (
        Duty("drafts", installation.drafting.work, most),
        Duty("deliveries", installation.deliveries.work, most),
        Duty("reply_notices", installation.reply_mail.work, 2),
        Duty("remote_changes", installation.remote_changes.work, most),
        Duty("customer_fact_sheets", installation.customer_facts.work, 4, most_attempts=3),
        Duty("reviews", partial(_learn, installation.learner), 2),
        Duty("corrections", partial(_note, installation.edit_notes), 1, most_attempts=3),
        Duty("picture_descriptions", installation.descriptions.work, 2),
        Duty("webhook_deliveries", installation.webhooks.work, WEBHOOKS, most_attempts=10),
        Duty("inbox", installation.inbox.work, most),
        Duty("comparisons", installation.comparisons.work, 1, most_attempts=3),
        Duty("connection_watches", installation.watches.work, MOST_WATCHED, waits=True),
        Duty("knowledge_jobs", UpkeepDesk(installation.database, installation.upkeep).work, 1),
        Duty("websites", installation.crawls.work, CRAWLS, most_attempts=3, waits=True),
        Duty("document_versions", partial(_index, installation.indexer), 1, most_attempts=3),
        Duty("history_imports", partial(_take_in_history, installation.history_reader), 1, most_attempts=3),
        Duty("backtests", partial(_replay, installation.history_replayer), 1, most_attempts=3),
    )


async def _learn(learner: Learner, held: Claim) -> None:
    await learner.learn(held.tenant_id, held.row_id, held.fence)


async def _note(notes: EditNotes, held: Claim) -> None:
    await notes.note(held.tenant_id, held.row_id, held.fence)


async def _index(indexer: DocumentIndexer, held: Claim) -> None:
    await indexer.index(held.tenant_id, held.row_id, held.fence)


async def _take_in_history(reader: HistoryReader, held: Claim) -> None:
    await reader.take_in(held.tenant_id, held.row_id, held.fence)


async def _replay(replayer: HistoryReplayer, held: Claim) -> None:
    await replayer.replay(held.tenant_id, held.row_id, held.fence)


async def _follow_wakeups(installation: Installation, loop: WorkLoop, stopping: asyncio.Event) -> None:
    """Run SAQ's worker until asked to stop; while its connections are lost, the poll alone carries the work."""

    async def clock(_: dict[str, Any]) -> None:
        await keep_house(installation)

    clock.__qualname__ = "keep_house"
    while not stopping.is_set():
        queue = saq_queue(installation.address.psycopg_app_url())
        worker = WakeupWorker(
            queue,
            functions=[(WAKE_JOB, wake_job)],
            cron_jobs=[CronJob(clock, cron="* * * * *", timeout=55, retries=1)],
            concurrency=2,
            startup=partial(_remember, loop),
        )
        try:
            await queue.connect()
            running = asyncio.create_task(worker.start())
            asked = asyncio.create_task(stopping.wait())
            await asyncio.wait({running, asked}, return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
            await worker.stop()
            await running
        except (OperationalError, PoolTimeout, OSError, TimeoutError) as error:
            _log.warning("wakeups_lost", error=str(error).splitlines()[0] if str(error) else type(error).__name__)
        finally:
            with suppress(OperationalError, PoolTimeout, OSError, TimeoutError):
                await queue.disconnect()
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), _RECONNECT_SECONDS)


async def _remember(loop: WorkLoop, context: dict[str, Any]) -> None:
    context["work_loop"] = loop
