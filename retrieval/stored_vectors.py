"""Searching the vectors in PostgreSQL, by pgvector, where DESK_VECTOR_BACKEND says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.index_log import Source
from desk.db.vector_table import GRAPH_DIMENSIONS, TABLE, as_text
from desk.ports import Vectors
from retrieval.vectors.graph import EXPANSION, GRAPH_ABOVE

_OWN = "tenant_id = :tenant AND source = :source AND model = :model AND dimension = :dimension"


@dataclass(frozen=True, slots=True)
class StoredVectors:
    """The vectors of one tenant and source, those of one model."""

    tenant_id: UUID
    source: Source
    model: str
    dimension: int

    async def nearest(
        self, session: AsyncSession, vector: Vectors, k: int, also: Sequence[UUID], items: int
    ) -> dict[UUID, float]:
        """The cosines of the `k` nearest items and of those in `also`. `items`: how many the source holds.

        Exact by the index on tenant and source while they are few. Above the crossover by pgvector's graph, which
        all tenants share: it is filtered while it is walked (iterative scan), which finds fewer than a graph of one's
        own would, see `docs/measurements.md`. Raises ValueError for a vector of another shape or of length 0.
        """
        length = float(np.linalg.norm(vector))
        if vector.shape != (self.dimension,) or not np.isfinite(length) or length == 0:
            msg = f"expected a vector of {self.dimension} numbers that has a direction"
            raise ValueError(msg)
        distance = "vector <#> CAST(:asked AS vector)"
        nearest = distance
        if items > GRAPH_ABOVE and self.dimension <= GRAPH_DIMENSIONS:
            await session.execute(
                text(
                    "SELECT set_config('hnsw.iterative_scan', 'strict_order', true),"
                    " set_config('hnsw.ef_search', :expansion, true)"
                ),
                {"expansion": str(EXPANSION)},
            )
            half = f"halfvec({self.dimension})"
            nearest = f"(vector::{half}) <#> CAST(:asked AS {half})"
        own = _OWN.replace(":dimension", str(self.dimension))
        found = await session.execute(
            text(
                f"(SELECT item_id, -({distance}) AS cosine FROM {TABLE} WHERE {own}"  # noqa: S608 - names and a number
                f" ORDER BY {nearest} LIMIT :k)"
                f" UNION SELECT item_id, -({distance}) FROM {TABLE}"
                f" WHERE {own} AND item_id = ANY(CAST(:also AS uuid[]))"
            ),
            {
                "tenant": self.tenant_id,
                "source": self.source,
                "model": self.model,
                "asked": as_text((vector / length)[np.newaxis])[0],
                "k": k,
                "also": [str(item_id) for item_id in also],
            },
        )
        return {row.item_id: min(max(float(row.cosine), -1.0), 1.0) for row in found}
