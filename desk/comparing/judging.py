"""What became of one case: whether the second draft is worse, better or as good, and why. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import Any, Literal

from desk.models import ComparisonCase
from desk.ports import EditAnalyser, Mistake, MistakeFinder

Outcome = Literal["broken", "fixed", "unchanged", "closer", "further", "same"]
NOTICEABLE = 0.02
"""A difference of similarity below this is none."""


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft made for a comparison; without a body none could be made."""

    body: str | None
    milliseconds: float = 0.0
    usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Judged:
    outcome: Outcome
    is_wrong: bool = False
    reasons: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    before_similarity: float | None = None
    after_similarity: float | None = None


def judge_correction(finder: MistakeFinder, case: ComparisonCase, before: Drafted | None, after: Drafted) -> Judged:
    """broken: the draft says again what must not be used, and the one before did not. fixed: the other way round.

    Without a state before, the draft before is the one that was corrected: whatever is wrong is broken.
    """
    mistakes = _mistakes(finder, case, after)
    was_wrong = before is not None and bool(_mistakes(finder, case, before))
    outcome: Outcome = "unchanged"
    if mistakes and not was_wrong:
        outcome = "broken"
    elif not mistakes and (was_wrong if before is not None else after.body is not None):
        outcome = "fixed"
    return Judged(outcome, bool(mistakes), [asdict(mistake) for mistake in mistakes])


def judge_reply(analyser: EditAnalyser, case: ComparisonCase, before: Drafted, after: Drafted) -> Judged:
    """By likeness to the reply that was really sent; no draft is like nothing."""
    then, now = _similarity(analyser, case, before), _similarity(analyser, case, after)
    difference = (now or 0.0) - (then or 0.0)
    outcome: Outcome = "same" if abs(difference) < NOTICEABLE else "closer" if difference > 0 else "further"
    return Judged(outcome, before_similarity=then, after_similarity=now)


def _mistakes(finder: MistakeFinder, case: ComparisonCase, drafted: Drafted) -> tuple[Mistake, ...]:
    return finder.mistakes(case.avoid, case.wanted, drafted.body or "")


def _similarity(analyser: EditAnalyser, case: ComparisonCase, drafted: Drafted) -> float | None:
    return None if drafted.body is None else analyser.analyse(drafted.body, case.wanted).similarity
