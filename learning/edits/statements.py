"""Sentences and list items of a reply, and what each does: state something, ask for a step, or be courteous."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from desk.ports import Span

from .tokens import Token, lex
from .values import compose
from .vocabulary import Mark, Phrase, vocabulary

_BOUNDARY = re.compile(r"[.!?…]+[\"'”»)\]*_]*(?=\s)|[。！？]+|(?:[ \t]*\r?\n)+|;(?=\s)")
_LAST_WORD = re.compile(r"(?<![^\s(])([^\s(]{1,12})$")
_MARKER = re.compile(
    r"\s*(?:(?:step|schritt|étape|paso)\s+\d{1,2}\s*[:.)-]|\d{1,2}[.)](?=\s)|[a-z]\)|[-*•◦▪–](?=\s)|#{1,6}(?=\s))\s*",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"\s*(?:(?:step|schritt|étape|paso)\s+\d|\d{1,2}[.)]\s)", re.IGNORECASE)
_SEQUENCE = frozenset(
    "then first next afterwards finally once second dann zuerst danach anschließend puis ensuite luego primero después enfin".split()
)


@dataclass(frozen=True, slots=True)
class Marked:
    """A phrase of the word lists found among tokens: its range and what it stands for."""

    first: int
    after: int
    mark: Mark
    value: str


@dataclass
class Statement:
    """One sentence or list item."""

    text: str
    """The whole text the statement stands in."""
    start: int
    end: int
    body_start: int
    """After a list marker such as "1." or "-"."""
    numbered: bool
    raw: str = field(init=False)

    def __post_init__(self) -> None:
        self.raw = self.text[self.body_start : self.end]

    @cached_property
    def tokens(self) -> list[Token]:
        return compose(lex(self.text, [(self.body_start, self.end)]))

    @cached_property
    def content(self) -> frozenset[object]:
        """What the statement is recognised by: its words without function words, its values by kind."""
        known = vocabulary().function_words
        return frozenset(
            ("value", t.kind) if t.is_value else stem(str(t.key)) if t.kind == "word" else t.key
            for t in self.tokens
            if t.kind != "sign" and t.key not in known
        )

    @cached_property
    def exact(self) -> frozenset[object]:
        """As `content`, with every value as itself."""
        known = vocabulary().function_words
        return frozenset(
            stem(str(t.key)) if t.kind == "word" else t.key
            for t in self.tokens
            if t.kind != "sign" and t.key not in known
        )

    @cached_property
    def marks(self) -> list[Marked]:
        return marks(self.tokens)

    @property
    def span(self) -> Span:
        return self.start, self.end


def split(text: str, spans: Sequence[Span]) -> list[Statement]:
    """The statements of these ranges, in order. Lines end a statement unless the next goes on in lower case."""
    found: list[Statement] = []
    for start, end in spans:
        begin = start
        for match in _BOUNDARY.finditer(text, start, end):
            if match.start() < begin or not _ends_statement(text, begin, match, end):
                continue
            stop = match.start() if match.group()[0] in " \t\r\n" else match.end()
            _append(found, text, begin, stop)
            begin = match.end()
        _append(found, text, begin, end)
    return found


def _append(found: list[Statement], text: str, start: int, end: int) -> None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start == end:
        return
    marker = _MARKER.match(text, start, end)
    body = marker.end() if marker and marker.end() < end else start
    found.append(Statement(text, start, end, body, bool(_NUMBERED.match(text, start, end))))


def _ends_statement(text: str, begin: int, match: re.Match[str], end: int) -> bool:
    sign = match.group()
    if "\n" in sign:
        following = text[match.end() : match.end() + 1]
        if sign.count("\n") > 1 or not following.islower():
            return True
        return text[max(begin, match.start() - 1) : match.start()] in (":", ".", "!", "?") or bool(
            _MARKER.match(text, match.end(), end)
        )
    if sign != ".":
        return True
    before = _LAST_WORD.search(text, max(begin, match.start() - 14), match.start())
    if before is None:
        return True
    word = before.group(1).casefold()
    if word.isdigit():
        if before.start(1) <= begin or not text[begin : before.start(1)].strip():
            return False
        following = re.match(r"\s+([^\W\d]+)", text[match.end() : match.end() + 20])
        return not (following and following.group(1).casefold() in vocabulary().months)
    return word not in vocabulary().abbreviations and not (len(word) == 1 and word.isalpha() and word.isascii())


def marks(tokens: Sequence[Token]) -> list[Marked]:
    """Phrases of the word lists, several marks at one place allowed."""
    known = vocabulary().phrases
    words = [token.key for token in tokens if token.kind != "sign"]
    places = [index for index, token in enumerate(tokens) if token.kind != "sign"]
    found: list[Marked] = []
    for index, word in enumerate(words):
        candidates = known.get(word) if isinstance(word, str) else None
        if candidates is None:
            continue
        seen: set[tuple[Mark, str]] = set()
        for phrase in candidates:
            if (phrase.mark, phrase.value) not in seen and _matches(words, index, phrase):
                seen.add((phrase.mark, phrase.value))
                after = places[index + len(phrase.words) - 1] + 1
                found.append(Marked(places[index], after, phrase.mark, phrase.value))
    return found


def _matches(words: Sequence[object], index: int, phrase: Phrase) -> bool:
    wanted = phrase.words
    return len(wanted) == 1 or tuple(words[index : index + len(wanted)]) == wanted


def covered(found: Sequence[Marked], *wanted: Mark) -> set[int]:
    """Token positions that phrases with one of these marks stand on."""
    return {index for mark in found if mark.mark in wanted for index in range(mark.first, mark.after)}


def negations(found: Sequence[Marked]) -> list[int]:
    """Positions of negations that count: "do not hesitate" and its kin left out."""
    harmless = covered(found, "harmless_negation")
    return [mark.first for mark in found if mark.mark == "negation" and mark.first not in harmless]


def conditions(found: Sequence[Marked]) -> list[int]:
    harmless = covered(found, "harmless_condition", "harmless_negation")
    return [mark.first for mark in found if mark.mark == "condition" and mark.first not in harmless]


def courtesy_of(tokens: Sequence[Token], found: Sequence[Marked]) -> str:
    """ "apology" or "tone" when these words only are courteous, "" when they tell the customer something."""
    polite = covered(found, "courtesy", "apology")
    if not polite:
        return "tone" if tokens and not _telling(tokens, found) else ""
    hard = {"number", "amount", "duration", "url", "email", "phone"}
    if any(token.kind in hard for token in tokens):
        return ""
    if any(index not in polite for index in negations(found)):
        return ""
    telling = [index for index in _telling(tokens, found) if index not in polite]
    if len(telling) > max(6, 2 * len(polite)):
        return ""
    return "apology" if covered(found, "apology") else "tone"


def _telling(tokens: Sequence[Token], found: Sequence[Marked]) -> list[int]:
    """Positions of words that are neither function words nor courtesy."""
    known = vocabulary().function_words
    soft = covered(found, "tone", "courtesy", "apology", "wrapper", "harmless_negation", "harmless_condition")
    hard = set(negations(found)) | set(conditions(found))
    return [
        index
        for index, token in enumerate(tokens)
        if token.kind != "sign"
        and index not in soft
        and (index in hard or token.is_value or token.kind == "entity" or token.key not in known)
    ]


def telling(tokens: Sequence[Token], found: Sequence[Marked]) -> list[int]:
    return _telling(tokens, found)


def ordered(statement: Statement) -> bool:
    """Whether its place in the text matters: a numbered step or one that says "then"."""
    return statement.numbered or any(token.key in _SEQUENCE for token in statement.tokens[:2])


_ENDINGS = ("ing", "ed", "es", "en", "er", "ez", "s", "e", "n", "t", "d", "r")


def stem(word: str) -> str:
    """Enough of a word to recognise its inflections; never shorter than four letters."""
    word = word.removesuffix("'s")
    if len(word) < 5 or not word.isalpha():
        return word.removesuffix("s") if len(word) > 2 and word.isalpha() else word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= (3 if ending in ("ez", "er") else 4):
            return word[: -len(ending)]
    return word
