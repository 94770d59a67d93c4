"""The FAQ lane over a tenant's in-memory index: find, read again under the tenant's rights, judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select

from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import Faq
from desk.ports import Embedder, FaqFound, FaqMatch, Hit
from retrieval.faq.answering import Verdict, judge
from retrieval.faq.index import FaqCandidate
from retrieval.faq.wording import difference
from retrieval.open_indexes import OpenIndexes
from retrieval.query import clean_question, question_text

_COMPARED = 8
"""FAQs looked at for one message: the first, and those that might be meant instead."""
_MOST_SUBJECT_WORDS = 3
"""Meaningful words of a subject that the FAQ's wording does not have; with more it asks something of its own."""


class IndexedFaqLane:
    """Fulfils `desk.ports.FaqLane` (design section 5)."""

    def __init__(self, database: Database, embedder: Embedder, indexes: OpenIndexes) -> None:
        self._database = database
        self._embedder = embedder
        self._indexes = indexes

    async def answer_for(
        self, tenant_id: UUID, subject: str, text: str, *, reached: int | None = None
    ) -> FaqMatch | None:
        """A message is asked for twice, with its subject and without: a subject often only says "Question"."""
        questions = _questions(subject, text)
        index = self._indexes.of(tenant_id)
        if reached is None or not index.has_reached(reached):
            async with self._database.transaction(Scope(tenant_id)) as session:
                await index.refresh(session)
        if not len(index.faqs):
            return None
        vectors = await self._embedder.embed(questions)
        verdicts: list[tuple[UUID, Verdict]] = []
        for question, vector in zip(questions, vectors, strict=True):
            found = index.faqs.search(question, vector, _COMPARED)
            verdict = judge(question, found, self._embedder.model)
            if verdict is not None:
                verdicts.append((found[0].faq_id, verdict))
        if not verdicts:
            return None
        faq_id, verdict = _agreed(verdicts, subject)
        async with self._database.transaction(Scope(tenant_id)) as session:
            row = await session.execute(select(Faq).where(Faq.id == faq_id, Faq.state == "published"))
            faq = row.scalar_one_or_none()
        return None if faq is None else _match(faq, verdict)

    async def search(self, tenant_id: UUID, query: str, k: int) -> Sequence[FaqFound]:
        vectors = await self._embedder.embed([query])
        async with self._database.transaction(Scope(tenant_id)) as session:
            index = self._indexes.of(tenant_id)
            await index.refresh(session)
            return [_found(one) for one in index.faqs.search(query, vectors[0], k)]


def _questions(subject: str, text: str) -> list[str]:
    """The whole message as the retriever searches it, whose vector is at hand, and the message without its subject."""
    whole = clean_question(subject, text) if subject else question_text(text)
    body = text.strip().removeprefix(subject.strip()).strip()
    alone = clean_question("", body) if body else whole
    return list(dict.fromkeys((whole, alone)))


def _agreed(verdicts: Sequence[tuple[UUID, Verdict]], subject: str) -> tuple[UUID, Verdict]:
    """The surest verdict; not certain when the two disagree, or when the subject says much that the FAQ does not."""
    faq_id, verdict = max(verdicts, key=lambda one: (one[1].certain, one[1].probability))
    disagree = any(other != faq_id and another.certain for other, another in verdicts)
    unanswered = len(difference(subject, verdict.phrasing.text).asked_only) > _MOST_SUBJECT_WORDS
    return faq_id, replace(verdict, certain=verdict.certain and not disagree and not unanswered)


def _match(faq: Faq, verdict: Verdict) -> FaqMatch:
    phrasing = verdict.phrasing
    hit = Hit(
        kind="faq",
        item_id=faq.id,
        parent_id=faq.id,
        title=faq.question,
        text=faq.answer,
        score=phrasing.score,
        weighted_score=phrasing.score,
        dense=phrasing.cosine,
        lexical=phrasing.fuzzy,
        version=faq.version,
        question=phrasing.text,
        language=faq.language,
        created_at=faq.updated_at,
    )
    return FaqMatch(hit, verdict.how, verdict.certain, verdict.probability, verdict.lead)


def _found(candidate: FaqCandidate) -> FaqFound:
    return FaqFound(candidate.faq_id, candidate.best.score)
