"""Live updates: one listening connection a process, fanned out to the open pages of each tenant.

Announcements are sent with `pg_notify` inside the transaction they speak of, so they arrive with its commit and never
without it. They hold ids only; a page that missed some fetches anew when its stream reconnects.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from uuid import UUID

import psycopg
import structlog
from psycopg import sql

from desk.db.unit_of_work import LIVE_CHANNEL

_log = structlog.get_logger(__name__)
_LISTEN = sql.SQL("LISTEN {}").format(sql.Identifier(LIVE_CHANNEL))
PASSING = frozenset({"typing", "seen"})
"""Kinds of announcements that change nothing on a page that is made anew."""
_QUEUE_LENGTH = 100
_RECONNECT_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
_CHECK_SECONDS = 5.0
_OLDER_SECONDS = 1.0
"""A page counts as that much older than it says: what it shows was read before it was sent."""


@dataclass(frozen=True, slots=True)
class LiveEvent:
    kind: str
    """`ticket`, `draft`, `document`, ... or `refresh` when announcements may have been missed."""
    ids: dict[str, str]


class LiveHub:
    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._pages: dict[UUID, set[asyncio.Queue[LiveEvent]]] = {}
        """By tenant, or by ticket for those that follow one conversation."""
        self._changed: dict[UUID, float] = {}
        """When something was last announced of a tenant, by the monotonic clock."""
        self._listening_since = float("inf")
        self._listener: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"LiveHub(pages={sum(len(pages) for pages in self._pages.values())})"

    async def start(self) -> None:
        self._listener = asyncio.create_task(self._listen(), name="live-listener")

    async def stop(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            with suppress(asyncio.CancelledError):
                await self._listener

    @asynccontextmanager
    async def page(self, tenant_id: UUID, age: float | None = None) -> AsyncGenerator[asyncio.Queue[LiveEvent]]:
        """A queue of the tenant's events for one open page; a page too slow to follow is told to refresh.

        So is one that has been open for `age` seconds, if anything was announced in that time.
        """
        async with self._queue(tenant_id) as queue:
            if age is not None and self._may_have_missed(tenant_id, age):
                _offer(queue, LiveEvent("refresh", {}))
            yield queue

    def _may_have_missed(self, tenant_id: UUID, age: float) -> bool:
        rendered = time.monotonic() - age - _OLDER_SECONDS
        return rendered < max(self._listening_since, self._changed.get(tenant_id, rendered))

    @asynccontextmanager
    async def ticket(self, ticket_id: UUID) -> AsyncGenerator[asyncio.Queue[LiveEvent]]:
        """A queue of what happens to one ticket. The caller has made sure that it may be followed."""
        async with self._queue(ticket_id) as queue:
            yield queue

    @asynccontextmanager
    async def _queue(self, followed: UUID) -> AsyncGenerator[asyncio.Queue[LiveEvent]]:
        queue: asyncio.Queue[LiveEvent] = asyncio.Queue(_QUEUE_LENGTH)
        self._pages.setdefault(followed, set()).add(queue)
        try:
            yield queue
        finally:
            self._pages[followed].discard(queue)
            if not self._pages[followed]:
                del self._pages[followed]

    async def _listen(self) -> None:
        """Keep a listening connection; reconnect for ever, and tell every page to refresh after a gap."""
        failures = 0
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
                    await connection.execute(_LISTEN)
                    failures = 0
                    self._listening_since = time.monotonic()
                    self._tell_all(LiveEvent("refresh", {}))
                    while True:
                        async for notification in connection.notifies(timeout=_CHECK_SECONDS):
                            self._received(notification.payload)
                        await connection.execute("SELECT 1")
            except (OSError, psycopg.Error) as error:
                wait = _RECONNECT_SECONDS[min(failures, len(_RECONNECT_SECONDS) - 1)]
                failures += 1
                _log.warning("live_listener_lost", retry_in=wait, error=str(error).strip())
                await asyncio.sleep(wait)

    def _received(self, payload: str) -> None:
        message: dict[str, str] = json.loads(payload)
        event, tenant_id = message.pop("event"), UUID(message.pop("tenant"))
        if event not in PASSING:
            self._changed[tenant_id] = time.monotonic()
        followed = [tenant_id, UUID(message["ticket"])] if "ticket" in message else [tenant_id]
        for each in followed:
            for queue in self._pages.get(each, ()):
                _offer(queue, LiveEvent(event, message))

    def _tell_all(self, event: LiveEvent) -> None:
        for pages in self._pages.values():
            for queue in pages:
                _offer(queue, event)


def _offer(queue: asyncio.Queue[LiveEvent], event: LiveEvent) -> None:
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        event = LiveEvent("refresh", {})
    queue.put_nowait(event)
