"""Documents of the knowledge base as the pages list and show them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from desk.accounts.identity import Actor, Permission
from desk.document_difference import Change, Difference
from desk.documents import DocumentLine, DocumentView, ReadingProgress, VersionLine
from desk.models import GLOBAL_TENANT_ID, Chunk, Document
from desk.plain_text import excerpt
from ui.presenting.texts import DifferencePiece, Piece, marked, word_difference
from ui.presenting.words import Chip, Choices, counted

STATES: Choices = (("waiting", "Being read"), ("indexed", "Ready"), ("refused", "Refused"))
ACCEPTED = ".pdf,.docx,.pptx,.odt,.html,.htm,.md,.markdown,.txt,.csv,.eml,.zip"
"""Endings the file chooser offers."""
_BEFORE_FOUND = 60
_FOUND_LENGTH = 240
_SLIDES = (".pptx", ".pptm", ".ppsx")
_STAGES = {"reading": "Reading", "embedding": "Preparing the search"}
_CHIPS = {"waiting": Chip("Being read", "fair"), "indexed": Chip("Ready", "good"), "refused": Chip("Refused", "bad")}
_SET_ASIDE = Chip("Set aside", "weak")


@dataclass(frozen=True, slots=True)
class ShownDocumentLine:
    id: UUID
    title: str
    category: str
    file_name: str
    chip: Chip
    reason: str
    remarks: str
    chunks: str
    is_global: bool
    moment: datetime
    passage: FoundPassage | None = None


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """What a search found in the text."""

    pieces: list[Piece]
    address: str


@dataclass(frozen=True, slots=True)
class ShownVersion:
    number: int
    file_name: str
    size: str
    chip: Chip
    reason: str
    remarks: Sequence[str]
    moment: datetime
    is_searched: bool
    is_shown: bool
    before: int | None
    """Number of the version that was read before this one, to compare with."""


@dataclass(frozen=True, slots=True)
class ShownChunk:
    place: str
    page: str
    """Such as "page 3"; empty for formats without pages."""
    start: str
    tokens: int
    address: str


@dataclass(frozen=True, slots=True)
class ShownDocument:
    id: UUID
    title: str
    category: str
    is_global: bool
    may_change: bool
    url: str
    version: int
    is_current: bool
    versions: Sequence[ShownVersion]
    chunks: Sequence[ShownChunk]
    chunk_words: str
    newest: ShownVersion
    is_waiting: bool
    page_word: str
    archive: tuple[UUID, str] | None
    """Id and title of what it came in."""
    parts: Sequence[tuple[UUID, str]]
    parts_words: str
    set_aside: str
    """Why it is no longer searched; empty when it is."""


@dataclass(frozen=True, slots=True)
class ShownProgress:
    words: str
    percent: int


@dataclass(frozen=True, slots=True)
class ShownChange:
    kind: str
    before: Sequence[DifferencePiece]
    after: Sequence[DifferencePiece]
    skipped_words: str
    mark: str
    """Of the row, for people who do not see its colours."""


@dataclass(frozen=True, slots=True)
class ShownDifference:
    before: int
    after: int
    summary: str
    changes: Sequence[ShownChange]
    skipped_words: str
    numbers: Sequence[tuple[str, str]]


def shown_progress(progress: ReadingProgress) -> ShownProgress | None:
    """None when nothing waits."""
    if not progress.waiting:
        return None
    total = progress.waiting + progress.done
    return ShownProgress(f"{progress.done:,} of {counted(total, 'file', 'files')} read", progress.percent)


def found_passage(chunk: Chunk | None, words: str) -> FoundPassage | None:
    """The beginning of the passage, or the part around the first of the words, with all of them marked."""
    if chunk is None:
        return None
    wanted = "|".join(re.escape(word) for word in words.split())
    first = re.search(wanted, chunk.text, re.IGNORECASE) if wanted else None
    start = 0 if first is None or first.start() < _BEFORE_FOUND else chunk.text.find(" ", first.start() - _BEFORE_FOUND)
    shown = excerpt(chunk.text[max(start, 0) :], _FOUND_LENGTH)
    marks = [(*match.span(), "found") for match in re.finditer(wanted, shown, re.IGNORECASE)] if wanted else []
    address = (
        f"/knowledge/{chunk.document_id}?version={chunk.version}&from={chunk.span_start}&to={chunk.span_end}#passage"
    )
    return FoundPassage(marked(shown, marks), address)


def document_line(line: DocumentLine, actor: Actor, words: str = "") -> ShownDocumentLine:
    return ShownDocumentLine(
        id=line.document.id,
        title=line.document.title,
        category=line.document.category,
        file_name=line.newest.file_name,
        chip=_SET_ASIDE if line.document.set_aside else _chip(line.newest),
        reason=line.newest.reason or line.document.set_aside,
        remarks=counted(len(line.newest.remarks.splitlines()), "remark", "remarks") if line.newest.remarks else "",
        chunks=counted(line.chunks, "passage", "passages") if line.chunks else "",
        is_global=is_foreign(line.document, actor),
        moment=line.newest.created_at,
        passage=found_passage(line.passage, words),
    )


def is_foreign(document: Document, actor: Actor) -> bool:
    """Global knowledge seen from inside a tenant."""
    return document.tenant_id == GLOBAL_TENANT_ID and not actor.is_operator


def _chip(version: VersionLine) -> Chip:
    if version.state != "waiting" or not version.stage:
        return _CHIPS[version.state]
    percent = f" {version.progress} %" if version.progress else ""
    return Chip(_STAGES[version.stage] + percent, "fair")


def shown_document(view: DocumentView, actor: Actor, number: int, pages: Sequence[int] = ()) -> ShownDocument:
    """`pages`: where the pages of the searched version begin."""
    document = view.document
    read = [version.number for version in view.versions if version.state == "indexed"]
    versions = [_version(version, document, number, read) for version in view.versions]
    page_word = "Slide" if view.versions[0].file_name.lower().endswith(_SLIDES) else "Page"
    return ShownDocument(
        id=document.id,
        title=document.title,
        category=document.category,
        is_global=is_foreign(document, actor),
        may_change=actor.may(Permission.KNOWLEDGE) and not is_foreign(document, actor),
        url=document.url or "",
        version=number,
        is_current=number == document.current_version,
        versions=versions,
        chunks=[
            ShownChunk(
                place=" / ".join(chunk.heading_path),
                page=f"{page_word} {max(1, bisect_right(pages, chunk.span_start))}" if pages else "",
                start=excerpt(chunk.text, 180),
                tokens=chunk.tokens,
                address=f"?version={chunk.version}&from={chunk.span_start}&to={chunk.span_end}#passage",
            )
            for chunk in view.chunks
        ],
        chunk_words=counted(len(view.chunks), "passage", "passages"),
        newest=versions[0],
        is_waiting=view.versions[0].state == "waiting",
        page_word=page_word,
        archive=None if view.archive is None else (view.archive.id, view.archive.title),
        parts=[(part.id, part.origin.partition("!/")[2] or part.title) for part in view.parts],
        parts_words=counted(view.parts_total, "document", "documents"),
        set_aside=document.set_aside,
    )


def shown_difference(difference: Difference, versions: Sequence[VersionLine]) -> ShownDifference:
    removed, added = difference.lines_removed, difference.lines_added
    words = [
        f"{counted(number, 'line', 'lines')} {what}" for number, what in ((removed, "gone"), (added, "new")) if number
    ]
    return ShownDifference(
        before=difference.before.number,
        after=difference.after.number,
        summary=", ".join(words),
        changes=[_change(each) for each in difference.changes] if removed or added else [],
        skipped_words=_skipped(difference.lines_skipped),
        numbers=[
            (str(version.number), f"Version {version.number}") for version in versions if version.state == "indexed"
        ],
    )


def _change(change: Change) -> ShownChange:
    marks = {"same": "Unchanged", "removed": "Gone", "added": "New", "replaced": "Changed"}
    if change.kind == "replaced":
        pieces = word_difference(change.before, change.after)
        before = [piece for piece in pieces if piece.kind != "added"]
        after = [piece for piece in pieces if piece.kind != "removed"]
    else:
        before = [DifferencePiece(change.kind, change.before)] if change.before else []
        after = [DifferencePiece(change.kind, change.after)] if change.after else []
    return ShownChange(change.kind, before, after, _skipped(change.skipped), marks[change.kind])


def _skipped(lines: int) -> str:
    return f"{counted(lines, 'unchanged line', 'unchanged lines')} not shown" if lines else ""


def _version(version: VersionLine, document: Document, number: int, read: Sequence[int]) -> ShownVersion:
    """`read`: numbers of the versions that have a text, newest first."""
    return ShownVersion(
        number=version.number,
        file_name=version.file_name,
        size=f"{version.bytes / 1024:,.0f} KB" if version.bytes >= 1024 else f"{version.bytes} bytes",
        chip=_chip(version),
        reason=version.reason,
        remarks=version.remarks.splitlines(),
        moment=version.created_at,
        is_searched=version.number == document.current_version,
        is_shown=version.number == number,
        before=next((each for each in read if each < version.number), None) if version.number in read else None,
    )
