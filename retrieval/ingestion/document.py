"""What every format is turned into: one plain text, and where its sections and blocks stand in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from desk.errors import RefusedDocumentError
from desk.ports import Span

from .decoding import clean

BlockKind = Literal["heading", "paragraph", "list", "table", "code"]

MAXIMUM_CHARACTERS = 5_000_000
"""Of canonical text; about 2,000 printed pages."""

MAXIMUM_HEADING = 300
"""Characters; anything longer that is marked as a heading is a paragraph in large print."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece that reads as one thing. Blocks do not overlap and are in the order of the text."""

    kind: BlockKind
    span: Span


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands under it, up to the next heading of any level."""

    heading: str
    """Empty for what stands before the first heading."""
    level: int
    """1 to 6; 0 before the first heading."""
    heading_path: tuple[str, ...]
    """From the outermost heading down to this one, without a heading that only repeats the title."""
    span: Span
    blocks: tuple[Block, ...]
    """The heading itself is the first block."""


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    title: str
    text: str
    """The canonical plain text: what is stored, quoted, and what every span counts in (code points)."""
    sections: tuple[Section, ...]
    language: str
    """ISO 639-1, or empty when it is not known."""
    media_type: str
    pages: tuple[int, ...] = ()
    """Where each page or slide begins in the text; empty for formats without pages."""
    remarks: tuple[str, ...] = ()
    """What was left out and why."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a format says about itself beside its text; empty where it says nothing."""

    title: str = ""
    language: str = ""


@dataclass(slots=True)
class _OpenSection:
    heading: str
    level: int
    ancestors: tuple[str, ...]
    blocks: list[Block] = field(default_factory=list[Block])


class DocumentBuilder:
    """Collects blocks in reading order and keeps count of offsets.

    Every piece is cleaned here, so no format can put NUL, lone surrogates or unnormalised text into a document.
    Raises RefusedDocumentError when the text grows beyond MAXIMUM_CHARACTERS.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._sections: list[_OpenSection] = [_OpenSection("", 0, ())]
        self._open_headings: list[tuple[int, str]] = []
        self._pages: list[int] = []
        self.remarks: list[str] = []
        """Sentences about what was left out, for the person who added the file."""
        self.top_headings: list[str] = []
        """Every level 1 heading: a lone one is as good as a title."""

    @property
    def is_empty(self) -> bool:
        """Whether no text has come, headings included."""
        return self._length == 0

    def page(self) -> None:
        """A page or slide begins here."""
        self._pages.append(self._length + 2 if self._parts else 0)

    def heading(self, level: int, text: str) -> None:
        text = " ".join(clean(text).split())
        if len(text) > MAXIMUM_HEADING:
            self.paragraph(text)
        if not 0 < len(text) <= MAXIMUM_HEADING:
            return
        while self._open_headings and self._open_headings[-1][0] >= level:
            self._open_headings.pop()
        ancestors = tuple(heading for _, heading in self._open_headings)
        self._open_headings.append((level, text))
        self._sections.append(_OpenSection(text, level, ancestors))
        if level == 1:
            self.top_headings.append(text)
        self._append("heading", text)

    def paragraph(self, text: str) -> None:
        """Line breaks in it are kept."""
        self._append("paragraph", _tidy_lines(text))

    def list_item(self, text: str) -> None:
        """One item or a further line of one, indented and with its marker; neighbours form one list."""
        text = clean(text).rstrip()
        blocks = self._sections[-1].blocks
        if text.strip() and blocks and blocks[-1].kind == "list":
            self._write("\n" + text)
            blocks[-1] = Block("list", (blocks[-1].span[0], self._length))
        else:
            self._append("list", text)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """A line a row, cells parted by ` | `; empty rows are left out."""
        lines = [" | ".join(" ".join(clean(cell).split()) for cell in row) for row in rows]
        self._append("table", "\n".join(line.rstrip(" |") for line in lines if line.strip(" |")))

    def code(self, text: str) -> None:
        """Indentation is kept, blank lines around it are not."""
        lines = [line.rstrip() for line in clean(text).split("\n")]
        self._append("code", "\n".join(lines).strip("\n"))

    def finish(self, title: str, language: str, media_type: str) -> ParsedDocument:
        sections: list[Section] = []
        for section in self._sections:
            if not section.blocks:
                continue
            path = (*section.ancestors, section.heading) if section.heading else ()
            if path and path[0].casefold() == title.casefold():
                path = path[1:]
            span = (section.blocks[0].span[0], section.blocks[-1].span[1])
            sections.append(Section(section.heading, section.level, path, span, tuple(section.blocks)))
        pages = tuple(min(start, self._length) for start in self._pages)
        return ParsedDocument(
            title, "".join(self._parts), tuple(sections), language, media_type, pages, tuple(self.remarks)
        )

    def _append(self, kind: BlockKind, text: str) -> None:
        if not text.strip():
            return
        if self._parts:
            self._write("\n\n")
        start = self._length
        self._write(text)
        self._sections[-1].blocks.append(Block(kind, (start, self._length)))

    def _write(self, text: str) -> None:
        self._length += len(text)
        if self._length > MAXIMUM_CHARACTERS:
            raise RefusedDocumentError(
                f"The document is too large: it holds more than {MAXIMUM_CHARACTERS:,} characters of text. "
                "Split it into several files."
            )
        self._parts.append(text)


def _tidy_lines(text: str) -> str:
    lines = (line.strip() for line in clean(text).split("\n"))
    return "\n".join(line for line in lines if line)
