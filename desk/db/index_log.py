"""Searchable items: their vectors, and the log by which every process keeps its in-memory indexes up to date.

Vector and log entry are written in the transaction that changes the item (design section 4), so what is committed is
found by the very next search anywhere. An item is searched exactly as long as it has a vector row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

import numpy as np
from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.tenancy import session_scope
from desk.db.vector_table import has_vector_table, store_vectors
from desk.models import Embedding, IndexCounter, IndexLogEntry
from desk.ports import Vectors

Source = Literal["knowledge", "example", "correction", "faq"]
"""What `item_id` names: a chunk, an example, a correction, a phrasing of a FAQ."""


_ROWS_A_STATEMENT = 1_000
"""PostgreSQL's protocol takes 32,767 parameters a statement; a large document has more."""


async def lock_index(session: AsyncSession) -> None:
    """Take the tenant's turn at the log now. For those who lock rows of their own before they write to it, so that
    everyone locks in the same order."""
    tenant_id = session_scope(session.sync_session).tenant_id
    await session.execute(select(IndexCounter.id).where(IndexCounter.tenant_id == tenant_id).with_for_update())


async def put_items(
    session: AsyncSession, source: Source, item_ids: Sequence[UUID], vectors: Vectors, model: str
) -> None:
    """Make items searchable, or replace their vectors of this model; one row of `vectors` an id."""
    if not item_ids:
        return
    tenant_id = session_scope(session.sync_session).tenant_id
    rows = [
        {
            "id": uuid7(),
            "tenant_id": tenant_id,
            "source": source,
            "item_id": item_id,
            "model": model,
            "dimension": vectors.shape[1],
            "vector": np.ascontiguousarray(vector, dtype="<f4").tobytes(),
        }
        for item_id, vector in zip(item_ids, vectors, strict=True)
    ]
    in_table = await has_vector_table(session)
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        statement = insert(Embedding).values(rows[start : start + _ROWS_A_STATEMENT])
        written = await session.execute(
            statement.on_conflict_do_update(
                constraint="uq_embeddings_item",
                set_={"vector": statement.excluded.vector, "dimension": statement.excluded.dimension},
            ).returning(Embedding.item_id, Embedding.id)
        )
        if in_table and tenant_id is not None:
            embedding_of = dict(written.all())
            some = {item_id: embedding_of[item_id] for item_id in item_ids[start : start + _ROWS_A_STATEMENT]}
            await store_vectors(session, tenant_id, source, model, some, vectors[start : start + _ROWS_A_STATEMENT])
    await _log(session, source, "upsert", item_ids)


async def remove_items(session: AsyncSession, source: Source, item_ids: Sequence[UUID]) -> None:
    """Take items out of search, whatever model they were embedded with."""
    if not item_ids:
        return
    for start in range(0, len(item_ids), _ROWS_A_STATEMENT):
        some = item_ids[start : start + _ROWS_A_STATEMENT]
        await session.execute(delete(Embedding).where(Embedding.source == source, Embedding.item_id.in_(some)))
    await _log(session, source, "remove", item_ids)


async def last_sequence(session: AsyncSession, tenant_id: UUID) -> int:
    """How far the log of `tenant_id` (the session's own, or the global one) reaches; 0 for an empty one."""
    found = await session.execute(select(IndexCounter.value).where(IndexCounter.tenant_id == tenant_id))
    return found.scalar_one_or_none() or 0


async def last_sequences(session: AsyncSession, tenant_ids: Sequence[UUID]) -> dict[UUID, int]:
    """`last_sequence` of each, in one statement."""
    found = await session.execute(
        select(IndexCounter.tenant_id, IndexCounter.value).where(IndexCounter.tenant_id.in_(tenant_ids))
    )
    return {**dict.fromkeys(tenant_ids, 0), **{row.tenant_id: row.value for row in found}}


async def _log(session: AsyncSession, source: Source, operation: str, item_ids: Sequence[UUID]) -> None:
    """Append to the tenant's log. The counter's row lock makes sequence order and commit order the same."""
    counted = await session.execute(
        update(IndexCounter).values(value=IndexCounter.value + len(item_ids)).returning(IndexCounter.value)
    )
    first = counted.scalar_one() - len(item_ids) + 1
    session.add_all(
        IndexLogEntry(id=uuid7(), sequence=first + offset, source=source, item_id=item_id, operation=operation)
        for offset, item_id in enumerate(item_ids)
    )
    await session.flush()
