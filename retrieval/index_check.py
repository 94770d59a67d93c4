"""Does what is searched agree with what is stored? For `desk doctor` and `desk reindex`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import Select, func, select

from desk.db.index_log import Source, last_sequence
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import Chunk, Correction, Document, Embedding, Example, FaqPhrasing, IndexLogEntry
from desk.ports import Embedder
from retrieval.faq.embedding import published_phrasings
from retrieval.tenant_index import SOURCES, TenantIndex

FAQ: Final = "faq"


@dataclass(frozen=True, slots=True)
class SourceCheck:
    source: Source
    items: int
    """What ought to be found: chunks of current versions, active examples and corrections, phrasings of published
    FAQs."""
    missing: int
    """Items without a vector of the current model: they are not found."""
    leftover: int
    """Vectors of the current model whose item is gone or inactive."""
    in_memory: int
    """Items of an index built anew from the rows."""


@dataclass(frozen=True, slots=True)
class IndexCheck:
    sources: tuple[SourceCheck, ...]
    log_gaps: int
    """Changes the log has lost: processes would read everything anew instead of following it."""

    @property
    def items(self) -> int:
        return sum(source.items for source in self.sources)

    def problems(self) -> list[str]:
        """A sentence for each thing that is not as it should be; none when all is well."""
        found = [f"{self.log_gaps} changes are missing in the index log"] if self.log_gaps else []
        for one in self.sources:
            if one.missing:
                found.append(f"{one.missing} of {one.items} {one.source} items have no vector of the current model")
            if one.leftover:
                found.append(f"{one.leftover} {one.source} vectors belong to nothing that is searched")
            if one.in_memory != one.items - one.missing + one.leftover:
                found.append(f"the {one.source} index holds {one.in_memory} items, the rows say {one.items}")
        return found


async def check_indexes(database: Database, embedder: Embedder, tenant_id: UUID) -> IndexCheck:
    """Builds the tenant's indexes in memory once more, in one read-only transaction."""
    index = TenantIndex(tenant_id, embedder.model, embedder.dimension)
    async with database.transaction(Scope(tenant_id)) as session:
        await index.refresh(session)
        sources: list[SourceCheck] = []
        for source in (*SOURCES, FAQ):
            wanted = set((await session.execute(_searchable(source, tenant_id))).scalars())
            held = set(
                (
                    await session.execute(
                        select(Embedding.item_id).where(
                            Embedding.tenant_id == tenant_id,
                            Embedding.source == source,
                            Embedding.model == embedder.model,
                        )
                    )
                ).scalars()
            )
            in_memory = len(index.faqs if source == FAQ else index.sources[source])
            sources.append(SourceCheck(source, len(wanted), len(wanted - held), len(held - wanted), in_memory))
        logged = (
            await session.execute(
                select(func.count(), func.min(IndexLogEntry.sequence), func.max(IndexLogEntry.sequence)).where(
                    IndexLogEntry.tenant_id == tenant_id
                )
            )
        ).one()
        reached = await last_sequence(session, tenant_id)
    count, first, last = logged
    # Old entries are pruned from the front, so only the stretch that is left must be whole.
    gaps = 0 if count == 0 else (last - first + 1 - count) + (reached - last)
    return IndexCheck(tuple(sources), gaps)


def _searchable(source: Source, tenant_id: UUID) -> Select[UUID]:
    if source == "knowledge":
        return (
            select(Chunk.id)
            .join(Document, Document.id == Chunk.document_id)
            .where(
                Chunk.tenant_id == tenant_id,
                ~Document.is_deleted,
                ~Chunk.is_set_aside,
                Chunk.version == Document.current_version,
            )
        )
    if source == FAQ:
        return published_phrasings(tenant_id).with_only_columns(FaqPhrasing.id)
    row = Example if source == "example" else Correction
    return select(row.id).where(row.tenant_id == tenant_id, row.state == "active")
