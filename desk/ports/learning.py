"""What is learned from what people changed (design section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

from desk.ports.retrieval import Evidence, Span


@dataclass(frozen=True, slots=True)
class EditChange:
    kind: str
    """number, date, amount, duration, url, email, phone, entity, negation, modality, promise, step_added,
    step_removed, apology, tone, greeting, formatting, wording."""
    before: str
    after: str
    span_before: Span
    """In the draft as it was given, before anything was stripped."""
    span_after: Span
    meaning: bool
    """Whether this change alone alters what the customer is told."""


@dataclass(frozen=True, slots=True)
class EditAnalysis:
    similarity: float
    """Levenshtein similarity of the two texts without greeting, signature and quoted mail, in [0, 1]."""
    meaning_changed: bool
    changes: tuple[EditChange, ...]
    verdict: Literal["example", "correction"]
    notes: str
    """One line a person understands: what to do and not to do next time."""


class Calibration(Protocol):
    """How likely it is that an agent would send a draft unchanged in meaning, from the tenant's own reviews."""

    def features(self, evidence: Evidence, body: str, writer: str) -> tuple[float, ...]: ...

    async def probability(self, tenant_id: UUID, features: tuple[float, ...]) -> float | None:
        """None until the tenant has reviewed enough drafts for a probability to mean anything."""
        ...


Learned = Literal["example", "correction"]


class Learner(Protocol):
    async def learn(self, tenant_id: UUID, review_id: UUID, fence: int) -> None:
        """Store the example or correction of a review whose undo window has closed, searchable at once.

        Done twice it stores one. Raises LostLeaseError when the fence is stale.
        """
        ...

    async def keep(self, tenant_id: UUID, source: Learned, item_id: UUID) -> None:
        """What was set aside or retired still holds: found again from now on.

        Raises NotFoundError, ConflictError when it is in use already.
        """
        ...


class EditNotes(Protocol):
    async def note(self, tenant_id: UUID, correction_id: UUID, fence: int) -> None:
        """Have a language model say in a sentence what the edit behind a correction teaches, for people to read.

        Raises LostLeaseError when the fence is stale.
        """
        ...


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something a draft says although somebody had corrected it before."""

    kind: str
    """As of an `EditChange`; `rejected` or `rewritten` when it is the draft as a whole."""
    said: str
    instead: str
    """What was said in its place; empty when nothing was."""
    span: Span
    """In the draft; empty where something is left out."""


class MistakeFinder(Protocol):
    def mistakes(self, avoid: str, instead: str, draft: str) -> tuple[Mistake, ...]:
        """What of a correction (`avoid` was the draft, `instead` what was sent) this draft gets wrong again.

        Pure and deterministic.
        """
        ...


class EditAnalyser(Protocol):
    def analyse(self, draft: str, sent: str) -> EditAnalysis:
        """Pure and deterministic (design section 6)."""
        ...
