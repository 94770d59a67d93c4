"""Cuts a document into the pieces that are embedded, searched and quoted.

Chunks end at headings, then at blocks, items, rows and sentences; inside a sentence only when it does not fit at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil

from desk.ports import Span

from .document import ParsedDocument, Section
from .pieces import CHARACTERS_PER_TOKEN, Piece, PieceCutter, TokenIndex

TokenSpans = Callable[[str], Sequence[Span]]
"""The character range of every token of a text, in order."""

_CONTEXT_SHARE = 4
"""Title and headings take at most a quarter of what the model reads."""
_MOST_LONE_HEADINGS = 8
"""In a row without any text: more of them are a list of headings and stand for themselves."""
_LINK_ADDRESS = re.compile(r"(?<=\S) \(https?://[^\s()]{1,200}\)")
_HEADING_SEPARATOR = " > "


@dataclass(frozen=True, slots=True)
class Chunk:
    ordinal: int
    """From 0, in the order of the document."""
    text: str
    """Exactly `document.text[span]`."""
    span: Span
    heading_path: tuple[str, ...]
    tokens: int
    """Of `text` alone."""
    context: str
    """Title and the headings above that are not in `text` itself, shortened to fit."""

    @property
    def embedding_text(self) -> str:
        """What is embedded: within `maximum_tokens`, so that the model reads all of it.

        Addresses behind links are for the reader; to the model they are noise.
        """
        return embedding_text(self.context, self.text)


def embedding_text(context: str, text: str) -> str:
    """The same for a stored chunk, when another model embeds it again."""
    plain = _LINK_ADDRESS.sub("", text)
    return f"{context}\n{plain}" if context else plain


@dataclass(frozen=True, slots=True)
class _Group:
    """Pieces that may share a chunk: one section, with the headings around it that have no text of their own."""

    pieces: list[Piece]
    sections: list[Section]
    heading_path: tuple[str, ...]


def chunk(
    document: ParsedDocument,
    token_spans: TokenSpans,
    *,
    target_tokens: int = 220,
    maximum_tokens: int = 250,
    overlap_tokens: int = 24,
) -> list[Chunk]:
    """Chunks in order that together hold every character that is not white space.

    `overlap_tokens`: how much of the sentences before is repeated where a section had to be cut in running text.
    Tables and code blocks that fit stay whole. Time grows with the length of the text alone.
    """
    if not (16 <= target_tokens <= maximum_tokens and 0 <= overlap_tokens < target_tokens // 2):
        msg = "needs 16 <= target_tokens <= maximum_tokens and 0 <= overlap_tokens < target_tokens / 2"
        raise ValueError(msg)
    return _Chunker(document, token_spans, target_tokens, maximum_tokens, overlap_tokens).chunks()


class _Chunker:
    def __init__(
        self, document: ParsedDocument, token_spans: TokenSpans, target: int, maximum: int, overlap: int
    ) -> None:
        self._document = document
        self._token_spans = token_spans
        self._target = target
        self._maximum = maximum
        self._overlap = overlap
        self._tokens = TokenIndex(token_spans(document.text))
        self._cutter = PieceCutter(document.text, self._tokens, short_tokens=target // 3)
        self._contexts: dict[tuple[str, ...], tuple[str, int]] = {}

    def chunks(self) -> list[Chunk]:
        chunks: list[Chunk] = []
        for group in self._groups():
            for start, end in self._spans(group):
                context, _ = self._context(self._above(group, start))
                text = self._document.text[start:end]
                tokens = self._tokens.count(start, end)
                chunks.append(Chunk(len(chunks), text, (start, end), group.heading_path, tokens, context))
        return chunks

    def _groups(self) -> Iterator[_Group]:
        for sections in _joined_sections(self._document.sections):
            told = [section for section in sections if _has_text(section)]
            group = _Group([], sections, (told or sections)[-1].heading_path)
            starts = [section.span[0] for section in sections]
            budget = min(self._budget(group, start) for start in (*starts, sections[-1].span[1]))
            for section in sections:
                for block in section.blocks:
                    group.pieces.extend(self._cutter.pieces(block, budget))
            yield group

    def _spans(self, group: _Group) -> Iterator[Span]:
        """Pieces packed into chunks of about equal size, so that no scrap is left at the end of a section."""
        pieces = group.pieces
        ranges: list[tuple[int, int]] = []
        first = 0
        while first < len(pieces):
            last = self._last_piece(group, first)
            ranges.append((first, last))
            first = last + 1
        for index, (first, last) in enumerate(ranges):
            start = self._overlapping(group, first, last) if index else pieces[first].start
            yield start, pieces[last].end

    def _last_piece(self, group: _Group, first: int) -> int:
        pieces = group.pieces
        start = pieces[first].start
        budget = self._budget(group, start)
        remaining = self._tokens.count(start, pieces[-1].end)
        chunks_left = 1 if remaining <= budget else ceil(remaining / self._target)
        aim = ceil(remaining / chunks_left)
        last = first
        while last + 1 < len(pieces) and self._fits(start, pieces[last + 1].end, budget):
            size = self._tokens.count(start, pieces[last + 1].end)
            if size > aim and 2 * self._tokens.count(start, pieces[last].end) >= aim:
                break
            last += 1
        return self._without_lead_in(group, first, self._at_block_border(group, first, last, aim))

    def _at_block_border(self, group: _Group, first: int, last: int, aim: int) -> int:
        """Rather between two paragraphs than inside one, where at least half of the aim stands before."""
        pieces = group.pieces
        for cut in range(last, first - 1, -1):
            if 2 * self._tokens.count(pieces[first].start, pieces[cut].end) < aim:
                break
            if cut + 1 == len(pieces) or pieces[cut + 1].begins_block:
                return cut
        return last

    def _without_lead_in(self, group: _Group, first: int, last: int) -> int:
        """A sentence that ends in a colon, or a heading, goes with what it announces."""
        pieces = group.pieces
        if last + 1 == len(pieces):
            return last
        cut = last
        while cut > first and (pieces[cut].kind == "heading" or self._document.text[pieces[cut].end - 1] == ":"):
            cut -= 1
        announced = pieces[min(last + 1, len(pieces) - 1)]
        start = pieces[min(cut + 1, last)].start
        return cut if self._fits(start, announced.end, self._budget(group, start)) else last

    def _overlapping(self, group: _Group, first: int, last: int) -> int:
        """Where the chunk starts: cut inside a paragraph, it repeats the sentences that lead up to it."""
        pieces = group.pieces
        end = pieces[last].end
        begin = first
        while pieces[begin].kind == "sentence" and not pieces[begin].begins_block:
            start = pieces[begin - 1].start
            fits = self._fits(start, end, self._budget(group, start))
            if not fits or self._tokens.count(start, pieces[first].start) > self._overlap:
                break
            begin -= 1
        return pieces[begin].start

    def _fits(self, start: int, end: int, budget: int) -> bool:
        return end - start <= budget * CHARACTERS_PER_TOKEN and self._tokens.count(start, end) <= budget

    def _budget(self, group: _Group, start: int) -> int:
        """Tokens left for the text of a chunk that starts there."""
        return self._maximum - self._context(self._above(group, start))[1]

    def _above(self, group: _Group, start: int) -> tuple[str, ...]:
        """Title and headings over a chunk, without those it shows itself."""
        shown = {section.heading for section in group.sections if section.span[0] >= start}
        return tuple(heading for heading in (self._document.title, *group.heading_path) if heading not in shown)

    def _context(self, path: tuple[str, ...]) -> tuple[str, int]:
        """The line above a chunk and its tokens, the line break included.

        Where it would be too long the outer headings give way first: the inner ones say more.
        """
        if path not in self._contexts:
            self._contexts[path] = self._short_context(path)
        return self._contexts[path]

    def _short_context(self, path: tuple[str, ...]) -> tuple[str, int]:
        limit = self._maximum // _CONTEXT_SHARE
        if not path:
            return "", 0
        line = ""
        for dropped in range(len(path)):
            line = _HEADING_SEPARATOR.join((path[0], *path[1 + dropped :]))
            if (size := len(self._token_spans(f"{line}\n"))) <= limit:
                return line, size
        spans = self._token_spans(line)[: limit - 1]
        line = line[: min(spans[-1][1], limit * CHARACTERS_PER_TOKEN)].rstrip()
        return line, len(self._token_spans(f"{line}\n"))


def _joined_sections(sections: Sequence[Section]) -> list[list[Section]]:
    """In order; a heading without text goes with what follows it, the last one with what precedes."""
    joined: list[list[Section]] = []
    waiting: list[Section] = []
    for section in sections:
        waiting.append(section)
        if _has_text(section) or len(waiting) > _MOST_LONE_HEADINGS:
            joined.append(waiting)
            waiting = []
    if len(waiting) == 1 and joined:
        joined[-1].extend(waiting)
    elif waiting:
        joined.append(waiting)
    return joined


def _has_text(section: Section) -> bool:
    return section.blocks[-1].kind != "heading"
