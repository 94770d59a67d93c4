"""Sentences and list items of a reply, and what each does: state something, ask for a step, or be courteous."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from desk.ports import Span

from .reading import Reading, read, stem
from .tokens import Token, lex
from .values import compose
from .vocabulary import vocabulary

_BOUNDARY = re.compile(r"[.!?…]+[\"'”»)\]*_]*(?=\s)|[。\uff01\uff1f]+|(?:[ \t]*\r?\n)+|;(?=\s)")
_NEXT_WORD = re.compile(r"\s+([^\W\d]+)")
_LAST_WORD = re.compile(r"(?<![^\s(])([^\s(]{1,12})$")
_MARKER = re.compile(
    r"""\s*(?:
      (?:step|schritt|étape|paso)\s+\d{1,2}\s*[:.)-] | \d{1,2}[.)](?=\s) | [a-z]\) | [-*•◦▪\u2013](?=\s) | \#{1,6}(?=\s)
    )\s*""",
    re.IGNORECASE | re.VERBOSE,
)
_NUMBERED = re.compile(r"\s*(?:(?:step|schritt|étape|paso)\s+\d|\d{1,2}[.)]\s)", re.IGNORECASE)


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
    # Plain attributes: the lock inside functools.cached_property costs more here than what it guards.
    _tokens: list[Token] | None = field(init=False, default=None)
    _content: frozenset[object] | None = field(init=False, default=None)
    _reading: Reading | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.raw = self.text[self.body_start : self.end].replace("\r\n", "\n")

    @property
    def tokens(self) -> list[Token]:
        if self._tokens is None:
            self._tokens = compose(lex(self.text, self.body_start, self.end))
        return self._tokens

    @property
    def content(self) -> frozenset[object]:
        """What the statement is recognised by: its words without function words, its values by kind."""
        if self._content is None:
            self._content = self._recognised_by()
        return self._content

    def _recognised_by(self) -> frozenset[object]:
        known = vocabulary().function_words
        return frozenset(
            ("value", t.kind) if t.is_value else stem(str(t.key)) if t.kind == "word" else t.key
            for t in self.tokens
            if t.kind != "sign" and t.key not in known
        )

    @cached_property
    def exact(self) -> Counter[Hashable]:
        """As `content`, with every value as itself and how often each occurs."""
        known = vocabulary().function_words
        return Counter(
            stem(str(t.key)) if t.kind == "word" else t.key
            for t in self.tokens
            if t.kind != "sign" and t.key not in known
        )

    @property
    def reading(self) -> Reading:
        if self._reading is None:
            self._reading = read(self.tokens)
        return self._reading

    @property
    def span(self) -> Span:
        return self.start, self.end


def split(text: str, spans: Sequence[Span]) -> list[Statement]:
    """The statements of these ranges, in order. Lines end a statement unless the next goes on in lower case."""
    found: list[Statement] = []
    for start, end in spans:
        begin = start
        for match in _BOUNDARY.finditer(text, start, end):
            if match.start() < begin:
                continue
            if (number := _inline_number(text, begin, match)) is not None:
                _append(found, text, begin, number)
                begin = number
                continue
            if not _ends_statement(text, begin, match, end):
                continue
            stop = match.start() if match.group()[0] in " \t\r\n" else match.end()
            _append(found, text, begin, stop)
            begin = match.end()
        _append(found, text, begin, end)
    return found


def _inline_number(text: str, begin: int, match: re.Match[str]) -> int | None:
    """Where a step begins whose number stands inside a line: after a colon, or one more than the step before."""
    if match.group() != ".":
        return None
    before = _LAST_WORD.search(text, max(begin, match.start() - 4), match.start())
    if before is None or not before.group(1).isdecimal() or not text[begin : before.start(1)].strip():
        return None
    lead = text[begin : before.start(1)].rstrip()
    previous = re.match(r"\s*(\d{1,2})[.)]\s", text[begin : before.start(1)])
    follows = previous is not None and int(before.group(1)) == int(previous.group(1)) + 1
    return before.start(1) if follows or (lead.endswith(":") and int(before.group(1)) == 1) else None


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
    if "\n" in match.group():
        return _line_ends_statement(text, begin, match, end)
    before = _LAST_WORD.search(text, max(begin, match.start() - 14), match.start())
    if match.group() != "." or before is None:
        return True
    word = before.group(1).casefold()
    if word.isdigit():
        marker = not text[begin : before.start(1)].strip()
        following = _NEXT_WORD.match(text, match.end())
        return not marker and not (following and following.group(1).casefold() in vocabulary().months)
    return word not in vocabulary().abbreviations and not (len(word) == 1 and word.isalpha() and word.isascii())


def _line_ends_statement(text: str, begin: int, match: re.Match[str], end: int) -> bool:
    """A line that goes on in lower case was only wrapped, unless the next is a list item."""
    following = text[match.end() : match.end() + 1]
    if match.group().count("\n") > 1 or not following.islower():
        return True
    closed = text[max(begin, match.start() - 1) : match.start()] in (":", ".", "!", "?")
    return closed or bool(_MARKER.match(text, match.end(), end))


def ordered(statement: Statement) -> bool:
    """Whether its place in the text matters: a numbered step or one that says "then"."""
    return statement.numbered or any(token.key in vocabulary().sequence for token in statement.tokens[:2])
