"""An incremental BM25 index in memory, one per source of a tenant."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar, overload
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval.postings import Hashes, Postings, Slots
from retrieval.tokens import search_terms

Number = TypeVar("Number", bound=np.generic)

_SATURATION = 0.9
"""k1 and b as usual for passages (Trotman, Puurula & Burgess 2014); our own measurement agrees."""
_LENGTH_SHARE = 0.4
_BYTES_AN_ITEM = 330
"""Its id and its places in the lists and dictionaries of words and vectors."""
_MOST_QUERY_TERMS = 64
"""Of a long question's known terms the rarest; the common ones behind them cost the most and say the least."""
_MOST_COUNTED = 65_535
_MOST_WAITING = 500_000
"""Terms of new items that wait to be sorted in with the next search; 7 MB."""
_FEWEST_DEAD, _DEAD_SHARE = 64, 8
"""So many removed items, or such a part of those that are left, keep their postings until they are purged together."""


class LexicalMatch:
    """The scores of one query over a whole index, valid until the index changes."""

    __slots__ = ("_items", "_slot_of", "scores")

    def __init__(self, scores: NDArray[np.float64], items: Sequence[UUID | None], slot_of: dict[UUID, int]) -> None:
        self.scores = scores
        """In [0, 1], one a slot."""
        self._items = items
        self._slot_of = slot_of

    def best_slots(self, k: int) -> NDArray[np.intp]:
        """Slots that share a term with the query: the best `k`, every tie for the last place included, in any order."""
        matching = np.flatnonzero(self.scores)
        if matching.size > k:
            scores = self.scores[matching]
            border = np.partition(scores, matching.size - k)[matching.size - k]
            matching = matching[scores >= border]
        return matching

    def top(self, k: int) -> list[tuple[UUID, float]]:
        """The best `k` items that share a term with the query, best first; ties in the order of their ids."""
        if k < 1:
            return []
        slots: list[int] = self.best_slots(k).tolist()
        found = [(item, float(self.scores[slot])) for slot in slots if (item := self._items[slot]) is not None]
        found.sort(key=lambda pair: (-pair[1], pair[0]))
        return found[:k]

    def of(self, item_id: UUID) -> float:
        """The score of one item of the index, in [0, 1]. Raises KeyError for an unknown item."""
        return float(self.scores[self._slot_of[item_id]])


@dataclass(frozen=True, slots=True)
class _Query:
    """A question's distinct terms in the order they come."""

    terms: tuple[str, ...]
    hashes: Hashes
    counts: NDArray[np.float64]


class LexicalIndex:
    """Okapi BM25 (Robertson & Zaragoza 2009) over items that come and go one by one.

    Scores are divided by what the query's own text would score as an item, and cut at 1. So 1.0 means
    "these very words", terms that no item has count against every item, and scores of different queries
    and sources can be compared and blended. Adding and removing leave exactly the index that building
    it anew would. Not safe for use by several threads at once.
    """

    def __init__(self) -> None:
        self._postings = Postings()
        self._slot_of: dict[UUID, int] = {}
        self._items: list[UUID | None] = []
        self._free: list[int] = []
        self._dead: list[int] = []
        """Slots whose item is gone but whose postings are still there."""
        self._alive = np.zeros(0, dtype=np.bool_)
        self._lengths = np.zeros(0, dtype=np.float32)
        self._norms = np.zeros(0, dtype=np.float32)
        """Of every slot, for the average length at the last search."""
        self._total_length = 0
        self._changed = False
        self._waiting_hashes, self._waiting_counts = array("q"), array("H")
        self._waiting_slots, self._waiting_sizes = array("I"), array("I")

    def __len__(self) -> int:
        return len(self._slot_of)

    def __contains__(self, item_id: UUID) -> bool:
        return item_id in self._slot_of

    @property
    def nbytes(self) -> int:
        """Of memory, but for the few objects of Python's that every index has."""
        waiting = self._waiting_hashes.itemsize + self._waiting_counts.itemsize
        return (
            self._postings.nbytes
            + len(self._slot_of) * _BYTES_AN_ITEM
            + len(self._waiting_hashes) * waiting
            + self._lengths.nbytes
            + self._norms.nbytes
            + self._alive.nbytes
        )

    def slot_of(self, item_id: UUID) -> int:
        """Where an item's score stands in a match; stays until the item is removed. Raises KeyError."""
        return self._slot_of[item_id]

    @property
    def slots(self) -> int:
        """Scores in a match; those of slots that no item has are 0."""
        return len(self._items)

    def add(self, item_id: UUID, text: str) -> None:
        """Index a text under its id, in place of the text it had."""
        self.remove(item_id)
        counts = Counter(search_terms(text))
        slot = self._take_slot(item_id)
        self._waiting_hashes.extend(map(hash, counts))
        self._waiting_counts.extend(_bounded(counts))
        self._waiting_slots.append(slot)
        self._waiting_sizes.append(len(counts))
        length = counts.total()
        self._lengths[slot] = length
        self._alive[slot] = True
        self._total_length += length
        self._changed = True
        if len(self._waiting_hashes) > _MOST_WAITING:
            self._sort_in()

    def remove(self, item_id: UUID) -> None:
        """Forget an item; one that is not there is no error."""
        slot = self._slot_of.pop(item_id, None)
        if slot is None:
            return
        self._total_length -= int(self._lengths[slot])
        self._lengths[slot] = 0
        self._alive[slot] = False
        self._items[slot] = None
        self._dead.append(slot)
        self._changed = True

    def search(self, text: str, k: int) -> list[tuple[UUID, float]]:
        """The best `k` items with scores in (0, 1], best first."""
        return self.match(text).top(k)

    def match(self, text: str) -> LexicalMatch:
        """Score every item at once, for callers that need more than the best ones."""
        if self._changed:
            self._settle()
        query = _read(text)
        scores = self._scores(query) if query.terms and self._slot_of else np.zeros(len(self._items))
        return LexicalMatch(scores, self._items, self._slot_of)

    def _scores(self, query: _Query) -> NDArray[np.float64]:
        """One score in [0, 1] for every slot."""
        items = len(self._slot_of)
        found = self._postings.find(query.hashes)
        frequencies = self._postings.frequencies(found, self._alive if self._dead else None)
        weights = np.log1p((items - frequencies + 0.5) / (frequencies + 0.5))
        norm = _length_norm(float(query.counts.sum()) / self._average)
        best = weights * query.counts / (query.counts + norm)
        kept = np.flatnonzero(frequencies)
        if len(kept) > _MOST_QUERY_TERMS:
            rarest = sorted(kept.tolist(), key=lambda at: (-weights[at], query.terms[at]))[:_MOST_QUERY_TERMS]
            kept = np.array(sorted(rarest), dtype=np.intp)
        whole = float(best[kept].sum()) + float(best[frequencies == 0].sum())
        scores = self._postings.summed(found, kept, weights.astype(np.float32), self._norms)
        if self._dead:
            scores[self._dead] = 0.0
        scores /= whole
        return np.minimum(scores, 1.0, out=scores)

    @property
    def _average(self) -> float:
        return max(self._total_length / len(self._slot_of), 1.0)

    def _settle(self) -> None:
        """What changed since the last search, taken in at once."""
        self._sort_in()
        if len(self._dead) > max(_FEWEST_DEAD, len(self._slot_of) // _DEAD_SHARE):
            self._postings.purge(self._alive)
            self._free.extend(self._dead)
            self._dead.clear()
        if self._slot_of:
            self._norms = _length_norm(self._lengths[: len(self._items)] / np.float32(self._average))
        self._changed = False

    def _sort_in(self) -> None:
        slots: Slots = np.repeat(
            np.frombuffer(self._waiting_slots, dtype=np.uint32), np.frombuffer(self._waiting_sizes, dtype=np.uint32)
        )
        self._postings.add(
            np.frombuffer(self._waiting_hashes, dtype=np.int64),
            slots,
            np.frombuffer(self._waiting_counts, dtype=np.uint16),
        )
        self._waiting_hashes, self._waiting_counts = array("q"), array("H")
        self._waiting_slots, self._waiting_sizes = array("I"), array("I")

    def _take_slot(self, item_id: UUID) -> int:
        if self._free:
            slot = self._free.pop()
            self._items[slot] = item_id
        else:
            slot = len(self._items)
            self._items.append(item_id)
            if slot >= len(self._lengths):
                room = max(64, slot + slot // 8 + 1)
                self._lengths = _grown(self._lengths, room)
                self._alive = _grown(self._alive, room)
        self._slot_of[item_id] = slot
        return slot


@lru_cache(maxsize=8)
def _read(text: str) -> _Query:
    """One question, which is asked of several sources."""
    counted = Counter(search_terms(text))
    hashes = np.fromiter(map(hash, counted), dtype=np.int64, count=len(counted))
    return _Query(tuple(counted), hashes, np.fromiter(counted.values(), dtype=np.float64, count=len(counted)))


@overload
def _length_norm(relative: float) -> float: ...
@overload
def _length_norm(relative: NDArray[np.float32]) -> NDArray[np.float32]: ...
def _length_norm(relative: float | NDArray[np.float32]) -> float | NDArray[np.float32]:
    """`relative`: length in terms of the average."""
    return _SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * relative)


def _bounded(counts: Counter[str]) -> Iterable[int]:
    if max(counts.values(), default=0) <= _MOST_COUNTED:
        return counts.values()
    return [min(count, _MOST_COUNTED) for count in counts.values()]


def _grown(numbers: NDArray[Number], room: int) -> NDArray[Number]:
    grown = np.zeros(room, dtype=numbers.dtype)
    grown[: len(numbers)] = numbers
    return grown
