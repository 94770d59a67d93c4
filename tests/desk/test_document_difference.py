"""Of two texts nothing is lost: the parts told give back both, line by line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from desk.document_difference import Change, _with_context, compare_texts

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "", "  ", "long line"]), max_size=40).map("\n".join)


def lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]


@given(TEXTS, TEXTS)
def test_both_texts_can_be_told_from_the_changes(before: str, after: str) -> None:
    changes = list(compare_texts(before, after))
    assert [line for each in changes for line in lines(each.before)] == lines(before)
    assert [line for each in changes for line in lines(each.after)] == lines(after)
    for each in changes:
        assert each.kind != "same" or each.before == each.after
    assert bool(lines(before) == lines(after)) == all(each.kind == "same" for each in changes)


@given(TEXTS, TEXTS)
def test_what_is_not_shown_is_counted(before: str, after: str) -> None:
    changes = list(compare_texts(before, after))
    shown, left = _with_context(changes)
    unchanged = sum(len(lines(each.before)) for each in changes if each.kind == "same")
    told = sum(len(lines(each.before)) for each in shown if each.kind == "same")
    assert told + sum(each.skipped for each in shown) + left == unchanged
    assert [each for each in changes if each.kind != "same"] == [_plain(each) for each in shown if each.kind != "same"]


def _plain(each: Change) -> Change:
    return Change(each.kind, each.before, each.after, each.before_span, each.after_span)
