"""Documents made searchable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID


class DocumentIndexer(Protocol):
    async def index(self, tenant_id: UUID, version_id: UUID, fence: int) -> None:
        """Parse, chunk and embed an uploaded document version; it ends `indexed`, or `refused` with the reason.

        Raises LostLeaseError when the fence is stale.
        """
        ...

    async def index_many(self, tenant_id: UUID, fences: Mapping[UUID, int]) -> None:
        """The same for several versions (id to fence), embedded together; one with a stale fence is left alone."""
        ...
