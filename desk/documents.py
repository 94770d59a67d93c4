"""The knowledge base as it is looked at: documents with the state of their newest upload, versions, chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.tenancy import session_scope
from desk.errors import InvalidInputError
from desk.knowledge import get_document
from desk.models import Chunk, Document, DocumentVersion
from desk.paging import Page, read_page
from desk.plain_text import clean_line
from desk.ports import Question, Retriever

STATES = ("waiting", "indexed", "refused")
_MOST_PARTS_SHOWN = 200
_MOST_ALIKE = 20
_ALIKE = 0.45
"""Fused similarity from which a passage is about what was looked for; unrelated texts reach about 0.2."""
_LONGEST_SEARCH = 500
_MOST_WORDS = 12
"""Of what is looked for; a passage with so many of them is what is meant."""


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
    passage: Chunk | None = None
    """The first that has the words looked for, where something was looked for."""


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
    session: AsyncSession,
    *,
    category: str | None,
    state: str | None,
    q: str | None,
    limit: int,
    offset: int,
    alike: Mapping[UUID, UUID] | None = None,
) -> Page[DocumentLine]:
    """The tenant's own and the global ones, by title. With `q` those that have it in their title, or all of its words
    in one passage, and those in `alike`: documents found by meaning, with the passage each. Raises InvalidInputError.
    """
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
        in_title = Document.title.icontains(words, autoescape=True)
        in_text = exists().where(_in_passage(words), Chunk.document_id == Document.id)
        statement = statement.where(in_title | in_text | Document.id.in_(alike or ()))
    rows, total = await read_page(session, statement, limit=limit, offset=offset)
    ids = [row[0].id for row in rows]
    counts = await _chunk_counts(session, ids)
    passages = await _found_passages(session, ids, words, alike or {}) if words else {}
    lines = [
        DocumentLine(
            row[0],
            VersionLine(*row[1:]),
            counts.get((row[0].id, row[0].current_version), 0),
            passages.get(row[0].id),
        )
        for row in rows
    ]
    return Page(lines, total, limit, offset)


async def alike_passages(retriever: Retriever, tenant_id: UUID, q: str) -> dict[UUID, UUID]:
    """Documents whose texts are about what was looked for, by meaning and words, each with its best passage. No
    transaction may be open."""
    words = clean_line(q)[:_LONGEST_SEARCH]
    if not words:
        return {}
    evidence = await retriever.gather(
        Question(tenant_id, "", words, top_k=_MOST_ALIKE, sources=("tenant_kb", "global_kb"))
    )
    found: dict[UUID, UUID] = {}
    for hit in evidence.hits:
        if hit.score >= _ALIKE:
            found.setdefault(hit.parent_id, hit.item_id)
    return found


def _in_passage(words: str) -> ColumnElement[bool]:
    """All of the words in one passage of a searched version, as they are written or as parts of others."""
    each = [Chunk.text.icontains(word, autoescape=True) for word in words.split()[:_MOST_WORDS]]
    return and_(Chunk.version == Document.current_version, *each)


async def _found_passages(
    session: AsyncSession, ids: Sequence[UUID], words: str, alike: Mapping[UUID, UUID]
) -> dict[UUID, Chunk]:
    """The first passage with the words of each document, else the one that was found by meaning."""
    nearest = await session.execute(select(Chunk).where(Chunk.id.in_([alike[one] for one in ids if one in alike])))
    found = {chunk.document_id: chunk for chunk in nearest.scalars()}
    literal = (
        select(Chunk)
        .join(Document, Document.id == Chunk.document_id)
        .where(Chunk.document_id.in_(ids), _in_passage(words))
        .ext(distinct_on(Chunk.document_id))
        .order_by(Chunk.document_id, Chunk.ordinal)
    )
    return found | {chunk.document_id: chunk for chunk in (await session.execute(literal)).scalars()}


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
