"""The job that keeps a tenant's gaps up to date: read what happened, embed, group, store.

Nothing is open while texts are embedded. All writes are made under the job's fence, so that two workers never found
the same group twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import numpy as np
from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.leases import Claim, hold
from desk.db.unit_of_work import Database
from desk.models import GapQuestion, KnowledgeGap, KnowledgeJob, KnowledgeProposal
from desk.plain_text import excerpt
from desk.ports import Embedder, Vectors
from learning.gaps.clusters import Groups, group
from learning.gaps.collecting import OpenQuestion, open_questions, touched_tickets

KEPT_DAYS = 180
"""What was asked longer ago no longer says what is missing today."""
MOST_GROUPED = 5_000
"""The newest questions a new one is compared with: 8 MB of vectors."""
_EMBEDDED_ANEW = 500
_LONGEST_TITLE = 160
_TELLING_WORDS = 3


@dataclass(frozen=True, slots=True)
class _Known:
    """A question that has its gap."""

    gap_id: UUID
    question: str


class GapRenewal:
    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder

    async def run(self, held: Claim) -> bool:
        """As `desk.ports.KnowledgeUpkeep.renew_gaps`."""
        await self._embed_anew(held)
        async with self._database.transaction(held.scope) as session:
            job = await hold(session, KnowledgeJob, held)
            after = UUID(job.cursor["event"]) if "event" in job.cursor else None
            touched = await touched_tickets(session, after)
            asked = await open_questions(session, touched.ticket_ids)
            stored = await session.execute(
                select(GapQuestion.ticket_id, GapQuestion.seq).where(GapQuestion.ticket_id.in_(touched.ticket_ids))
            )
            grouped = {(row.ticket_id, row.seq) for row in stored}
            known, vectors = await _load(session, self._embedder.model)
        # A question keeps its group when only its signals change.
        fresh = [one for one in asked if one.question and (one.ticket_id, one.seq) not in grouped]
        new = await self._embedder.embed([one.question for one in fresh]) if fresh else vectors[:0]
        places = {gap_id: at for at, gap_id in enumerate(sorted({one.gap_id for one in known}))}
        together = np.concatenate([vectors, new]) if len(vectors) else new
        groups = await asyncio.to_thread(group, [places[one.gap_id] for one in known], together)
        async with self._database.transaction(held.scope) as session:
            job = await hold(session, KnowledgeJob, held)
            await _forget(session, touched.ticket_ids, asked)
            await _store(session, known, fresh, together, groups, list(places), self._embedder.model)
            await _tidy(session)
            if touched.reached is not None:
                job.cursor = {"event": str(touched.reached)}
        return not touched.is_all

    async def _embed_anew(self, held: Claim) -> None:
        """Questions that only another model has embedded keep their groups and get vectors of this one."""
        model = self._embedder.model
        while True:
            async with self._database.transaction(held.scope) as session:
                rows = await session.execute(
                    select(GapQuestion.id, GapQuestion.question)
                    .where(GapQuestion.model != model)
                    .order_by(GapQuestion.id)
                    .limit(_EMBEDDED_ANEW)
                )
                texts = {row.id: row.question for row in rows}
            if not texts:
                return
            vectors = await self._embedder.embed(list(texts.values()))
            async with self._database.transaction(held.scope) as session:
                await hold(session, KnowledgeJob, held)
                for question_id, vector in zip(texts, vectors, strict=True):
                    await session.execute(
                        update(GapQuestion)
                        .where(GapQuestion.id == question_id)
                        .values(model=model, vector=_stored(vector))
                    )


async def _load(session: AsyncSession, model: str) -> tuple[list[_Known], Vectors]:
    """The newest questions, in the order of their gaps' founding, with their vectors."""
    rows = await session.execute(
        select(GapQuestion.id, GapQuestion.gap_id, GapQuestion.question, GapQuestion.vector)
        .where(GapQuestion.model == model)
        .order_by(GapQuestion.asked_at.desc(), GapQuestion.id.desc())
        .limit(MOST_GROUPED)
    )
    found = sorted(rows.all(), key=lambda row: row.id)
    vectors = [np.frombuffer(row.vector, dtype="<f4") for row in found]
    known = [_Known(row.gap_id, row.question) for row in found]
    return known, np.stack(vectors) if vectors else np.empty((0, 0), dtype=np.float32)


async def _forget(session: AsyncSession, ticket_ids: Sequence[UUID], asked: Sequence[OpenQuestion]) -> None:
    """Bring the signals of these tickets' questions up to date; a question without any is no gap any more."""
    stored = await session.execute(select(GapQuestion).where(GapQuestion.ticket_id.in_(ticket_ids)))
    signals = {(one.ticket_id, one.seq): one.signals for one in asked}
    for row in stored.scalars():
        now = signals.get((row.ticket_id, row.seq))
        if now is None:
            await session.delete(row)
        elif tuple(row.signals) != now:
            row.signals = list(now)
    await session.flush()


async def _store(
    session: AsyncSession,
    known: Sequence[_Known],
    fresh: Sequence[OpenQuestion],
    vectors: Vectors,
    groups: Groups,
    gap_ids: list[UUID],
    model: str,
) -> None:
    existing = {gap.id: gap for gap in (await session.execute(select(KnowledgeGap))).scalars()}
    gaps = [existing.get(gap_id) for gap_id in gap_ids]
    await _merge(session, gaps, groups)
    texts = [one.question for one in known] + [one.question for one in fresh]
    for at, one in enumerate(fresh, start=len(known)):
        index = groups.of_question[at]
        while len(gaps) <= index:
            gaps.append(None)
        gap = gaps[index]
        if gap is None:
            gap = KnowledgeGap(id=uuid7(), title="")
            session.add(gap)
            gaps[index] = gap
            await session.flush()
        if gap.state == "answered" and gap.decided_at is not None and one.asked_at > gap.decided_at:
            gap.state = "open"
        session.add(
            GapQuestion(
                id=uuid7(),
                gap_id=gap.id,
                ticket_id=one.ticket_id,
                seq=one.seq,
                question=one.question,
                signals=list(one.signals),
                asked_at=one.asked_at,
                model=model,
                vector=_stored(vectors[at]),
            )
        )
    for index in sorted(set(groups.of_question[len(known) :]) | set(groups.merged.values())):
        gap = gaps[index]
        members = [at for at, of in enumerate(groups.of_question) if of == index]
        if gap is not None and members:
            nearest = max(members, key=lambda at: float(vectors[at] @ groups.middles[index]))
            gap.title = _title(texts[nearest])
    await session.flush()


def _title(question: str) -> str:
    """The first line, which is the subject where there was one, unless it says next to nothing."""
    first = question.partition("\n")[0]
    return excerpt(first if len(first.split()) >= _TELLING_WORDS else question, _LONGEST_TITLE)


async def _merge(session: AsyncSession, gaps: list[KnowledgeGap | None], groups: Groups) -> None:
    """Groups that have grown together become one, where nobody has decided about either."""
    for old, new in groups.merged.items():
        gone = gaps[old] if old < len(gaps) else None
        kept = gaps[new] if new < len(gaps) else None
        if gone is None:
            continue
        if kept is None or gone.state != "open" or kept.state != "open":
            # The questions stay where people have looked at them; the next ones may still join either.
            continue
        for row in (GapQuestion, KnowledgeProposal):
            await session.execute(update(row).where(row.gap_id == gone.id).values(gap_id=kept.id))
        await session.delete(gone)
        await session.flush()
        gaps[old] = kept


async def _tidy(session: AsyncSession) -> None:
    """Old questions, then gaps that nobody asks any more."""
    await session.execute(delete(GapQuestion).where(GapQuestion.asked_at < func.now() - timedelta(days=KEPT_DAYS)))
    await session.execute(delete(KnowledgeGap).where(~exists().where(GapQuestion.gap_id == KnowledgeGap.id)))


def _stored(vector: Vectors) -> bytes:
    return np.ascontiguousarray(vector, dtype="<f4").tobytes()
