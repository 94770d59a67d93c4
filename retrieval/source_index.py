"""One source of one tenant in memory: every item by its vector and by its words."""

from __future__ import annotations

from threading import Lock
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval.candidates import Candidate
from retrieval.lexical import LexicalIndex
from retrieval.vectors import VectorArena

_LEXICAL_LIFT = 0.3
_REACH = 2
_SHORTEST_LIST = 32
"""Each side proposes at least this many, so that the other side's order can change the first few."""


class SourceIndex:
    """Dense and lexical search over the same items, fused by `fuse`. Threads may share one."""

    def __init__(self, dimension: int) -> None:
        self._vectors = VectorArena(dimension)
        self._words = LexicalIndex()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._words)

    def __contains__(self, item_id: UUID) -> bool:
        return item_id in self._words

    @property
    def nbytes(self) -> int:
        """Bytes of vectors and postings; ids and the vocabulary's strings are not counted."""
        with self._lock:
            return self._vectors.nbytes + self._words.nbytes

    def upsert(self, item_id: UUID, text: str, vector: NDArray[np.float32]) -> None:
        """Put an item in, or in the place of the one with its id.

        Raises ValueError, with nothing changed, for a vector of another shape, zero or not finite.
        """
        with self._lock:
            self._vectors.upsert(item_id, vector)
            self._words.add(item_id, text)

    def remove(self, item_id: UUID) -> None:
        """Take an item out; one that is not there is no error."""
        with self._lock:
            self._vectors.remove(item_id)
            self._words.remove(item_id)

    def search(self, text: str, vector: NDArray[np.float32], k: int) -> list[Candidate]:
        """The best `k` items, best first, ties in the order of their ids.

        Both sides propose more than `k`, and every proposed item gets both its scores, so one that only one
        side proposed is judged like the others. Raises ValueError as `VectorArena.search` does.
        """
        if k < 1:
            return []
        reach = max(_REACH * k, _SHORTEST_LIST)
        with self._lock:
            match = self._words.match(text)
            cosines = dict(self._vectors.search(vector, reach))
            missing = [item_id for item_id, _ in match.top(reach) if item_id not in cosines]
            cosines |= self._vectors.similarities(vector, missing)
            found = [_judged(item_id, cosine, match.of(item_id)) for item_id, cosine in cosines.items()]
        found.sort(key=lambda candidate: (-candidate.score, candidate.item_id))
        return found[:k]


def _judged(item_id: UUID, cosine: float, lexical: float) -> Candidate:
    return Candidate(item_id, fuse(cosine, lexical), cosine, lexical)


def fuse(dense: float, lexical: float) -> float:
    """Blend a cosine and a lexical score in [0, 1] into one similarity in [0, 1].

    Shared words close a part of the distance that the cosine leaves to 1. A weighted mean would also take
    away from paraphrases that share none: with this blend short questions keep their order, and the
    thresholds on similarities keep their meaning. Measured with `retrieval.benchmarks.kb`.
    """
    cosine = min(max(dense, 0.0), 1.0)
    return cosine + _LEXICAL_LIFT * lexical * (1.0 - cosine)
