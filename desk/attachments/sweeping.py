"""What nobody will ask for again: uploads that were never sent, and stored bytes that no row names any more."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select

from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import Attachment, DocumentVersion, HistoryImport
from desk.ports import Storage

LOOSE_HOURS = 24
ORPHAN_AGE = timedelta(hours=24)
"""Bytes are stored before their row; what is younger may still get one."""
_ROUND = 6 * 60
"""Minutes in which every tenant's storage is looked through once."""
_TOGETHER = 500


async def forget_loose_files(database: Database, tenant_id: UUID) -> None:
    """Rows only; the sweep takes the bytes."""
    async with database.transaction(Scope(tenant_id)) as session:
        await session.execute(
            delete(Attachment).where(
                Attachment.message_id.is_(None),
                Attachment.delivery_id.is_(None),
                Attachment.created_at < func.now() - timedelta(hours=LOOSE_HOURS),
            )
        )


def is_turn_of(tenant_id: UUID, now: datetime) -> bool:
    """Looking through a storage costs a listing, so each tenant has its own minute of the round."""
    return int(now.timestamp() // 60) % _ROUND == tenant_id.int % _ROUND


async def sweep_orphans(database: Database, storage: Storage, tenant_id: UUID, now: datetime) -> int:
    """Delete what is stored for the tenant and named by no row; how many."""
    swept = 0
    batch: list[str] = []
    async for key in storage.keys(tenant_id.hex):
        batch.append(key)
        if len(batch) >= _TOGETHER:
            swept += await _sweep(database, storage, Scope(tenant_id), now, batch)
            batch = []
    return swept + await _sweep(database, storage, Scope(tenant_id), now, batch)


async def _sweep(database: Database, storage: Storage, scope: Scope, now: datetime, keys: list[str]) -> int:
    async with database.transaction(scope) as session:
        named: set[str | None] = set()
        for row in (Attachment, DocumentVersion, HistoryImport):
            named |= set((await session.execute(select(row.storage_key).where(row.storage_key.in_(keys)))).scalars())
    swept = 0
    for key in keys:
        if key in named:
            continue
        head = await storage.head(key)
        if head is not None and head.modified_at < now - ORPHAN_AGE:
            await storage.delete(key)
            swept += 1
    return swept
