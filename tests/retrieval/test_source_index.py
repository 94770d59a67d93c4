"""One source: dense and lexical search over the same items."""

from __future__ import annotations

from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.source_index import SourceIndex, fuse

DIMENSION = 8


def item(number: int) -> UUID:
    return UUID(int=number)


def axis(at: int, lean: float = 0.0) -> np.ndarray:
    vector = np.zeros(DIMENSION, dtype=np.float32)
    vector[at], vector[(at + 1) % DIMENSION] = 1.0, lean
    return vector / np.linalg.norm(vector)


def test_meaning_and_words_both_count():
    index = SourceIndex(DIMENSION)
    index.upsert(item(1), "clear the browser cache", axis(0, 1.0))
    index.upsert(item(2), "error 550-5.7.26 from Gmail", axis(0, 1.1))
    index.upsert(item(3), "unrelated", axis(4))
    by_meaning = index.search("nothing in common", axis(0), 3)
    assert [found.item_id for found in by_meaning] == [item(1), item(2), item(3)]
    by_both = index.search("550-5.7.26", axis(0), 2)
    assert [found.item_id for found in by_both] == [item(2), item(1)]
    assert by_both[0].dense == pytest.approx(1 / np.sqrt(2.21))
    assert by_both[0].score == fuse(by_both[0].dense, by_both[0].lexical) > by_both[0].dense


def test_an_item_only_the_words_find_is_among_the_candidates():
    index = SourceIndex(DIMENSION)
    for number in range(2, 200):
        index.upsert(item(number), "filler", axis(0, 2.5 + number / 100))
    index.upsert(item(1), "SQLSTATE 1045", axis(0, 5))
    found = index.search("sqlstate 1045", axis(0), 1)
    assert [(one.item_id, one.lexical) for one in found] == [(item(1), pytest.approx(1.0))]
    assert found[0].dense == pytest.approx(float(axis(0) @ axis(0, 5)), abs=1e-5)


def test_second_on_both_sides_can_be_the_best_of_all():
    index = SourceIndex(DIMENSION)
    index.upsert(item(1), "unrelated", axis(0, 1.0))
    index.upsert(item(2), "imap port number", axis(0, 9.0))
    index.upsert(item(3), "imap port number for a telephone", axis(0, 1.05))
    (best,) = index.search("imap port number", axis(0), 1)
    assert best.item_id == item(3)


def test_replacing_and_removing_reach_both_sides():
    index = SourceIndex(DIMENSION)
    index.upsert(item(1), "old words", axis(0))
    index.upsert(item(1), "new words", axis(3))
    (found,) = index.search("new words", axis(3), 5)
    assert (found.dense, found.lexical) == (pytest.approx(1), pytest.approx(1))
    assert index.search("old", axis(0), 1)[0].score == pytest.approx(0, abs=1e-6)
    index.remove(item(1))
    index.remove(item(1))
    assert item(1) not in index
    assert len(index) == 0
    assert index.search("new words", axis(3), 5) == []


def test_a_refused_vector_changes_nothing():
    index = SourceIndex(DIMENSION)
    with pytest.raises(ValueError, match="vector"):
        index.upsert(item(1), "words", np.zeros(DIMENSION, dtype=np.float32))
    assert item(1) not in index
    assert index.search("words", axis(0), 1) == []


def test_it_says_how_big_it_is():
    index = SourceIndex(DIMENSION)
    before = index.nbytes
    for number in range(100):
        index.upsert(item(number), f"words number {number}", axis(number % DIMENSION))
    assert index.nbytes - before >= 100 * DIMENSION


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1))
def test_more_of_either_never_scores_less(dense: float, lexical: float, more: float):
    assert 0 <= fuse(dense, lexical) <= 1
    assert fuse(max(dense, more), lexical) >= fuse(dense, lexical) - 1e-12
    assert fuse(dense, max(lexical, more)) >= fuse(dense, lexical) - 1e-12
    assert fuse(dense, lexical) >= dense
