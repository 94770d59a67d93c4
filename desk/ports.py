"""What the core asks of the packages around it: protocols and the frozen messages they exchange.

Adapters live in `retrieval`, `learning` and `connectors`; `desk.wiring` binds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, Protocol
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
"""Row-major float32, shape (texts, dimension), every row of length 1."""

SourceKind = Literal["global_kb", "tenant_kb", "example", "correction", "faq"]
Span = tuple[int, int]
"""Half-open character range [start, end) in the text it speaks of."""


class Clock(Protocol):
    def now(self) -> datetime:
        """The current time, always with a zone (UTC)."""
        ...


# Embeddings ------------------------------------------------------------------------------------------------


class Embedder(Protocol):
    @property
    def model(self) -> str:
        """Stored with every vector; two embedders with the same name must give the same vectors."""
        ...

    @property
    def dimension(self) -> int: ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row per text, in order. Raises ModelUnavailableError when a remote endpoint fails."""
        ...


# Retrieval -------------------------------------------------------------------------------------------------


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
    language: str = ""
    """ISO 639-1 of what the customer wrote; "" when it is not known."""
    timings_ms: Mapping[str, float] = field(default_factory=dict[str, float])


class Retriever(Protocol):
    async def gather(self, question: Question) -> Evidence:
        """Search the sources, merge, guess the intent and score. Opens and closes its own transactions."""
        ...


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
    async def answer_for(self, tenant_id: UUID, subject: str, text: str) -> FaqMatch | None:
        """The FAQ that is more likely meant than not; None without one. Opens and closes its own transaction."""
        ...

    async def search(self, tenant_id: UUID, query: str, k: int) -> Sequence[FaqFound]:
        """The `k` published FAQs nearest to the query, best first."""
        ...


class DocumentIndexer(Protocol):
    async def index(self, tenant_id: UUID, version_id: UUID, fence: int) -> None:
        """Parse, chunk and embed an uploaded document version; it ends `indexed`, or `refused` with the reason.

        Raises LostLeaseError when the fence is stale.
        """
        ...

    async def index_many(self, tenant_id: UUID, fences: Mapping[UUID, int]) -> None:
        """The same for several versions (id to fence), embedded together; one with a stale fence is left alone."""
        ...


# Language models -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChatTurn:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    turns: tuple[ChatTurn, ...]
    temperature: float
    max_tokens: int
    json_schema_name: str
    json_schema: Mapping[str, Any]
    """The answer must be one JSON object of this schema."""
    safety_identifier: str
    """A hash of tenant and customer; never an address."""
    deadline_seconds: float = 60.0
    """For the whole chain, retries and fallbacks included."""


@dataclass(frozen=True, slots=True)
class ModelAttempt:
    """One paid call or try, for the ledger and for 'why no draft'."""

    provider: str
    model: str
    outcome: Literal["answered", "invalid", "refused", "rate_limited", "timeout", "unreachable", "error", "skipped"]
    detail: str
    tokens_in: int
    tokens_out: int
    usd: Decimal
    milliseconds: float
    estimated: bool = False
    """Token counts are our estimate because the server gave none."""


@dataclass(frozen=True, slots=True)
class ChatReply:
    data: Mapping[str, Any]
    """The parsed JSON object, valid against the schema."""
    provider: str
    model: str
    attempts: tuple[ModelAttempt, ...]


class ChatModel(Protocol):
    async def complete(self, request: ChatRequest) -> ChatReply:
        """Ask the chain. Raises ModelUnavailableError carrying every ModelAttempt when nobody answered."""
        ...

    async def close(self) -> None: ...


class ChatModels(Protocol):
    async def for_tenant(self, tenant_id: UUID) -> ChatModel | None:
        """The tenant's own chain, else the installation's; None when the desk works without a model."""
        ...

    async def close(self) -> None: ...


# Learning --------------------------------------------------------------------------------------------------


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


class Learner(Protocol):
    async def learn(self, tenant_id: UUID, review_id: UUID, fence: int) -> None:
        """Store the example or correction of a review whose undo window has closed, searchable at once.

        Done twice it stores one. Raises LostLeaseError when the fence is stale.
        """
        ...


class EditAnalyser(Protocol):
    def analyse(self, draft: str, sent: str) -> EditAnalysis:
        """Pure and deterministic (design section 6)."""
        ...


# Channels --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OutgoingReply:
    """Everything a channel needs, frozen when the reply was approved."""

    delivery_id: UUID
    tenant_id: UUID
    ticket_id: UUID
    attempt: int
    recipient: Mapping[str, Any]
    """As the inbound message gave it; the channel's own shape."""
    configuration: Mapping[str, Any]
    """The connection's settings, secrets decrypted."""
    subject: str
    body: str
    external_ticket_id: str | None
    approved_at: datetime


@dataclass(frozen=True, slots=True)
class SendOutcome:
    result: Literal["sent", "failed", "retry", "uncertain"]
    """`retry` only when it was surely not accepted; `uncertain` when nobody can know."""
    detail: str = ""
    provider_id: str | None = None
    retry_after_seconds: float | None = None


class Channel(Protocol):
    @property
    def kind(self) -> str: ...

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        """Hand the reply over once. Never raises for what the other side does."""
        ...

    async def reconcile(self, reply: OutgoingReply) -> SendOutcome:
        """Look up an uncertain reply; `uncertain` again when it cannot be looked up."""
        ...
