"""From printed lines to headings, paragraphs, lists and code: what the layout of a page means."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Literal

from .pdf_lines import Line

BlockKind = Literal["heading", "paragraph", "list", "code"]

_DIGITS = re.compile(r"\d+")
_PAGE_NUMBER = re.compile(
    r"\W*(?:(?:page|seite|p\.|pag\.?|página|pagina)\s*)?(?:\d{1,4}|[ivxlc]{1,7})(?:\s*(?:/|of|von|de|sur|di)\s*\d{1,4})?\W*",
    re.IGNORECASE,
)
_BULLET = re.compile(
    r"(?:[\u2022\u25cf\u25cb\u25aa\u25a0\u2023\u2043\u2219\u00b7\uf0b7\u2013\u2014*-]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S"
)
_SENTENCE_END = re.compile(r"[.!?:;\u2026\u3002\uff01\uff1f][\"')\]\u201d\u2019\u00bb]*$")
_WORD = re.compile(r"[^\W\d_]{2,}(?:-[^\W\d_]{2,})*")
_MARGIN = 0.12
"""Share of the page at its top and at its bottom in which running headers and footers stand."""
_EDGE_LINES = 3
_RUNNING_PAGES = 5
"""A line at one place in the margin of so many pages is furniture, however long the document: chapters change it."""
_LARGER = 1.15
_LONGEST_HEADING = 200
_LONGEST_BOLD_HEADING = 100
_LEVELS = 5


@dataclass(slots=True)
class PrintedBlock:
    kind: BlockKind
    page: int
    text: str
    level: int = 0


@dataclass(slots=True)
class _Open:
    kind: BlockKind
    lines: list[Line] = field(default_factory=list[Line])
    level: int = 0


def blocks(pages: Sequence[Sequence[Line]]) -> Iterator[PrintedBlock]:
    """Blocks in reading order, running headers, footers and page numbers left out."""
    kept = [_without_furniture(lines, running) for lines, running in _with_running(pages)]
    yield from _Layout(kept).blocks()


# Running headers and footers -------------------------------------------------------------------------------


def _with_running(pages: Sequence[Sequence[Line]]) -> Iterator[tuple[Sequence[Line], set[str]]]:
    seen: Counter[str] = Counter()
    for lines in pages:
        seen.update({_running_key(line) for line in _edge(lines)})
    least = min(_RUNNING_PAGES, max(3, round(0.3 * len(pages))))
    running = {key for key, count in seen.items() if count >= least}
    for lines in pages:
        yield lines, running if len(pages) > 1 else set()


def _edge(lines: Sequence[Line]) -> list[Line]:
    by_depth = sorted(lines, key=lambda line: line.depth)
    edge = [*by_depth[:_EDGE_LINES], *by_depth[-_EDGE_LINES:]]
    return [line for line in edge if line.depth < _MARGIN or line.depth > 1 - _MARGIN]


def _running_key(line: Line) -> str:
    return f"{_DIGITS.sub('#', line.text.casefold())}@{round(line.depth * 50)}"


def _without_furniture(lines: Sequence[Line], running: set[str]) -> list[Line]:
    if not running and len(lines) < 2:
        return list(lines)
    edge = {id(line) for line in _edge(lines)}
    kept = [
        line
        for line in lines
        if id(line) not in edge
        or not (_running_key(line) in running or (running and _PAGE_NUMBER.fullmatch(line.text)))
    ]
    return kept or list(lines)


# Blocks ----------------------------------------------------------------------------------------------------


class _Layout:
    def __init__(self, pages: Sequence[Sequence[Line]]) -> None:
        self._pages = pages
        every = [line for lines in pages for line in lines]
        self._body = _common_height(every)
        heights = sorted({_rounded(line.height) for line in every if self._is_large(line)}, reverse=True)
        self._levels = {height: min(level, _LEVELS) for level, height in enumerate(heights, start=1)}
        self._bold_level = min(len(heights), _LEVELS) + 1
        body = [line for line in every if not line.bold]
        self._bold_tells = sum(len(line.text) for line in body) > 0.5 * sum(len(line.text) for line in every)
        self._words = Counter(word.casefold() for line in every for word in _WORD.findall(line.text))

    def blocks(self) -> Iterator[PrintedBlock]:
        for lines in self._pages:
            leading = _leading(lines)
            current: _Open | None = None
            before: Line | None = None
            for line in lines:
                kind, level = self._kind(line, before, leading)
                if current is None or before is None or self._breaks(current, before, line, kind, level, leading):
                    if current is not None:
                        yield self._closed(current)
                    current = _Open(kind, level=level)
                current.lines.append(line)
                before = line
            if current is not None:
                yield self._closed(current)

    def _is_large(self, line: Line) -> bool:
        return line.height >= _LARGER * self._body and len(line.text) <= _LONGEST_HEADING and _has_letters(line.text)

    def _kind(self, line: Line, before: Line | None, leading: float) -> tuple[BlockKind, int]:
        if before is not None and same_row(before, line) and not self._is_large(before):
            return "paragraph", 0
        if self._is_large(line):
            return "heading", self._levels[_rounded(line.height)]
        if line.fixed_pitch:
            return "code", 0
        if _BULLET.match(line.text):
            return "list", 0
        stands_alone = before is None or not _follows(before, line, leading) or before.bold
        ends_open = not line.text.endswith((".", ",", ";", ":"))
        if self._bold_tells and line.bold and stands_alone and ends_open and len(line.text) <= _LONGEST_BOLD_HEADING:
            return ("heading", self._bold_level) if _has_letters(line.text) else ("paragraph", 0)
        return "paragraph", 0

    def _breaks(  # noqa: PLR0911 - a list of reasons reads best as one
        self, current: _Open, before: Line, line: Line, kind: BlockKind, level: int, leading: float
    ) -> bool:
        if kind == "list":
            return True
        if same_row(before, line):
            return kind == "heading" and current.kind != "heading"
        if "heading" in {kind, current.kind}:
            joins = kind == current.kind and level == current.level and _follows(before, line, leading)
            return not joins or sum(len(each.text) for each in current.lines) > _LONGEST_HEADING
        if "code" in {kind, current.kind}:
            return kind != current.kind or before.bottom - line.bottom > 2.5 * leading
        if not _follows(before, line, leading):
            # Another column: the sentence goes on there unless it had ended.
            moved_up = line.bottom > before.top
            return not moved_up or bool(_SENTENCE_END.search(before.text)) or not line.text[:1].islower()
        if abs(before.height - line.height) > 0.25 * max(before.height, line.height):
            return True
        indented = line.left - before.left > 0.8 * line.height
        return bool(_SENTENCE_END.search(before.text)) and indented and current.kind == "paragraph"

    def _closed(self, block: _Open) -> PrintedBlock:
        lines = block.lines
        if block.kind == "code":
            text = _code(lines)
        elif block.kind == "heading":
            text = " ".join(line.text for line in lines)
        else:
            text = self._running(lines)
        return PrintedBlock(block.kind, lines[0].page, text, block.level)

    def _running(self, lines: Sequence[Line]) -> str:
        """Lines joined as they are read; one that ends far before the margin was ended by the writer."""
        margin = max(line.right for line in lines)
        text = lines[0].text
        for before, line in pairwise(lines):
            width = max(1.0, margin - min(before.left, line.left))
            if text.endswith("\xad"):
                text = text[:-1] + line.text
            elif text.endswith(("-", "\u2010")) and not text.endswith((" -", "--")) and line.text[:1].isalpha():
                text = self._dehyphenated(text, line.text)
            elif same_row(before, line) or margin - before.right < 0.35 * width:
                text = f"{text} {line.text}"
            else:
                text = f"{text}\n{line.text}"
        return text

    def _dehyphenated(self, text: str, following: str) -> str:
        """`follow-` + `ing`: without the hyphen, unless the document writes the word with one elsewhere."""
        head = re.search(r"[^\W\d_]+$", text[:-1])
        tail = re.match(r"[^\W\d_]+", following)
        if head is None or tail is None or not following[0].islower():
            return text + following
        joined, hyphened = f"{head[0]}{tail[0]}".casefold(), f"{head[0]}-{tail[0]}".casefold()
        keeps = self._words[hyphened] > self._words[joined]
        return text + following if keeps else text[:-1] + following


def same_row(before: Line, line: Line) -> bool:
    """On one baseline, or raised or lowered beside it as exponents and indices are."""
    if abs(before.bottom - line.bottom) < 0.3 * max(before.height, line.height, 1.0):
        return True
    overlap = min(before.top, line.top) - max(before.bottom, line.bottom)
    smaller = min(before.height, line.height)
    return overlap > 0.6 * smaller and smaller < 0.9 * max(before.height, line.height)


def _follows(before: Line, line: Line, leading: float) -> bool:
    """Whether the line stands under the one before at the usual distance, or beside it."""
    distance = before.bottom - line.bottom
    return same_row(before, line) or 0 < distance <= max(1.35 * leading, 1.2 * line.height)


def _leading(lines: Sequence[Line]) -> float:
    distances = [
        before.bottom - line.bottom
        for before, line in pairwise(lines)
        if 0.5 * line.height < before.bottom - line.bottom < 3 * line.height
    ]
    return median(distances) if distances else (lines[0].height * 1.2 if lines else 1.0)


def _common_height(lines: Sequence[Line]) -> float:
    weights: Counter[float] = Counter()
    for line in lines:
        weights[_rounded(line.height)] += len(line.text)
    return weights.most_common(1)[0][0] if weights else 1.0


def _rounded(height: float) -> float:
    return round(height * 2) / 2


def _has_letters(text: str) -> bool:
    return sum(1 for character in text if character.isalpha()) >= 2


def _code(lines: Sequence[Line]) -> str:
    """Indentation by where the lines begin, in widths of a character."""
    width = median(max(1.0, (line.right - line.left) / max(1, len(line.text))) for line in lines)
    left = min(line.left for line in lines)
    text = ""
    for at, line in enumerate(lines):
        if at and same_row(lines[at - 1], line):
            text += f" {line.text}"
        else:
            indent = " " * min(40, round((line.left - left) / width))
            text += ("\n" if at else "") + indent + line.text
    return text
