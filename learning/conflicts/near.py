"""Which passages lie near which: every item that is looked at against all that is searched, a block at a time."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import numpy as np
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import Embedding
from desk.ports import Vectors

SOURCES = ("knowledge", "faq")
NEAR = 0.55
"""Cosine from which two passages may be about the same; unrelated ones of one subject reach about 0.5."""
MOST_NEAR = 8
"""Passages that each one is compared with in words."""
_BLOCK = 4_096
"""Vectors held at once: 6 MB at 384 numbers."""


@dataclass(slots=True)
class Nearest:
    """The best of one item, kept while blocks go by."""

    best: list[tuple[float, UUID]] = field(default_factory=list[tuple[float, UUID]])

    def offer(self, cosine: float, item_id: UUID) -> None:
        heapq.heappush(self.best, (cosine, item_id))
        if len(self.best) > MOST_NEAR:
            heapq.heappop(self.best)


async def near_items(
    database: Database, scope: Scope, model: str, wanted: Sequence[UUID], owners: Sequence[UUID]
) -> list[tuple[UUID, UUID]]:
    """Pairs of a wanted item and one near it of these tenants; both are ids as the index log has them.

    No transaction stays open between two blocks: a large knowledge base takes seconds. `wanted` times all vectors of
    the owners are multiplied once.
    """
    async with database.transaction(scope) as session:
        vectors = await _vectors(session, model, wanted)
    if not vectors:
        return []
    ids = list(vectors)
    matrix = np.stack([vectors[item_id] for item_id in ids])
    found = {item_id: Nearest() for item_id in ids}
    for owner in owners:
        after = UUID(int=0)
        while True:
            async with database.transaction(scope) as session:
                rows = await session.execute(
                    select(Embedding.id, Embedding.item_id, Embedding.vector)
                    .where(
                        Embedding.tenant_id == owner,
                        Embedding.id > after,
                        Embedding.model == model,
                        Embedding.source.in_(SOURCES),
                    )
                    .order_by(Embedding.id)
                    .limit(_BLOCK)
                )
                block = rows.all()
            if not block:
                break
            after = block[-1].id
            others = [row.item_id for row in block]
            await asyncio.to_thread(_offer, matrix, ids, [row.vector for row in block], others, found)
    return [(item_id, other) for item_id in ids for _, other in sorted(found[item_id].best, reverse=True)]


def _offer(
    matrix: Vectors, ids: Sequence[UUID], block: Sequence[bytes], others: Sequence[UUID], found: dict[UUID, Nearest]
) -> None:
    cosines = matrix @ np.stack([np.frombuffer(vector, dtype="<f4") for vector in block]).T
    places: list[list[int]] = np.argwhere(cosines >= NEAR).tolist()
    for row, column in places:
        if ids[row] != others[column]:
            found[ids[row]].offer(float(cosines[row, column]), others[column])


async def _vectors(session: AsyncSession, model: str, wanted: Sequence[UUID]) -> dict[UUID, Vectors]:
    rows = await session.execute(
        select(Embedding.item_id, Embedding.vector).where(
            Embedding.item_id.in_(wanted), Embedding.model == model, Embedding.source.in_(SOURCES)
        )
    )
    return {row.item_id: np.frombuffer(row.vector, dtype="<f4") for row in rows}
