"""Texts cut into pieces that a template escapes one by one: links, failed places, differences, passages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

_URL = re.compile(r"https?://[^\s<>\"'`{}|\\^\[\]]+", re.IGNORECASE)
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")
MOST_COMPARED_WORDS = 6_000
LONGEST_SHOWN = 120_000
"""Characters of a document on one page."""


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    href: str = ""
    reason: str = ""
    page: int = 0
    """The page or slide of the document that begins with this piece; 0 inside of one."""


@dataclass(frozen=True, slots=True)
class Passage:
    pieces: list[Piece]
    is_cut: bool
    """Only a part of the text is shown."""


@dataclass(frozen=True, slots=True)
class DifferencePiece:
    kind: Literal["same", "removed", "added"]
    text: str


@dataclass(frozen=True, slots=True)
class DiffLine:
    kind: Literal["same", "removed", "added", "place"]
    text: str


def linked(text: str) -> list[Piece]:
    """The text with its web addresses as links; nothing else ever becomes one."""
    pieces: list[Piece] = []
    position = 0
    for match in _URL.finditer(text):
        url = match.group().rstrip(".,;:!?)")
        pieces += [Piece(text[position : match.start()]), Piece(url, href=url)]
        position = match.start() + len(url)
    return [piece for piece in (*pieces, Piece(text[position:])) if piece.text]


def marked(text: str, marks: Sequence[tuple[int, int, str]]) -> list[Piece]:
    """The text with the ranges [start, end) set apart by their reasons; of overlapping ones the first wins."""
    pieces: list[Piece] = []
    position = 0
    for start, end, reason in sorted(marks):
        first, last = max(start, position), min(end, len(text))
        if first >= last:
            continue
        pieces += [Piece(text[position:first]), Piece(text[first:last], reason=reason or "marked")]
        position = last
    return [piece for piece in (*pieces, Piece(text[position:])) if piece.text]


def failed_marks(checks: Sequence[dict[str, Any]]) -> list[tuple[int, int, str]]:
    return [
        (check["span"][0], check["span"][1], str(check["detail"]))
        for check in checks
        if not check["passed"] and check.get("span")
    ]


def word_difference(before: str, after: str) -> list[DifferencePiece]:
    """What became of a draft, word by word. Beyond `MOST_COMPARED_WORDS` whole lines are compared."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    if len(old) + len(new) > MOST_COMPARED_WORDS:
        old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    pieces: list[DifferencePiece] = []
    for operation, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if operation == "equal":
            pieces.append(DifferencePiece("same", "".join(old[i:j])))
            continue
        if j > i:
            pieces.append(DifferencePiece("removed", "".join(old[i:j])))
        if m > k:
            pieces.append(DifferencePiece("added", "".join(new[k:m])))
    return pieces


def diff_lines(unified: Sequence[str]) -> list[DiffLine]:
    """The lines of a unified difference, each with what it says."""
    kinds: dict[str, Literal["same", "removed", "added", "place"]] = {"+": "added", "-": "removed", "@": "place"}
    return [DiffLine(kinds.get(line[:1], "same"), line if line[:1] == "@" else line[1:]) for line in unified]


def passage(text: str, start: int | None, end: int | None, pages: Sequence[int] = ()) -> Passage:
    """A document's text with the cited passage set apart; of a very long one, what stands around it.

    `pages`: where each page begins in the text.
    """
    first = 0 if start is None else max(0, start - LONGEST_SHOWN // 2)
    shown = text[first : first + LONGEST_SHOWN]
    marks = [] if start is None or end is None else [(start - first, end - first, "cited")]
    return Passage(_paged(marked(shown, marks), first, pages), is_cut=len(shown) < len(text))


def _paged(pieces: Sequence[Piece], position: int, pages: Sequence[int]) -> list[Piece]:
    """Cut where pages begin. Of pages that begin at the same place only the last has a text."""
    numbers = {start: number for number, start in enumerate(pages, start=1)}
    cut: list[Piece] = []
    for piece in pieces:
        end = position + len(piece.text)
        borders = sorted({position, *(start for start in numbers if position < start < end)})
        for begin, until in pairwise([*borders, end]):
            text = piece.text[begin - position : until - position]
            cut.append(Piece(text, reason=piece.reason, page=numbers.get(begin, 0)))
        position = end
    return cut
