"""Looking at connections that have to be looked at: a mailbox, or a provider whose webhooks may have left gaps.

One worker at a time holds a connection, by the lease of its watch. What it finds is committed together with the
cursor behind it, under the fence, so a worker that slept through its lease stores nothing and moves nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from desk.accounts.identity import Actor
from desk.connections import get_connection
from desk.db.leases import Claim, LostLeaseError, claim_these, database_time, due_in, finish, hold
from desk.db.unit_of_work import Database, announce, wake
from desk.errors import ChannelError, ConflictError, InvalidInputError
from desk.inbound.receiving import details_of, receive
from desk.models import Connection, ConnectionWatch
from desk.ports import Batch, Channel, ConnectionDetails, WatchedChannel

HOLD_SECONDS = 240.0
"""How long a worker keeps one connection before others get their turn."""
SYNC_LEASE_SECONDS = 120.0
MOST_BATCHES_OF_SYNC = 200
FIRST_BACKOFF_SECONDS = 5.0
LONGEST_BACKOFF_SECONDS = 900.0
NEEDS_A_PERSON = frozenset({"sign_in", "settings"})


@dataclass(frozen=True, slots=True)
class Synced:
    received: int
    already_known: int


class WatchDesk:
    """Watches claimed connections, and reads one through when somebody asks."""

    def __init__(self, database: Database, channels: Mapping[str, Channel], hold_seconds: float = HOLD_SECONDS) -> None:
        self._database = database
        self._channels = channels
        self._hold_seconds = hold_seconds

    async def work(self, held: Claim) -> None:
        """Read what there is and wait for more, until the turn ends or something goes wrong."""
        begun = await self._begin(held)
        if begun is None:
            return
        channel, connection, cursor = begun
        ends = asyncio.get_running_loop().time() + self._hold_seconds
        try:
            async with channel.watch(connection) as feed:
                while True:
                    batch = await feed.fetch(cursor)
                    await self._store(held, connection, batch)
                    cursor = batch.cursor
                    left = ends - asyncio.get_running_loop().time()
                    if not batch.more and left <= 0:
                        break
                    if not batch.more:
                        await feed.wait(left)
        except ChannelError as error:
            await self._note_error(held, error)
            return
        await self._let_go(held)

    async def sync(self, actor: Actor, connection_id: UUID) -> Synced:
        """Read everything there is now, whoever is watching: the watcher finds its lease gone and begins anew.

        Raises NotFoundError, InvalidInputError for a connection that is not watched, ConflictError while another
        sync runs, ChannelError.
        """
        held = await self._take_over(actor, connection_id)
        begun = await self._begin(held)
        if begun is None:
            msg = "this connection is switched off; switch it on first"
            raise InvalidInputError(msg)
        channel, connection, cursor = begun
        received = known = 0
        try:
            async with channel.watch(connection) as feed:
                for _ in range(MOST_BATCHES_OF_SYNC):
                    batch = await feed.fetch(cursor)
                    new = await self._store(held, connection, batch)
                    received, known, cursor = received + new, known + len(batch.messages) - new, batch.cursor
                    if not batch.more:
                        break
        except ChannelError as error:
            await self._note_error(held, error)
            raise
        except LostLeaseError as error:
            msg = "somebody else has begun to read this connection; look again in a moment"
            raise ConflictError(msg) from error
        await self._let_go(held)
        return Synced(received, known)

    async def _take_over(self, actor: Actor, connection_id: UUID) -> Claim:
        async with self._database.transaction(actor.scope) as session:
            connection = await get_connection(session, connection_id)
            found = await session.execute(
                select(ConnectionWatch).where(ConnectionWatch.connection_id == connection_id).with_for_update()
            )
            watch = found.scalar_one_or_none()
            if watch is None or not isinstance(self._channels.get(connection.channel), WatchedChannel):
                msg = "this connection hands its messages over by itself; there is nothing to fetch"
                raise InvalidInputError(msg)
            watch.lease_until = None
            await due_in(session, watch, 0)
            await session.flush()
            (held,) = await claim_these(session, ConnectionWatch, [watch.id], SYNC_LEASE_SECONDS)
        return held

    async def _begin(self, held: Claim) -> tuple[WatchedChannel, ConnectionDetails, Mapping[str, object]] | None:
        async with self._database.transaction(held.scope) as session:
            watch = await hold(session, ConnectionWatch, held)
            connection = await session.get_one(Connection, watch.connection_id)
            channel = self._channels.get(connection.channel)
            if not connection.is_active or not isinstance(channel, WatchedChannel):
                finish(watch)
                return None
            return channel, details_of(connection), dict(watch.cursor)

    async def _store(self, held: Claim, connection: ConnectionDetails, batch: Batch) -> int:
        async with self._database.transaction(held.scope) as session:
            watch = await hold(session, ConnectionWatch, held)
            new = await receive(session, connection, batch.messages)
            recovered = watch.failures > 0 or watch.seen_at is None
            watch.cursor, watch.seen_at = dict(batch.cursor), await database_time(session)
            watch.failures, watch.attempts, watch.error_reason, watch.last_error = 0, 0, None, None
            if recovered:
                await announce(session, watch.tenant_id, "connection", connection=watch.connection_id)
        return new

    async def _note_error(self, held: Claim, error: ChannelError) -> None:
        """What only a person can change is not tried again by itself; everything else soon, then less often."""
        with suppress(LostLeaseError):
            async with self._database.transaction(held.scope) as session:
                watch = await hold(session, ConnectionWatch, held)
                watch.failures += 1
                watch.attempts = 0
                watch.error_reason, watch.last_error = error.reason, error.detail
                if error.reason in NEEDS_A_PERSON:
                    finish(watch)
                else:
                    wait = FIRST_BACKOFF_SECONDS * 2 ** min(watch.failures - 1, 10)
                    await due_in(session, watch, min(wait, LONGEST_BACKOFF_SECONDS))
                await announce(session, watch.tenant_id, "connection", connection=watch.connection_id)

    async def _let_go(self, held: Claim) -> None:
        with suppress(LostLeaseError):
            async with self._database.transaction(held.scope) as session:
                watch = await hold(session, ConnectionWatch, held)
                watch.attempts = 0
                await due_in(session, watch, 0)
                wake(session, "connection_watches")
