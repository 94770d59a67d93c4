"""One source of one tenant in memory: every item by its vector and by its words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval.candidates import Candidate
from retrieval.document_vectors import DocumentVectors
from retrieval.headings import HeadingIndex
from retrieval.lexical import LexicalIndex
from retrieval.vectors import VectorArena

_LEXICAL_LIFT = 0.3
_HEADING_LIFT = 0.7
_HEADING_POWER = 4
"""Only what nearly is the heading counts as asking for it; half of its words are found by the words anyway."""
_DOCUMENT_SHARE = 0.5
"""How far a passage's cosine goes towards its document's, times what it leaves to 1: the same text stays at 1."""
_REACH = 2
_SHORTEST_LIST = 32
"""Each side proposes at least this many, so that the other side's order can change the first few."""


class SourceIndex:
    """Dense and lexical search over the same items, fused by `fuse`. Threads may share one."""

    def __init__(self, dimension: int, vectors: VectorArena | None = None) -> None:
        """`vectors`: those of a snapshot, whose words are still to be put in with `put_words`."""
        self.vectors = VectorArena(dimension) if vectors is None else vectors
        self._words = LexicalIndex()
        self._headings = HeadingIndex()
        self._documents = DocumentVectors(dimension)
        self._slot_of_row = np.zeros(0, dtype=np.intp)
        self._row_of_slot = np.zeros(0, dtype=np.intp)
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._words)

    def __contains__(self, item_id: UUID) -> bool:
        return item_id in self._words

    @property
    def nbytes(self) -> int:
        """Of memory, about, ids and words included."""
        with self._lock:
            words = self._words.nbytes + self._headings.nbytes
            return self.vectors.nbytes + words + self._documents.nbytes + 2 * self._slot_of_row.nbytes

    def upsert(
        self,
        item_id: UUID,
        text: str,
        vector: NDArray[np.float32],
        headings: Sequence[str] = (),
        document: UUID | None = None,
    ) -> None:
        """Put an item in, or in the place of the one with its id.

        `headings` it stands under, its title among them; `document` it is a passage of.

        Raises ValueError, with nothing changed, for a vector of another shape, zero or not finite.
        """
        with self._lock:
            self.vectors.upsert(item_id, vector)
            self._words.add(item_id, text)
            self._headings.put(item_id, headings)
            self._pair(self.vectors.row_of(item_id), self._words.slot_of(item_id), document)

    def put_words(self, item_id: UUID, text: str, headings: Sequence[str] = (), document: UUID | None = None) -> None:
        """Put in the words of an item whose vector is there already, or is kept elsewhere."""
        with self._lock:
            self._words.add(item_id, text)
            self._headings.put(item_id, headings)
            if item_id in self.vectors:
                self._pair(self.vectors.row_of(item_id), self._words.slot_of(item_id), document)

    def remove(self, item_id: UUID) -> None:
        """Take an item out; one that is not there is no error."""
        with self._lock:
            self._headings.remove(item_id)
            if item_id not in self.vectors:
                self._words.remove(item_id)
                return
            row, last = self.vectors.row_of(item_id), len(self.vectors) - 1
            self.vectors.remove(item_id)
            self._words.remove(item_id)
            self._documents.remove(row, last)
            slot = self._slot_of_row[last]
            self._slot_of_row[row], self._row_of_slot[slot] = slot, row

    def search(self, text: str, vector: NDArray[np.float32], k: int) -> list[Candidate]:
        """The best `k` items, best first, ties in the order of their ids.

        Both sides propose more than `k`, and every proposed item gets both its scores, so one that only one
        side proposed is judged like the others. Raises ValueError as `VectorArena.search` does.
        """
        if k < 1:
            return []
        reach = reach_for(k)
        with self._lock:
            rows, cosines = self.vectors.nearest(vector, reach)
            match = self._words.match(text)
            named = self._headings.similar(text)
            worded = self._row_of_slot[match.best_slots(reach)]
            if named:
                named_rows = np.array([self.vectors.row_of(item_id) for item_id in named], dtype=np.intp)
                worded = np.unique(np.concatenate((worded, named_rows)))
            known = np.zeros(len(self.vectors), dtype=np.bool_)
            known[rows] = True
            further = worded[~known[worded]]
            rows = np.concatenate((rows, further))
            cosines = np.concatenate((cosines, self.vectors.cosines(vector, further))).astype(np.float64)
            lexical = match.scores[self._slot_of_row[rows]]
            scores = _fused(self._beside_documents(vector, rows, cosines), lexical)
            if named:
                similar = np.array([named.get(item_id, 0.0) for item_id in self.vectors.items_at(rows)])
                scores += _HEADING_LIFT * similar**_HEADING_POWER * (1.0 - scores)
            if len(rows) > k:
                best = np.flatnonzero(scores >= np.partition(scores, len(rows) - k)[len(rows) - k])
                rows, cosines, lexical, scores = rows[best], cosines[best], lexical[best], scores[best]
            items = self.vectors.items_at(rows)
        found = zip((-scores).tolist(), items, cosines.tolist(), lexical.tolist(), strict=True)
        return [Candidate(item_id, -negated, dense, words) for negated, item_id, dense, words in sorted(found)[:k]]

    def proposed(self, text: str, k: int) -> list[UUID]:
        """Items that `judged` is to be given the cosines of, besides the nearest: those words and headings propose."""
        with self._lock:
            worded = [item_id for item_id, _ in self._words.match(text).top(k)]
            return list(dict.fromkeys([*worded, *self._headings.similar(text)]))

    def judged(self, text: str, cosines: Mapping[UUID, float], k: int) -> list[Candidate]:
        """As `search`, of the items in `cosines`; those that are not in this index are left out.

        Of documents nothing is known here: their vectors are not in memory.
        """
        with self._lock:
            match = self._words.match(text)
            named = self._headings.similar(text)
            found = [
                Candidate(item_id, fuse(dense, words, named.get(item_id, 0.0)), dense, words)
                for item_id, dense in cosines.items()
                if item_id in self._words
                for words in (match.of(item_id),)
            ]
        found.sort(key=lambda candidate: (-candidate.score, candidate.item_id))
        return found[:k]

    def _beside_documents(
        self, vector: NDArray[np.float32], rows: NDArray[np.intp], cosines: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        unit = vector / np.float32(np.linalg.norm(vector))
        is_part, to_document = self._documents.cosines(unit, rows, self.vectors)
        if not len(to_document):
            return cosines
        own = cosines[is_part]
        judged = cosines.copy()
        judged[is_part] = own + _DOCUMENT_SHARE * (to_document - own) * (1.0 - own)
        return judged

    def _pair(self, row: int, slot: int, document: UUID | None) -> None:
        """Remember that an item has this row of the vectors and this slot of the words."""
        self._documents.put(row, document)
        self._slot_of_row = _reaching(self._slot_of_row, row)
        self._row_of_slot = _reaching(self._row_of_slot, slot)
        self._slot_of_row[row], self._row_of_slot[slot] = slot, row


def reach_for(k: int) -> int:
    """How many items each side proposes for `k`."""
    return max(_REACH * k, _SHORTEST_LIST)


def fuse(dense: float, lexical: float, heading: float = 0.0) -> float:
    """Blend a cosine, a lexical score and the similarity to a heading, each in [0, 1], into one in [0, 1].

    Shared words close a part of the distance that the cosine leaves to 1, and a heading that is the question
    closes most of what is left. A weighted mean would also take away from paraphrases that share none: with
    this blend short questions keep their order, and the thresholds on similarities keep their meaning.
    Measured with `retrieval.benchmarks.kb`.
    """
    blended = float(_fused(np.array([dense]), np.array([lexical]))[0])
    return blended + _HEADING_LIFT * heading**_HEADING_POWER * (1.0 - blended)


def _fused(dense: NDArray[np.float64], lexical: NDArray[np.float64]) -> NDArray[np.float64]:
    cosines = np.clip(dense, 0.0, 1.0)
    return cosines + _LEXICAL_LIFT * lexical * (1.0 - cosines)


def _reaching(numbers: NDArray[np.intp], index: int) -> NDArray[np.intp]:
    """The same numbers with room for one at `index`."""
    if index < len(numbers):
        return numbers
    return np.concatenate((numbers, np.zeros(max(64, index + 1 - len(numbers), len(numbers) // 8), dtype=np.intp)))
