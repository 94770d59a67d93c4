"""What the documents of passages are about: of each the direction its passages have in common.

A passage is judged by itself and by the article it stands in: of two that fit alike, the one whose article is about the
question comes first.
"""

from __future__ import annotations

from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from desk.ports import Vectors
from retrieval.vectors import VectorArena
from retrieval.vectors.rows import Indices

_NONE = -1


class DocumentVectors:
    """By the rows of an arena. A document's vector is made when it is first asked for, and again after it changed.

    Not safe for use by several threads at once.
    """

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._number_of: dict[UUID, int] = {}
        self._document_of: dict[int, UUID] = {}
        self._free: list[int] = []
        self._of_row = np.zeros(0, dtype=np.int32)
        self._passages = np.zeros(0, dtype=np.int32)
        """Of each document, by its number, as the two below."""
        self._vectors: Vectors = np.zeros((0, dimension), dtype=np.float32)
        self._is_made = np.zeros(0, dtype=np.bool_)

    @property
    def nbytes(self) -> int:
        return self._of_row.nbytes + self._vectors.nbytes + 250 * len(self._number_of)

    def put(self, row: int, document: UUID | None) -> None:
        """The passage at `row` is new, or has another vector; None for one that is no part of a document."""
        self._of_row = _with_room(self._of_row, row, _NONE)
        self._leave(row)
        if document is None:
            return
        number = self._number(document)
        self._of_row[row] = number
        self._passages[number] += 1
        self._is_made[number] = False

    def remove(self, row: int, last: int) -> None:
        """The passage at `row` is gone, and the one at `last` has taken its place; both may be the same."""
        self._leave(row)
        self._of_row[row], self._of_row[last] = self._of_row[last], _NONE

    def cosines(self, unit: Vectors, rows: Indices, vectors: VectorArena) -> tuple[NDArray[np.bool_], Vectors]:
        """Which of `rows` stand in a document with other passages, and the cosine of `unit` to each such document."""
        numbers = self._of_row[rows]
        is_part = (numbers != _NONE) & (self._passages[numbers] > 1) if len(self._passages) else numbers > _NONE
        documents, place = np.unique(numbers[is_part], return_inverse=True)
        for number in documents[~self._is_made[documents]].tolist():
            total = vectors.vectors_at(np.flatnonzero(self._of_row == number)).sum(axis=0)
            self._vectors[number] = total / max(float(np.linalg.norm(total)), 1e-9)
            self._is_made[number] = True
        return is_part, (self._vectors[documents] @ unit)[place]

    def _leave(self, row: int) -> None:
        number = int(self._of_row[row])
        if number == _NONE:
            return
        self._of_row[row] = _NONE
        self._passages[number] -= 1
        self._is_made[number] = False
        if not self._passages[number]:
            del self._number_of[self._document_of.pop(number)]
            self._free.append(number)

    def _number(self, document: UUID) -> int:
        number = self._number_of.get(document)
        if number is None:
            number = self._free.pop() if self._free else len(self._number_of)
            self._number_of[document], self._document_of[number] = number, document
            if number >= len(self._passages):
                self._passages = _with_room(self._passages, number, 0)
                more = len(self._passages) - len(self._is_made)
                self._is_made = np.concatenate((self._is_made, np.zeros(more, dtype=np.bool_)))
                room = np.zeros((more, self._dimension), dtype=np.float32)
                self._vectors = np.concatenate((self._vectors, room))
            self._is_made[number] = False
        return number


def _with_room(numbers: NDArray[np.int32], index: int, empty: int) -> NDArray[np.int32]:
    if index < len(numbers):
        return numbers
    more = max(16, index + 1 - len(numbers), len(numbers) // 8)
    return np.concatenate((numbers, np.full(more, empty, dtype=np.int32)))
