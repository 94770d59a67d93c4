"""Documents of the knowledge base as the pages list and show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from desk.accounts.identity import Actor, Permission
from desk.documents import DocumentLine, DocumentView, VersionLine
from desk.models import GLOBAL_TENANT_ID, Document
from desk.plain_text import excerpt
from ui.presenting.words import Chip, Choices, counted

STATES: Choices = (("waiting", "Being read"), ("indexed", "Ready"), ("refused", "Refused"))
_CHIPS = {"waiting": Chip("Being read", "fair"), "indexed": Chip("Ready", "good"), "refused": Chip("Refused", "bad")}


@dataclass(frozen=True, slots=True)
class ShownDocumentLine:
    id: UUID
    title: str
    category: str
    file_name: str
    chip: Chip
    reason: str
    chunks: str
    is_global: bool
    moment: datetime


@dataclass(frozen=True, slots=True)
class ShownVersion:
    number: int
    file_name: str
    size: str
    chip: Chip
    reason: str
    moment: datetime
    is_searched: bool
    is_shown: bool


@dataclass(frozen=True, slots=True)
class ShownChunk:
    place: str
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


def document_line(line: DocumentLine, actor: Actor) -> ShownDocumentLine:
    return ShownDocumentLine(
        id=line.document.id,
        title=line.document.title,
        category=line.document.category,
        file_name=line.newest.file_name,
        chip=_CHIPS[line.newest.state],
        reason=line.newest.reason,
        chunks=counted(line.chunks, "passage", "passages") if line.chunks else "",
        is_global=is_foreign(line.document, actor),
        moment=line.newest.created_at,
    )


def is_foreign(document: Document, actor: Actor) -> bool:
    """Global knowledge seen from inside a tenant."""
    return document.tenant_id == GLOBAL_TENANT_ID and not actor.is_operator


def shown_document(view: DocumentView, actor: Actor, number: int) -> ShownDocument:
    document = view.document
    versions = [_version(version, document, number) for version in view.versions]
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
                start=excerpt(chunk.text, 180),
                tokens=chunk.tokens,
                address=f"?version={chunk.version}&from={chunk.span_start}&to={chunk.span_end}#passage",
            )
            for chunk in view.chunks
        ],
        chunk_words=counted(len(view.chunks), "passage", "passages"),
        newest=versions[0],
    )


def _version(version: VersionLine, document: Document, number: int) -> ShownVersion:
    return ShownVersion(
        number=version.number,
        file_name=version.file_name,
        size=f"{version.bytes / 1024:,.0f} KB" if version.bytes >= 1024 else f"{version.bytes} bytes",
        chip=_CHIPS[version.state],
        reason=version.reason,
        moment=version.created_at,
        is_searched=version.number == document.current_version,
        is_shown=version.number == number,
    )
