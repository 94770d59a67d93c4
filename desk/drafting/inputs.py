"""What goes into composing a draft and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from desk.accounts.preferences import Preferences
from desk.drafting.checks import Check
from desk.drafting.prompts import PromptText
from desk.drafting.written import WrittenDraft
from desk.policy.decide import ChannelRules, PolicyDecision
from desk.policy.presentation import Presentation
from desk.ports import ChatTurn, Confidence, Evidence, FaqMatch


@dataclass(frozen=True, slots=True)
class DraftingInputs:
    """Everything a draft is decided from that is not the customer's own: what a replay can exchange."""

    preferences: Preferences
    prompt: PromptText
    prompt_id: UUID | None
    rules: ChannelRules
    experiment_id: UUID | None = None
    arm: str | None = None
    """Which of the experiment's prompts this is."""


@dataclass(frozen=True, slots=True)
class FinishedDraft:
    written: WrittenDraft
    evidence: Evidence
    confidence: Confidence
    presentation: Presentation
    checks: tuple[Check, ...]
    policy: PolicyDecision
    turns: tuple[ChatTurn, ...]
    features: tuple[float, ...]
    timings_ms: dict[str, float]
    faq: FaqMatch | None = None
    """The FAQ the question asks for, whether or not it wrote the draft."""
    blind_review: bool | None = None
    """As `desk.models.Draft.blind_review`."""
