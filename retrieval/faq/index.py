"""The published FAQs of one tenant in memory: every phrasing by its vector, its letters and its exact wording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from desk.plain_text import question_key
from retrieval.tokens import terms
from retrieval.vectors import VectorArena

_FUZZY_LIFT = 0.7
_FUZZY_POWER = 6
"""Together: letters that agree by less than four fifths say next to nothing, by nineteen twentieths about half. So
paraphrases keep the order of the vectors, and a misspelt question, which the vectors know nothing of, is found."""
_REACH = 4
_SHORTEST_LIST = 48
"""Phrasings each side proposes; several of one FAQ share a place."""


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One wording of a FAQ's question as it matched."""

    item_id: UUID
    text: str
    cosine: float
    fuzzy: float
    """Share of letters in common in [0, 1], in the order written or with the words sorted, whichever is more."""
    exact: bool

    @property
    def score(self) -> float:
        return 1.0 if self.exact else fuse(self.cosine, self.fuzzy)


@dataclass(frozen=True, slots=True)
class FaqCandidate:
    faq_id: UUID
    phrasings: tuple[Phrasing, ...]
    """Those that were proposed, best first; at least one."""

    @property
    def best(self) -> Phrasing:
        return self.phrasings[0]

    @property
    def cosine(self) -> float:
        """Of the phrasing nearest in meaning."""
        return max(phrasing.cosine for phrasing in self.phrasings)


class FaqIndex:
    """Searched exactly, all three ways over every phrasing. Threads may share one."""

    def __init__(self, dimension: int) -> None:
        self._vectors = VectorArena(dimension)
        self._slot_of: dict[UUID, int] = {}
        self._items: list[tuple[UUID, UUID, str]] = []
        """Phrasing, FAQ and text by slot, in step with the two lists below."""
        self._written: list[str] = []
        self._sorted: list[str] = []
        self._by_key: dict[str, set[UUID]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, item_id: UUID) -> bool:
        return item_id in self._slot_of

    @property
    def nbytes(self) -> int:
        """Bytes of the vectors and, roughly, of the texts."""
        return self._vectors.nbytes + 4 * sum(map(len, self._written))

    def upsert(self, item_id: UUID, faq_id: UUID, text: str, vector: NDArray[np.float32]) -> None:
        """Put a phrasing in, or in the place of the one with its id. Raises ValueError as `VectorArena.upsert`."""
        with self._lock:
            self._vectors.upsert(item_id, vector)
            self._drop(item_id)
            written, by_word = _letters(text)
            self._slot_of[item_id] = len(self._items)
            self._items.append((item_id, faq_id, text))
            self._written.append(written)
            self._sorted.append(by_word)
            self._by_key.setdefault(question_key(text), set()).add(item_id)

    def remove(self, item_id: UUID) -> None:
        """Take a phrasing out; one that is not there is no error."""
        with self._lock:
            self._vectors.remove(item_id)
            self._drop(item_id)

    def search(self, text: str, vector: NDArray[np.float32], k: int) -> list[FaqCandidate]:
        """The best `k` FAQs, best first: exact wordings before all others, equal ones by id."""
        if k < 1:
            return []
        reach = max(_REACH * k, _SHORTEST_LIST)
        with self._lock:
            exact = self._by_key.get(question_key(text), set[UUID]())
            letters = self._fuzzy(text)
            cosines = dict(self._vectors.search(vector, reach))
            proposed = {self._items[slot][0] for slot in _top(letters, reach)} | exact
            cosines |= self._vectors.similarities(vector, [item_id for item_id in proposed if item_id not in cosines])
            of_faq: dict[UUID, list[Phrasing]] = {}
            for item_id, cosine in cosines.items():
                slot = self._slot_of[item_id]
                _, faq_id, wording = self._items[slot]
                found = Phrasing(item_id, wording, cosine, float(letters[slot]), item_id in exact)
                of_faq.setdefault(faq_id, []).append(found)
        candidates = [
            FaqCandidate(faq_id, tuple(sorted(found, key=lambda one: (-one.score, one.item_id))))
            for faq_id, found in of_faq.items()
        ]
        candidates.sort(key=lambda one: (not one.best.exact, -one.best.score, one.faq_id))
        return candidates[:k]

    def _fuzzy(self, text: str) -> NDArray[np.float32]:
        """One number a slot. Words are sorted when they come in, so both passes are plain comparisons of strings."""
        if not self._items:
            return np.zeros(0, dtype=np.float32)
        return np.maximum(*(_ratios(one, many) for one, many in zip(_letters(text), self._texts(), strict=True)))

    def _texts(self) -> tuple[Sequence[str], Sequence[str]]:
        return self._written, self._sorted

    def _drop(self, item_id: UUID) -> None:
        slot = self._slot_of.pop(item_id, None)
        if slot is None:
            return
        key = question_key(self._items[slot][2])
        self._by_key[key].discard(item_id)
        if not self._by_key[key]:
            del self._by_key[key]
        for column in (self._items, self._written, self._sorted):
            last = column.pop()
            if slot < len(column):
                column[slot] = last  # pyright: ignore[reportArgumentType, reportCallIssue] -- its own last element
        if slot < len(self._items):
            self._slot_of[self._items[slot][0]] = slot


def fuse(cosine: float, fuzzy: float) -> float:
    """One similarity in [0, 1]: the cosine, raised where the very letters agree. Measured with the FAQ benchmark."""
    near = min(max(cosine, 0.0), 1.0)
    return near + _FUZZY_LIFT * fuzzy**_FUZZY_POWER * (1.0 - near)


def _letters(text: str) -> tuple[str, str]:
    words = terms(text)
    return " ".join(words), " ".join(sorted(words))


def _ratios(text: str, texts: Sequence[str]) -> NDArray[np.float32]:
    return process.cdist([text], texts, scorer=fuzz.ratio, dtype=np.float32)[0] / np.float32(100)


def _top(scores: NDArray[np.float32], k: int) -> list[int]:
    if len(scores) <= k:
        return list(range(len(scores)))
    return np.argpartition(scores, len(scores) - k)[-k:].tolist()
