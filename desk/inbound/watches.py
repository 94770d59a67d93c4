"""Beginning and ending to look at a connection."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.leases import due_in, finish
from desk.db.tenancy import session_scope
from desk.db.unit_of_work import wake
from desk.models import Connection, ConnectionWatch


async def watch_from_now(session: AsyncSession, connection: Connection, *, anew: bool = False) -> None:
    """Look at the connection at once, with the settings it has now, as far as it is switched on.

    `anew` forgets how far it was read, as when it leads to another mailbox.
    """
    await begin_watch(session, connection)
    await follow_switch(session, connection, anew=anew)


async def begin_watch(session: AsyncSession, connection: Connection) -> None:
    """The row that says how a connection is; of one that only calls the desk by itself it is never due."""
    await session.execute(
        insert(ConnectionWatch)
        .values(
            id=uuid7(),
            tenant_id=session_scope(session.sync_session).tenant_id,
            connection_id=connection.id,
            cursor={},
            failures=0,
            tried={},
        )
        .on_conflict_do_nothing(constraint="uq_connection_watches_connection_id")
    )


async def follow_switch(session: AsyncSession, connection: Connection, *, anew: bool = False) -> None:
    """After a watched connection was changed: whoever looks at it finds the lease gone and begins again, or ends."""
    found = await session.execute(
        select(ConnectionWatch).where(ConnectionWatch.connection_id == connection.id).with_for_update()
    )
    watch = found.scalar_one_or_none()
    if watch is None:
        return
    watch.fence += 1
    watch.failures, watch.attempts, watch.error_reason, watch.last_error = 0, 0, None, None
    if anew:
        watch.cursor = {}
    if connection.is_active:
        await due_in(session, watch, 0)
        wake(session, "connection_watches")
    else:
        finish(watch)
