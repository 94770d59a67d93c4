"""The confidence formula of design section 5."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.policy.presentation import level_of, presentation_of
from desk.ports import Confidence, ConfidenceParts, ConfidenceSettings, IntentGuess, SourceKind
from retrieval.confidence import assess

SETTINGS = ConfidenceSettings()
ALL: frozenset[SourceKind] = frozenset({"global_kb", "tenant_kb", "example", "correction"})
SURE = IntentGuess("email", 1.0)


def test_the_plain_formula():
    found = {"example": [0.7, 0.3], "tenant_kb": [0.8], "global_kb": [0.5]}
    confidence = assess(found, IntentGuess("ssl", 0.9), 0.0, ALL, SETTINGS)
    assert confidence.parts == ConfidenceParts(0.7, pytest.approx(0.68), 0.9, 1.0)
    assert confidence.score == pytest.approx(40 * 0.7 + 30 * 0.68 + 20 * 0.9 + 10)
    assert confidence.level == "high"
    assert confidence.renormalised == pytest.approx(confidence.score)
    assert confidence.calibrated is None


def test_two_good_examples_earn_the_boost_and_one_does_not():
    def example(*scores: float) -> float:
        return assess({"example": scores}, SURE, 0.0, ALL, SETTINGS).parts.example_similarity

    assert example(0.7, 0.5) == 0.7, "0.5 is not above 0.5"
    assert example(0.7, 0.51) == pytest.approx(0.8)
    assert example(0.98, 0.97, 0.96) == 1.0


def test_an_intent_that_needs_tenant_knowledge_halves_the_kb_without_it():
    billing = IntentGuess("billing", 1.0, needs_tenant_knowledge=True)

    def kb(tenant: list[float], intent: IntentGuess) -> float:
        return assess({"tenant_kb": tenant, "global_kb": [1.0]}, intent, 0.0, ALL, SETTINGS).parts.kb_similarity

    assert kb([], SURE) == pytest.approx(0.4)
    assert kb([], billing) == pytest.approx(0.2)
    assert kb([0.5], billing) == pytest.approx(0.35), "a poor match is not knowledge"
    assert kb([0.6], billing) == pytest.approx(0.76)


def test_correction_safety_falls_in_a_line():
    def safety(similarity: float) -> float:
        return assess({}, SURE, similarity, ALL, SETTINGS).parts.correction_safety

    assert [safety(value) for value in (0.0, 0.5, 0.65, 0.8, 1.0)] == pytest.approx([1.0, 1.0, 0.7, 0.4, 0.4])


def test_a_new_tenant_with_a_perfect_match_is_shown_high():
    found = {"tenant_kb": [1.0]}
    confidence = assess(found, IntentGuess("email", 0.9), 0.0, {"tenant_kb"}, SETTINGS)
    assert confidence.score == pytest.approx(46)
    assert confidence.level == "low"
    assert confidence.renormalised == pytest.approx(98)
    assert presentation_of(confidence, SETTINGS) == "prefilled"


def test_nothing_held_is_not_made_better_by_a_sure_intent():
    confidence = assess({}, SURE, 0.0, set(), SETTINGS)
    assert confidence.renormalised == confidence.score == pytest.approx(30)


def test_held_but_unmatched_sources_are_not_left_out():
    confidence = assess({"tenant_kb": [1.0]}, SURE, 0.0, {"tenant_kb", "example"}, SETTINGS)
    assert confidence.renormalised == pytest.approx(30 + 20 + 10)


@pytest.mark.parametrize(
    ("score", "level", "shown"),
    [
        (100.0, "high", "prefilled"),
        (75.0, "high", "prefilled"),
        (74.999, "medium", "banner"),
        (50.0, "medium", "banner"),
        (49.999, "low", "collapsed"),
        (25.0, "low", "collapsed"),
        (24.999, "very_low", "notes"),
        (0.0, "very_low", "notes"),
    ],
)
def test_borders_belong_to_the_higher_level(score: float, level: str, shown: str):
    parts = ConfidenceParts(0, 0, 0, 0)
    assert level_of(score, SETTINGS) == level
    assert presentation_of(Confidence(0.0, "very_low", parts, score), SETTINGS) == shown
    assert presentation_of(Confidence(0.0, "very_low", parts, 60.0, calibrated=score / 100), SETTINGS) == shown


def test_a_sum_that_meets_a_border_exactly_is_not_lost_to_rounding():
    found = {"example": [0.04], "tenant_kb": [1.0], "global_kb": [0.7]}
    confidence = assess(found, IntentGuess("dns", 0.6), 0.0, ALL, SETTINGS)
    assert (confidence.score, confidence.level) == (50.0, "medium"), "1.6 + 26.4 + 12 + 10"


def test_every_number_is_a_setting():
    own = ConfidenceSettings(
        example_part=1, kb_part=1, intent_part=1, correction_part=1, good_match=0.2, example_boost=0.3,
        tenant_share=0.5, missing_tenant_penalty=0.1, similar_correction=0.4, unsafe_correction=0.0, high=20,
    )  # fmt: skip
    needy = IntentGuess("billing", 0.4, needs_tenant_knowledge=True)
    confidence = assess({"example": [0.3, 0.25], "global_kb": [1.0]}, needy, 0.3, ALL, own)
    assert confidence.parts == ConfidenceParts(*(pytest.approx(value) for value in (0.6, 0.05, 0.4, 0.5)))
    assert confidence.score == pytest.approx(100 * (0.6 + 0.05 + 0.4 + 0.5) / 4)
    assert confidence.level == "high"
    with pytest.raises(ValueError, match="above zero"):
        assess({}, SURE, 0.0, ALL, ConfidenceSettings(0, 0, 0, 0))


UNIT = st.floats(0, 1)
SCORES = st.lists(UNIT, max_size=5)
FOUND = st.fixed_dictionaries({"example": SCORES, "tenant_kb": SCORES, "global_kb": SCORES})
INTENT = st.builds(IntentGuess, st.just("dns"), UNIT, st.booleans())
HOLDING = st.sets(st.sampled_from(sorted(ALL)))
ANY_SETTINGS = st.builds(
    ConfidenceSettings,
    *[st.floats(0.01, 1)] * 4,
    good_match=UNIT,
    example_boost=UNIT,
    tenant_share=UNIT,
    missing_tenant_penalty=UNIT,
    similar_correction=UNIT,
    unsafe_correction=UNIT,
)


@given(found=FOUND, intent=INTENT, correction=UNIT, holding=HOLDING, settings=ANY_SETTINGS)
def test_scores_stay_in_bounds_and_ignore_the_order_of_hits(found, intent, correction, holding, settings):
    confidence = assess(found, intent, correction, holding, settings)
    assert 0 <= confidence.score <= 100
    assert 0 <= confidence.renormalised <= 100
    reordered = {kind: sorted(found[kind], key=lambda score: -score) for kind in reversed(list(found))}
    assert assess(reordered, intent, correction, holding, settings) == confidence


@given(
    found=FOUND, intent=INTENT, correction=UNIT, holding=HOLDING, settings=ANY_SETTINGS,
    kind=st.sampled_from(["example", "tenant_kb", "global_kb"]), better=UNIT,
)  # fmt: skip
def test_better_evidence_never_lowers_the_score(found, intent, correction, holding, settings, kind, better):
    def both(found, intent, correction) -> tuple[float, float]:
        confidence = assess(found, intent, correction, holding, settings)
        return confidence.score, confidence.renormalised

    score, renormalised = both(found, intent, correction)
    for improved in (
        both({**found, kind: [*found[kind], better]}, intent, correction),
        both(found, replace(intent, certainty=max(intent.certainty, better)), correction),
        both(found, intent, min(correction, better)),
    ):
        assert improved[0] >= score - 1e-6
        assert improved[1] >= renormalised - 1e-6
