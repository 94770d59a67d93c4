"""The decision record: all that a draft was decided from, as it was then, so that it can be explained and replayed."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

import msgspec

from desk.accounts.preferences import write_preferences
from desk.drafting.context import DraftContext
from desk.drafting.customer_slots import fact_phrases
from desk.drafting.faq_answer import faq_record
from desk.drafting.inputs import DraftingInputs, FinishedDraft
from desk.drafting.slots import TicketFacts
from desk.drafting.written import WrittenDraft
from desk.models import Draft, DraftSource, ModelCall
from desk.plain_text import excerpt
from desk.ports import Confidence, Evidence, Hit, ModelAttempt

LONGEST_EXCERPT = 1_500


def ticket_facts(context: DraftContext) -> TicketFacts:
    """What the desk's own writer may refill an approved answer's slots from: this customer's words and account only."""
    own_words = tuple(message.body for message in context.messages if message.author == "customer")
    return TicketFacts(
        subject=context.subject,
        body=own_words[-1] if own_words else context.question,
        customer_name=context.customer_name,
        customer_email=context.customer_email,
        known=(context.summary, *own_words[:-1]),
        account=fact_phrases(context.facts),
    )


def confidence_json(confidence: Confidence) -> dict[str, Any]:
    """The shape of `confidence` in a draft (api.md); `renormalised` says what the presentation went by."""
    return {
        "score": round(confidence.score, 1),
        "level": confidence.level,
        "calibrated": None if confidence.calibrated is None else round(confidence.calibrated, 4),
        "parts": {name: round(value, 4) for name, value in asdict(confidence.parts).items()},
        "renormalised": round(confidence.renormalised, 1),
    }


def fill_draft(draft: Draft, inputs: DraftingInputs, finished: FinishedDraft) -> None:
    """Put the finished text and its figures on the claimed row; its work is done."""
    written = finished.written
    draft.state, draft.body, draft.writer = "ready", written.body, written.writer
    draft.model, draft.language = written.model, written.language
    draft.prompt_id = inputs.prompt_id if written.writer == "llm" else None
    if written.writer == "llm":
        draft.experiment_id, draft.arm = inputs.experiment_id, inputs.arm
    draft.presentation = finished.presentation
    draft.confidence = confidence_json(finished.confidence)
    draft.intent = {"label": finished.evidence.intent.label, "certainty": round(finished.evidence.intent.certainty, 4)}
    draft.checks = [check.to_json() for check in finished.checks]
    draft.policy = finished.policy.to_json()
    draft.blind_review = finished.blind_review
    draft.timings_ms = finished.timings_ms
    draft.features = list(finished.features)
    draft.tokens_in = sum(attempt.tokens_in for attempt in written.attempts)
    draft.tokens_out = sum(attempt.tokens_out for attempt in written.attempts)
    draft.usd = sum((attempt.usd for attempt in written.attempts), start=draft.usd)
    draft.last_error = None
    draft.due_at, draft.lease_until = None, None


def draft_sources(draft: Draft, evidence: Evidence, written: WrittenDraft) -> list[DraftSource]:
    """The merged hits, and any further approved answer the text was taken from."""
    shown = list(evidence.hits)
    known = {hit.item_id for hit in shown}
    shown += [hit for hit in evidence.neighbours if hit.item_id in written.used and hit.item_id not in known]
    return [_source(draft.id, ordinal, hit, used=hit.item_id in written.used) for ordinal, hit in enumerate(shown, 1)]


def _source(draft_id: UUID, ordinal: int, hit: Hit, *, used: bool) -> DraftSource:
    return DraftSource(
        draft_id=draft_id,
        ordinal=ordinal,
        kind=hit.kind,
        item_id=hit.item_id,
        parent_id=hit.parent_id,
        title=hit.title,
        version=hit.version,
        url=hit.url,
        span_start=hit.span[0] if hit.span else None,
        span_end=hit.span[1] if hit.span else None,
        score=round(hit.score, 4),
        weighted_score=round(hit.weighted_score, 4),
        used=used,
        excerpt=excerpt(hit.text, LONGEST_EXCERPT),
    )


def model_calls(draft_id: UUID | None, attempts: tuple[ModelAttempt, ...], purpose: str = "draft") -> list[ModelCall]:
    """Ledger rows: every attempt is paid for, also the failed ones."""
    return [
        ModelCall(
            draft_id=draft_id,
            purpose=purpose,
            provider=attempt.provider,
            model=attempt.model,
            outcome=attempt.outcome,
            detail=attempt.detail[:500],
            tokens_in=attempt.tokens_in,
            tokens_out=attempt.tokens_out,
            is_estimated=attempt.estimated,
            usd=attempt.usd,
            milliseconds=attempt.milliseconds,
        )
        for attempt in attempts
    ]


def decision_record(context: DraftContext, inputs: DraftingInputs, finished: FinishedDraft) -> dict[str, Any]:
    evidence = finished.evidence
    record: dict[str, Any] = {
        "context": context,
        "preferences": write_preferences(inputs.preferences),
        "prompt": {"id": inputs.prompt_id, **asdict(inputs.prompt)},
        "prompt_as_sent": finished.turns if finished.written.writer == "llm" else None,
        # Whoever reviews drafts may read this, and who knows the thresholds can tell which ones were drawn for it.
        "rules": replace(inputs.rules, certificates=(), review_salt=""),
        "weights": evidence.weights,
        "embedding_model": evidence.embedding_model,
        "index_sequence": evidence.index_sequence,
        "hits": [_hit(hit) for hit in evidence.hits],
        "neighbours": [{"id": hit.item_id, "score": round(hit.score, 4)} for hit in evidence.neighbours],
        "reranking": evidence.reranking,
        "intent": evidence.intent,
        "confidence": confidence_json(finished.confidence),
        "presentation": finished.presentation,
        "writer": finished.written.writer,
        "model": finished.written.model,
        "used": finished.written.used,
        "faq": faq_record(finished.faq),
        "attempts": finished.written.attempts,
        "checks": [check.to_json() for check in finished.checks],
        "policy": {**finished.policy.to_json(), "escalate": finished.policy.escalate},
        "features": finished.features,
        "timings_ms": finished.timings_ms,
    }
    plain: dict[str, Any] = msgspec.to_builtins(record)
    return plain


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "kind": hit.kind,
        "id": hit.item_id,
        "title": hit.title,
        "version": hit.version,
        "span": hit.span,
        "score": round(hit.score, 4),
        "weighted_score": round(hit.weighted_score, 4),
        "dense": round(hit.dense, 4),
        "lexical": round(hit.lexical, 4),
        "relevance": None if hit.relevance is None else round(hit.relevance, 4),
        "text": hit.text,
    }
