"""What retrieval costs when another of many tenants asks each time, beside the same tenant asking each time.

Every tenant's index is opened with its first question and closed by least use, so a thousand small ones must cost no
more a question than one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from uuid import UUID

import numpy as np
from uuid_utils.compat import uuid7

from desk.accounts.tenants import create_tenant
from desk.db.index_log import put_items
from desk.db.leases import database_time
from desk.db.tenancy import Scope
from desk.installation import Installation
from desk.measuring.figures import Figure, take_turns
from desk.measuring.scratch import random_rows, random_text
from desk.models import Example
from desk.ports import Question

TENANTS = 1_000
_ITEMS = 40
_SAMPLES = 40
_QUESTION = "Mail to my customers bounces since I moved the domain to you"


@dataclass(slots=True)
class TenantsBench:
    """`installation` has opened none of the tenants' indexes yet."""

    installation: Installation

    async def measure(self, tenants: int = TENANTS) -> list[Figure]:
        random = np.random.default_rng(5)
        ids = [await self._small_tenant(random) for _ in range(tenants)]
        for tenant_id in ids:
            await self._gather(tenant_id)
        order: list[int] = random.permutation(len(ids)).tolist()
        turn = iter(order * _SAMPLES)

        async def any_tenant() -> float:
            return await self._gather(ids[next(turn)])

        async def one_tenant() -> float:
            return await self._gather(ids[0])

        taken = await take_turns(any_tenant, one_tenant, samples=_SAMPLES)
        name = f"retrieval for a draft, {tenants} tenants of {_ITEMS} answers"
        return [
            taken.figure(f"{name}, another tenant each time", "ms", "the same tenant each time, in turn"),
        ]

    async def _gather(self, tenant_id: UUID) -> float:
        started = perf_counter()
        await self.installation.retriever.gather(Question(tenant_id, "", _QUESTION))
        return 1000 * (perf_counter() - started)

    async def _small_tenant(self, random: np.random.Generator) -> UUID:
        database, embedder = self.installation.database, self.installation.embedder
        tenant = await create_tenant(database, f"Small {uuid7().hex}")
        async with database.transaction(Scope(tenant.id)) as session:
            now = await database_time(session)
            rows = [
                Example(
                    id=uuid7(),
                    question=random_text(random),
                    answer=random_text(random),
                    origin="imported",
                    answered_at=now,
                )
                for _ in range(_ITEMS)
            ]
            session.add_all(rows)
            await session.flush()
            vectors = random_rows(random, len(rows), embedder.dimension)
            await put_items(session, "example", [row.id for row in rows], vectors, embedder.model)
        return tenant.id
