"""The in-memory indexes of one tenant, and how they follow the tenant's index log.

The log's sequence is read before the rows, so whatever was read may be newer than the sequence says but never older,
and applying an entry twice changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, cast
from uuid import UUID

import numpy as np
from sqlalchemy import ColumnElement, LargeBinary, Select, Text, literal, null, select
from sqlalchemy import Row as ResultRow
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.index_log import Source, last_sequence
from desk.models import Chunk, Correction, Document, Embedding, Example, FaqPhrasing, IndexLogEntry
from desk.ports import Vectors
from retrieval.candidates import Candidate
from retrieval.faq.index import FaqIndex
from retrieval.query import question_text
from retrieval.snapshots import Snapshots
from retrieval.source_index import SourceIndex, reach_for
from retrieval.stored_vectors import StoredVectors

SOURCES: tuple[Source, ...] = ("knowledge", "example", "correction")
"""Those that are searched together; the FAQs have an index of their own kind."""
VectorBackend = Literal["memory", "pgvector"]
_MOST_CHANGES = 2_000
"""More changes than this at once are cheaper to take in by reading everything anew."""
_BUILT_TOGETHER = 4_096
_CHANGES_A_SNAPSHOT = 1_000
"""So many changes are quicker followed than a graph is written."""


_NO_HEADINGS: list[str] = []
_NO_VECTOR = cast("ColumnElement[bytes]", literal(b"", LargeBinary).label("vector"))
_NO_DOCUMENT = cast("ColumnElement[UUID | None]", null())
_DOCUMENT = cast("ColumnElement[UUID | None]", Document.id)
ItemRow = ResultRow[UUID, bytes, str, str, list[str], UUID | None]
ItemQuery = Select[UUID, bytes, str, str, list[str], UUID | None]
PhrasingRow = ResultRow[UUID, UUID, str, bytes]


@dataclass(frozen=True, slots=True)
class IndexedItem:
    item_id: UUID
    text: str
    vector: Vectors
    """Empty where the vectors are searched in the database."""
    headings: tuple[str, ...] = ()
    """Title and headings a passage stands under."""
    document: UUID | None = None


class TenantIndex:
    """Three source indexes and the FAQs at one point of the tenant's log. Refreshing is serialised, searching not."""

    def __init__(
        self,
        tenant_id: UUID,
        model: str,
        dimension: int,
        *,
        backend: VectorBackend = "memory",
        snapshots: Snapshots | None = None,
        changed: Callable[[TenantIndex], None] = lambda _: None,
    ) -> None:
        """`changed` is called whenever items came or went."""
        self.tenant_id = tenant_id
        self.model = model
        self.backend: VectorBackend = backend
        self._dimension = dimension
        self._snapshots = snapshots
        self._changed = changed
        self._lock = asyncio.Lock()
        self._loaded = False
        self._saved: dict[Source, int] = {}
        """The log's sequence when a source was last saved to a snapshot."""
        self.sequence: int = 0
        self.sources: dict[Source, SourceIndex] = {source: SourceIndex(dimension) for source in SOURCES}
        self.faqs = FaqIndex(dimension)

    @property
    def nbytes(self) -> int:
        return self.faqs.nbytes + sum(source.nbytes for source in self.sources.values())

    def has_reached(self, sequence: int) -> bool:
        """Whether everything up to this point of the log is in."""
        return self._loaded and self.sequence >= sequence

    async def refresh(self, session: AsyncSession) -> None:
        """Bring the indexes up to what is committed; one cheap statement when nothing changed."""
        await self.follow(session, await last_sequence(session, self.tenant_id))

    async def follow(self, session: AsyncSession, committed: int) -> None:
        """The same for who has read the log's sequence in this transaction."""
        if self._loaded and self.sequence == committed:
            return
        async with self._lock:
            reached = await last_sequence(session, self.tenant_id)
            if self._loaded and reached == self.sequence:
                return
            changes = await self._changes(session, self.sequence, reached) if self._loaded else None
            if changes is None:
                await self._rebuild(session, reached)
            else:
                await self._apply(session, changes)
            self.sequence, self._loaded = reached, True
        self._changed(self)

    async def search(
        self, session: AsyncSession, source: Source, text: str, vector: Vectors, k: int
    ) -> list[Candidate]:
        """The best `k` items of a source, best first, by vectors and words."""
        index = self.sources[source]
        if self.backend == "memory":
            return index.search(text, vector, k)
        reach = reach_for(k)
        place = StoredVectors(self.tenant_id, source, self.model, self._dimension)
        cosines = await place.nearest(session, vector, reach, index.proposed(text, reach), len(index))
        return index.judged(text, cosines, k)

    @property
    def needs_upkeep(self) -> bool:
        return any(index.vectors.outgrown or self._to_save(source) for source, index in self.sources.items())

    async def keep_up(self) -> None:
        """Build graphs for what has outgrown the exact search, and save graphs that have changed much."""
        sources = self.sources
        for source, index in sources.items():
            await asyncio.to_thread(index.vectors.build_graph)
            # Read before the graph is, and only while the graph is what follows the log.
            sequence = self.sequence
            if self._snapshots is not None and self.sources is sources and self._to_save(source):
                self._saved[source] = sequence
                await asyncio.to_thread(
                    self._snapshots.save, self.tenant_id, source, index.vectors, self.model, sequence
                )

    def _to_save(self, source: Source) -> bool:
        if self._snapshots is None or not self.sources[source].vectors.is_graph:
            return False
        saved = self._saved.get(source)
        return saved is None or self.sequence - saved >= _CHANGES_A_SNAPSHOT

    async def _changes(
        self, session: AsyncSession, since: int, reached: int, most: int = _MOST_CHANGES
    ) -> list[ResultRow[str, UUID, str]] | None:
        """The log since a point; None when it was pruned or is too long to be worth following."""
        if not 0 <= reached - since <= most:
            return None
        rows = await session.execute(
            select(IndexLogEntry.source, IndexLogEntry.item_id, IndexLogEntry.operation)
            .where(
                IndexLogEntry.tenant_id == self.tenant_id,
                IndexLogEntry.sequence > since,
                IndexLogEntry.sequence <= reached,
            )
            .order_by(IndexLogEntry.sequence)
        )
        changes = list(rows.all())
        return changes if len(changes) == reached - since else None

    async def _rebuild(self, session: AsyncSession, reached: int) -> None:
        fresh: dict[Source, SourceIndex] = {}
        for source in SOURCES:
            index = await self._from_snapshot(session, source, reached)
            if index is None:
                rows = (await session.execute(self._items(source, vectors=self.backend == "memory"))).all()
                index = await asyncio.to_thread(self._build, source, rows)
            fresh[source] = index
        phrasings = (await session.execute(self._phrasings())).all()
        self.faqs = await asyncio.to_thread(self._build_faqs, phrasings)
        self.sources = fresh

    async def _from_snapshot(self, session: AsyncSession, source: Source, reached: int) -> SourceIndex | None:
        """The graph as it was saved, with what the log says has changed since; None when there is none to use."""
        if self._snapshots is None or self.backend != "memory":
            return None
        saved = await asyncio.to_thread(self._snapshots.load, self.tenant_id, source, self.model, self._dimension)
        if saved is None:
            return None
        most = max(_MOST_CHANGES, saved.manifest.count // 4)
        changes = await self._changes(session, saved.manifest.sequence, reached, most)
        if changes is None:
            return None
        self._saved[source] = saved.manifest.sequence
        index = SourceIndex(self._dimension, saved.arena)
        rows = (await session.execute(self._items(source, vectors=False))).all()
        changed = {row.item_id for row in changes if row.source == source}
        wanted = [row.item_id for row in rows if row.item_id in changed or row.item_id not in saved.arena]
        renewed: list[ItemRow] = []
        for start in range(0, len(wanted), _MOST_CHANGES):
            some = Embedding.item_id.in_(wanted[start : start + _MOST_CHANGES])
            renewed += (await session.execute(self._items(source).where(some))).all()
        await asyncio.to_thread(self._complete, index, source, rows, renewed)
        return index

    def _complete(
        self, index: SourceIndex, source: Source, rows: Sequence[ItemRow], renewed: Sequence[ItemRow]
    ) -> None:
        """Bring a snapshot's vectors together with the words of `rows`; those of `renewed` are new altogether."""
        for gone in index.vectors.item_ids() - {row.item_id for row in rows}:
            index.vectors.remove(gone)
        fresh = {row.item_id for row in renewed}
        for row in rows:
            if row.item_id not in fresh:
                item = self._read(source, row)
                index.put_words(item.item_id, item.text, item.headings, item.document)
        for row in renewed:
            _place(index, self._read(source, row))

    async def _apply(self, session: AsyncSession, changes: list[ResultRow[str, UUID, str]]) -> None:
        for source in SOURCES:
            last = {row.item_id: row.operation for row in changes if row.source == source}
            wanted = [item_id for item_id, operation in last.items() if operation == "upsert"]
            found: dict[UUID, IndexedItem] = {}
            if wanted:
                query = self._items(source, vectors=self.backend == "memory")
                rows = await session.execute(query.where(Embedding.item_id.in_(wanted)))
                items = [self._read(source, row) for row in rows.all()]
                found = {item.item_id: item for item in items}
            index = self.sources[source]
            for item_id in last:
                if item_id in found:
                    _place(index, found[item_id])
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
        for start in range(0, len(rows), _BUILT_TOGETHER):
            items = [self._read(source, row) for row in rows[start : start + _BUILT_TOGETHER]]
            if self.backend == "memory":
                index.vectors.upsert_many([item.item_id for item in items], np.stack([item.vector for item in items]))
            for item in items:
                index.put_words(item.item_id, item.text, item.headings, item.document)
        return index

    def _items(self, source: Source, *, vectors: bool = True) -> ItemQuery:
        """Id, vector (empty without `vectors`), title, text, heading path and document of all items of one source."""
        vector = Embedding.vector if vectors else _NO_VECTOR
        own = (Embedding.source == source, Embedding.model == self.model, Embedding.tenant_id == self.tenant_id)
        if source == "knowledge":
            return (
                select(Embedding.item_id, vector, Document.title, Chunk.text, Chunk.heading_path, _DOCUMENT)
                .join(Chunk, Chunk.id == Embedding.item_id)
                .join(Document, Document.id == Chunk.document_id)
                .where(*own)
            )
        row = Example if source == "example" else Correction
        no_headings = cast("ColumnElement[list[str]]", literal(_NO_HEADINGS, ARRAY(Text)))
        return (
            select(Embedding.item_id, vector, row.question, row.question, no_headings, _NO_DOCUMENT)
            .join(row, row.id == Embedding.item_id)
            .where(*own)
        )

    def _read(self, source: Source, row: ItemRow) -> IndexedItem:
        item_id, raw, title, text, heading_path, document = row
        if source != "knowledge":
            return IndexedItem(item_id, question_text(text), _vector(raw))
        headings = (title, *heading_path)
        return IndexedItem(item_id, "\n".join((*headings, text)), _vector(raw), headings, document)


def _put(index: FaqIndex, row: PhrasingRow) -> None:
    item_id, faq_id, text, raw = row
    index.upsert(item_id, faq_id, text, _vector(raw))


def _place(index: SourceIndex, item: IndexedItem) -> None:
    if len(item.vector):
        index.upsert(item.item_id, item.text, item.vector, item.headings, item.document)
    else:
        index.put_words(item.item_id, item.text, item.headings, item.document)


def _vector(raw: bytes) -> Vectors:
    return np.frombuffer(raw, dtype="<f4").astype(np.float32, copy=False)
