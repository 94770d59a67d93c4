"""SAQ carries wake-ups only: "work of this kind may be due". Losing one costs a poll interval."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog
from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolTimeout
from saq.queue.postgres import PostgresQueue

_log = structlog.get_logger(__name__)
QUEUE_NAME = "wakeups"
WAKE_JOB = "wake"


def saq_queue(url: str, *, most_connections: int = 4) -> PostgresQueue:
    """A queue in its own schema; `url` is the restricted role's. Opens up to `most_connections` connections."""
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        url,
        min_size=1,
        max_size=most_connections,
        open=False,
        check=AsyncConnectionPool.check_connection,
        kwargs={"autocommit": True, "options": "-c search_path=saq -c application_name=draftdesk-queue"},
    )
    return PostgresQueue(pool=pool, name=QUEUE_NAME, manage_pool_lifecycle=True)


class QueueWaker:
    """Puts a wake-up into the queue after a commit."""

    def __init__(self, queue: PostgresQueue) -> None:
        self._queue = queue

    async def wake(self, kinds: frozenset[str]) -> None:
        """The rows are committed already: when the queue is out of reach the poll finds them."""
        try:
            async with asyncio.timeout(2):
                for kind in sorted(kinds):
                    await self._queue.enqueue(WAKE_JOB, kind=kind, timeout=10, retries=1, ttl=5)
        except (OperationalError, PoolTimeout, TimeoutError, OSError) as error:
            _log.warning("wakeup_lost", kinds=sorted(kinds), error=str(error))
