"""What a review teaches, stored where the very next draft finds it (design section 6)."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk import events
from desk.conversation import hold_with_ticket
from desk.db.index_log import put_items
from desk.db.leases import Claim, database_time, finish, hold
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database, announce
from desk.models import Correction, Customer, Draft, Example, Review, Ticket
from desk.ports import Embedder, Vectors
from retrieval.ingestion.languages import detect_language
from retrieval.query import question_text

KIND = "reviews"


class ReviewLearner:
    """Fulfils `desk.ports.Learner`."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder

    async def learn(self, tenant_id: UUID, review_id: UUID, fence: int) -> None:
        held = Claim(KIND, review_id, tenant_id, fence)
        async with self._database.transaction(Scope(tenant_id)) as session:
            review = await hold(session, Review, held)
            if review.state != "waiting" or review.learns == "none":
                finish(review)
                return
            question = review.question
        vectors = await self._embedder.embed([question_text(question)])
        async with self._database.transaction(Scope(tenant_id)) as session:
            # The ticket first, as everyone does: an undo that came in time then wins.
            review, _ = await hold_with_ticket(session, Review, held)
            if review.state != "waiting":
                finish(review)
                return
            await self._store(session, review, vectors)
            review.state = "learned"
            finish(review)
            events.record(session, review.ticket_id, "learned", learned=review.learns, review=str(review.id))
            await announce(session, tenant_id, "learned", ticket=review.ticket_id)

    async def _store(self, session: AsyncSession, review: Review, vectors: Vectors) -> None:
        ticket = await session.get_one(Ticket, review.ticket_id)
        customer = await session.get_one(Customer, ticket.customer_id)
        draft = await session.get(Draft, review.draft_id) if review.draft_id else None
        shared = {
            "id": uuid7(),
            "tenant_id": review.tenant_id,
            "question": review.question,
            "state": "active",
            "language": detect_language(review.sent_body) or (draft.language if draft else ""),
            "ticket_id": ticket.id,
            "draft_id": review.draft_id,
            "review_id": review.id,
            "author": review.reviewer,
            "customer_name": customer.name,
            "document_ids": review.document_ids,
        }
        if review.learns == "example":
            row, constraint = Example, "uq_examples_review_id"
            values = {
                **shared,
                "answer": review.sent_body,
                "origin": "authored" if review.action == "authored" else "approved",
                "intent": ticket.intent,
                "answered_at": await database_time(session),
            }
        else:
            row, constraint = Correction, "uq_corrections_review_id"
            values = {
                **shared,
                "avoid": review.draft_body,
                "instead": review.sent_body,
                "notes": review.notes,
                "changes": review.changes,
            }
        stored = await session.execute(
            insert(row).values(**values).on_conflict_do_nothing(constraint=constraint).returning(row.id)
        )
        item_id = stored.scalar_one_or_none()
        if item_id is not None:
            source = "example" if review.learns == "example" else "correction"
            await put_items(session, source, [item_id], vectors, self._embedder.model)
