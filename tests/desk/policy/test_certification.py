"""What a certificate is worth over a tenant's whole life: re-looks, blind review and drift included."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.policy.certificate import binomial_tail, labels_needed, upper_bound
from desk.policy.certification import Certification, Label, Terms, drawn_for_review
from desk.policy.evidence import calibration_error, reliability, risk_coverage, simulate, would_go_out

TENANTS = 2_000
LIFE = 260
"""Drafts of a simulated tenant."""


def label(score: float = 0.97, *, good: bool = True, sampled: bool = True, reported: bool = False) -> Label:
    return Label(score, good, sampled, reported)


@dataclass(frozen=True, slots=True)
class SimulatedTenant:
    """Drafts whose error is known: it follows the score, which promises too much or too little by `bias` in log-odds,
    and from `worse_from` on it is higher by `jump`."""

    scores: np.ndarray
    errors: np.ndarray
    bias: float
    worse_from: int
    jump: float

    def true_error(self, threshold: float, when: int) -> float:
        return float(np.mean(self.errors[self.scores >= threshold])) + (self.jump if when >= self.worse_from else 0.0)


def simulated_tenant(chance: np.random.Generator) -> SimulatedTenant:
    level, spread = chance.uniform(0.0, 0.3), chance.uniform(0.5, 6.0)
    errors = np.clip(chance.beta(spread * level + 1e-3, spread * (1 - level) + 1e-3, 4_000), 1e-4, 1 - 1e-4)
    bias = chance.normal(0.0, 1.0)
    scores = 1.0 / (1.0 + np.exp(-(np.log((1 - errors) / errors) + bias)))
    worse_from = int(chance.integers(50, LIFE)) if chance.random() < 0.3 else LIFE
    return SimulatedTenant(scores, errors, bias, worse_from, chance.uniform(0.05, 0.4))


def test_a_certificate_above_its_risk_is_as_rare_as_stated() -> None:
    """Of 2,000 tenants no more than 1 - confidence ever hold a certificate whose true error is above the risk."""
    chance, terms = np.random.default_rng(20261120), Terms()
    false_tenants = certified = 0
    for _ in range(TENANTS):
        tenant = simulated_tenant(chance)
        certification, is_false, was_certified = Certification(terms), False, False
        drawn = chance.integers(0, len(tenant.scores), LIFE)
        luck, sampled = chance.random(LIFE), chance.random(LIFE) < terms.review_share
        for when, place in enumerate(drawn):
            error = tenant.errors[place] + (tenant.jump if when >= tenant.worse_from else 0.0)
            change = certification.add(
                Label(float(tenant.scores[place]), bool(luck[when] > error), bool(sampled[when]))
            )
            if change in {"granted", "lowered"} and certification.certificate is not None:
                was_certified = True
                is_false |= tenant.true_error(certification.certificate.threshold, when) > terms.risk
        false_tenants += is_false
        certified += was_certified

    assert certified > TENANTS / 10, "a simulation in which nobody is certified shows nothing"
    by_chance = 1.0 - binomial_tail(false_tenants - 1, TENANTS, 1.0 - terms.confidence) if false_tenants else 1.0
    assert by_chance > 1e-4, f"{false_tenants} of {TENANTS} tenants held a false certificate"


def test_a_tenant_with_one_error_in_a_hundred_is_certified_in_time() -> None:
    """Power: nine of ten such tenants within 320 reviewed drafts, half of them within 140."""
    chance, when = np.random.default_rng(3), []
    for _ in range(300):
        certification, count = Certification(Terms()), 0
        while certification.certificate is None and count < 1_000:
            count += 1
            certification.add(label(float(chance.uniform(0.955, 0.995)), good=bool(chance.random() > 0.01)))
        when.append(count)
    assert np.quantile(when, 0.5) <= 140
    assert np.quantile(when, 0.9) <= 320


@pytest.mark.parametrize(("errors", "needed"), [(0, 72), (1, 135)])
def test_so_many_labels_as_the_page_says_bring_the_certificate(errors: int, needed: int) -> None:
    certification = Certification(Terms())
    for index in range(needed - 1):
        certification.add(label(good=index >= errors))
    progress = certification.progress()
    assert (certification.certificate, progress.labels, progress.needed) == (None, needed - 1, needed)
    assert certification.add(label()) == "granted"
    granted = certification.certificate
    assert granted is not None
    assert (granted.labels, granted.errors) == (needed, errors)
    assert granted.bound == pytest.approx(upper_bound(errors, needed, 1 - 0.05 / ((errors + 1) * (errors + 2))))
    assert granted.bound <= 0.05


def test_no_look_is_spent_while_the_scores_promise_too_much_error() -> None:
    certification = Certification(Terms())
    for _ in range(400):
        certification.add(label(0.7))
    assert (certification.looks_spent, certification.certificate) == (0, None)
    assert certification.progress().expected_error == pytest.approx(0.3)


def test_the_threshold_goes_down_as_far_as_the_newest_labels_hold_and_no_further() -> None:
    certification = Certification(Terms())
    for index in range(600):
        low = index % 3 == 0
        certification.add(label(0.60 if low else 0.98, good=not low or index % 6 == 0))
        if certification.certificate is not None:
            break
    assert certification.certificate is not None
    assert 0.60 < certification.certificate.threshold <= 0.98


def test_a_certificate_is_revoked_when_the_blind_reviews_turn_bad_and_earned_anew_afterwards() -> None:
    certification = Certification.play([label() for _ in range(72)], Terms())
    assert certification.certificate is not None
    changes = [certification.add(label(good=index % 4 != 0)) for index in range(40)]
    assert "revoked" in changes
    assert certification.certificate is None
    needed = labels_needed(0, 0.05, 0.95, certification.looks_spent + 1)
    assert needed > 72, "what was spent on looks is not given back"
    after = [certification.add(label()) for _ in range(400)]
    assert "granted" in after


def test_what_nobody_drew_for_review_counts_for_nothing_once_replies_go_out() -> None:
    certification = Certification.play([label() for _ in range(72)], Terms())
    held = certification.certificate
    for _ in range(300):
        assert certification.add(label(0.6, good=False, sampled=False)) is None
    assert certification.certificate is held
    assert certification.progress().labels == 0


def test_replies_that_people_report_end_a_certificate_and_never_help_one() -> None:
    certification = Certification.play([label() for _ in range(72)], Terms())
    changes = [certification.add(label(good=False, sampled=False, reported=True)) for _ in range(5)]
    assert "revoked" in changes
    fresh = Certification.play([label(reported=True, sampled=False) for _ in range(200)], Terms())
    assert fresh.certificate is None


@given(st.lists(st.tuples(st.integers(40, 100), st.booleans(), st.booleans()), max_size=250), st.integers(1, 20))
def test_no_certificate_promises_more_than_its_labels_show(labels: list[tuple[int, bool, bool]], risk: int) -> None:
    terms = Terms(risk=risk / 100)
    certification = Certification(terms)
    for score, good, sampled in labels:
        change = certification.add(Label(score / 100, good, sampled))
        if change in {"granted", "lowered"}:
            held = certification.certificate
            assert held is not None
            assert held.bound <= terms.risk
            assert held.labels == labels_needed(held.errors, terms.risk, 0.95, held.look) or held.errors < held.look
            assert math.isclose(round(held.threshold * 100), held.threshold * 100)
    assert certification.looks_spent <= len(labels)


def test_the_draw_takes_its_share_and_does_not_change_its_mind() -> None:
    drawn = [drawn_for_review(f"draft-{index}", 0.1, "salt") for index in range(20_000)]
    assert 0.09 < sum(drawn) / len(drawn) < 0.11
    assert drawn == [drawn_for_review(f"draft-{index}", 0.1, "salt") for index in range(20_000)]


def test_the_draw_of_one_tenant_says_nothing_of_another_tenants() -> None:
    """A draft's id is no secret; that it was drawn must be."""
    first, second = ([drawn_for_review(f"draft-{index}", 0.5, salt) for index in range(20_000)] for salt in "ab")
    agreeing = sum(one == other for one, other in zip(first, second, strict=True))
    assert 9_700 < agreeing < 10_300


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=120))
def test_the_pictures_of_the_score_count_every_draft_once(pairs: list[tuple[float, bool]]) -> None:
    labels = [Label(score, good, sampled=True) for score, good in pairs]
    bins = reliability(labels)
    assert sum(each.drafts for each in bins) == len(labels)
    assert all(0 <= each.kept <= 1 and 0 <= each.promised <= 1 for each in bins)
    assert 0 <= calibration_error(labels) <= 1
    points = risk_coverage(labels)
    if labels:
        assert points[-1].coverage == 1.0
        assert points[-1].error == pytest.approx(sum(not good for _, good in pairs) / len(pairs))
        everything = simulate(labels, 0.0, 0.95)
        assert (everything.sent, everything.drafts) == (len(labels), len(labels))
        assert everything.bound >= everything.changed / len(labels)


def test_played_forward_nothing_goes_out_before_the_certificate_nor_what_was_drawn_nor_after_its_end() -> None:
    terms = Terms()
    before = [label() for _ in range(72)]
    under = [label(sampled=False), label(sampled=True), label(0.6, sampled=False), label(good=False, sampled=False)]
    drifting = [label(good=False) for _ in range(12)]
    after = [label(sampled=False)]

    sent = would_go_out([*before, *under, *drifting, *after], terms)

    assert not any(sent[:72])
    assert sent[72:76] == [True, False, False, True]
    assert not any(sent[76:]), "what is drawn is reviewed, and the drift it shows ends the certificate"
