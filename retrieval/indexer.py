"""Turning an uploaded document version into searchable chunks.

Parsing and embedding happen with no transaction open; one transaction then swaps the new chunks in for the old ones,
so a search finds the document as it was or as it is, never half of each.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.index_log import put_items, remove_items
from desk.db.leases import Claim, finish, hold
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database, announce
from desk.errors import RefusedDocumentError
from desk.models import Chunk, Document, DocumentVersion
from desk.ports import Embedder, Vectors
from retrieval.embedding.tokens import token_spans
from retrieval.ingestion.chunking import Chunk as TextChunk
from retrieval.ingestion.chunking import chunk
from retrieval.ingestion.document import ParsedDocument
from retrieval.ingestion.parse import parse

KIND = "document_versions"


@dataclass(frozen=True, slots=True)
class _Prepared:
    parsed: ParsedDocument
    chunks: list[TextChunk]
    vectors: Vectors


class ChunkIndexer:
    """Fulfils `desk.ports.DocumentIndexer`."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder

    async def index(self, tenant_id: UUID, version_id: UUID, fence: int) -> None:
        held = Claim(KIND, version_id, tenant_id, fence)
        async with self._database.transaction(Scope(tenant_id)) as session:
            version = await hold(session, DocumentVersion, held)
            name, raw = version.file_name, version.raw
        try:
            prepared = await self._prepare(name, raw)
        except RefusedDocumentError as error:
            await self._refuse(held, error.detail)
            return
        await self._store(held, prepared)

    async def _prepare(self, name: str, raw: bytes) -> _Prepared:
        parsed = await asyncio.to_thread(parse, name, raw)
        chunks = await asyncio.to_thread(chunk, parsed, token_spans)
        return _Prepared(parsed, chunks, await self._embedder.embed([one.embedding_text for one in chunks]))

    async def _refuse(self, held: Claim, reason: str) -> None:
        async with self._database.transaction(held.scope) as session:
            version = await hold(session, DocumentVersion, held)
            version.state, version.reason = "refused", reason
            finish(version)
            await announce(session, held.tenant_id, "document", document=version.document_id)

    async def _store(self, held: Claim, prepared: _Prepared) -> None:
        async with self._database.transaction(held.scope) as session:
            version = await hold(session, DocumentVersion, held)
            document = await session.get_one(Document, version.document_id, with_for_update=True)
            version.state, version.reason = "indexed", ""
            version.text, version.language = prepared.parsed.text, prepared.parsed.language
            finish(version)
            if document.title == version.file_name and prepared.parsed.title:
                document.title = prepared.parsed.title[:300]
            if not document.is_deleted and version.number >= document.current_version:
                await self._swap(session, document, version, prepared)
            await announce(session, held.tenant_id, "document", document=document.id)

    async def _swap(
        self, session: AsyncSession, document: Document, version: DocumentVersion, prepared: _Prepared
    ) -> None:
        """Earlier chunks stay for the drafts that cite them, but are no longer found."""
        earlier = await session.execute(select(Chunk).where(Chunk.document_id == document.id))
        old = list(earlier.scalars())
        await remove_items(session, "knowledge", [row.id for row in old])
        for row in old:
            if row.version_id == version.id:
                await session.delete(row)
        await session.flush()
        rows = [_row(document, version, one) for one in prepared.chunks]
        session.add_all(rows)
        await session.flush()
        await put_items(session, "knowledge", [row.id for row in rows], prepared.vectors, self._embedder.model)
        document.current_version = version.number


def _row(document: Document, version: DocumentVersion, one: TextChunk) -> Chunk:
    return Chunk(
        id=uuid7(),
        document_id=document.id,
        version_id=version.id,
        version=version.number,
        ordinal=one.ordinal,
        text=one.text,
        span_start=one.span[0],
        span_end=one.span[1],
        heading_path=list(one.heading_path),
        context=one.context,
        tokens=one.tokens,
    )
