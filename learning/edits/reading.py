"""What the words of a statement do: which of them deny, allow, promise or are merely courteous."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from .tokens import Token
from .vocabulary import Mark, vocabulary

_HARD = frozenset({"number", "amount", "duration", "url", "email", "phone"})
"""Values that no courtesy carries."""
_SOFT: tuple[Mark, ...] = (
    "tone", "courtesy", "apology", "wrapper", "harmless_negation", "harmless_condition",
)  # fmt: skip
_CLAUSE_SIGNS = frozenset({",", ";", ":", "-", "\u2013", "\u2014", "("})
_ENDINGS = ("ing", "ed", "es", "en", "er", "ez", "s", "e")
_LAST_LETTERS = "entdr"
"""Letters at the end of a stem that another form of the word may lack."""
_CHATTER = 6
"""Telling words a courteous sentence may hold beside its phrases: "sorry your shop was down this morning"."""

_WISH = 4
"""Tokens of the longest wish, its exclamation mark included."""
_BETWEEN = 4
"""Words that may stand between the two halves of a negation: "ne pourrez malheureusement plus"."""
_NOTHING: frozenset[int] = frozenset()


class Marked(NamedTuple):
    """A phrase of the word lists found among tokens: its range and what it stands for."""

    first: int
    after: int
    mark: Mark
    value: str

    @property
    def places(self) -> range:
        return range(self.first, self.after)


class Reading:
    """Tokens and the phrases of the word lists found among them."""

    def __init__(self, tokens: Sequence[Token], marks: Sequence[Marked]) -> None:
        self.tokens = tokens
        self.marks = marks
        self._telling: list[int] | None = None
        self._covered: dict[tuple[Mark, ...], frozenset[int]] = {}

    def covered(self, *wanted: Mark) -> frozenset[int]:
        """Token positions that phrases with one of these marks stand on."""
        if not self.marks:
            return _NOTHING
        known = self._covered.get(wanted)
        if known is None:
            known = frozenset(place for mark in self.marks if mark.mark in wanted for place in mark.places)
            self._covered[wanted] = known
        return known

    @property
    def soft(self) -> frozenset[int]:
        """Positions of words that only are courteous."""
        return self.covered(*_SOFT)

    @property
    def negations(self) -> list[int]:
        """Positions of negations that count: "do not hesitate" and its kin left out."""
        harmless = self.covered("harmless_negation")
        return [mark.first for mark in self.marks if mark.mark == "negation" and mark.first not in harmless]

    @property
    def conditions(self) -> list[int]:
        harmless = self.covered("harmless_condition", "harmless_negation")
        return [mark.first for mark in self.marks if mark.mark == "condition" and mark.first not in harmless]

    @property
    def promises(self) -> list[Marked]:
        """Phrases that bind the company; "we will need" and its kin left out."""
        harmless = self.covered("harmless_promise")
        return [mark for mark in self.marks if mark.mark == "promise" and mark.first not in harmless]

    @property
    def telling(self) -> list[int]:
        """Positions of words that are neither function words nor courtesy."""
        if self._telling is None:
            self._telling = self._find_telling()
        return self._telling

    def _find_telling(self) -> list[int]:
        known = vocabulary().function_words
        hard = {*self.negations, *self.conditions}
        soft = self.soft
        return [
            place
            for place, token in enumerate(self.tokens)
            if token.kind != "sign"
            and place not in soft
            and (place in hard or token.kind != "word" or token.key not in known)
        ]

    @cached_property
    def courtesy(self) -> str:
        """ "apology" or "tone" when these words only are courteous, "" when they tell the customer something."""
        if not self.tokens or any(token.kind in _HARD for token in self.tokens):
            return ""
        if not self.covered("courtesy", "apology"):
            return "tone" if not self.telling or self._is_wish() or self._is_small_talk() else ""
        if not all(self._is_courteous(first, after) for first, after in self._clauses()):
            return ""
        return "apology" if self.covered("apology") else "tone"

    def _is_wish(self) -> bool:
        """ "Happy Monday!", "Safe travels!" """
        if self.tokens[0].key in vocabulary().wishes and len(self.tokens) <= _WISH and self.tokens[-1].key == "!":
            return not self.negations
        days = all(self.tokens[place].kind == "date" for place in self.telling)
        return days and bool(self.covered("tone")) and self.tokens[-1].key == "!"

    def _is_small_talk(self) -> bool:
        """ "Please give it a look, and shout if anything seems off." """
        words = vocabulary()
        conditions = frozenset(self.conditions)
        opens = self.tokens[0].key in words.openings
        return opens and all(self.tokens[p].key in words.small_talk or p in conditions for p in self.telling)

    def _clauses(self) -> Iterator[tuple[int, int]]:
        """ "Sorry, but your account was closed" has a courteous clause and one that tells."""
        first = 0
        for place, token in enumerate(self.tokens):
            if token.key in _CLAUSE_SIGNS or token.key in vocabulary().clause_breaks:
                yield first, place
                first = place + 1
        yield first, len(self.tokens)

    def _is_courteous(self, first: int, after: int) -> bool:
        polite = self.covered("courtesy", "apology")
        words = vocabulary()
        held = sum(1 for place in polite if first <= place < after)
        if any(first <= place < after and not self._is_asked(place, first) for place in self.negations):
            return False
        beside = sum(
            1
            for place in self.telling
            if first <= place < after and place not in polite and self.tokens[place].key not in words.small_talk
        )
        return beside <= max(_CHATTER, 2 * held) if held else beside <= 1

    def _is_asked(self, negation: int, first: int) -> bool:
        """Courteous itself, or behind an "if": "let me know if it does not work"."""
        if negation in self.covered("courtesy", "apology"):
            return True
        return any(self.tokens[place].key in vocabulary().conjunctions for place in range(first, negation))

    def part(self, places: Sequence[int]) -> Reading:
        """The reading of some of the tokens, in this order; phrases that are cut are lost."""
        at = {place: index for index, place in enumerate(places)}
        marks = [
            Marked(at[mark.first], at[mark.after - 1] + 1, mark.mark, mark.value)
            for mark in self.marks
            if mark.first in at and mark.after - 1 in at
        ]
        return Reading([self.tokens[place] for place in places], marks)


def read(tokens: Sequence[Token]) -> Reading:
    """Find the phrases of the word lists; several may stand at one place."""
    words = vocabulary()
    keys = [token.key for token in tokens if token.kind != "sign"]
    places = [place for place, token in enumerate(tokens) if token.kind != "sign"]
    found: list[Marked] = []
    for index, key in enumerate(keys):
        if not isinstance(key, str):
            continue
        if key not in words.first_words:
            if key.endswith(words.promising_endings) and key not in words.not_promising:
                found.append(Marked(places[index], places[index] + 1, "promise", ""))
            continue
        if key in words.apart and (second := _second_part(keys, index, words.apart[key])):
            found.append(Marked(places[second], places[second] + 1, "negation", ""))
        found.extend(Marked(places[index], places[index] + 1, mark, value) for mark, value in words.single.get(key, ()))
        following = keys[index + 1] if index + 1 < len(keys) else ""
        if not isinstance(following, str):
            continue
        for phrase in words.phrases.get((key, following), ()):
            length = len(phrase.words)
            if length == 2 or tuple(keys[index : index + length]) == phrase.words:
                found.append(Marked(places[index], places[index + length - 1] + 1, phrase.mark, phrase.value))
    return Reading(tokens, found)


def _second_part(keys: Sequence[Hashable], first: int, wanted: frozenset[str]) -> int:
    """Where the second half of a negation stands that opened here, 0 when it is none."""
    behind = range(first + 2, min(first + 2 + _BETWEEN, len(keys)))
    return next((index for index in behind if keys[index] in wanted), 0)


def joined(readings: Sequence[Reading]) -> Reading:
    """The reading of several statements as one."""
    if len(readings) == 1:
        return readings[0]
    tokens: list[Token] = []
    marks: list[Marked] = []
    for reading in readings:
        at = len(tokens)
        marks.extend(Marked(mark.first + at, mark.after + at, mark.mark, mark.value) for mark in reading.marks)
        tokens.extend(reading.tokens)
    return Reading(tokens, marks)


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Enough of a word to recognise its inflections; three or four letters at least."""
    word = word.removesuffix("'s")
    if not word.isalpha():
        return word
    if len(word) < 5:
        return word.removesuffix("s") if len(word) > 2 else word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= (3 if ending in ("ez", "er") else 4):
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 4 and word[-1] in _LAST_LETTERS else word
