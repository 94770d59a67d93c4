"""The knowledge base as it is looked at: documents with the state of their newest upload, versions, chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.tenancy import session_scope
from desk.errors import InvalidInputError
from desk.knowledge import get_document
from desk.models import Chunk, Document, DocumentVersion
from desk.paging import Page, read_page
from desk.plain_text import clean_line

STATES = ("waiting", "indexed", "refused")
_MOST_PARTS_SHOWN = 200


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One upload, without its bytes."""

    id: UUID
    document_id: UUID
    number: int
    file_name: str
    bytes: int
    sha256: str
    language: str
    state: str
    reason: str
    remarks: str
    stage: str
    progress: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DocumentLine:
    document: Document
    newest: VersionLine
    chunks: int
    """Of the version that is searched."""


@dataclass(frozen=True, slots=True)
class DocumentView:
    document: Document
    versions: Sequence[VersionLine]
    """Newest first."""
    chunks: Sequence[Chunk]
    """Of the version that is searched, in order."""
    archive: Document | None = None
    """What it came in."""
    parts: Sequence[Document] = ()
    """Of an archive, the first of its documents."""
    parts_total: int = 0


@dataclass(frozen=True, slots=True)
class ReadingProgress:
    """Of the uploads that have not been read yet, with those that ended since the oldest of them came."""

    waiting: int
    done: int

    @property
    def percent(self) -> int:
        return 100 * self.done // max(1, self.done + self.waiting)


async def list_documents(
    session: AsyncSession, *, category: str | None, state: str | None, q: str | None, limit: int, offset: int
) -> Page[DocumentLine]:
    """The tenant's own and the global ones, by title. Raises InvalidInputError."""
    if state is not None and state not in STATES:
        msg = f"state must be one of {', '.join(STATES)}"
        raise InvalidInputError(msg)
    newest = _versions().ext(distinct_on(DocumentVersion.document_id))
    newest_of = newest.order_by(DocumentVersion.document_id, DocumentVersion.number.desc()).subquery()
    statement = (
        select(Document, newest_of)
        .join(newest_of, newest_of.c.document_id == Document.id)
        .where(~Document.is_deleted)
        .order_by(func.lower(Document.title), Document.id)
    )
    if category is not None:
        statement = statement.where(Document.category == category)
    if state is not None:
        statement = statement.where(newest_of.c.state == state)
    words = clean_line(q or "")
    if words:
        statement = statement.where(Document.title.icontains(words, autoescape=True))
    rows, total = await read_page(session, statement, limit=limit, offset=offset)
    counts = await _chunk_counts(session, [row[0].id for row in rows])
    lines = [
        DocumentLine(row[0], VersionLine(*row[1:]), counts.get((row[0].id, row[0].current_version), 0)) for row in rows
    ]
    return Page(lines, total, limit, offset)


async def document_view(session: AsyncSession, document_id: UUID) -> DocumentView:
    """Raises NotFoundError."""
    document = await get_document(session, document_id)
    versions = await session.execute(
        _versions().where(DocumentVersion.document_id == document.id).order_by(DocumentVersion.number.desc())
    )
    chunks = await session.execute(
        select(Chunk)
        .where(Chunk.document_id == document.id, Chunk.version == document.current_version)
        .order_by(Chunk.ordinal)
    )
    of_archive = (Document.part_of_id == document.id) & ~Document.is_deleted
    parts = await session.execute(
        select(Document).where(of_archive).order_by(Document.origin, Document.id).limit(_MOST_PARTS_SHOWN)
    )
    total = await session.execute(select(func.count()).select_from(Document).where(of_archive))
    archive = None if document.part_of_id is None else await session.get(Document, document.part_of_id)
    return DocumentView(
        document,
        [VersionLine(*row) for row in versions],
        chunks.scalars().all(),
        None if archive is None or archive.is_deleted else archive,
        parts.scalars().all(),
        total.scalar_one(),
    )


async def reading_progress(session: AsyncSession) -> ReadingProgress:
    """Of the transaction's own tenant."""
    own = DocumentVersion.tenant_id == session_scope(session.sync_session).tenant_id
    waiting, oldest = (
        await session.execute(
            select(func.count(), func.min(DocumentVersion.created_at)).where(own, DocumentVersion.state == "waiting")
        )
    ).one()
    if not waiting:
        return ReadingProgress(0, 0)
    since = own & (DocumentVersion.state != "waiting") & (DocumentVersion.created_at >= oldest)
    done = await session.execute(select(func.count()).select_from(DocumentVersion).where(since))
    return ReadingProgress(waiting, done.scalar_one())


async def categories(session: AsyncSession) -> list[str]:
    found = await session.execute(
        select(Document.category).where(~Document.is_deleted, Document.category != "").distinct().order_by("category")
    )
    return list(found.scalars())


def _versions():  # noqa: ANN202 - the columns of VersionLine, in its order
    return select(
        DocumentVersion.id,
        DocumentVersion.document_id,
        DocumentVersion.number,
        DocumentVersion.file_name,
        DocumentVersion.size.label("bytes"),
        DocumentVersion.sha256,
        DocumentVersion.language,
        DocumentVersion.state,
        DocumentVersion.reason,
        DocumentVersion.remarks,
        DocumentVersion.stage,
        DocumentVersion.progress,
        DocumentVersion.created_at,
    )


async def _chunk_counts(session: AsyncSession, ids: Sequence[UUID]) -> dict[tuple[UUID, int], int]:
    if not ids:
        return {}
    rows = await session.execute(
        select(Chunk.document_id, Chunk.version, func.count().label("chunks"))
        .where(Chunk.document_id.in_(ids))
        .group_by(Chunk.document_id, Chunk.version)
    )
    return {(row.document_id, row.version): row.chunks for row in rows}
