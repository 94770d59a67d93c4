"""Where each term of a lexical index stands, in a few sorted arrays instead of an object for every word."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.int64]
"""Of terms: Python's own, different in every process, so nobody can write words that share one. At 64 bits two of a
million words share one by chance once in forty million indexes."""
Slots = NDArray[np.uint32]
Counts = NDArray[np.uint16]

_GROWTH = 4
"""A segment is joined with the one before it unless that has so many times as many postings: so each posting is moved
a few times however many items come one by one, and a search looks into few segments."""


@dataclass(frozen=True, slots=True)
class _Segment:
    """Postings of some items, all terms of an item in the same one: compressed rows, a row a term."""

    hashes: Hashes
    """Ascending, each once."""
    starts: NDArray[np.uint32]
    """Where the postings of each term begin, and the end of the last."""
    slots: NDArray[np.unsignedinteger]
    counts: NDArray[np.unsignedinteger]

    def __len__(self) -> int:
        return len(self.slots)

    @property
    def nbytes(self) -> int:
        return self.hashes.nbytes + self.starts.nbytes + self.slots.nbytes + self.counts.nbytes


@dataclass(frozen=True, slots=True)
class Found:
    """Of every term asked for and every segment, where its postings begin and end there; both the same without any."""

    starts: NDArray[np.int64]
    """Shape (segments, terms)."""
    ends: NDArray[np.int64]


class Postings:
    """Of items by their slots. Nothing says which terms an item has: removed ones are purged together."""

    def __init__(self) -> None:
        self._segments: list[_Segment] = []

    @property
    def nbytes(self) -> int:
        return sum(segment.nbytes for segment in self._segments)

    def add(self, hashes: Hashes, slots: Slots, counts: Counts) -> None:
        """Postings of slots that have none yet, a term of an item once, in any order."""
        if not len(hashes):
            return
        self._segments.append(_sorted_segment(hashes, slots, counts))
        while len(self._segments) > 1 and len(self._segments[-2]) < _GROWTH * len(self._segments[-1]):
            later, earlier = self._segments.pop(), self._segments.pop()
            self._segments.append(_sorted_segment(*_joined([earlier, later])))

    def purge(self, alive: NDArray[np.bool_]) -> None:
        """Forget the postings of slots that are not alive."""
        if not self._segments:
            return
        hashes, slots, counts = _joined(self._segments)
        kept = alive[slots]
        self._segments = []
        self.add(hashes[kept], slots[kept], counts[kept])

    def find(self, hashes: Hashes) -> Found:
        starts = np.zeros((len(self._segments), len(hashes)), dtype=np.int64)
        ends = np.zeros_like(starts)
        for row, segment in enumerate(self._segments):
            at = segment.hashes.searchsorted(hashes)
            at[at == len(segment.hashes)] = 0
            known = segment.hashes[at] == hashes
            starts[row] = segment.starts[at]
            ends[row] = np.where(known, segment.starts[at + 1], starts[row])
        return Found(starts, ends)

    def frequencies(self, found: Found, alive: NDArray[np.bool_] | None) -> NDArray[np.int64]:
        """In how many slots each term stands; with `alive` only those that are."""
        if alive is None:
            return (found.ends - found.starts).sum(axis=0)
        frequencies = np.zeros(found.starts.shape[1], dtype=np.int64)
        for segment, starts, ends in zip(self._segments, found.starts.tolist(), found.ends.tolist(), strict=True):
            for term, (start, end) in enumerate(zip(starts, ends, strict=True)):
                frequencies[term] += np.count_nonzero(alive[segment.slots[start:end]])
        return frequencies

    def summed(
        self, found: Found, terms: NDArray[np.intp], weights: NDArray[np.float32], norms: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """For every slot the sum over `terms` of weight x count / (count + the slot's norm)."""
        slots: list[NDArray[np.unsignedinteger]] = []
        counts: list[NDArray[np.unsignedinteger]] = []
        for segment, starts, ends in zip(self._segments, found.starts, found.ends, strict=True):
            for part in map(slice, starts[terms].tolist(), ends[terms].tolist()):
                slots.append(segment.slots[part])
                counts.append(segment.counts[part])
        if not slots:
            return np.zeros(len(norms))
        places = np.concatenate(slots, dtype=np.intp)
        gains = np.concatenate(counts, dtype=np.float32)
        gains /= gains + norms.take(places)
        gains *= np.repeat(np.tile(weights[terms], len(self._segments)), list(map(len, slots)))
        sums = np.bincount(places, weights=gains, minlength=len(norms))
        return sums.astype(np.float64, copy=False)


def _sorted_segment(hashes: Hashes, slots: Slots, counts: Counts) -> _Segment:
    order = np.argsort(hashes, kind="stable")
    hashes, slots, counts = hashes[order], slots[order], counts[order]
    first = np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1])))
    starts = np.concatenate((first, [len(hashes)])).astype(np.uint32)
    return _Segment(hashes[first], starts, _narrow(slots), _narrow(counts))


def _joined(segments: list[_Segment]) -> tuple[Hashes, Slots, Counts]:
    return (
        np.concatenate([np.repeat(one.hashes, np.diff(one.starts)) for one in segments]),
        np.concatenate([one.slots for one in segments]).astype(np.uint32, copy=False),
        np.concatenate([one.counts for one in segments]).astype(np.uint16, copy=False),
    )


def _narrow(numbers: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    """In as few bytes as the greatest of them needs."""
    return numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))
