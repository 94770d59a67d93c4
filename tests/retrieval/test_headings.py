"""A question that is a heading finds what stands under it, and the index is what building it anew would give."""

from __future__ import annotations

from uuid import UUID

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from retrieval.headings import HeadingIndex
from retrieval.source_index import SourceIndex, fuse


def item(number: int) -> UUID:
    return UUID(int=number)


def axis(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)


def test_the_section_of_that_name_comes_before_one_that_uses_its_words() -> None:
    index = SourceIndex(2)
    words = "Backups\nRestore a backup\n"
    index.upsert(item(1), f"{words}Choose a day.", axis(0.9), ("Backups", "Restore a backup"))
    index.upsert(item(2), "Restore a backup, restore a backup, a backup.", axis(0.7), ("Errors", "Log lines"))
    for number in range(3, 90):
        index.upsert(item(number), "restore backup soon", axis(0.5 + number / 500), ("Other", f"Part {number}"))
    found = index.search("Restore a backup", axis(0.0), 5)
    assert found[0].item_id == item(1)
    cosines = dict.fromkeys(index.proposed("Restore a backup", 5), 0.1)
    assert index.judged("Restore a backup", cosines, 1)[0].item_id == item(1), "the same with vectors kept elsewhere"


def test_a_long_question_that_mentions_a_heading_is_not_one() -> None:
    index = HeadingIndex()
    index.put(item(1), ("Backups",))
    index.put(item(2), ("Invoices and payments",))
    assert index.similar("Since yesterday our shop has no backups and nobody tells us why that is or what to do") == {}
    assert index.similar("BACKUPS?") == {item(1): 1.0}


HEADINGS = st.lists(st.sampled_from(["Backups", "Restore a backup", "Mail", "Mail on the phone", "  "]), max_size=3)


@given(st.lists(st.tuples(st.integers(1, 6), st.none() | HEADINGS), max_size=20))
def test_putting_and_removing_leave_what_building_anew_would(steps: list[tuple[int, list[str] | None]]) -> None:
    index, kept = HeadingIndex(), dict[int, list[str]]()
    for number, headings in steps:
        if headings is None:
            index.remove(item(number))
            kept.pop(number, None)
        else:
            index.put(item(number), headings)
            kept[number] = headings
    anew = HeadingIndex()
    for number, headings in kept.items():
        anew.put(item(number), headings)
    for question in ("backups", "restore a backup", "mail on the phone", "mail"):
        assert index.similar(question) == anew.similar(question)
    assert len(index) == len(anew)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_a_heading_only_ever_helps_and_never_beyond_one(dense: float, lexical: float, heading: float) -> None:
    assert fuse(dense, lexical) <= fuse(dense, lexical, heading) <= 1 + 1e-12
