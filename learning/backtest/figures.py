"""The figures of a backtest, pooled over the drafts of all tenants (api.md)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Outcomes = NDArray[np.bool_]

_BINS = 10


def by_decile(values_in_time_order: Sequence[float]) -> list[float]:
    """Means of ten equal-count parts; parts are empty, and 0, only when there are fewer than ten values."""
    parts = np.array_split(np.asarray(values_in_time_order, dtype=np.float64), _BINS)
    return [float(part.mean()) if part.size else 0.0 for part in parts]


def auroc(probabilities: Numbers, good: Outcomes) -> float:
    """The chance that a good draft was given a higher probability than a bad one, ties half; 0.5 without both."""
    positives, negatives = int(good.sum()), int((~good).sum())
    if not positives or not negatives:
        return 0.5
    _, inverse, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks = (ends - (counts - 1) / 2)[inverse]
    return float((ranks[good].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def expected_calibration_error(probabilities: Numbers, good: Outcomes) -> float:
    """Mean distance of stated and observed share over ten equal-count bins, weighted by their size."""
    if not probabilities.size:
        return 0.0
    order = np.argsort(probabilities, kind="stable")
    parts = [part for part in np.array_split(order, _BINS) if part.size]
    return float(
        sum(abs(probabilities[part].mean() - good[part].mean()) * part.size for part in parts) / probabilities.size
    )


def brier(probabilities: Numbers, good: Outcomes) -> float:
    return float(((probabilities - good) ** 2).mean()) if probabilities.size else 0.0


def precision_at(coverage: float, probabilities: Numbers, good: Outcomes) -> float:
    """The share of good drafts among the `coverage` share with the highest probabilities, at least one draft."""
    if not probabilities.size:
        return 0.0
    count = max(1, round(coverage * probabilities.size))
    return float(good[np.argsort(-probabilities, kind="stable")[:count]].mean())


def percentile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(np.asarray(values, dtype=np.float64), share)) if values else 0.0
