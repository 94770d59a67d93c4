"""Bringing questions together that ask for the same. Pure and deterministic: the same questions in the same order
give the same groups, and a question that has a group keeps it unless whole groups grow together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.ports import Vectors

ALIKE = 0.60
"""Cosine between a question and the middle of a group from which it belongs to it."""
SAME = 0.80
"""Cosine between the middles of two groups from which they are one."""
_MERGED_AT_ONCE = 512
_Sums = NDArray[np.float64]
"""The vectors of each group added up, shape (groups, dimension)."""


@dataclass(frozen=True, slots=True)
class Groups:
    of_question: list[int]
    """The group of every question, by the index of its founder's place in the order of founding."""
    merged: dict[int, int]
    """Groups that went up in an older one: old index to new."""
    middles: Vectors
    """Shape (groups, dimension), rows of length 1; those that were merged are zero."""


def group(known: Sequence[int], vectors: Vectors) -> Groups:
    """`known` are the groups of the first questions, numbered from 0 without holes; the others find or found theirs.

    `vectors` has a row of length 1 for every question. One pass over the new questions, each compared with the middle
    of every group: 1,000 new questions and 1,000 groups are a million cosines.
    """
    count = max(known, default=-1) + 1
    dimension = vectors.shape[1] if vectors.ndim == 2 else 0
    sums = np.zeros((count + len(vectors) - len(known), dimension), dtype=np.float64)
    for at, index in enumerate(known):
        sums[index] += vectors[at]
    of_question = list(known)
    for vector in vectors[len(known) :]:
        nearest, cosine = _nearest(sums[:count], vector)
        if cosine < ALIKE:
            nearest, count = count, count + 1
        sums[nearest] += vector
        of_question.append(nearest)
    merged = _merge(sums[:count])
    return Groups([merged.get(index, index) for index in of_question], merged, _middles(sums[:count]))


def _nearest(sums: _Sums, vector: Vectors) -> tuple[int, float]:
    if not len(sums):
        return 0, -1.0
    cosines = _middles(sums) @ vector
    best = int(np.argmax(cosines))
    return best, float(cosines[best])


def _middles(sums: _Sums) -> Vectors:
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return (sums / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def _merge(sums: _Sums) -> dict[int, int]:
    """Groups that have grown together, the younger into the older, until none are left. Empties rows of `sums`."""
    merged: dict[int, int] = {}
    while (pair := _closest(_middles(sums))) is not None:
        older, younger = pair
        sums[older] += sums[younger]
        sums[younger] = 0
        merged = {old: older if new == younger else new for old, new in merged.items()} | {younger: older}
    return merged


def _closest(middles: Vectors) -> tuple[int, int] | None:
    """The two nearest groups, older first, if they are near enough to be one; looked for block by block."""
    best, found = SAME, None
    for start in range(0, len(middles), _MERGED_AT_ONCE):
        block = middles[start : start + _MERGED_AT_ONCE] @ middles.T
        block[np.tril_indices(n=len(block), k=start, m=block.shape[1])] = -1.0
        at = int(np.argmax(block)) if block.size else 0
        if block.size and float(block.flat[at]) >= best:
            row, column = divmod(at, block.shape[1])
            best, found = float(block.flat[at]), (start + row, column)
    return found
