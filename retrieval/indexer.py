"""Turning an uploaded document version into searchable chunks.

Parsing and embedding happen with no transaction open; one transaction then swaps the new chunks in for the old ones,
so a search finds the document as it was or as it is, never half of each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, pairwise
from uuid import UUID

import numpy as np
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.index_log import put_items, remove_items
from desk.db.leases import Claim, LostLeaseError, extend, finish, hold
from desk.db.unit_of_work import Database, announce
from desk.errors import NotFoundError, RefusedDocumentError
from desk.knowledge import read_original
from desk.models import Chunk, Document, DocumentVersion
from desk.ports import Embedder, Storage, Vectors
from desk.set_aside import set_aside_outdated
from retrieval.embedding.tokens import token_spans
from retrieval.ingestion.chunking import Chunk as TextChunk
from retrieval.ingestion.chunking import chunk
from retrieval.ingestion.document import ParsedDocument
from retrieval.ingestion.isolation.reader import IsolatedReader, shared_reader
from retrieval.unpacking import take_in_faqs, take_in_parts

KIND = "document_versions"
_EMBEDDED_TOGETHER = 128
"""Chunks between two looks at the clock: some ten seconds of the local model."""
_TELL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Read:
    parsed: ParsedDocument
    chunks: list[TextChunk]
    remarks: list[str]


class ChunkIndexer:
    """Fulfils `desk.ports.DocumentIndexer`. `lease_seconds` is what a claim was taken for and is extended by."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        embedder: Embedder,
        lease_seconds: float,
        reader: IsolatedReader | None = None,
    ) -> None:
        self._database = database
        self._storage = storage
        self._embedder = embedder
        self._lease_seconds = lease_seconds
        self._reader = reader or shared_reader()

    async def index(self, tenant_id: UUID, version_id: UUID, fence: int) -> None:
        held = Claim(KIND, version_id, tenant_id, fence)
        read = await self._read(held)
        if read is not None:
            vectors = await self._embed({held: read})
            await self._store(held, read, vectors[held])

    async def index_many(self, tenant_id: UUID, fences: Mapping[UUID, int]) -> None:
        claims = [Claim(KIND, version_id, tenant_id, fence) for version_id, fence in fences.items()]
        read: dict[Claim, _Read] = {}
        extended = time.monotonic()
        for at, held in enumerate(claims):
            with suppress(LostLeaseError):
                document = await self._read(held)
                if document is not None:
                    read[held] = document
            if time.monotonic() - extended > self._lease_seconds / 4:
                await self._keep([*read, *claims[at + 1 :]])
                extended = time.monotonic()
        vectors = await self._embed(read)
        for held, document in read.items():
            with suppress(LostLeaseError):
                await self._store(held, document, vectors[held])

    async def _read(self, held: Claim) -> _Read | None:
        """The parsed and cut document; None when nothing is left to do: refused, or no document itself."""
        async with self._database.transaction(held.scope) as session:
            version = await hold(session, DocumentVersion, held)
            version.stage, version.progress = "reading", 0
            document = await session.get_one(Document, version.document_id)
            await announce(session, held.tenant_id, "document", document=document.id)
        try:
            raw = await read_original(self._storage, version)
            read = await self._reader.read(version.file_name, raw)
            if read.parts is not None:
                taken = await take_in_parts(self._database, self._storage, held, document, read.parts)
                await self._close(held, "indexed", text=taken.text, remarks=[*read.remarks, *taken.remarks])
            elif read.is_faq_file:
                taken = await take_in_faqs(self._database, self._embedder, held, version.file_name, raw)
                await self._close(held, "indexed", text=taken.text, remarks=taken.remarks)
        except RefusedDocumentError as error:
            await self._close(held, "refused", reason=error.detail)
        except NotFoundError:
            await self._close(held, "refused", reason="the original is no longer in the storage; upload it again")
        else:
            if read.document is not None:
                chunks = await asyncio.to_thread(chunk, read.document, token_spans)
                return _Read(read.document, chunks, read.remarks)
        return None

    async def _embed(self, read: Mapping[Claim, _Read]) -> dict[Claim, Vectors]:
        """One pass over the chunks of all documents; the leases are extended as long as it takes."""
        texts = [one.embedding_text for document in read.values() for one in document.chunks]
        bounds = pairwise(accumulate((len(document.chunks) for document in read.values()), initial=0))
        places = dict(zip(read, bounds, strict=True))
        vectors = np.empty((len(texts), self._embedder.dimension), dtype=np.float32)
        extended = told = time.monotonic()
        for at in range(0, len(texts), _EMBEDDED_TOGETHER):
            part = texts[at : at + _EMBEDDED_TOGETHER]
            vectors[at : at + len(part)] = await self._embedder.embed(part)
            if time.monotonic() - told > _TELL_SECONDS:
                await self._tell({held: _percent(at + len(part), *place) for held, place in places.items()})
                told = time.monotonic()
            if time.monotonic() - extended > self._lease_seconds / 4:
                await self._keep(read)
                extended = time.monotonic()
        return {held: vectors[start:end] for held, (start, end) in places.items()}

    async def _tell(self, percents: Mapping[Claim, int]) -> None:
        """How far it is, for the people who wait for it."""
        for held, percent in percents.items():
            async with self._database.transaction(held.scope) as session:
                mine = (DocumentVersion.id == held.row_id) & (DocumentVersion.fence == held.fence)
                changed = await session.execute(
                    update(DocumentVersion)
                    .where(mine, DocumentVersion.progress != percent)
                    .values(stage="embedding", progress=percent)
                    .returning(DocumentVersion.document_id)
                )
                for document_id in changed.scalars():
                    await announce(session, held.tenant_id, "document", document=document_id)

    async def _keep(self, read: Iterable[Claim]) -> None:
        """A document whose lease was lost all the same finds out when it is stored."""
        for held in read:
            with suppress(LostLeaseError):
                await extend(self._database, DocumentVersion, held, self._lease_seconds)

    async def _close(
        self, held: Claim, state: str, *, reason: str = "", text: str = "", remarks: Sequence[str] = ()
    ) -> None:
        """For what ends without chunks of its own."""
        async with self._database.transaction(held.scope) as session:
            version = await hold(session, DocumentVersion, held)
            document = await session.get_one(Document, version.document_id, with_for_update=True)
            _finish(version, state, reason, remarks)
            if state == "indexed":
                version.text = text
                if _is_searched(document, version):
                    await self._swap(session, document, version, [], np.empty((0, 0), dtype=np.float32))
            await announce(session, held.tenant_id, "document", document=version.document_id)

    async def _store(self, held: Claim, read: _Read, vectors: Vectors) -> None:
        async with self._database.transaction(held.scope) as session:
            version = await hold(session, DocumentVersion, held)
            document = await session.get_one(Document, version.document_id, with_for_update=True)
            _finish(version, "indexed", "", read.remarks)
            version.text, version.language = read.parsed.text, read.parsed.language
            version.pages = list(read.parsed.pages)
            if document.title == version.file_name and read.parsed.title:
                document.title = read.parsed.title[:300]
            if _is_searched(document, version):
                await self._swap(session, document, version, read.chunks, vectors)
            await announce(session, held.tenant_id, "document", document=document.id)

    async def _swap(
        self,
        session: AsyncSession,
        document: Document,
        version: DocumentVersion,
        chunks: Sequence[TextChunk],
        vectors: Vectors,
    ) -> None:
        """Earlier chunks stay for the drafts that cite them, but are no longer found."""
        earlier = await session.execute(select(Chunk).where(Chunk.document_id == document.id))
        old = list(earlier.scalars())
        await remove_items(session, "knowledge", [row.id for row in old])
        for row in old:
            if row.version_id == version.id:
                await session.delete(row)
        await session.flush()
        rows = [_row(document, version, one) for one in chunks]
        session.add_all(rows)
        await session.flush()
        await put_items(session, "knowledge", [row.id for row in rows], vectors, self._embedder.model)
        document.current_version = version.number
        await session.flush()
        await set_aside_outdated(session)


def _is_searched(document: Document, version: DocumentVersion) -> bool:
    return not document.is_deleted and not document.set_aside and version.number >= document.current_version


def _finish(version: DocumentVersion, state: str, reason: str, remarks: Sequence[str]) -> None:
    version.state, version.reason, version.remarks = state, reason, "\n".join(remarks)
    version.stage, version.progress = "", 0
    finish(version)


def _percent(done: int, start: int, end: int) -> int:
    return 100 if end <= start else max(0, min(100, 100 * (done - start) // (end - start)))


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
