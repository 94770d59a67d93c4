"""The figures of a backtest against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.backtest import figures

pairs = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=60)


@given(pairs)
def test_auroc_is_the_share_of_rightly_ordered_pairs(drafts: list[tuple[int, bool]]) -> None:
    probability = np.array([value / 20 for value, _ in drafts])
    good = np.array([label for _, label in drafts])
    wins = [1.0 if p > q else 0.5 if p == q else 0.0 for p in probability[good] for q in probability[~good]]

    assert figures.auroc(probability, good) == pytest.approx(np.mean(wins) if wins else 0.5)


def test_calibration_error_is_nothing_for_the_truth_and_the_distance_otherwise() -> None:
    good = np.tile([True, False, False, False], 250)

    assert figures.expected_calibration_error(np.full(1000, 0.25), good) == pytest.approx(0.0, abs=0.011)
    assert figures.expected_calibration_error(np.full(1000, 0.75), good) == pytest.approx(0.5)


def test_precision_is_that_of_the_most_probable_drafts() -> None:
    probability = np.linspace(0, 1, 100)

    assert figures.precision_at(0.1, probability, probability > 0.895) == 1.0
    assert figures.precision_at(0.2, probability, probability > 0.895) == pytest.approx(0.55)


def test_deciles_keep_the_order_of_time() -> None:
    assert figures.by_decile([float(value) for value in range(20)]) == [value * 2 + 0.5 for value in range(10)]
