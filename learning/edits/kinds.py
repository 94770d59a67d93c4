"""The kinds of change: how one is told from another, word by word."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from desk.ports import Span

from .reading import Marked, Reading, stem
from .tokens import Token
from .values import readings
from .vocabulary import vocabulary

_DENYING_PREFIXES = ("un", "in", "im", "dis", "de", "non", "dés", "des", "ent", "ir")


@dataclass(frozen=True, slots=True)
class Difference:
    kind: str
    before: Span
    after: Span
    meaning: bool
    lost: int = 0
    """Telling words of the draft that this change took away; 0 for another way of writing the same."""
    gained: int = 0
    """Telling words it brought."""

    @property
    def replaced(self) -> int:
        return min(self.lost, self.gained)


@dataclass
class Side:
    """The tokens of one side of a pair."""

    text: str
    reading: Reading
    place: int
    """Where an empty span stands when the side has no tokens."""
    mentions: Callable[[Hashable], bool]
    """Whether a name stands anywhere in this text."""
    nouns_capitalised: bool
    """German: a capital letter does not make a name."""
    tokens: Sequence[Token] = field(init=False)
    open: set[int] = field(init=False)
    """Positions that differ from the other side and are not explained yet."""
    changed: frozenset[int] = field(init=False)
    """All positions that differ."""

    def __post_init__(self) -> None:
        self.tokens = self.reading.tokens
        self.open = set()
        self.changed = frozenset()

    def span(self, first: int, after: int) -> Span:
        if first < after:
            return self.tokens[first].start, self.tokens[after - 1].end
        if not self.tokens:
            return self.place, self.place
        place = self.tokens[first].start if first < len(self.tokens) else self.tokens[-1].end
        return place, place

    def shown(self, first: int, after: int) -> str:
        start, end = self.span(first, after)
        return self.text[start:end]


AUXILIARIES = frozenset(
    {
        "are",
        "be",
        "been",
        "can",
        "could",
        "darf",
        "debe",
        "did",
        "do",
        "does",
        "dürfen",
        "es",
        "est",
        "haben",
        "had",
        "has",
        "hat",
        "have",
        "is",
        "ist",
        "kann",
        "können",
        "könnte",
        "let",
        "may",
        "might",
        "muss",
        "must",
        "müssen",
        "peut",
        "pouvez",
        "puede",
        "pueden",
        "shall",
        "should",
        "sind",
        "soll",
        "sollte",
        "sont",
        "was",
        "werden",
        "were",
        "will",
        "wird",
        "would",
    }
)
"""Verbs a negation is shown with."""


def bare(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def stemmed(token: Token) -> Hashable:
    return stem(token.key) if isinstance(token.key, str) else token.key


def is_bare_future(side: Side, mark: Marked) -> bool:
    """ "I will", "we will": a tense as often as a promise."""
    return mark.after - mark.first <= 2 and side.tokens[mark.after - 1].key in _FUTURE


_FUTURE = frozenset({"will", "shall", "werden", "werde", "wir", "ich", "allons", "vais", "a", "sie"})


def are_opposite(one: str, two: str) -> bool:
    if not one or not two:
        return False
    if two in vocabulary().opposites.get(one, frozenset()):
        return True
    short, long = sorted((one, two), key=len)
    return len(short) >= 4 and any(long == prefix + short for prefix in _DENYING_PREFIXES)


def value_kind(one: Token | None, two: Token | None) -> str:
    if one is None or two is None:
        token = one or two
        assert token is not None
        return token.kind
    if one.kind == two.kind:
        return one.kind
    return one.kind if one.kind != "number" else two.kind


def same_value(one: Token, two: Token) -> bool:
    """Written differently yet possibly the same: "1.000" and "1,000", 1 May and 1 May 2024 are not told apart."""
    if one.kind == two.kind == "number":
        return bool(readings(one.text) & readings(two.text))
    if {one.kind, two.kind} == {"url", "entity"}:
        return _host(one) == _host(two)
    return False


def _host(token: Token) -> str:
    key = token.key
    value = key[1] if isinstance(key, tuple) else key
    return str(value).removeprefix("www.")


def is_name(side: Side, place: int) -> bool:
    """Whether this word names a product, a person, a host, a file or a record."""
    token = side.tokens[place]
    if token.kind == "entity":
        return True
    if token.kind != "word" or not isinstance(token.key, str):
        return False
    words = vocabulary()
    if token.key in words.products:
        return True
    text = token.text
    if token.key in words.function_words or token.key in words.first_words or len(text) < 2:
        return False
    inner_capital = any(c.isupper() for c in text[1:])
    if any(c.isdigit() for c in text) or "_" in text:
        return True
    if inner_capital:
        return not text.isupper() or len(text) <= 6
    if not text[0].isupper():
        return False
    if any(side.tokens[before].key in words.titles for before in range(max(0, place - 2), place)):
        return True
    if side.nouns_capitalised:
        return False
    return place > 0 and side.tokens[place - 1].kind != "sign"
