"""Uploaded ticket histories: learned from, and replayed."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID


class HistoryReader(Protocol):
    async def take_in(self, tenant_id: UUID, import_id: UUID, fence: int) -> None:
        """Store the tickets of an uploaded history and learn from their replies; nothing is sent or drafted.

        Begun again it goes on where it stopped. Raises LostLeaseError when the fence is stale.
        """
        ...


class HistoryReplayer(Protocol):
    async def replay(self, tenant_id: UUID, backtest_id: UUID, fence: int) -> None:
        """Draft the imported tickets anew, each from what had been answered before it came, and store what that shows.

        Begun again it starts over. Raises LostLeaseError when the fence is stale.
        """
        ...
