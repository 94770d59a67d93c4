"""The FAQ lane: a published answer for the question that was asked before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from desk.ports.retrieval import Hit


@dataclass(frozen=True, slots=True)
class FaqMatch:
    """The published FAQ a message asks for."""

    hit: Hit
    """Of kind `faq`: `text` is the approved answer, `question` the wording that matched, `lexical` the share of
    letters in common with it."""
    how: str
    """exact, misspelt, same_words, reworded, near_wording or ambiguous."""
    certain: bool
    """Sure enough that the answer may be sent without a person, where the channel's switch allows it."""
    probability: float
    """That this is the FAQ that is meant, in [0, 1]."""
    lead: float
    """Cosine over the next FAQ's."""


@dataclass(frozen=True, slots=True)
class FaqFound:
    """A published FAQ in a ranking."""

    faq_id: UUID
    score: float
    """Similarity in [0, 1] of the nearest wording; 1 for the very words."""


class FaqLane(Protocol):
    async def answer_for(
        self, tenant_id: UUID, subject: str, text: str, *, reached: int | None = None
    ) -> FaqMatch | None:
        """The FAQ that is more likely meant than not; None without one. Opens and closes its own transaction.

        With `reached`, the `index_sequence` of evidence just gathered for the tenant, FAQs published since need not be
        looked for. A FAQ that is found is read again in any case.
        """
        ...

    async def search(self, tenant_id: UUID, query: str, k: int) -> Sequence[FaqFound]:
        """The `k` published FAQs nearest to the query, best first."""
        ...
