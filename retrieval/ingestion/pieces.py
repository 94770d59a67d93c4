"""The smallest parts a chunk is made of: sentences, list items, table rows, code lines, whole short blocks."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from desk.ports import Span
from desk.sentences import sentence_spans

from .document import Block

CHARACTERS_PER_TOKEN: Final = 8
"""No chunk is longer than this times its tokens: a tokenizer may call a megabyte without spaces one token."""
_LIST_ITEM = re.compile(r"^[ \t]*(?:[-*+\u2022]|\d{1,9}[.)]|[a-z]\))(?=\s)", re.MULTILINE)
_LINE = re.compile(r"[^\n]+")
_LONGEST_MARK_SEQUENCE = 16


class TokenIndex:
    """Counts the tokens of any part of a text that was tokenized once, as a whole."""

    def __init__(self, spans: Iterable[Span]) -> None:
        ordered = list(spans)
        self._starts = [start for start, _ in ordered]
        self._ends = [end for _, end in ordered]

    def count(self, start: int, end: int) -> int:
        """Tokens of which at least a part lies in [start, end)."""
        return max(0, bisect_left(self._starts, end) - bisect_right(self._ends, start))

    def end_of(self, start: int, tokens: int, end: int) -> int:
        """The furthest position up to `end` with no more than `tokens` from `start` on."""
        following = bisect_right(self._ends, start) + tokens
        return min(end, self._starts[following]) if following < len(self._starts) else end


@dataclass(frozen=True, slots=True)
class Piece:
    start: int
    end: int
    kind: Literal["heading", "sentence", "whole"]
    """A `sentence` may be repeated at the start of the next chunk, a `whole` may not."""
    begins_block: bool
    """Or a list item: a better place to cut than inside one."""


@dataclass(frozen=True, slots=True)
class PieceCutter:
    text: str
    tokens: TokenIndex
    short_tokens: int
    """A paragraph or list up to this stays whole."""

    def pieces(self, block: Block, budget: int) -> Iterator[Piece]:
        """The block in pieces of at most `budget` tokens."""
        start, end = block.span
        size = self.tokens.count(start, end)
        stays_whole = size <= (budget if block.kind in {"code", "table"} else min(budget, self.short_tokens))
        if block.kind == "heading":
            yield from self._fitting(start, [block.span], budget, "heading")
        elif block.kind == "paragraph":
            spans = [block.span] if stays_whole else sentence_spans(self.text, block.span)
            yield from self._fitting(start, spans, budget, "sentence")
        elif stays_whole:
            yield from self._fitting(start, [block.span], budget, "whole")
        elif block.kind == "list":
            yield from self._items(block.span, budget)
        else:
            lines = [match.span() for match in _LINE.finditer(self.text, start, end) if match.group().strip()]
            yield from self._fitting(start, lines, budget, "whole")

    def _items(self, span: Span, budget: int) -> Iterator[Piece]:
        starts = [match.start() for match in _LIST_ITEM.finditer(self.text, *span)]
        borders = sorted({span[0], *starts, span[1]})
        for start, end in pairwise(borders):
            item = (start, start + len(self.text[start:end].rstrip()))
            fits = self.tokens.count(*item) <= budget
            yield from self._fitting(start, [item] if fits else sentence_spans(self.text, item), budget, "whole")

    def _fitting(
        self, block_start: int, spans: Sequence[Span], budget: int, kind: Literal["heading", "sentence", "whole"]
    ) -> Iterator[Piece]:
        for start, end in spans:
            for cut_start, cut_end in self._cut(start, end, budget):
                yield Piece(cut_start, cut_end, kind, begins_block=cut_start == block_start)

    def _cut(self, start: int, end: int, budget: int) -> Iterator[Span]:
        """Where nothing better is left: at a line break, a comma, a space, or in the middle of a word."""
        longest = budget * CHARACTERS_PER_TOKEN
        while end - start > longest or self.tokens.count(start, end) > budget:
            limit = max(start + 1, min(self.tokens.end_of(start, budget, end), start + longest))
            border = self._border(start, limit)
            if self.text[start:border].strip():
                yield start, start + len(self.text[start:border].rstrip())
            start = border
            while start < end and self.text[start].isspace():
                start += 1
        if start < end:
            yield start, end

    def _border(self, start: int, limit: int) -> int:
        middle = start + (limit - start) // 2
        for mark in ("\n", "; ", ", ", " "):
            found = self.text.rfind(mark, middle, limit)
            if found > start:
                return found + len(mark)
        border = limit
        while start + 1 < border and limit - border < _LONGEST_MARK_SEQUENCE and self._joins(border):
            border -= 1
        return border

    def _joins(self, position: int) -> bool:
        """Whether the character there belongs to the one before it."""
        return position < len(self.text) and unicodedata.combining(self.text[position]) != 0
