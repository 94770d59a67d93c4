"""The index log: one row for every change of a searchable item, in the transaction that made the change.

Every process follows the log into its in-memory indexes (design section 4), so what is committed is found by the very
next search anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.tenancy import session_scope
from desk.models import IndexCounter, IndexLogEntry

Source = Literal["knowledge", "example", "correction"]
Operation = Literal["upsert", "remove"]


async def log_change(session: AsyncSession, source: Source, operation: Operation, item_ids: Sequence[UUID]) -> None:
    """Append to the tenant's log. The counter's row lock makes sequence order and commit order the same."""
    if not item_ids:
        return
    counted = await session.execute(
        update(IndexCounter).values(value=IndexCounter.value + len(item_ids)).returning(IndexCounter.value)
    )
    first = counted.scalar_one() - len(item_ids) + 1
    tenant_id = session_scope(session.sync_session).tenant_id
    session.add_all(
        IndexLogEntry(
            id=uuid7(), tenant_id=tenant_id, sequence=first + offset, source=source, item_id=item, operation=operation
        )
        for offset, item in enumerate(item_ids)
    )
    await session.flush()


async def last_sequence(session: AsyncSession, tenant_id: UUID) -> int:
    """How far the log of `tenant_id` (the session's own, or the global one) reaches; 0 for an empty one."""
    found = await session.execute(select(IndexCounter.value).where(IndexCounter.tenant_id == tenant_id))
    return found.scalar_one_or_none() or 0
