"""What may be promised about automatic replies: exact binomial bounds (Clopper and Pearson 1934), and the error budget
that several looks at the labels share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from desk.errors import InvalidInputError


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
    look: int


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


def surely_above(errors: int, n: int, risk: float, confidence: float) -> bool:
    """Whether so many errors in the latest reviews can hardly come from an error of `risk`: the drift test."""
    if errors == 0:
        return False
    return 1.0 - binomial_tail(errors - 1, n, risk) < 1.0 - confidence


def _check_share(name: str, value: float) -> None:
    if not 0.0 < value < 1.0:
        raise InvalidInputError(f"The {name} must lie between 0 and 1, not {value}.")
