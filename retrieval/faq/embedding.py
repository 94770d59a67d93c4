"""Vectors for the phrasings of published FAQs that have none of the current model, a batch at a time."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import Select, exists, select

from desk.db.index_log import lock_index, put_items, remove_items
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import Embedding, Faq, FaqPhrasing
from desk.ports import Embedder


def published_phrasings(tenant_id: UUID) -> Select[UUID, str]:
    """Id and text of everything that ought to be found."""
    return (
        select(FaqPhrasing.id, FaqPhrasing.text)
        .join(Faq, Faq.id == FaqPhrasing.faq_id)
        .where(FaqPhrasing.tenant_id == tenant_id, Faq.state == "published")
    )


async def embed_missing_faqs(database: Database, embedder: Embedder, tenant_id: UUID, most: int) -> int:
    """One batch; returns how many phrasings it looked at, 0 when there is none left."""
    has_vector = exists().where(
        Embedding.source == "faq", Embedding.item_id == FaqPhrasing.id, Embedding.model == embedder.model
    )
    missing = published_phrasings(tenant_id).where(~has_vector).order_by(FaqPhrasing.id).limit(most)
    async with database.transaction(Scope(tenant_id)) as session:
        texts = dict((await session.execute(missing)).all())
    if not texts:
        return 0
    vectors = await embedder.embed(list(texts.values()))
    async with database.transaction(Scope(tenant_id)) as session:
        await lock_index(session)
        # Taken back or reworded meanwhile: it must not be found again.
        wanted = published_phrasings(tenant_id).where(FaqPhrasing.id.in_(texts)).with_for_update(read=True)
        kept = set((await session.execute(wanted)).scalars())
        rows = [position for position, item_id in enumerate(texts) if item_id in kept]
        await put_items(
            session, "faq", [item_id for item_id in texts if item_id in kept], vectors[rows], embedder.model
        )
    return len(texts)


async def embed_faqs_anew(database: Database, embedder: Embedder, tenant_id: UUID, most: int) -> int:
    """Every published phrasing, whatever vector it has; returns how many. Others are no longer found."""
    async with database.transaction(Scope(tenant_id)) as session:
        held = select(Embedding.item_id).where(Embedding.tenant_id == tenant_id, Embedding.source == "faq")
        await remove_items(session, "faq", list((await session.execute(held.distinct())).scalars()))
    done = 0
    while batch := await embed_missing_faqs(database, embedder, tenant_id, most):
        done += batch
    return done
