"""The kinds of change: how one is told from another, word by word."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cache

from rapidfuzz.distance import OSA

from desk.ports import Span

from .reading import Marked, Reading, stem
from .tokens import Token
from .values import address, readings
from .vocabulary import vocabulary

_DENYING_PREFIXES = ("un", "in", "im", "dis", "de", "non", "dés", "des", "ent", "ir")
SUBSCRIBER = 7
"""Digits from which the end of a telephone number names one line."""
SHORTEST_INFLECTED = 5
"""Letters of an opposite that is recognised with other endings too."""
SHORTEST_MISSPELLED = 6
COUNTRY = 4
"""Digits of the longest country code, a closing 0 counted."""
Run = tuple[int, int, int, int]
"""[start, end) in the draft's tokens and in the sent ones."""


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


def bare(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


def stemmed(token: Token) -> Hashable:
    return stem(token.key) if isinstance(token.key, str) else token.key


def is_bare_future(side: Side, mark: Marked) -> bool:
    """ "I will", "we will": a tense as often as a promise."""
    return mark.after - mark.first <= 2 and side.tokens[mark.after - 1].key in vocabulary().future


def are_opposite(one: str, two: str) -> bool:
    if not one or not two:
        return False
    if two in vocabulary().opposites.get(one, ()) or stem(two) in _opposite_stems().get(stem(one), ()):
        return True
    short, long = sorted((one, two), key=len)
    return len(short) >= 4 and any(long == prefix + short for prefix in _DENYING_PREFIXES)


@cache
def _opposite_stems() -> dict[str, frozenset[str]]:
    """The opposites without their endings: "increased" and "decreased" as well as "increase" and "decrease"."""
    found: dict[str, set[str]] = {}
    for word, others in vocabulary().opposites.items():
        if len(word) >= SHORTEST_INFLECTED:
            stems = found.setdefault(stem(word), set())
            stems.update(stem(other) for other in others if len(other) >= SHORTEST_INFLECTED)
    return {word: frozenset(others) for word, others in found.items()}


def is_misspelling(one: str, two: str) -> bool:
    """ "recieved" and "received": one letter too many, too few, wrong or in the wrong place of a long word."""
    return (
        min(len(one), len(two)) >= SHORTEST_MISSPELLED
        and one[0] == two[0]
        and OSA.distance(one, two, score_cutoff=1) <= 1
    )


def value_kind(one: Token, two: Token) -> str:
    """A plain number against a value with a unit is a change of that unit's kind."""
    return one.kind if one.kind != "number" else two.kind


def same_value(one: Token, two: Token) -> bool:
    """Written differently yet possibly the same: "1.000" and "1,000", 1 May and 1 May 2024 are not told apart."""
    if one.kind == two.kind == "number":
        return bool(readings(one.text) & readings(two.text))
    if one.kind == two.kind == "phone":
        return _same_line(one.text, two.text)
    if {one.kind, two.kind} == {"url", "entity"}:
        return _host(one) == _host(two)
    return False


def _same_line(one: str, two: str) -> bool:
    """ "(555) 014-2233" and "+1 555 014 2233", "020 7946 0958" and "+44 20 7946 0958"."""
    short, long = sorted(("".join(c for c in text if c.isdecimal()) for text in (one, two)), key=len)
    local = short.removeprefix("0")
    return len(local) >= SUBSCRIBER and long.endswith(local) and len(long) - len(local) <= COUNTRY


def _host(token: Token) -> str:
    return address(token.text).removeprefix("www.")


def is_name(side: Side, place: int) -> bool:
    """Whether this word names a product, a person, a host, a file or a record."""
    token = side.tokens[place]
    if token.kind != "word":
        return token.kind == "entity"
    words = vocabulary()
    if token.key in words.products:
        return True
    if token.key in words.function_words or token.key in words.first_words or len(token.text) < 2:
        return False
    return _looks_like_a_name(token.text) or (token.text[0].isupper() and _stands_like_a_name(side, place))


def _looks_like_a_name(text: str) -> bool:
    """node7, max_size, cPanel, DNS; not IMPORTANT."""
    inner_capital = any(c.isupper() for c in text[1:])
    return any(c.isdigit() or c == "_" for c in text) or (inner_capital and (not text.isupper() or len(text) <= 6))


def _stands_like_a_name(side: Side, place: int) -> bool:
    """A capital letter inside a sentence, or after "Mr", where nouns have none of their own."""
    if any(side.tokens[before].key in vocabulary().titles for before in range(max(0, place - 2), place)):
        return True
    return not side.nouns_capitalised and place > 0 and side.tokens[place - 1].kind != "sign"
