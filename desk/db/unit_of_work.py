"""The one way to touch the database: a transaction for a scope, committed before anybody is answered.

Wake-ups and live announcements asked for inside a transaction happen only when it commits.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import URL, RowMapping, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from desk.db.gathering import GATHERED, write_gathered
from desk.db.tenancy import SCOPE, Scope, install_tenancy

LIVE_CHANNEL = "desk_live"
STATEMENTS_KEPT = 500
"""Prepared statements a connection remembers: a draft alone uses some sixty, and SQLAlchemy's own limit is 100."""
_WAKE = "wake"
_RESTED_SECONDS = 0.5


class Waker(Protocol):
    async def wake(self, kinds: frozenset[str]) -> None:
        """Tell the workers that work of these kinds may be due. Losing a call costs a poll interval, no more."""
        ...


class NoWaker:
    """For commands and tests without a worker beside them: the poll finds the work."""

    async def wake(self, kinds: frozenset[str]) -> None:
        """Nobody to tell."""


class Database:
    def __init__(self, engine: AsyncEngine, waker: Waker | None = None) -> None:
        install_tenancy()
        self.engine = engine
        self.waker: Waker = waker or NoWaker()

    @classmethod
    def connect(cls, url: URL, *, pool_size: int = 8, waker: Waker | None = None) -> Database:
        """`url` is a `postgresql+asyncpg://` URL of the restricted role."""
        engine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=4,
            pool_recycle=1800,
            connect_args={
                "server_settings": {"application_name": "draftdesk"},
                "prepared_statement_cache_size": STATEMENTS_KEPT,
            },
        )
        _ping_after_rest(engine)
        return cls(engine, waker)

    @asynccontextmanager
    async def transaction(self, scope: Scope, *, gathered: bool = False, **info: Any) -> AsyncGenerator[AsyncSession]:
        """A new session for `scope`; commits at the end, rolls back on any exception.

        Rows stay readable after the commit. What `wake` and `announce` asked for happens with the commit.
        `gathered`: new rows are written at the end (`desk.db.gathering`).
        """
        session = AsyncSession(
            self.engine,
            autoflush=not gathered,
            expire_on_commit=False,
            info={SCOPE: scope, _WAKE: set[str](), GATHERED: gathered, **info},
        )
        async with session, session.begin():
            yield session
            if gathered:
                await write_gathered(session)
        kinds: set[str] = session.info[_WAKE]
        if kinds:
            await self.waker.wake(frozenset(kinds))

    async def look_up(self, function: str, **arguments: Any) -> Sequence[RowMapping]:
        """What one of the database's own functions (`desk.db.policies`) finds or does across tenants: a single
        statement, so it needs no transaction around it and commits by itself."""
        async with self.engine.connect() as connection:
            found = await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(
                text(function), arguments
            )
            return found.mappings().all()

    async def close(self) -> None:
        await self.engine.dispose()


def _ping_after_rest(engine: AsyncEngine) -> None:
    """Try a connection before it is used, as `pool_pre_ping` does, but only when it has rested.

    One that was in use a moment ago is alive but for rare accidents; a round trip before each of the short
    transactions of a draft would be a tenth of its time.
    """
    pool_engine = engine.sync_engine

    def returned(_: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        record.info["returned"] = monotonic()

    def taken(connection: DBAPIConnection, record: ConnectionPoolEntry, _: PoolProxiedConnection) -> None:
        if monotonic() - record.info.get("returned", monotonic()) < _RESTED_SECONDS:
            return
        try:
            alive = pool_engine.dialect.do_ping(connection)
        except pool_engine.dialect.loaded_dbapi.Error as error:
            raise DisconnectionError from error
        if not alive:
            raise DisconnectionError

    event.listen(pool_engine, "checkin", returned)
    event.listen(pool_engine, "checkout", taken)


def wake(session: AsyncSession | Session, kind: str) -> None:
    """Ask for the workers to be woken for `kind` once this transaction has committed."""
    session.info[_WAKE].add(kind)


async def announce(session: AsyncSession, tenant_id: UUID, event: str, **ids: UUID | str | int) -> None:
    """Tell every open page of the tenant, at commit, that something changed. Ids only: pages fetch the rest."""
    payload = json.dumps(
        {"tenant": str(tenant_id), "event": event, **{name: str(value) for name, value in ids.items()}}
    )
    await session.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": LIVE_CHANNEL, "payload": payload})
