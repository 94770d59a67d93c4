"""The tenants whose indexes this process holds in memory: opened with the first search, closed by least use."""

from __future__ import annotations

from collections import OrderedDict
from uuid import UUID

from desk.ports import Embedder
from retrieval.tenant_index import TenantIndex

DEFAULT_BYTES = 1_500_000_000


class OpenIndexes:
    def __init__(self, embedder: Embedder, most_bytes: int = DEFAULT_BYTES) -> None:
        self._embedder = embedder
        self._most_bytes = most_bytes
        self._open: OrderedDict[UUID, TenantIndex] = OrderedDict()

    def of(self, tenant_id: UUID) -> TenantIndex:
        """The tenant's index, which the caller refreshes; another embedding model means another index."""
        index = self._open.get(tenant_id)
        if index is None or index.model != self._embedder.model:
            index = TenantIndex(tenant_id, self._embedder.model, self._embedder.dimension)
            self._open[tenant_id] = index
            self._close_least_used()
        self._open.move_to_end(tenant_id)
        return index

    @property
    def nbytes(self) -> int:
        return sum(index.nbytes for index in self._open.values())

    def _close_least_used(self) -> None:
        while len(self._open) > 1 and self.nbytes > self._most_bytes:
            self._open.popitem(last=False)
