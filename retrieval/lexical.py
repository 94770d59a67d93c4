"""An incremental BM25 index in memory, one per source of a tenant."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import overload
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from retrieval.tokens import search_terms

_SATURATION = 0.9
"""k1 and b as usual for passages (Trotman, Puurula & Burgess 2014); our own measurement agrees."""
_LENGTH_SHARE = 0.4
_MOST_COUNTED = 65_535
_KEPT_GAINS_AN_ITEM = 64
"""How much of the index may be kept as gains: for each item about the terms of a passage, so all of them for most."""
_BYTES_A_TERM = 12
"""Slot and count in the postings with their spare room, and the id in the item's own list."""
_BYTES_A_WORD = 370
"""A word of the vocabulary: the string, its places in two dictionaries and its empty postings."""
_BYTES_AN_ITEM = 500
"""Its id and its places in the lists and dictionaries of words and vectors."""
_BYTES_A_GAIN = 12
_MOST_QUERY_TERMS = 64
"""Of a long question's known terms the rarest; the common ones behind them cost the most and say the least."""


class _Postings:
    """Where one term stands: slots ascending, and how often in each."""

    __slots__ = ("counts", "slots", "term")

    def __init__(self, term: str) -> None:
        self.term = term
        self.slots = array("I")
        self.counts = array("H")

    def put(self, slot: int, count: int) -> None:
        if not self.slots or slot > self.slots[-1]:
            self.slots.append(slot)
            self.counts.append(min(count, _MOST_COUNTED))
            return
        at = bisect_left(self.slots, slot)
        self.slots.insert(at, slot)
        self.counts.insert(at, min(count, _MOST_COUNTED))

    def drop(self, slot: int) -> None:
        at = bisect_left(self.slots, slot)
        del self.slots[at]
        del self.counts[at]


_Weighed = tuple[float, int, int]
"""Weight, count in the query and id of one term."""
_Gains = tuple[NDArray[np.intp], NDArray[np.float32]]
"""Slots that have a term, and what each gains from it."""


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


class LexicalIndex:
    """Okapi BM25 (Robertson & Zaragoza 2009) over items that come and go one by one.

    Scores are divided by what the query's own text would score as an item, and cut at 1. So 1.0 means
    "these very words", terms that no item has count against every item, and scores of different queries
    and sources can be compared and blended. Adding and removing leave exactly the index that building
    it anew would. Not safe for use by several threads at once.
    """

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._postings: dict[int, _Postings] = {}
        self._next_id = 0
        self._slot_of: dict[UUID, int] = {}
        self._items: list[UUID | None] = []
        self._terms_of: list[array[int]] = []
        self._free: list[int] = []
        self._lengths = np.zeros(0, dtype=np.float32)
        self._total_length = 0
        self._total_terms = 0
        """Distinct terms of each item, added up."""
        self._gains: dict[int, _Gains] = {}
        self._kept_gains = 0

    def __len__(self) -> int:
        return len(self._slot_of)

    def __contains__(self, item_id: UUID) -> bool:
        return item_id in self._slot_of

    @property
    def nbytes(self) -> int:
        """Of memory, to within a tenth or so: counting what Python's objects take would take too long."""
        return (
            len(self._ids) * _BYTES_A_WORD
            + len(self._slot_of) * _BYTES_AN_ITEM
            + self._total_terms * _BYTES_A_TERM
            + self._kept_gains * _BYTES_A_GAIN
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
        self._forget_gains()
        counts = Counter(search_terms(text))
        slot = self._take_slot(item_id)
        term_ids = array("I", [self._id_of(term) for term in counts])
        for term_id, count in zip(term_ids, counts.values(), strict=True):
            self._postings[term_id].put(slot, count)
        self._terms_of[slot] = term_ids
        self._total_terms += len(term_ids)
        length = counts.total()
        self._lengths[slot] = length
        self._total_length += length

    def remove(self, item_id: UUID) -> None:
        """Forget an item; one that is not there is no error."""
        slot = self._slot_of.pop(item_id, None)
        if slot is None:
            return
        self._forget_gains()
        self._total_terms -= len(self._terms_of[slot])
        for term_id in self._terms_of[slot]:
            postings = self._postings[term_id]
            postings.drop(slot)
            if not postings.slots:
                del self._postings[term_id]
                del self._ids[postings.term]
        self._terms_of[slot] = array("I")
        self._total_length -= int(self._lengths[slot])
        self._lengths[slot] = 0
        self._items[slot] = None
        self._free.append(slot)

    def search(self, text: str, k: int) -> list[tuple[UUID, float]]:
        """The best `k` items with scores in (0, 1], best first."""
        return self.match(text).top(k)

    def match(self, text: str) -> LexicalMatch:
        """Score every item at once, for callers that need more than the best ones."""
        query = _counted(text)
        scores = self._scores(query) if query and self._slot_of else np.zeros(len(self._items))
        return LexicalMatch(scores, self._items, self._slot_of)

    def _scores(self, query: Counter[str]) -> NDArray[np.float64]:
        """One score in [0, 1] for every slot."""
        items = len(self._slot_of)
        average = max(self._total_length / items, 1.0)
        query_norm = _length_norm(query.total() / average)
        unknown, known = self._weighed(query, items)
        best = sum(weight * count / (count + query_norm) for weight, count, _ in known)
        best += sum(unknown * count / (count + query_norm) for term, count in query.items() if term not in self._ids)
        if not known:
            return np.zeros(len(self._items))
        gains = [self._gains.get(term_id) or self._gained(term_id, weight, average) for weight, _, term_id in known]
        # One pass over all terms: a call a term would take longer than its sums.
        slots, gained = np.concatenate([one for one, _ in gains]), np.concatenate([one for _, one in gains])
        scores = np.bincount(slots, weights=gained, minlength=len(self._items))
        scores /= best
        return np.minimum(scores, 1.0, out=scores)

    def _gained(self, term_id: int, weight: float, average: float) -> _Gains:
        """Kept until the index changes: questions of a tenant share their words."""
        postings = self._postings[term_id]
        slots = np.frombuffer(postings.slots, dtype=np.uint32).astype(np.intp)
        counts = np.frombuffer(postings.counts, dtype=np.uint16).astype(np.float32)
        norms = _length_norm(self._lengths[slots] / np.float32(average))
        gains: _Gains = slots, (weight * counts / (counts + norms)).astype(np.float32, copy=False)
        if self._kept_gains > max(_KEPT_GAINS_AN_ITEM * len(self._slot_of), _MOST_QUERY_TERMS):
            self._forget_gains()
        self._gains[term_id] = gains
        self._kept_gains += len(slots)
        return gains

    def _forget_gains(self) -> None:
        if self._gains:
            self._gains.clear()
            self._kept_gains = 0

    def _weighed(self, query: Counter[str], items: int) -> tuple[float, list[_Weighed]]:
        """The weight of a term no item has, and weight, count in the query and id of the known ones."""
        known = [
            (_weight(len(self._postings[term_id].slots), items), count, term_id)
            for term, count in query.items()
            if (term_id := self._ids.get(term)) is not None
        ]
        if len(known) > _MOST_QUERY_TERMS:
            known.sort(key=lambda entry: (-entry[0], self._postings[entry[2]].term))
            del known[_MOST_QUERY_TERMS:]
        return _weight(0, items), known

    def _id_of(self, term: str) -> int:
        term_id = self._ids.get(term)
        if term_id is None:
            term_id = self._next_id
            self._next_id += 1
            self._ids[term] = term_id
            self._postings[term_id] = _Postings(term)
        return term_id

    def _take_slot(self, item_id: UUID) -> int:
        if self._free:
            slot = self._free.pop()
            self._items[slot] = item_id
        else:
            slot = len(self._items)
            self._items.append(item_id)
            self._terms_of.append(array("I"))
            if slot >= len(self._lengths):
                grown = np.zeros(max(64, 2 * slot), dtype=np.float32)
                grown[:slot] = self._lengths
                self._lengths = grown
        self._slot_of[item_id] = slot
        return slot


@lru_cache(maxsize=8)
def _counted(text: str) -> Counter[str]:
    """Of one question, which is asked of several sources; not to be changed."""
    return Counter(search_terms(text))


def _weight(frequency: int, items: int) -> float:
    return math.log1p((items - frequency + 0.5) / (frequency + 0.5))


@overload
def _length_norm(relative: float) -> float: ...
@overload
def _length_norm(relative: NDArray[np.float32]) -> NDArray[np.float32]: ...
def _length_norm(relative: float | NDArray[np.float32]) -> float | NDArray[np.float32]:
    """`relative`: length in terms of the average."""
    return _SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * relative)
