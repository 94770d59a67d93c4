"""Keeping the knowledge whole in the background."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID


class KnowledgeUpkeep(Protocol):
    """Each call does a bounded piece of the job `job_id` (a `KnowledgeJob` held under `fence`) and commits how far it
    came. Raises LostLeaseError when the fence is stale; then nothing of the piece is kept."""

    async def renew_gaps(self, tenant_id: UUID, job_id: UUID, fence: int) -> bool:
        """Take in questions that no source answered since the last time, and bring them together with those that are
        alike. True when more is left to do."""
        ...

    async def compare_passages(self, tenant_id: UUID, job_id: UUID, fence: int) -> bool:
        """Compare passages and FAQs that are new since the last time with those that are near them. True when more is
        left to do."""
        ...

    async def relearn(self, tenant_id: UUID) -> int:
        """Embed every active example, correction and published FAQ anew; returns how many."""
        ...

    async def search_again(self, tenant_id: UUID, chunk_id: UUID) -> None:
        """Take a passage that was set aside into search again; nothing is done when it is there."""
        ...

    def letter_body(self, reply: str) -> str:
        """A reply without its greeting, signature and quoted mail."""
        ...
