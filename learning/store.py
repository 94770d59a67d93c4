"""What a review teaches, stored where the very next draft finds it (design section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk import events
from desk.accounts.preferences import load_preferences
from desk.conversation import hold_with_ticket
from desk.db.index_log import put_items, remove_items
from desk.db.leases import Claim, database_time, finish, hold
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database, announce
from desk.errors import ConflictError
from desk.learned import REPEATED, get_correction, get_example
from desk.models import Correction, Customer, Draft, Example, Review, Ticket
from desk.ports import Embedder, Learned, Question, Retriever, Vectors
from learning.hygiene import NEAR, SUPERSEDED, Answered, relation
from retrieval.ingestion.languages import detect_language
from retrieval.query import question_text

KIND = "reviews"
_LOOKED_AT = 20
"""Approved answers to the nearest questions that a new one is held against."""


class ReviewLearner:
    """Fulfils `desk.ports.Learner`."""

    def __init__(self, database: Database, embedder: Embedder, retriever: Retriever) -> None:
        self._database = database
        self._embedder = embedder
        self._retriever = retriever

    async def learn(self, tenant_id: UUID, review_id: UUID, fence: int) -> None:
        held = Claim(KIND, review_id, tenant_id, fence)
        async with self._database.transaction(Scope(tenant_id)) as session:
            review = await hold(session, Review, held)
            if review.state != "waiting" or review.learns == "none":
                finish(review)
                return
            question = review.question
        vectors = await self._embedder.embed([question_text(question)])
        near = await self._near(tenant_id, question)
        async with self._database.transaction(Scope(tenant_id)) as session:
            # The ticket first, as everyone does: an undo that came in time then wins.
            review, _ = await hold_with_ticket(session, Review, held)
            if review.state != "waiting":
                finish(review)
                return
            await self._store(session, review, vectors, near)
            review.state = "learned"
            finish(review)
            events.record(session, review.ticket_id, "learned", learned=review.learns, review=str(review.id))
            await announce(session, tenant_id, "learned", ticket=review.ticket_id)

    async def keep(self, tenant_id: UUID, source: Learned, item_id: UUID) -> None:
        """Raises NotFoundError, ConflictError when it is in use already."""
        async with self._database.transaction(Scope(tenant_id)) as session:
            question = (await _learned(session, source, item_id)).question
        vectors = await self._embedder.embed([question_text(question)])
        async with self._database.transaction(Scope(tenant_id)) as session:
            row = await _learned(session, source, item_id)
            if row.state == "active":
                msg = "it is in use already"
                raise ConflictError(msg)
            row.state, row.state_reason, row.looked_at = "active", "", await database_time(session)
            await session.flush()
            await put_items(session, source, [item_id], vectors, self._embedder.model)

    async def _near(self, tenant_id: UUID, question: str) -> list[UUID]:
        """Approved answers to questions that may be the same."""
        found = await self._retriever.gather(
            Question(tenant_id, "", question, neighbours=_LOOKED_AT, sources=("example",))
        )
        return [hit.item_id for hit in found.neighbours if hit.dense >= NEAR][:_LOOKED_AT]

    async def _settle(self, session: AsyncSession, review: Review, customer_name: str, near: Sequence[UUID]) -> bool:
        """Retire what the reply supersedes; whether it only repeats an answer, which then counts once more."""
        if not review.sent_body.strip():
            return False
        new = Answered(review.question, review.sent_body, customer_name)
        older = await session.execute(
            select(Example)
            .where(Example.id.in_(near), Example.state == "active", Example.review_id.is_distinct_from(review.id))
            .order_by(Example.id)
            .with_for_update()
        )
        repeats = False
        for row in older.scalars():
            stands = relation(Answered(row.question, row.answer, row.customer_name), new)
            if stands == "supersedes":
                row.state, row.state_reason = "retired", SUPERSEDED
                await session.flush()
                await remove_items(session, "example", [row.id])
            elif stands == "repeats" and review.learns == "example" and not repeats:
                repeats = True
                row.times, row.answered_at = row.times + 1, await database_time(session)
        return repeats

    async def _store(self, session: AsyncSession, review: Review, vectors: Vectors, near: Sequence[UUID]) -> None:
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
        repeats = await self._settle(session, review, customer.name, near)
        if repeats:
            shared |= {"state": "retired", "state_reason": REPEATED}
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
                "due_at": await database_time(session) if (await load_preferences(session)).note_edits else None,
            }
        stored = await session.execute(
            insert(row).values(**values).on_conflict_do_nothing(constraint=constraint).returning(row.id)
        )
        item_id = stored.scalar_one_or_none()
        if item_id is not None and not repeats:
            source = "example" if review.learns == "example" else "correction"
            await put_items(session, source, [item_id], vectors, self._embedder.model)


async def _learned(session: AsyncSession, source: Learned, item_id: UUID) -> Example | Correction:
    return await (get_example if source == "example" else get_correction)(session, item_id)
