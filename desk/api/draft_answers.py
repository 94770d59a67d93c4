"""Drafts, stored and tried, in the shape of the contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from desk.api.fields import Answer
from desk.drafting.context import DraftContext
from desk.drafting.inputs import FinishedDraft
from desk.drafting.record import confidence_json
from desk.models import Draft, DraftSource
from desk.ports import Hit
from desk.tickets import DraftView


class SourceAnswer(Answer):
    kind: str
    id: UUID
    parent_id: UUID
    """The document of a chunk; the item itself otherwise."""
    title: str
    version: int
    url: str | None
    span: tuple[int, int] | None
    score: float
    weighted_score: float
    used: bool
    excerpt: str


class CostAnswer(Answer):
    tokens_in: int
    tokens_out: int
    usd: str


class DraftAnswer(Answer):
    id: UUID | None
    """null for one that was only tried out."""
    ticket_id: UUID | None
    state: str
    body: str
    language: str
    based_on_seq: int
    writer: str | None
    model: str | None
    prompt_version: str | None
    confidence: dict[str, Any] | None
    intent: dict[str, Any] | None
    sources: list[SourceAnswer]
    checks: list[dict[str, Any]]
    policy: dict[str, Any] | None
    cost: CostAnswer
    timings_ms: dict[str, float]
    presentation: str | None
    instruction: str
    tone: str
    error: str | None
    created_at: datetime | None


def draft_answer(view: DraftView) -> DraftAnswer:
    draft: Draft = view.draft
    return DraftAnswer(
        id=draft.id,
        ticket_id=draft.ticket_id,
        state=draft.state,
        body=draft.body,
        language=draft.language,
        based_on_seq=draft.based_on_seq,
        writer=draft.writer,
        model=draft.model,
        prompt_version=str(draft.prompt_id) if draft.prompt_id else None,
        confidence=draft.confidence,
        intent=draft.intent,
        sources=[_source_answer(source) for source in view.sources],
        checks=list(draft.checks),
        policy=draft.policy,
        cost=CostAnswer(draft.tokens_in, draft.tokens_out, f"{draft.usd:.6f}"),
        timings_ms=draft.timings_ms,
        presentation=draft.presentation,
        instruction=draft.instruction,
        tone=draft.tone,
        error=draft.last_error,
        created_at=draft.created_at,
    )


def _source_answer(source: DraftSource) -> SourceAnswer:
    has_span = source.span_start is not None and source.span_end is not None
    return SourceAnswer(
        kind=source.kind,
        id=source.item_id,
        parent_id=source.parent_id,
        title=source.title,
        version=source.version,
        url=source.url,
        span=(source.span_start or 0, source.span_end or 0) if has_span else None,
        score=source.score,
        weighted_score=source.weighted_score,
        used=source.used,
        excerpt=source.excerpt,
    )


def tried_draft_answer(
    context: DraftContext, finished: FinishedDraft, *, prompt_id: UUID | None, ticket_id: UUID | None
) -> DraftAnswer:
    """A draft that was composed and not stored."""
    written, evidence = finished.written, finished.evidence
    attempts = written.attempts
    return DraftAnswer(
        id=None,
        ticket_id=ticket_id,
        state="ready",
        body=written.body,
        language=written.language,
        based_on_seq=context.based_on_seq,
        writer=written.writer,
        model=written.model,
        prompt_version=str(prompt_id) if prompt_id and written.writer == "llm" else None,
        confidence=confidence_json(finished.confidence),
        intent={"label": evidence.intent.label, "certainty": round(evidence.intent.certainty, 4)},
        sources=hit_answers(evidence.hits, frozenset(written.used)),
        checks=[check.to_json() for check in finished.checks],
        policy=finished.policy.to_json(),
        cost=CostAnswer(
            sum(attempt.tokens_in for attempt in attempts),
            sum(attempt.tokens_out for attempt in attempts),
            f"{sum(attempt.usd for attempt in attempts):.6f}",
        ),
        timings_ms=finished.timings_ms,
        presentation=finished.presentation,
        instruction=context.instruction,
        tone=context.tone,
        error=None,
        created_at=None,
    )


def hit_answers(hits: Sequence[Hit], used: frozenset[UUID]) -> list[SourceAnswer]:
    return [
        SourceAnswer(
            kind=hit.kind,
            id=hit.item_id,
            parent_id=hit.parent_id,
            title=hit.title,
            version=hit.version,
            url=hit.url,
            span=hit.span,
            score=round(hit.score, 4),
            weighted_score=round(hit.weighted_score, 4),
            used=hit.item_id in used,
            excerpt=hit.text,
        )
        for hit in hits
    ]
