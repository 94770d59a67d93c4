"""A question, the evidence found for it, and how much it is worth (design section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

SourceKind = Literal["global_kb", "tenant_kb", "example", "correction", "faq"]
Span = tuple[int, int]
"""Half-open character range [start, end) in the text it speaks of."""


@dataclass(frozen=True, slots=True)
class SourceWeights:
    """How much each source counts; normalised to a sum of 1 where they are used (design section 5)."""

    global_kb: float = 0.20
    tenant_kb: float = 0.30
    example: float = 0.35
    correction: float = 0.15

    def normalised(self) -> SourceWeights:
        total = self.global_kb + self.tenant_kb + self.example + self.correction
        if total <= 0:
            msg = "at least one source weight must be above zero"
            raise ValueError(msg)
        return SourceWeights(
            self.global_kb / total, self.tenant_kb / total, self.example / total, self.correction / total
        )


@dataclass(frozen=True, slots=True)
class ConfidenceSettings:
    """The numbers of the confidence formula (design section 5); a tenant may change every one."""

    example_part: float = 0.4
    kb_part: float = 0.3
    intent_part: float = 0.2
    correction_part: float = 0.1
    good_match: float = 0.5
    """An example above this similarity counts as a good match; two of them earn the boost."""
    example_boost: float = 0.1
    tenant_share: float = 0.6
    """Share of the tenant KB in the KB similarity; the rest is the global KB's."""
    missing_tenant_penalty: float = 0.5
    """Factor on KB similarity when the intent needs tenant knowledge and none was found."""
    similar_correction: float = 0.8
    """Above this similarity a correction takes safety down to `unsafe_correction`."""
    unsafe_correction: float = 0.4
    high: float = 75.0
    medium: float = 50.0
    low: float = 25.0


@dataclass(frozen=True, slots=True)
class IntentGuess:
    label: str
    """`other` when nothing fits."""
    certainty: float
    needs_tenant_knowledge: bool = False


@dataclass(frozen=True, slots=True)
class IntentDescription:
    """One intent that is told apart, for people to look at."""

    label: str
    title: str
    base_certainty: float
    needs_tenant_knowledge: bool
    keywords: tuple[str, ...]
    keyword_weights: Mapping[str, float] = field(default_factory=dict[str, float])
    """1 is a strong sign."""
    examples: tuple[str, ...] = ()
    """What customers write when they mean this."""


NO_INTENT = "other"
"""The label of what is about none of the intents."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One piece of evidence, re-read under the tenant's rights."""

    kind: SourceKind
    item_id: UUID
    """Chunk, example, correction or FAQ."""
    parent_id: UUID
    """Document of a chunk; the item itself otherwise."""
    title: str
    text: str
    """Chunk text, the approved answer of an example, the 'use instead' of a correction."""
    score: float
    """Fused similarity in [0, 1] inside its source."""
    weighted_score: float
    dense: float
    """Cosine to the query, in [-1, 1]."""
    lexical: float
    """Lexical similarity scaled to [0, 1]."""
    version: int = 1
    url: str | None = None
    span: Span | None = None
    """Where a chunk stands in its document's text."""
    heading_path: tuple[str, ...] = ()
    question: str = ""
    """What the customer had asked, for examples and corrections."""
    avoid: str = ""
    """The 'do not use' text of a correction."""
    notes: str = ""
    language: str = ""
    created_at: datetime | None = None
    """When the answer was approved, for examples and corrections."""
    customer_name: str = ""
    """Whose ticket an example came from; must not appear in another customer's draft."""
    relevance: float | None = None
    """What the reranking stage gave it, in [0, 1]; None when that is off or failed."""


@dataclass(frozen=True, slots=True)
class ConfidenceParts:
    example_similarity: float
    kb_similarity: float
    intent_certainty: float
    correction_safety: float


Level = Literal["high", "medium", "low", "very_low"]


@dataclass(frozen=True, slots=True)
class Confidence:
    score: float
    """0 to 100, the plain formula."""
    level: Level
    parts: ConfidenceParts
    renormalised: float
    """0 to 100 over the sources that hold anything; decides the presentation until evidence exists."""
    calibrated: float | None = None
    """Probability that an agent would have sent it unchanged in meaning; None without evidence."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is searched for: the customer's words, cleaned, and what is known around them."""

    tenant_id: UUID
    subject: str
    text: str
    language: str = ""
    weights: SourceWeights | None = None
    """None: the default weights."""
    confidence: ConfidenceSettings = ConfidenceSettings()
    top_k: int = 8
    neighbours: int = 60
    sources: tuple[SourceKind, ...] = ("global_kb", "tenant_kb", "example", "correction")
    intent: str = ""
    """What a person said it is about; empty: it is guessed."""


@dataclass(frozen=True, slots=True)
class Reranking:
    """What the optional second look at the hits did."""

    by: str
    """The reranker and its model."""
    threshold: float
    considered: int
    """Hits it looked at; those behind them were not candidates."""
    dropped: int
    """Of these, how many were below the threshold."""
    moved: int
    """Of those kept, how many changed their place."""
    failure: str = ""
    """Why the first order stayed; empty when it did not."""


@dataclass(frozen=True, slots=True)
class Evidence:
    hits: tuple[Hit, ...]
    """Merged over the sources, best weighted score first."""
    neighbours: tuple[Hit, ...]
    """The nearest approved examples, best first: more than are shown, for choosing among approved answers."""
    intent: IntentGuess
    confidence: Confidence
    weights: SourceWeights
    embedding_model: str
    index_sequence: int
    """How far the index had followed the tenant's index log."""
    approved_answers: int = 0
    """How many approved answers are held, of which `neighbours` are the nearest; 0 when it is not known."""
    language: str = ""
    """ISO 639-1 of what the customer wrote; "" when it is not known."""
    timings_ms: Mapping[str, float] = field(default_factory=dict[str, float])
    reranking: Reranking | None = None
    """None while the stage is off."""


class Reranker(Protocol):
    """A slower, closer look at few passages."""

    @property
    def name(self) -> str:
        """For the decision record."""
        ...

    async def relevance(self, tenant_id: UUID, question: str, passages: Sequence[str]) -> Sequence[float]:
        """How well each passage answers the question, in [0, 1] and in their order.

        Raises ModelUnavailableError when it cannot say.
        """
        ...


class Retriever(Protocol):
    async def gather(self, question: Question) -> Evidence:
        """Search the sources, merge, guess the intent and score. Opens and closes its own transactions."""
        ...
