"""Questions that ask for the same come together, the same way every time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from desk.ports import Vectors
from learning.gaps.clusters import ALIKE, SAME, group


def _rows(*angles: float) -> Vectors:
    """Unit vectors in a plane, by degrees."""
    radians = np.radians(np.array(angles))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_a_question_joins_the_nearest_group_or_founds_one() -> None:
    assert group([], _rows(0, 10, 90, 95, 5)).of_question == [0, 0, 1, 1, 0]


def test_questions_that_have_a_group_keep_it_when_others_come() -> None:
    assert group([0, 1], _rows(0, 90, 85)).of_question == [0, 1, 1]


def test_groups_that_grow_together_become_the_older_one() -> None:
    found = group([0, 1], _rows(0, 30))
    assert found.merged == {1: 0}
    assert found.of_question == [0, 0]


@given(st.lists(st.floats(0, 360, allow_nan=False), min_size=1, max_size=30), st.integers(0, 30))
def test_what_was_grouped_before_does_not_change_how_the_rest_is_grouped(angles: list[float], cut: int) -> None:
    vectors = _rows(*angles)
    whole = group([], vectors)
    assert whole.of_question == group([], vectors).of_question
    cut = min(cut, len(angles))
    known = [whole.of_question.index(one) for one in whole.of_question[:cut]]
    numbers = {one: at for at, one in enumerate(dict.fromkeys(known))}
    later = group([numbers[one] for one in known], vectors)
    assert len(later.of_question) == len(angles)
    for index in set(later.of_question):
        middle = later.middles[index]
        assert abs(float(np.linalg.norm(middle)) - 1) < 1e-5
    middles = [later.middles[index] for index in sorted(set(later.of_question))]
    assert all(float(one @ other) < SAME + 1e-4 for at, one in enumerate(middles) for other in middles[at + 1 :])
    assert ALIKE < SAME
