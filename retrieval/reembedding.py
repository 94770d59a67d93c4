"""Embedding again what was embedded by another model, in the background, a batch at a time.

Until an item has its new vector it is not found; the desk says how many are still to come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import aliased

from desk.db.index_log import Source, put_items, remove_items
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import Chunk, Correction, Embedding, Example
from desk.policy.endings import end_all
from desk.ports import Embedder
from retrieval.faq.embedding import embed_faqs_anew, embed_missing_faqs
from retrieval.ingestion.chunking import embedding_text
from retrieval.query import question_text

BATCH = 256
_LEARNED: Final[tuple[Source, ...]] = ("example", "correction")


async def embed_again(database: Database, embedder: Embedder, tenant_id: UUID) -> int:
    """One batch of the tenant's items that have a vector of another model only; returns how many it did."""
    done = 0
    for source in ("knowledge", "example", "correction"):
        texts = await _outdated(database, tenant_id, source, embedder.model)
        if not texts:
            continue
        ids = list(texts)
        vectors = await embedder.embed([texts[item_id] for item_id in ids])
        async with database.transaction(Scope(tenant_id)) as session:
            # Purged or replaced meanwhile: it must not come back.
            known = select(Embedding.item_id).where(
                Embedding.tenant_id == tenant_id, Embedding.source == source, Embedding.item_id.in_(ids)
            )
            kept = set((await session.execute(known.with_for_update())).scalars())
            rows = [position for position, item_id in enumerate(ids) if item_id in kept]
            await put_items(session, source, [ids[row] for row in rows], vectors[rows], embedder.model)
            await end_all(session, "texts are searched by another embedding model")
        done += len(ids)
    return done + await embed_missing_faqs(database, embedder, tenant_id, BATCH)


async def embed_learned_anew(database: Database, embedder: Embedder, tenant_id: UUID) -> int:
    """Every active example, correction and FAQ, whatever vector it has; what is no longer active is not found.

    Returns how many were embedded. Documents are rebuilt by indexing them again.
    """
    done = 0
    for source in _LEARNED:
        row = Example if source == "example" else Correction
        async with database.transaction(Scope(tenant_id)) as session:
            active = select(row.id).where(row.tenant_id == tenant_id, row.state == "active")
            ids = list((await session.execute(active.order_by(row.id))).scalars())
            stale = select(Embedding.item_id).where(
                Embedding.tenant_id == tenant_id, Embedding.source == source, Embedding.item_id.not_in(active)
            )
            await remove_items(session, source, list((await session.execute(stale.distinct())).scalars()))
        for start in range(0, len(ids), BATCH):
            done += await _embed_questions(database, embedder, tenant_id, source, ids[start : start + BATCH])
    return done + await embed_faqs_anew(database, embedder, tenant_id, BATCH)


async def _embed_questions(
    database: Database, embedder: Embedder, tenant_id: UUID, source: Source, ids: Sequence[UUID]
) -> int:
    row = Example if source == "example" else Correction
    wanted = select(row.id, row.question).where(row.id.in_(ids), row.state == "active")
    async with database.transaction(Scope(tenant_id)) as session:
        questions = dict((await session.execute(wanted)).all())
    if not questions:
        return 0
    vectors = await embedder.embed([question_text(question) for question in questions.values()])
    async with database.transaction(Scope(tenant_id)) as session:
        # Purged meanwhile: it must not come back.
        kept = set((await session.execute(wanted.with_for_update())).scalars())
        rows = [position for position, item_id in enumerate(questions) if item_id in kept]
        await put_items(
            session, source, [item_id for item_id in questions if item_id in kept], vectors[rows], embedder.model
        )
    return len(rows)


async def _outdated(database: Database, tenant_id: UUID, source: Source, model: str) -> dict[UUID, str]:
    """Item ids and the texts to embed."""
    newer = aliased(Embedding)
    has_new = exists().where(newer.source == source, newer.item_id == Embedding.item_id, newer.model == model)
    ids = (
        select(Embedding.item_id)
        .where(Embedding.tenant_id == tenant_id, Embedding.source == source, Embedding.model != model, ~has_new)
        .limit(BATCH)
    )
    async with database.transaction(Scope(tenant_id)) as session:
        if source == "knowledge":
            chunks = await session.execute(select(Chunk.id, Chunk.context, Chunk.text).where(Chunk.id.in_(ids)))
            return {chunk_id: embedding_text(context, text) for chunk_id, context, text in chunks}
        row = Example if source == "example" else Correction
        questions = await session.execute(select(row.id, row.question).where(row.id.in_(ids)))
        return {item_id: question_text(question) for item_id, question in questions}
