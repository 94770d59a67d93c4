"""`draft_reply`: from a claimed request to a saved draft with its whole decision (design section 3, step 4).

Three short transactions with nothing open in between: read the context, write and check, save. The save holds only
while the lease is ours and no newer message has come.
"""

from __future__ import annotations

import time
from dataclasses import replace
from uuid import UUID

import structlog

from desk import events
from desk.chat.handover import tell_who_waits
from desk.comparing.experiments import prompt_for
from desk.conversation import LIVE_CHANNELS, hold_with_ticket
from desk.db.leases import Claim, LostLeaseError, due_in, finish
from desk.db.unit_of_work import Database, announce
from desk.drafting.checks import Check, run_checks
from desk.drafting.context import DraftContext, load_context, read_thread
from desk.drafting.customer_slots import fact_lines, fill_slots
from desk.drafting.faq_answer import faq_confidence, may_answer, was_said, with_faq, write_from_faq, writes_itself
from desk.drafting.inputs import DraftingInputs, FinishedDraft
from desk.drafting.local_writer import write_locally
from desk.drafting.model_writer import write_with_model
from desk.drafting.prompt_text import render_turns
from desk.drafting.prompts import text_of
from desk.drafting.record import model_calls, ticket_facts
from desk.drafting.saving import save_finished
from desk.drafting.signature import with_signature
from desk.drafting.summary import renew_summary
from desk.drafting.written import WrittenDraft
from desk.errors import ModelUnavailableError, NoEvidenceError
from desk.models import Draft
from desk.policy.certification import drawn_for_review
from desk.policy.decide import decide
from desk.policy.presentation import Presentation, presentation_of
from desk.policy.rules import rules_and_preferences
from desk.ports import (
    Calibration,
    ChatModel,
    ChatModels,
    ChatTurn,
    Confidence,
    Evidence,
    FaqLane,
    FaqMatch,
    ModelAttempt,
    Question,
    Retriever,
)

MOST_ATTEMPTS = 3
RETRY_SECONDS = 20.0
NO_EVIDENCE = "nothing in the knowledge base or among the approved answers fits this question"
"""What a failed draft says that failed for want of knowledge, and for nothing else."""
_log = structlog.get_logger(__name__)


class DraftingDesk:
    """Writes drafts: for the queue, and for the playground without storing anything."""

    def __init__(
        self,
        database: Database,
        retriever: Retriever,
        faqs: FaqLane,
        models: ChatModels,
        calibration: Calibration,
    ) -> None:
        self._database = database
        self._retriever = retriever
        self._faqs = faqs
        self._models = models
        self._calibration = calibration

    def without_models(self) -> DraftingDesk:
        """The same desk writing by itself, whatever models are configured: at once, and the same every time."""
        return self.variant(self._retriever, _NoModels())

    def with_only(self, model: ChatModel) -> DraftingDesk:
        """The same desk with this model alone."""
        return self.variant(self._retriever, _OneModel(model))

    def variant(self, retriever: Retriever, models: ChatModels | None = None) -> DraftingDesk:
        """The same desk over other evidence, and with other models if given."""
        return DraftingDesk(self._database, retriever, self._faqs, models or self._models, self._calibration)

    async def work(self, held: Claim) -> None:
        """One claimed request, to a ready draft, a visible failure, or a later try."""
        prepared = await self._prepare(held)
        if prepared is None:
            return
        context, inputs = prepared
        try:
            finished = await self.compose(context, inputs)
        except ModelUnavailableError as error:
            await self._record_failure(held, error.detail, error.attempts)
            return
        except NoEvidenceError as error:
            await self._record_failure(held, error.detail, ())
            return
        await self._save(held, context, inputs, finished)

    async def _prepare(self, held: Claim) -> tuple[DraftContext, DraftingInputs] | None:
        async with self._database.transaction(held.scope) as session:
            draft, ticket = await hold_with_ticket(session, Draft, held)
            if draft.state != "writing":
                finish(draft)
                return None
            thread = await read_thread(session, ticket)
            renew_summary(ticket, thread)
            context = await load_context(session, draft, thread)
            prompt, experiment_id, arm = await prompt_for(session, ticket.id)
            rules, preferences = await rules_and_preferences(session, ticket.channel, ticket.id)
            inputs = DraftingInputs(
                preferences=preferences,
                prompt=text_of(prompt),
                prompt_id=prompt.id,
                rules=rules,
                experiment_id=experiment_id,
                arm=arm,
            )
        return context, inputs

    async def compose(
        self, context: DraftContext, inputs: DraftingInputs, faq: FaqMatch | None = None
    ) -> FinishedDraft:
        """Retrieve, write, check, score and decide; stores nothing. Raises ModelUnavailableError.

        `faq`: as `matching_faq` has found it already.
        """
        started = time.perf_counter()
        evidence = await self._retriever.gather(
            Question(
                tenant_id=context.tenant_id,
                subject=context.subject,
                text=context.question,
                weights=inputs.preferences.weights,
                confidence=inputs.preferences.confidence,
                intent=context.intent,
            )
        )
        faq = faq or await self.matching_faq(context, evidence.index_sequence)
        if faq is not None:
            evidence = with_faq(evidence, faq)
        retrieved = time.perf_counter()
        turns = render_turns(inputs.prompt, context, evidence.hits, context.tone or inputs.preferences.tone)
        model = await self._models.for_tenant(context.tenant_id)
        answering = faq if faq is not None and writes_itself(faq, evidence, has_model=model is not None) else None
        if answering is not None:
            written = write_from_faq(answering)
        else:
            written = await self._write(model, context, inputs, evidence, turns)
        written = replace(written, body=fill_slots(written.body, context.facts))
        wrote = time.perf_counter()
        confidence, features = await self._score(context, inputs, evidence, written, answering)
        checks = self._check(written, context, inputs, evidence)
        presentation = presentation_of(confidence, inputs.preferences.confidence)
        failed_check = any(not check.passed for check in checks)
        drawn = drawn_for_review(
            str(context.draft_id), inputs.preferences.certification.review_share, inputs.rules.review_salt
        )
        policy = decide(
            body=written.body,
            customer_words=context.question,
            intent=evidence.intent.label,
            confidence=confidence,
            presentation=presentation,
            checks=checks,
            channel=context.channel,
            rules=inputs.rules,
            escalation=inputs.preferences.escalation,
            wants_person=written.wants_person,
            faq_certain=None if answering is None else answering.certain,
            blind_review=drawn,
        )
        is_asked_for = bool(context.instruction or context.tone)
        timings = {
            **evidence.timings_ms,
            "retrieve": round(1000 * (retrieved - started), 2),
            "write": round(1000 * (wrote - retrieved), 2),
            "total": round(1000 * (time.perf_counter() - started), 2),
        }
        shown: Presentation = "notes" if failed_check else presentation
        blind_review = drawn if policy.could_be_sent and not is_asked_for else None
        return FinishedDraft(
            written, evidence, confidence, shown, checks, policy, turns, features, timings, faq, blind_review
        )

    async def matching_faq(self, context: DraftContext, reached: int) -> FaqMatch | None:
        """The published FAQ that the question asks for; `reached`: a point of the index log it must know."""
        if not may_answer(context):
            return None
        match = await self._faqs.answer_for(context.tenant_id, context.subject, context.question, reached=reached)
        return None if match is None or was_said(match, context) else match

    async def _score(
        self,
        context: DraftContext,
        inputs: DraftingInputs,
        evidence: Evidence,
        written: WrittenDraft,
        answering: FaqMatch | None,
    ) -> tuple[Confidence, tuple[float, ...]]:
        """The confidence and the features of the calibration, which speaks of written drafts, not of FAQs."""
        if answering is not None:
            return faq_confidence(evidence.confidence, answering, inputs.preferences.confidence), ()
        features = self._calibration.features(evidence, written.body, written.writer)
        calibrated = await self._calibration.probability(context.tenant_id, features)
        return replace(evidence.confidence, calibrated=calibrated), features

    async def _write(
        self,
        model: ChatModel | None,
        context: DraftContext,
        inputs: DraftingInputs,
        evidence: Evidence,
        turns: tuple[ChatTurn, ...],
    ) -> WrittenDraft:
        if model is not None:
            return await write_with_model(
                model,
                context,
                turns,
                evidence.hits,
                temperature=inputs.prompt.temperature,
                max_tokens=inputs.prompt.max_tokens,
            )
        written = write_locally(ticket_facts(context), evidence)
        if written is None:
            raise NoEvidenceError(NO_EVIDENCE)
        return replace(written, body=with_signature(written.body, inputs.preferences.signature))

    def _check(
        self, written: WrittenDraft, context: DraftContext, inputs: DraftingInputs, evidence: Evidence
    ) -> tuple[Check, ...]:
        hits = [hit for hit in (*evidence.hits, *evidence.neighbours) if hit.item_id in set(written.used)]
        record = [message.body for message in context.messages] + [context.customer_name, context.customer_email]
        record += context.pictures
        record += fact_lines(context.facts)
        others = {hit.customer_name for hit in hits if hit.customer_name} - {context.customer_name}
        used = {hit.item_id for hit in hits}
        return run_checks(
            written.body,
            sources=[hit.text for hit in hits],
            record=(*record, inputs.preferences.signature),
            customer_words=context.question,
            allowed_hosts=inputs.preferences.allowed_links,
            languages=(written.language, evidence.language),
            told_to_one=[hit.text for hit in hits if hit.kind in {"example", "correction"}],
            told_to_many=[
                hit.text for hit in evidence.neighbours if hit.item_id not in used and hit.customer_name not in others
            ],
            other_people=sorted(others),
        )

    async def _save(self, held: Claim, context: DraftContext, inputs: DraftingInputs, finished: FinishedDraft) -> None:
        try:
            async with self._database.transaction(held.scope, gathered=True) as session:
                draft, ticket = await hold_with_ticket(session, Draft, held)
                if draft.state != "writing" or draft.based_on_seq != ticket.last_inbound_seq:
                    return
                await save_finished(session, draft, ticket, context, inputs, finished)
                await announce(session, ticket.tenant_id, "draft", ticket=ticket.id, draft=draft.id)
        except LostLeaseError:
            _log.info("draft_dropped", draft=str(held.row_id), reason="the lease was taken over")

    async def _record_failure(self, held: Claim, reason: str, attempts: tuple[ModelAttempt, ...]) -> None:
        """Try again soon when a model may come back; after that say plainly that there is no draft."""
        try:
            async with self._database.transaction(held.scope) as session:
                draft, ticket = await hold_with_ticket(session, Draft, held)
                session.add_all(model_calls(draft.id, attempts))
                draft.last_error = reason
                if attempts and draft.attempts < MOST_ATTEMPTS:
                    await due_in(session, draft, RETRY_SECONDS * draft.attempts)
                else:
                    draft.state = "failed"
                    draft.policy = {"decision": "notes", "reasons": ["draft_failed"], "certificate": None}
                    finish(draft)
                    ticket.level = "very_low"
                    if ticket.channel in LIVE_CHANNELS:
                        await tell_who_waits(session, ticket, "draft_failed")
                events.record(session, ticket.id, "draft_failed", reason=reason, final=draft.state == "failed")
                await announce(session, ticket.tenant_id, "draft", ticket=ticket.id, draft=draft.id)
        except LostLeaseError:
            _log.info("draft_dropped", draft=str(held.row_id), reason="the lease was taken over")


class _OneModel:
    """Fulfils `desk.ports.ChatModels`; whoever built the model closes it."""

    def __init__(self, model: ChatModel) -> None:
        self._model = model

    async def for_tenant(self, tenant_id: UUID) -> ChatModel | None:
        del tenant_id
        return self._model

    async def close(self) -> None:
        """Nothing of its own is open."""


class _NoModels:
    """Fulfils `desk.ports.ChatModels` for a desk that writes by itself."""

    async def for_tenant(self, tenant_id: UUID) -> ChatModel | None:
        del tenant_id

    async def close(self) -> None:
        """Nothing is open."""
