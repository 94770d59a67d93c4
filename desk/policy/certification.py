"""The certified policy of one group of drafts, played over its labels in their order (design section 7).

Pure and deterministic: live it is played over the reviews in the database, in the backtest over imported history.

Look k tests thresholds from strict to loose. Each is tested on the newest `needed` labels at or above it, a number
that depends on the look alone and forgives as many errors as looks were lost before; so every test is a binomial one
of a size fixed beforehand. The strictest threshold that has labels enough comes first, which looks at scores and
never at labels, and the sequence ends at the first that fails; so no correction for the number of thresholds is due
(Angelopoulos et al. 2021, "Learn then Test"), and all looks together spend one error budget.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from desk.policy.certificate import Certificate, error_budget, labels_needed, surely_above, upper_bound

LOOSEST_PERCENT = 50
STRICTEST_PERCENT = 99
GROWTH = 1.25
"""Labels, against those of the last look, before another look is worth its share of the budget."""
DRIFT_WINDOW = 60
"""Newest labels a certificate is watched by."""
HOPELESS = 2.0
"""No look is spent while the scores themselves promise more than so many times the accepted risk."""

Change = Literal["granted", "lowered", "lost", "revoked"]
"""What one label brought: a certificate, a lower threshold, a look without result, the end of a certificate."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What an admin accepts."""

    risk: float = 0.05
    """Largest share of automatic replies that an agent would have changed in meaning."""
    confidence: float = 0.95
    """That the share is not above `risk`, over all looks together."""
    review_share: float = 0.10
    """Of the drafts that may go out, so many go to a person all the same, so that labels keep coming."""


def drawn_for_review(identity: str, share: float, salt: str) -> bool:
    """Chance by the identity of what is drafted: unrelated to its text, the same whenever it is asked.

    Who sees the identity cannot foresee the draw without the `salt`.
    """
    digest = hmac.digest(salt.encode(), identity.encode(), "sha256")
    return int.from_bytes(digest[:8]) < share * 2**64


@dataclass(frozen=True, slots=True)
class Label:
    """One draft that could have gone out by itself, and what a person made of it."""

    score: float
    """The calibrated probability it was given when it was written."""
    good: bool
    sampled: bool
    """Drawn for blind review when it was written; drawn for every draft, with or without a certificate."""
    reported: bool = False
    """Somebody came back to a reply that had gone out unseen. It ends certificates and helps none."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the next look is."""

    labels: int
    """At or above the threshold whose scores promise the accepted risk."""
    needed: int
    forgiven: int
    """Errors among the `needed` that the look forgives."""
    look: int
    expected_error: float | None
    """Share of errors that the scores themselves promise among the surest `needed` drafts; None without labels."""


@dataclass(slots=True)
class Certification:
    """Fed label by label. A certificate ends by `revoked`, and what was seen before then counts no more."""

    terms: Terms
    looks_spent: int = 0
    certificate: Certificate | None = None
    _scores: list[float] = field(default_factory=list[float])
    _good: list[bool] = field(default_factory=list[bool])
    _watched: list[bool] = field(default_factory=list[bool])
    _lost: int = 0
    _labels_at_look: int = 0

    @classmethod
    def play(cls, labels: Iterable[Label], terms: Terms, looks_spent: int = 0) -> Certification:
        played = cls(terms, looks_spent)
        for label in labels:
            played.add(label)
        return played

    def add(self, label: Label) -> Change | None:
        if self.certificate is not None:
            if not (label.sampled or label.reported):
                return None  # what is sent has no label, so unsampled ones would count the uncertain drafts only
            if label.score >= self.certificate.threshold and self._has_drifted(label.good):
                self._begin_again()
                return "revoked"
        if label.reported:
            return None
        self._scores.append(label.score)
        self._good.append(label.good)
        return self._look_if_due()

    def progress(self) -> Progress:
        needed, forgiven = self._needed(), self._lost
        scores = np.array(self._scores)
        if self.certificate is not None:
            scores = scores[scores < self.certificate.threshold]
        surest = np.sort(scores)[::-1]
        promised = np.cumsum(1.0 - surest) / np.arange(1, len(surest) + 1)
        kept = int(np.count_nonzero(promised <= self.terms.risk))
        expected = float(promised[min(needed, len(surest)) - 1]) if len(surest) else None
        return Progress(kept, needed, forgiven, self.looks_spent + 1, expected)

    def _needed(self) -> int:
        return labels_needed(self._lost, self.terms.risk, self.terms.confidence, self.looks_spent + 1)

    def _look_if_due(self) -> Change | None:
        count, needed = len(self._scores), self._needed()
        if count < needed or count < GROWTH * self._labels_at_look:
            return None
        scores = np.array(self._scores)
        strictest = _percent(float(np.partition(scores, -needed)[-needed]))
        if self.certificate is not None:
            strictest = min(strictest, round(100 * self.certificate.threshold) - 1)
        if strictest < LOOSEST_PERCENT:
            return None
        promised = float(np.mean(1.0 - scores[_newest(scores, strictest, needed)]))
        if promised > self.terms.risk and (count < 2 * needed or promised > HOPELESS * self.terms.risk):
            return None
        return self._look(scores, strictest, needed)

    def _look(self, scores: NDArray[np.float64], strictest: int, needed: int) -> Change:
        self.looks_spent += 1
        self._labels_at_look = len(scores)
        good = np.array(self._good)
        budget = error_budget(self.terms.confidence, self.looks_spent)
        found: Certificate | None = None
        before: NDArray[np.intp] | None = None
        for percent in range(strictest, LOOSEST_PERCENT - 1, -1):
            tested = _newest(scores, percent, needed)
            if before is not None and np.array_equal(tested, before):
                continue  # nothing was seen between the two, so nothing there is vouched for
            before = tested
            errors = int(np.count_nonzero(~good[tested]))
            if errors > self._lost:
                break
            bound = upper_bound(errors, needed, 1.0 - budget)
            terms = self.terms
            found = Certificate(percent / 100, terms.risk, terms.confidence, bound, needed, errors, self.looks_spent)
        if found is None:
            self._lost += 1
            return "lost"
        change: Change = "granted" if self.certificate is None else "lowered"
        self.certificate = found
        self._watched.clear()
        return change

    def _has_drifted(self, good: bool) -> bool:
        self._watched = [*self._watched[1 - DRIFT_WINDOW :], good]
        errors = self._watched.count(False)
        return surely_above(errors, len(self._watched), self.terms.risk, self.terms.confidence)

    def _begin_again(self) -> None:
        self.certificate = None
        self._scores.clear()
        self._good.clear()
        self._watched.clear()
        self._lost = self._labels_at_look = 0


def _percent(score: float) -> int:
    """The threshold, in whole per cent, that a score just reaches."""
    return min(STRICTEST_PERCENT, math.floor(100 * score + 1e-9))


def _newest(scores: NDArray[np.float64], percent: int, needed: int) -> NDArray[np.intp]:
    """Places of the newest `needed` labels at or above a threshold."""
    return np.flatnonzero(scores >= percent / 100)[-needed:]
