"""What keeps a tenant's knowledge whole, for the background jobs of `desk.upkeep`."""

from __future__ import annotations

from uuid import UUID

from desk.db.index_log import lock_index, put_items
from desk.db.leases import Claim
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import Chunk
from desk.ports import EditAnalyser, Embedder
from desk.upkeep import KIND
from learning.conflicts.search import PassageComparison
from learning.edits.envelope import open_envelope
from learning.gaps.renewal import GapRenewal
from retrieval.ingestion.chunking import embedding_text
from retrieval.reembedding import embed_learned_anew


class Upkeep:
    """Fulfils `desk.ports.KnowledgeUpkeep`."""

    def __init__(self, database: Database, embedder: Embedder, analyser: EditAnalyser) -> None:
        self._database = database
        self._embedder = embedder
        self._gaps = GapRenewal(database, embedder)
        self._passages = PassageComparison(database, embedder, analyser)

    async def renew_gaps(self, tenant_id: UUID, job_id: UUID, fence: int) -> bool:
        return await self._gaps.run(Claim(KIND, job_id, tenant_id, fence))

    async def compare_passages(self, tenant_id: UUID, job_id: UUID, fence: int) -> bool:
        return await self._passages.run(Claim(KIND, job_id, tenant_id, fence))

    async def relearn(self, tenant_id: UUID) -> int:
        return await embed_learned_anew(self._database, self._embedder, tenant_id)

    async def search_again(self, tenant_id: UUID, chunk_id: UUID) -> None:
        async with self._database.transaction(Scope(tenant_id)) as session:
            chunk = await session.get(Chunk, chunk_id)
        if chunk is None or not chunk.is_set_aside:
            return
        vectors = await self._embedder.embed([embedding_text(chunk.context, chunk.text)])
        async with self._database.transaction(Scope(tenant_id)) as session:
            await lock_index(session)
            row = await session.get(Chunk, chunk_id, with_for_update=True, populate_existing=True)
            if row is not None and row.is_set_aside:
                row.is_set_aside = False
                await put_items(session, "knowledge", [chunk_id], vectors, self._embedder.model)

    def letter_body(self, reply: str) -> str:
        return "".join(reply[start:end] for start, end in open_envelope(reply).body).strip()
