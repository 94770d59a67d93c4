"""The recommended weights follow what approved replies came from, and the preview tells what other weights change."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.ports import SourceWeights
from desk.weighing import ENOUGH_REPLIES, WEIGHED, FoundSource, PastReply, preview, recommend

DEFAULT = SourceWeights().normalised()


def reply(number: int, *sources: tuple[str, float, bool]) -> PastReply:
    found = tuple(FoundSource(kind, f"{kind} {score}", score, used) for kind, score, used in sources)
    return PastReply(UUID(int=number), number, f"Ticket {number}", found)


def test_without_evidence_the_default_weights_are_recommended_and_it_says_so() -> None:
    found = recommend([])
    assert found.weights == DEFAULT
    assert (found.replies, found.is_enough) == (0, False)


def test_a_few_replies_move_the_weights_a_little_and_many_a_lot() -> None:
    one_sided = [reply(n, ("tenant_kb", 0.8, True), ("example", 0.7, False)) for n in range(300)]
    few, many = recommend(one_sided[:3]), recommend(one_sided)
    assert DEFAULT.tenant_kb < few.weights.tenant_kb < 0.45 < many.weights.tenant_kb
    assert not few.is_enough
    assert many.is_enough
    assert many.weights.correction > 0.03, "a source that answered nothing yet can still be found"
    by_kind = {one.kind: one for one in many.sources}
    assert (by_kind["tenant_kb"].used, by_kind["example"].used, by_kind["example"].found) == (300, 0, 300)


def test_a_reply_from_two_sources_counts_half_for_each() -> None:
    found = recommend([reply(1, ("tenant_kb", 0.8, True), ("example", 0.7, True))])
    assert {one.kind: one.used for one in found.sources if one.used} == {"tenant_kb": 0.5, "example": 0.5}


def test_the_preview_names_what_gets_better_and_worse_worse_first() -> None:
    replies = [
        reply(1, ("example", 0.9, False), ("tenant_kb", 0.8, True)),
        reply(2, ("example", 0.9, True), ("tenant_kb", 0.8, False)),
        reply(3, ("global_kb", 0.9, True)),
    ]
    shown = preview(replies, DEFAULT, SourceWeights(global_kb=0.2, tenant_kb=0.6, example=0.1, correction=0.1))
    assert (shown.replies, shown.better, shown.worse, shown.same) == (3, 1, 1, 1)
    assert [(one.number, one.before, one.after) for one in shown.moved] == [(2, 1, 2), (1, 2, 1)]
    assert (shown.first_before, shown.first_after) == (2, 2)


def test_a_source_of_weight_zero_is_found_behind_everything() -> None:
    given_up = SourceWeights(global_kb=0.5, tenant_kb=0.5, example=0, correction=0)
    shown = preview([reply(1, ("example", 0.9, True), ("tenant_kb", 0.2, False))], DEFAULT, given_up)
    assert [(one.before, one.after) for one in shown.moved] == [(1, 2)]


SOURCES = st.lists(st.tuples(st.sampled_from(WEIGHED), st.floats(0, 1), st.booleans()), min_size=1, max_size=8).filter(
    lambda some: any(used for _, _, used in some)
)
WEIGHTS = st.builds(SourceWeights, *[st.floats(0.01, 1)] * 4)


@given(st.lists(SOURCES, max_size=12), WEIGHTS, WEIGHTS)
def test_going_there_and_back_gains_what_it_loses(
    given_sources: list[list[tuple[str, float, bool]]], before: SourceWeights, after: SourceWeights
) -> None:
    replies = [reply(number, *sources) for number, sources in enumerate(given_sources)]
    there, back = preview(replies, before, after), preview(replies, after, before)
    assert (there.better, there.worse, there.same) == (back.worse, back.better, back.same)
    assert there.better + there.worse + there.same == there.replies == len(replies)
    assert preview(replies, before, before).moved == ()
    found = recommend(replies)
    assert sum(one.used for one in found.sources) == pytest.approx(len(replies), abs=0.05)
    weights = found.weights
    assert weights.global_kb + weights.tenant_kb + weights.example + weights.correction == pytest.approx(1)
    assert found.needed == ENOUGH_REPLIES
