"""The weighted merge of the four sources."""

from __future__ import annotations

from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.ports import Hit, SourceKind, SourceWeights
from retrieval.candidates import Candidate
from retrieval.merge import merge, preferring

KINDS: tuple[SourceKind, ...] = ("global_kb", "tenant_kb", "example", "correction", "faq")


def candidate(number: int, score: float) -> Candidate:
    return Candidate(UUID(int=number), score, dense=score, lexical=score / 2)


def test_weights_are_normalised_and_decide_the_order():
    weights = SourceWeights(global_kb=2, tenant_kb=3, example=3.5, correction=1.5)
    hits = merge(
        {"global_kb": [candidate(1, 0.9)], "tenant_kb": [candidate(2, 0.7)], "example": [candidate(3, 0.5)]},
        weights,
        top_k=8,
        texts={},
    )
    assert [(hit.kind, hit.weighted_score) for hit in hits] == [
        ("tenant_kb", pytest.approx(0.21)),
        ("global_kb", pytest.approx(0.18)),
        ("example", pytest.approx(0.175)),
    ]


def test_a_source_without_weight_never_gets_in():
    found = {"example": [candidate(1, 1.0)], "faq": [candidate(2, 1.0)], "tenant_kb": [candidate(3, 0.0)]}
    hits = merge(found, SourceWeights(example=0.0), top_k=8, texts={})
    assert [hit.kind for hit in hits] == ["tenant_kb"]


def test_the_threshold_looks_at_the_score_inside_the_source():
    hits = merge(
        {"correction": [candidate(1, 0.5), candidate(2, 0.49)]}, SourceWeights(), 8, texts={}, score_threshold=0.5
    )
    assert [hit.item_id.int for hit in hits] == [1]


@pytest.mark.parametrize(
    ("other", "left"),
    [
        ("please restart the mail service, and wait five minutes before you try it again from outlook!", 1),
        ("Please restart the mail servce and wait five minutes before you try it again from Outlook", 1),
        ("Please restart the mail service and wait 15 minutes before you try it again from Outlook", 2),
        ("Please do not restart the mail service and wait five minutes before you try it again from Outlook", 2),
        ("Please renew the certificate in the panel", 2),
    ],
)
def test_texts_that_say_the_same_appear_once_in_the_better_place(other: str, left: int):
    text = "Please restart the mail service and wait five minutes before you try it again from Outlook."
    found = {"global_kb": [candidate(1, 0.9)], "tenant_kb": [candidate(2, 0.8)]}
    hits = merge(found, SourceWeights(), 8, texts={UUID(int=1): text, UUID(int=2): other})
    assert len(hits) == left
    assert hits[0].kind == "tenant_kb"


def test_a_dropped_double_makes_room_for_the_next():
    texts = {UUID(int=number): "the very same answer" for number in (1, 2)} | {UUID(int=3): "another one"}
    hits = merge({"example": [candidate(number, 0.9) for number in (1, 2, 3)]}, SourceWeights(), 2, texts)
    assert [hit.item_id.int for hit in hits] == [1, 3]


FOUND = st.dictionaries(
    st.sampled_from(KINDS),
    st.lists(
        st.builds(candidate, st.integers(0, 40), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])),
        max_size=8,
        unique_by=lambda one: one.item_id,
    ),
)


@given(found=FOUND, top_k=st.integers(0, 12), shuffler=st.randoms())
def test_the_order_of_arrival_makes_no_difference(found, top_k: int, shuffler: Random):
    hits = merge(found, SourceWeights(), top_k, texts={})
    kinds = list(found)
    shuffler.shuffle(kinds)
    shuffled = {kind: shuffler.sample(found[kind], len(found[kind])) for kind in kinds}
    assert merge(shuffled, SourceWeights(), top_k, texts={}) == hits
    assert len(hits) <= top_k
    assert [hit.weighted_score for hit in hits] == sorted((hit.weighted_score for hit in hits), reverse=True)


def test_of_two_that_fit_alike_the_one_in_the_customers_language_comes_first() -> None:
    def hit(number: int, weighted: float, language: str) -> Hit:
        item = UUID(int=number)
        return Hit("tenant_kb", item, item, "", "", weighted, weighted, weighted, 0.0, language=language)

    hits = [hit(1, 0.50, "en"), hit(2, 0.48, "de"), hit(3, 0.30, "en"), hit(4, 0.28, "")]
    assert [one.item_id.int for one in preferring(hits, "de")] == [2, 1, 4, 3]
    assert [one.item_id.int for one in preferring([hit(1, 0.60, "en"), hit(2, 0.48, "de")], "de")] == [1, 2]
    assert preferring(hits, "") == hits
    assert [one.score for one in preferring(hits, "de")] == [0.48, 0.50, 0.28, 0.30]
