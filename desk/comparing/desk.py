"""The work of a comparison: every case drafted in both states and judged, one saved after the other.

Nothing is stored but the result. A worker that dies is followed by one that goes on with the next case.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.comparing.candidates import Candidate, NarrowedRetriever, drafting_inputs
from desk.comparing.judging import Drafted, Judged, judge_correction, judge_reply
from desk.db.leases import Claim, database_time, finish, hold
from desk.db.unit_of_work import Database, announce
from desk.drafting.context import DraftContext, ThreadMessage, load_context
from desk.drafting.inputs import DraftingInputs
from desk.drafting.pipeline import DraftingDesk
from desk.drafting.record import model_calls
from desk.drafting.trials import NOBODY
from desk.errors import NoEvidenceError
from desk.models import Comparison, ComparisonCase, Correction, Draft, Example
from desk.ports import ChatModel, EditAnalyser, MistakeFinder, ModelAttempt, Retriever

ModelWith = Callable[[UUID, UUID], Awaitable[ChatModel | None]]
"""A tenant's chain with one more of its providers in it."""
PURPOSE = "comparison"


class _FixedModel:
    """Fulfils `desk.ports.ChatModels` with one chain, which somebody else closes."""

    def __init__(self, model: ChatModel | None) -> None:
        self._model = model

    async def for_tenant(self, tenant_id: UUID) -> ChatModel | None:  # noqa: ARG002 - of the port
        return self._model

    async def close(self) -> None:
        """Nothing to close."""


class ComparisonDesk:
    def __init__(
        self,
        database: Database,
        retriever: Retriever,
        drafting: DraftingDesk,
        analyser: EditAnalyser,
        finder: MistakeFinder,
        model_with: ModelWith,
    ) -> None:
        self._database = database
        self._retriever = retriever
        self._drafting = drafting
        self._analyser = analyser
        self._finder = finder
        self._model_with = model_with

    async def work(self, held: Claim, told: Callable[[], None] = lambda: None) -> None:
        """All cases that are still to be done; `told` is called after each. Raises ModelUnavailableError."""
        while (next_one := await self._next(held)) is not None:
            kind, before, after, case = next_one
            first = None if before is None else await self._draft(held, kind, before, case)
            second = await self._draft(held, kind, after, case)
            judged = (
                judge_correction(self._finder, case, first, second)
                if kind == "corrections" or first is None
                else judge_reply(self._analyser, case, first, second)
            )
            await self._save(held, case.id, first, second, judged)
            told()

    async def _next(self, held: Claim) -> tuple[str, Candidate | None, Candidate, ComparisonCase] | None:
        """The next case; None when all are done, which is the end of the comparison."""
        async with self._database.transaction(held.scope) as session:
            comparison = await hold(session, Comparison, held)
            found = await session.execute(
                select(ComparisonCase)
                .where(ComparisonCase.comparison_id == comparison.id, ComparisonCase.outcome.is_(None))
                .order_by(ComparisonCase.ordinal)
                .limit(1)
            )
            case = found.scalar_one_or_none()
            if case is None:
                if comparison.state == "waiting":
                    comparison.state, comparison.finished_at = "finished", await database_time(session)
                finish(comparison)
                await announce(session, held.tenant_id, "comparison", comparison=comparison.id)
                return None
            before = None if comparison.before is None else msgspec.convert(comparison.before, Candidate)
            return comparison.kind, before, msgspec.convert(comparison.after, Candidate), case

    async def _draft(self, held: Claim, kind: str, candidate: Candidate, case: ComparisonCase) -> Drafted:
        async with self._database.transaction(held.scope) as session:
            inputs = await drafting_inputs(session, candidate, steady=kind == "corrections")
            context = await _context(session, held.tenant_id, case)
            hidden = set(candidate.without_documents)
            if kind == "replies":
                hidden |= await _learned_from(session, case.ticket_id)
        models = None
        if candidate.provider_id is not None:
            models = _FixedModel(await self._model_with(held.tenant_id, candidate.provider_id))
        desk = self._drafting.variant(NarrowedRetriever(self._retriever, frozenset(hidden)), models)
        return await self._composed(held, desk, context, inputs)

    async def _composed(
        self, held: Claim, desk: DraftingDesk, context: DraftContext, inputs: DraftingInputs
    ) -> Drafted:
        started = time.perf_counter()
        try:
            finished = await desk.compose(context, inputs)
        except NoEvidenceError:
            return Drafted(None, _since(started))
        attempts = finished.written.attempts
        if attempts:
            await self._charge(held, attempts)
        usd = sum((attempt.usd for attempt in attempts), start=Decimal(0))
        return Drafted(finished.written.body, _since(started), usd)

    async def _charge(self, held: Claim, attempts: tuple[ModelAttempt, ...]) -> None:
        calls = model_calls(None, attempts)
        for call in calls:
            call.purpose = PURPOSE
        async with self._database.transaction(held.scope) as session:
            session.add_all(calls)

    async def _save(self, held: Claim, case_id: UUID, before: Drafted | None, after: Drafted, judged: Judged) -> None:
        """Raises LostLeaseError when another worker goes on with it."""
        async with self._database.transaction(held.scope) as session:
            comparison = await hold(session, Comparison, held)
            # What came so far was no failure: the next one may be tried as often as the first.
            comparison.attempts = 1
            case = await session.get_one(ComparisonCase, case_id)
            if before is not None:
                case.before_body, case.before_ms, case.before_usd = before.body, before.milliseconds, before.usd
            case.after_body, case.after_ms, case.after_usd = after.body, after.milliseconds, after.usd
            case.outcome, case.is_wrong, case.reasons = judged.outcome, judged.is_wrong, judged.reasons
            case.before_similarity, case.after_similarity = judged.before_similarity, judged.after_similarity
            await announce(session, held.tenant_id, "comparison", comparison=held.row_id)


async def _context(session: AsyncSession, tenant_id: UUID, case: ComparisonCase) -> DraftContext:
    """The conversation as it was when the draft was made; where that is gone, the question alone."""
    draft = None if case.draft_id is None else await session.get(Draft, case.draft_id)
    if draft is not None:
        return await load_context(session, draft)
    now = await database_time(session)
    return DraftContext(
        tenant_id=tenant_id,
        ticket_id=NOBODY,
        draft_id=NOBODY,
        based_on_seq=1,
        subject="",
        department="",
        channel="rest",
        customer_id=NOBODY,
        customer_name="",
        customer_email="",
        question=case.question,
        messages=(ThreadMessage("customer", case.question, now),),
        summary="",
        earlier_tickets=(),
        instruction="",
        tone="",
    )


async def _learned_from(session: AsyncSession, ticket_id: UUID | None) -> set[UUID]:
    """What the ticket's own replies have taught: with it in sight every draft would repeat them."""
    if ticket_id is None:
        return set()
    found: set[UUID] = set()
    for row in (Example, Correction):
        found.update((await session.execute(select(row.id).where(row.ticket_id == ticket_id))).scalars())
    return found


def _since(started: float) -> float:
    return round(1000 * (time.perf_counter() - started), 2)
