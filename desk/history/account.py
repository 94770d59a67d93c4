"""What a replay of past tickets found: the figures of api.md, and what people want to see beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from desk.policy.evidence import CoveragePoint, ReliabilityBin

Why = Literal["good", "no_earlier_answer", "not_found", "not_chosen", "changed_in_fitting"]
RISKS = (0.01, 0.02, 0.05, 0.10)
"""Shares of wrong automatic replies at which the account says how much could have been sent."""


@dataclass(frozen=True, slots=True)
class CitedSource:
    kind: str
    title: str
    text: str
    """The approved answer or passage, shortened."""
    score: float
    ticket: str
    """Id of the past ticket the answer was given in; empty for a document."""
    used: bool


@dataclass(frozen=True, slots=True)
class DraftBesideReply:
    """One draft, the reply that was really sent, and what the draft was made from."""

    tenant: str
    ticket: str
    created_at: datetime
    subject: str
    question: str
    draft: str
    reply: str
    similarity: float
    probability: float
    """That the draft is good, as it was known when it was written."""
    writer: str
    sources: tuple[CitedSource, ...]
    why: Why
    """Where a draft that is not good was lost."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive drafts; the stretches of an account have alike numbers of them."""

    until: datetime
    drafts: int
    similarity: float
    good: float
    similarity_without: float
    """Of the same tickets, with nothing learned after the first tickets."""
    good_without: float


@dataclass(frozen=True, slots=True)
class SentAtRisk:
    """The certified policy played forward with this accepted risk."""

    risk: float
    sent: int
    errors: int
    coverage: float
    """Share of all drafts."""
    certified_tenants: int


@dataclass(frozen=True, slots=True)
class TenantAccount:
    name: str
    tickets: int
    drafts: int
    similarity: float
    good: float
    good_without: float
    ceiling: float
    """Share of drafts for which a good answer had been written before."""
    auroc: float
    sent: int
    errors: int


@dataclass(frozen=True, slots=True)
class BacktestAccount:
    figures: dict[str, Any]
    """The JSON of `desk backtest` in api.md."""
    first_at: datetime
    last_at: datetime
    over_time: tuple[Stretch, ...]
    reliability: tuple[ReliabilityBin, ...]
    risk_coverage: tuple[CoveragePoint, ...]
    sending: tuple[SentAtRisk, ...]
    """One for each of `RISKS`."""
    tenants: tuple[TenantAccount, ...]
    best: tuple[DraftBesideReply, ...]
    worst: tuple[DraftBesideReply, ...]
    """Least alike first, among drafts with a text."""
    without_text: int
    """Tickets for which nothing could be written; they count as drafts that are nothing like the reply."""
