"""The probability an agent can trust: learned from few labels, honest about them, the same after storing."""

from __future__ import annotations

import json
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.errors import InvalidInputError
from learning.backtest.figures import auroc, expected_calibration_error
from learning.calibration import FEATURES, Calibrator, Prior, draft_features, ridge_logistic, shipped_prior
from tests.desk.drafting.test_local_writer import REPAIR, REPAIR_AGAIN, VIRUS, evidence, hit

STRONG = [hit(1, REPAIR, 0.9), hit(2, REPAIR_AGAIN, 0.88), hit(3, REPAIR, 0.86), hit(4, VIRUS, 0.5)]
WEAK = [hit(1, VIRUS, 0.42), hit(2, REPAIR, 0.41), hit(3, "Please send a screenshot of the error.", 0.40)]


def stream(seed: int, count: int, intercept: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Feature rows, labels and the true probabilities of a made-up tenant whose agents follow a logistic law."""
    draw = np.random.default_rng(seed)
    prior = shipped_prior()
    standard = draw.normal(size=(count, len(FEATURES)))
    law = prior.coefficients.copy()
    law[0] = intercept
    law[1:] += draw.normal(scale=0.2, size=len(FEATURES))
    truth = 1 / (1 + np.exp(-(law[0] + standard @ law[1:])))
    return standard * prior.scale + prior.centre, draw.random(count) < truth, truth


def test_before_any_label_agreeing_near_answers_count_for_more_than_a_far_single_one() -> None:
    calibrator = Calibrator.unfitted()

    strong = calibrator.probability(draft_features(evidence(STRONG), REPAIR, "approved_answer"))
    weak = calibrator.probability(draft_features(evidence(WEAK), VIRUS, "approved_answer"))

    assert calibrator.evidence == 0
    assert strong > weak + 0.1


def test_a_draft_that_leaves_the_approved_answers_counts_for_less() -> None:
    calibrator = Calibrator.unfitted()

    followed = calibrator.probability(draft_features(evidence(STRONG), REPAIR, "llm"))
    invented = calibrator.probability(draft_features(evidence(STRONG), "We will refund you twice.", "llm"))

    assert followed > invented


def test_without_labels_the_prior_is_not_taken_at_its_word() -> None:
    features = draft_features(evidence(WEAK), VIRUS, "approved_answer")
    prior = shipped_prior()
    stated = 1 / (1 + np.exp(-(prior.design(np.array([features])) @ prior.coefficients)[0]))

    assert abs(Calibrator.unfitted().probability(features) - 0.5) < abs(stated - 0.5) - 0.02


@pytest.mark.parametrize("intercept", [-2.0, 0.0, 1.5])
def test_a_few_hundred_labels_make_the_probability_the_tenants_own(intercept: float) -> None:
    rows, labels, truth = stream(3, 2_300, intercept)

    calibrator = Calibrator.fit(rows[:300], labels[:300])
    stated = np.array([calibrator.probability(row) for row in rows[300:].tolist()])

    assert calibrator.evidence == 300
    assert np.abs(stated - truth[300:]).mean() < 0.08
    assert expected_calibration_error(stated, labels[300:]) < 0.06
    assert auroc(stated, labels[300:]) > auroc(truth[300:], labels[300:]) - 0.05


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(0, 50))
@settings(max_examples=30, deadline=None)
def test_a_handful_of_labels_never_gives_certainty(labels: list[bool], seed: int) -> None:
    rows, _, _ = stream(seed, len(labels), 0.0)

    calibrator = Calibrator.fit(rows, labels)

    assert all(0.005 < calibrator.probability(row) < 0.995 for row in rows.tolist())


def test_clean_labels_raise_the_probability_and_bad_ones_lower_it() -> None:
    features = draft_features(evidence(STRONG), REPAIR, "approved_answer")
    before = Calibrator.unfitted().probability(features)

    assert 1 - Calibrator.fit([features] * 30, [True] * 30).probability(features) < (1 - before) / 2
    assert Calibrator.fit([features] * 30, [False] * 30).probability(features) < before - 0.1


def test_stored_and_read_back_it_says_the_same() -> None:
    rows, labels, _ = stream(1, 60, 0.0)
    calibrator = Calibrator.fit(rows, labels)

    again = Calibrator.from_json(json.loads(json.dumps(calibrator.to_json())))

    assert again.evidence == 60
    assert [again.probability(row) for row in rows.tolist()] == pytest.approx(
        [calibrator.probability(row) for row in rows.tolist()], abs=1e-4
    )


def test_labels_of_other_features_are_refused() -> None:
    with pytest.raises(InvalidInputError):
        Calibrator.fit([[1.0] * len(FEATURES)], [True, False])
    with pytest.raises(InvalidInputError):
        Calibrator.fit([[float("nan")] * len(FEATURES)], [True])
    with pytest.raises(InvalidInputError):
        Prior.from_json({**shipped_prior().to_json(), "features": ["something_else"]})


def test_features_are_numbers_whatever_is_missing() -> None:
    undated = hit(UUID(int=9).int, "Short", 0.4, created_at=None)

    for found, body in ((evidence([]), ""), (evidence([undated]), "Something"), (evidence([undated, undated]), "")):
        features = draft_features(found, body, "passages")
        assert len(features) == len(FEATURES)
        assert np.isfinite(features).all()


def test_the_fit_is_where_the_penalised_likelihood_is_flat() -> None:
    draw = np.random.default_rng(0)
    design = np.hstack([np.ones((80, 1)), draw.normal(size=(80, 3))])
    outcome = (draw.random(80) < 0.3).astype(float)
    centre, precision = np.array([0.5, -1.0, 0.0, 2.0]), np.array([0.1, 1.0, 4.0, 0.5])

    fitted, _ = ridge_logistic(design, outcome, np.ones(80), centre, precision)

    probability = 1 / (1 + np.exp(-design @ fitted))
    assert design.T @ (probability - outcome) + precision * (fitted - centre) == pytest.approx(np.zeros(4), abs=1e-5)
