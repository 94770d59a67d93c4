"""What may be promised about automatic replies: exact binomial bounds, thresholds tested in a fixed sequence.

Clopper and Pearson 1934 for the bound; Angelopoulos et al. 2021, "Learn then Test", for the sequence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from desk.errors import InvalidInputError

THRESHOLDS = tuple(step / 100 for step in range(99, 49, -1))
"""The sequence, strictest first: fixed before any label is seen, which is what makes one budget enough."""


@dataclass(frozen=True, slots=True)
class Certificate:
    threshold: float
    """Drafts whose calibrated probability is at least this may be sent."""
    risk: float
    confidence: float
    """Of the whole sequence of looks; this look spent only a part of 1 - confidence."""
    bound: float
    """Upper bound on the share of errors above the threshold, below `risk`."""
    labels: int
    errors: int
    look: int | None


def upper_bound(errors: int, n: int, confidence: float) -> float:
    """The exact one-sided upper bound on an error probability of which `errors` in `n` were seen; 1 for n = 0."""
    if not 0 <= errors <= n:
        raise InvalidInputError(f"Errors must be between 0 and the number of labels, not {errors} of {n}.")
    _check_share("confidence", confidence)
    if errors == n:
        return 1.0
    low, high = 0.0, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        if binomial_tail(errors, n, middle) > 1.0 - confidence:
            low = middle
        else:
            high = middle
    return high


def binomial_tail(errors: int, n: int, probability: float) -> float:
    """The chance of at most `errors` in `n` independent trials of one probability."""
    if errors >= n or probability <= 0.0:
        return 1.0
    if probability >= 1.0:
        return 0.0
    log_odds = math.log(probability) - math.log1p(-probability)
    term = n * math.log1p(-probability)
    logarithms = [term]
    for count in range(1, errors + 1):
        term += math.log((n - count + 1) / count) + log_odds
        logarithms.append(term)
    largest = max(logarithms)
    return min(1.0, math.exp(largest) * math.fsum(math.exp(value - largest) for value in logarithms))


def error_budget(confidence: float, look: int | None) -> float:
    """What one look may spend of 1 - confidence: all of it when it is the only one (None), else
    1 / (look x (look + 1)) of it, looks counted from 1, which adds up to all of it however many follow."""
    _check_share("confidence", confidence)
    if look is None:
        return 1.0 - confidence
    if look < 1:
        raise InvalidInputError(f"Looks are counted from 1, not {look}.")
    return (1.0 - confidence) / (look * (look + 1))


def labels_needed(errors: int, risk: float, confidence: float, look: int | None) -> int:
    """How many labels certify `risk` when `errors` of them are errors: the "72" of "41 of 72"."""
    _check_share("risk", risk)
    budget = error_budget(confidence, look)
    low, high = errors, errors + 1
    while binomial_tail(errors, high, risk) > budget:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if binomial_tail(errors, middle, risk) > budget:
            low = middle
        else:
            high = middle
    return high


def certify(
    scores: Sequence[float], labels: Sequence[bool], risk: float, confidence: float, look: int | None
) -> Certificate | None:
    """The lowest threshold whose error is surely below `risk`, or None when not even the first holds.

    `scores` are the probabilities the drafts were given before their labels (True: good) were known. The
    sequence starts where the scores themselves promise most, which looks at no label, and goes down as
    long as every threshold holds; so no correction for the number of thresholds is due.
    """
    if len(scores) != len(labels):
        raise InvalidInputError(f"{len(scores)} scores cannot go with {len(labels)} labels.")
    _check_share("risk", risk)
    budget = error_budget(confidence, look)
    ranked = sorted(zip(scores, labels, strict=True), key=lambda pair: -pair[0])
    counts = [_above(ranked, threshold) for threshold in THRESHOLDS]
    found: Certificate | None = None
    for threshold, (n, errors, _) in list(zip(THRESHOLDS, counts, strict=True))[_start(counts, risk, budget) :]:
        if found is not None and n == found.labels:
            continue  # nothing was seen between the two, so nothing there is vouched for
        bound = upper_bound(errors, n, 1.0 - budget)
        if bound > risk:
            break
        found = Certificate(threshold, risk, confidence, bound, n, errors, look)
    return found


def surely_above(errors: int, n: int, risk: float, confidence: float) -> bool:
    """Whether so many errors in the latest reviews can hardly come from an error of `risk`: the drift test."""
    if errors == 0:
        return False
    return 1.0 - binomial_tail(errors - 1, n, risk) < 1.0 - confidence


def _above(ranked: Sequence[tuple[float, bool]], threshold: float) -> tuple[int, int, float]:
    """Labels, errors and expected errors among the drafts that reach the threshold."""
    reached = [pair for pair in ranked if pair[0] >= threshold]
    return len(reached), sum(not good for _, good in reached), math.fsum(1.0 - score for score, _ in reached)


def _start(counts: Sequence[tuple[int, int, float]], risk: float, budget: float) -> int:
    """Index of the threshold most likely to hold if the scores are right: Poisson errors of their expected
    number against the most errors the bound forgives. The strictest of equals."""
    best, best_chance = 0, 0.0
    for index, (n, _, expected) in enumerate(counts):
        forgiven = -1
        while forgiven + 1 <= n and binomial_tail(forgiven + 1, n, risk) <= budget:
            forgiven += 1
        chance = math.fsum(
            math.exp(count * math.log(max(expected, 1e-12)) - expected - math.lgamma(count + 1))
            for count in range(forgiven + 1)
        )
        if chance > best_chance + 1e-9:
            best, best_chance = index, chance
    return best


def _check_share(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise InvalidInputError(f"The {name} must lie between 0 and 1, not {value}.")
