"""The tenants whose indexes this process holds in memory: opened with the first search, closed by least use."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from uuid import UUID

from desk.ports import Embedder
from retrieval.snapshots import Snapshots
from retrieval.tenant_index import TenantIndex, VectorBackend

DEFAULT_BYTES = 1_500_000_000


class OpenIndexes:
    """Within `most_bytes`, but for the one tenant that is being searched. For use on one event loop."""

    def __init__(
        self,
        embedder: Embedder,
        most_bytes: int = DEFAULT_BYTES,
        *,
        backend: VectorBackend = "memory",
        snapshots: Snapshots | None = None,
    ) -> None:
        self._embedder = embedder
        self._most_bytes = most_bytes
        self._backend: VectorBackend = backend
        self._snapshots = snapshots
        self._open: OrderedDict[UUID, TenantIndex] = OrderedDict()
        self._bytes: dict[UUID, int] = {}
        self._upkeep: dict[UUID, asyncio.Task[None]] = {}

    def of(self, tenant_id: UUID) -> TenantIndex:
        """The tenant's index, which the caller refreshes; another embedding model means another index."""
        index = self._open.get(tenant_id)
        if index is None or index.model != self._embedder.model:
            index = TenantIndex(
                tenant_id,
                self._embedder.model,
                self._embedder.dimension,
                backend=self._backend,
                snapshots=self._snapshots,
                changed=self._changed,
            )
            self._open[tenant_id] = index
        self._open.move_to_end(tenant_id)
        return index

    @property
    def nbytes(self) -> int:
        return sum(self._bytes.values())

    def __len__(self) -> int:
        return len(self._open)

    async def settle(self) -> None:
        """Wait until no graph is being built or saved any more."""
        while self._upkeep:
            await asyncio.gather(*self._upkeep.values())

    def _changed(self, index: TenantIndex) -> None:
        if self._open.get(index.tenant_id) is not index:
            return
        self._bytes[index.tenant_id] = index.nbytes
        while len(self._open) > 1 and self.nbytes > self._most_bytes:
            closed, _ = self._open.popitem(last=False)
            self._bytes.pop(closed, None)
        if index.needs_upkeep and index.tenant_id not in self._upkeep:
            task = asyncio.create_task(index.keep_up())
            self._upkeep[index.tenant_id] = task
            task.add_done_callback(lambda _: self._upkeep.pop(index.tenant_id, None))
