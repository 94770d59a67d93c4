"""Titles and headings of passages, for questions that are one: "Restore a backup" asks for the section of that name.

Inside a passage a heading is a few words among many, and BM25 cannot tell the section a question names from one that
uses its words. Every distinct heading is therefore kept as a text of its own and matched whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from retrieval.lexical import LexicalIndex

_LEAST = 0.5
"""Similarity to a heading from which it counts; below it the heading shares some words, which the passage has too."""
_MOST_HEADINGS = 8
_BYTES_A_HEADING = 350
"""The string and its places in the dictionaries."""
_BYTES_AN_ITEM = 180


class HeadingIndex:
    """Which items stand under which headings. Not safe for use by several threads at once."""

    def __init__(self) -> None:
        self._words = LexicalIndex()
        self._id_of: dict[str, UUID] = {}
        self._heading_of: dict[UUID, str] = {}
        self._items: dict[UUID, tuple[UUID, ...]] = {}
        """By heading id. Tuples, since most headings have few items and a set takes five times the memory."""
        self._headings_of: dict[UUID, tuple[UUID, ...]] = {}
        self._next = 1

    def __len__(self) -> int:
        """Distinct headings."""
        return len(self._id_of)

    @property
    def nbytes(self) -> int:
        return self._words.nbytes + _BYTES_A_HEADING * len(self._id_of) + _BYTES_AN_ITEM * len(self._headings_of)

    def put(self, item_id: UUID, headings: Iterable[str]) -> None:
        """Set the headings of an item, in place of those it had."""
        self.remove(item_id)
        own = dict.fromkeys(stripped for heading in headings if (stripped := heading.strip()))
        if not own:
            return
        self._headings_of[item_id] = tuple([self._id(heading) for heading in own])
        for heading_id in self._headings_of[item_id]:
            self._items[heading_id] = (*self._items.get(heading_id, ()), item_id)

    def remove(self, item_id: UUID) -> None:
        """Forget an item; one that is not there is no error."""
        for heading_id in self._headings_of.pop(item_id, ()):
            left = tuple([other for other in self._items[heading_id] if other != item_id])
            if left:
                self._items[heading_id] = left
                continue
            del self._items[heading_id], self._id_of[self._heading_of.pop(heading_id)]
            self._words.remove(heading_id)

    def _id(self, heading: str) -> UUID:
        heading_id = self._id_of.get(heading)
        if heading_id is None:
            heading_id, self._next = UUID(int=self._next), self._next + 1
            self._id_of[heading], self._heading_of[heading_id] = heading_id, heading
            self._words.add(heading_id, heading)
        return heading_id

    def similar(self, text: str) -> dict[UUID, float]:
        """Items under headings like the text, each with the similarity in [0.5, 1] of the one that is most so.

        1.0 means that a heading has all the words of the text and hardly any besides.
        """
        if not self._id_of:
            return {}
        found: dict[UUID, float] = {}
        for heading_id, similarity in self._words.search(text, _MOST_HEADINGS):
            if similarity < _LEAST:
                break
            for item_id in self._items[heading_id]:
                found.setdefault(item_id, similarity)
        return found
