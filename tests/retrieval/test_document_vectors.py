"""A passage is judged beside its document, and the index is what building it anew would give."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.source_index import SourceIndex

DIMENSION = 4


def item(number: int) -> UUID:
    return UUID(int=number)


def pointing(*numbers: float) -> np.ndarray:
    vector = np.array(numbers, dtype=np.float32)
    return vector / np.linalg.norm(vector)


def test_of_two_passages_alike_the_one_whose_article_is_about_the_question_comes_first() -> None:
    index = SourceIndex(DIMENSION)
    asked, alike = pointing(1, 0, 0, 0), pointing(0.7, 0.7, 0, 0)
    index.upsert(item(1), "one", alike, document=item(101))
    index.upsert(item(2), "two", alike, document=item(102))
    index.upsert(item(3), "three", pointing(0, 0, 1, 0), document=item(101))
    index.upsert(item(4), "four", pointing(0.9, 0, 0.4, 0), document=item(102))
    index.upsert(item(5), "five", alike, document=item(103))
    index.upsert(item(6), "six", alike)
    found = {one.item_id: one for one in index.search("none", asked, 6)}
    assert found[item(2)].score > found[item(5)].score == found[item(6)].score > found[item(1)].score
    assert found[item(1)].dense == found[item(2)].dense == pytest.approx(0.7071, abs=1e-4), (
        "the cosine is told as it is"
    )
    assert index.search("none", alike, 6)[0].score == pytest.approx(1.0), "the same text stays the same text"
    index.remove(item(4))
    found = {one.item_id: one.score for one in index.search("none", asked, 6)}
    assert found[item(2)] == found[item(5)], "alone in its document it is judged by itself"


DIRECTIONS = st.integers(0, 7).map(
    lambda number: pointing(*(1 + ((number >> bit) & 1) for bit in range(3)), number + 1)
)
STEPS = st.lists(
    st.tuples(st.integers(0, 8), st.none() | st.tuples(DIRECTIONS, st.sampled_from([None, 101, 102, 103]))), max_size=25
)


@given(steps=STEPS, asked=DIRECTIONS, searched=st.sets(st.integers(0, 24)))
def test_history_leaves_what_building_anew_would(
    steps: list[tuple[int, tuple[np.ndarray, int | None] | None]], asked: np.ndarray, searched: set[int]
) -> None:
    index, left = SourceIndex(DIMENSION), dict[int, tuple[np.ndarray, int | None]]()
    for at, (number, given_) in enumerate(steps):
        left.pop(number, None)
        if given_ is None:
            index.remove(item(number))
        else:
            left[number] = given_
            vector, document = given_
            index.upsert(item(number), "text", vector, document=None if document is None else item(document))
        if at in searched:
            index.search("other", asked, 3)
    anew = SourceIndex(DIMENSION)
    for number, (vector, document) in left.items():
        anew.upsert(item(number), "text", vector, document=None if document is None else item(document))
    found = {one.item_id: one.score for one in index.search("other", asked, 9)}
    assert found == pytest.approx({one.item_id: one.score for one in anew.search("other", asked, 9)}, abs=1e-5)
