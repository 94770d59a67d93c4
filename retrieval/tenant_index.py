"""The in-memory indexes of one tenant, and how they follow the tenant's index log.

The log's sequence is read before the rows, so whatever was read may be newer than the sequence says but never older,
and applying an entry twice changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, Select, Text, literal, select
from sqlalchemy import Row as ResultRow
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.index_log import Source, last_sequence
from desk.models import Chunk, Correction, Document, Embedding, Example, FaqPhrasing, IndexLogEntry
from desk.ports import Vectors
from retrieval.faq.index import FaqIndex
from retrieval.query import question_text
from retrieval.source_index import SourceIndex

SOURCES: tuple[Source, ...] = ("knowledge", "example", "correction")
"""Those that are searched together; the FAQs have an index of their own kind."""
_MOST_CHANGES = 2_000
"""More changes than this at once are cheaper to take in by reading everything anew."""


_NO_HEADINGS: list[str] = []
ItemRow = ResultRow[UUID, bytes, str, str, list[str]]
ItemQuery = Select[UUID, bytes, str, str, list[str]]
PhrasingRow = ResultRow[UUID, UUID, str, bytes]


@dataclass(frozen=True, slots=True)
class IndexedItem:
    item_id: UUID
    text: str
    vector: Vectors


class TenantIndex:
    """Three source indexes and the FAQs at one point of the tenant's log. Refreshing is serialised, searching not."""

    def __init__(self, tenant_id: UUID, model: str, dimension: int) -> None:
        self.tenant_id = tenant_id
        self.model = model
        self._dimension = dimension
        self._lock = asyncio.Lock()
        self._loaded = False
        self.sequence: int = 0
        self.sources: dict[Source, SourceIndex] = {source: SourceIndex(dimension) for source in SOURCES}
        self.faqs = FaqIndex(dimension)

    @property
    def nbytes(self) -> int:
        return self.faqs.nbytes + sum(source.nbytes for source in self.sources.values())

    async def refresh(self, session: AsyncSession) -> None:
        """Bring the indexes up to what is committed; one cheap statement when nothing changed."""
        if self._loaded and self.sequence == await last_sequence(session, self.tenant_id):
            return
        async with self._lock:
            reached = await last_sequence(session, self.tenant_id)
            if self._loaded and reached == self.sequence:
                return
            changes = await self._changes(session, reached) if self._loaded else None
            if changes is None:
                await self._rebuild(session)
            else:
                await self._apply(session, changes)
            self.sequence, self._loaded = reached, True

    async def _changes(self, session: AsyncSession, reached: int) -> list[ResultRow[str, UUID, str]] | None:
        """The log since our point; None when it was pruned or is too long to be worth following."""
        if reached - self.sequence > _MOST_CHANGES:
            return None
        rows = await session.execute(
            select(IndexLogEntry.source, IndexLogEntry.item_id, IndexLogEntry.operation)
            .where(
                IndexLogEntry.tenant_id == self.tenant_id,
                IndexLogEntry.sequence > self.sequence,
                IndexLogEntry.sequence <= reached,
            )
            .order_by(IndexLogEntry.sequence)
        )
        changes = list(rows.all())
        return changes if len(changes) == reached - self.sequence else None

    async def _rebuild(self, session: AsyncSession) -> None:
        fresh: dict[Source, SourceIndex] = {}
        for source in SOURCES:
            rows = (await session.execute(self._items(source))).all()
            fresh[source] = await asyncio.to_thread(self._build, source, rows)
        phrasings = (await session.execute(self._phrasings())).all()
        self.faqs = await asyncio.to_thread(self._build_faqs, phrasings)
        self.sources = fresh

    async def _apply(self, session: AsyncSession, changes: list[ResultRow[str, UUID, str]]) -> None:
        for source in SOURCES:
            last = {row.item_id: row.operation for row in changes if row.source == source}
            wanted = [item_id for item_id, operation in last.items() if operation == "upsert"]
            found: dict[UUID, IndexedItem] = {}
            if wanted:
                rows = await session.execute(self._items(source).where(Embedding.item_id.in_(wanted)))
                items = [self._read(source, row) for row in rows.all()]
                found = {item.item_id: item for item in items}
            index = self.sources[source]
            for item_id in last:
                if item_id in found:
                    index.upsert(item_id, found[item_id].text, found[item_id].vector)
                else:
                    index.remove(item_id)
        await self._apply_faqs(session, {row.item_id for row in changes if row.source == "faq"})

    async def _apply_faqs(self, session: AsyncSession, changed: set[UUID]) -> None:
        if not changed:
            return
        rows = await session.execute(self._phrasings().where(Embedding.item_id.in_(changed)))
        for row in rows.all():
            _put(self.faqs, row)
            changed.discard(row.id)
        for item_id in changed:
            self.faqs.remove(item_id)

    def _build_faqs(self, rows: Sequence[PhrasingRow]) -> FaqIndex:
        index = FaqIndex(self._dimension)
        for row in rows:
            _put(index, row)
        return index

    def _phrasings(self) -> Select[UUID, UUID, str, bytes]:
        return (
            select(FaqPhrasing.id, FaqPhrasing.faq_id, FaqPhrasing.text, Embedding.vector)
            .join(Embedding, Embedding.item_id == FaqPhrasing.id)
            .where(Embedding.source == "faq", Embedding.model == self.model, Embedding.tenant_id == self.tenant_id)
        )

    def _build(self, source: Source, rows: Sequence[ItemRow]) -> SourceIndex:
        index = SourceIndex(self._dimension)
        for row in rows:
            item = self._read(source, row)
            index.upsert(item.item_id, item.text, item.vector)
        return index

    def _items(self, source: Source) -> ItemQuery:
        """Item id, vector, title, text and heading path of everything searchable of one source."""
        own = (Embedding.source == source, Embedding.model == self.model, Embedding.tenant_id == self.tenant_id)
        if source == "knowledge":
            return (
                select(Embedding.item_id, Embedding.vector, Document.title, Chunk.text, Chunk.heading_path)
                .join(Chunk, Chunk.id == Embedding.item_id)
                .join(Document, Document.id == Chunk.document_id)
                .where(*own)
            )
        row = Example if source == "example" else Correction
        no_headings = cast("ColumnElement[list[str]]", literal(_NO_HEADINGS, ARRAY(Text)))
        return (
            select(Embedding.item_id, Embedding.vector, row.question, row.question, no_headings)
            .join(row, row.id == Embedding.item_id)
            .where(*own)
        )

    def _read(self, source: Source, row: ItemRow) -> IndexedItem:
        item_id, raw, title, text, heading_path = row
        shown = "\n".join((title, *heading_path, text)) if source == "knowledge" else question_text(text)
        return IndexedItem(item_id, shown, _vector(raw))


def _put(index: FaqIndex, row: PhrasingRow) -> None:
    item_id, faq_id, text, raw = row
    index.upsert(item_id, faq_id, text, _vector(raw))


def _vector(raw: bytes) -> Vectors:
    return np.frombuffer(raw, dtype="<f4").astype(np.float32, copy=False)
