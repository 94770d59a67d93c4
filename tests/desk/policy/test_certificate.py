"""What a certificate may promise, and how many labels it takes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.errors import InvalidInputError
from desk.policy.certificate import (
    binomial_tail,
    error_budget,
    labels_needed,
    surely_above,
    upper_bound,
)


@pytest.mark.parametrize(
    ("errors", "risk", "confidence", "look", "needed"),
    [
        (0, 0.05, 0.95, None, 59),
        (1, 0.05, 0.95, None, 93),
        (0, 0.02, 0.95, None, 149),
        (0, 0.05, 0.95, 1, 72),
        (0, 0.05, 0.995, None, 104),
    ],
)
def test_labels_needed_are_those_of_the_design(
    errors: int, risk: float, confidence: float, look: int | None, needed: int
) -> None:
    assert labels_needed(errors, risk, confidence, look) == needed
    budget = error_budget(confidence, look)
    assert upper_bound(errors, needed, 1 - budget) <= risk < upper_bound(errors, needed - 1, 1 - budget)


@given(st.integers(1, 400), st.data())
def test_the_bound_is_where_so_few_errors_become_unlikely(n: int, data: st.DataObject) -> None:
    errors = data.draw(st.integers(0, n - 1))

    bound = upper_bound(errors, n, 0.95)

    direct = math.fsum(math.comb(n, k) * bound**k * (1 - bound) ** (n - k) for k in range(errors + 1))
    assert direct == pytest.approx(0.05, abs=1e-6)
    assert errors / n < bound < 1


def test_nothing_known_bounds_nothing() -> None:
    assert upper_bound(0, 0, 0.95) == 1.0
    assert upper_bound(7, 7, 0.95) == 1.0


def test_all_looks_together_spend_one_budget() -> None:
    assert math.fsum(error_budget(0.95, look) for look in range(1, 10_000)) == pytest.approx(0.05, rel=1e-3)
    assert error_budget(0.95, None) == pytest.approx(0.05)


def test_the_drift_test_fires_on_more_errors_than_promised_only() -> None:
    assert not surely_above(0, 60, 0.05, 0.95)
    assert not surely_above(4, 60, 0.05, 0.95)
    assert surely_above(8, 60, 0.05, 0.95)
    assert 1 - binomial_tail(7, 60, 0.05) < 0.05


@pytest.mark.parametrize(("errors", "n"), [(-1, 5), (6, 5)])
def test_impossible_counts_are_refused(errors: int, n: int) -> None:
    with pytest.raises(InvalidInputError):
        upper_bound(errors, n, 0.95)
