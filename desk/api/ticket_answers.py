"""Tickets, messages, deliveries and drafts in the shapes of the contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from desk.api.fields import Answer
from desk.drafting.context import DraftContext
from desk.drafting.inputs import FinishedDraft
from desk.drafting.record import confidence_json
from desk.models import Attachment, Customer, Delivery, Draft, DraftSource, Message, Ticket, TicketEvent
from desk.ports import Hit
from desk.tickets import DraftView, TicketLine, TicketView

SIGNALS = ("sentiment", "urgency", "reasons")


class CustomerAnswer(Answer):
    id: UUID
    name: str
    email: str | None


class TicketAnswer(Answer):
    id: UUID
    number: int
    subject: str
    status: str
    priority: str
    signals: dict[str, Any]
    """Sentiment, urgency and the reasons, as the newest message of the customer was read; no guard goes by them."""
    channel: str
    department: str | None
    assignee: UUID | None
    assignee_name: str | None
    tags: list[str]
    external_id: str | None
    customer: CustomerAnswer
    spam: bool
    history: bool
    snoozed_until: datetime | None
    waiting_since: datetime | None
    escalated_at: datetime | None
    escalation_reason: str | None
    intent: str | None
    level: str | None
    last_seq: int
    last_inbound_seq: int
    last_message_at: datetime
    created_at: datetime
    updated_at: datetime


class TicketLineAnswer(TicketAnswer):
    snippet: str
    draft_id: UUID | None
    draft_state: str | None
    draft_score: float | None
    delivery_state: str | None


class AttachmentAnswer(Answer):
    id: UUID
    name: str
    declared_type: str
    """What the sender says it is."""
    media_type: str
    """What its bytes say it is."""
    size: int
    """Bytes."""
    sha256: str
    state: str
    """ready, or refused; a visitor's may also be uploading."""
    reason: str
    """Why it was refused."""
    content_id: str
    """What an inline picture is called in the message's HTML."""
    created_at: datetime


class MessageAnswer(Answer):
    id: UUID
    seq: int
    author: str = msgspec.field(name="from")
    """customer, agent, note, or machine for a reply nobody approved."""
    body: str
    sent_at: datetime
    name: str
    external_id: str | None
    delivery_id: UUID | None
    attachments: list[AttachmentAnswer]


class DeliveryAnswer(Answer):
    id: UUID
    ticket_id: UUID
    draft_id: UUID | None
    state: str
    """pending, sending, sent, failed, uncertain, cancelled."""
    automatic: bool
    subject: str
    body: str
    recipient: dict[str, Any]
    approved_by: str
    undo_until: datetime
    sent_at: datetime | None
    attempts: int
    detail: str
    provider_id: str | None
    attachments: list[AttachmentAnswer]
    """What goes out with it, frozen when it was approved."""
    created_at: datetime


class EventAnswer(Answer):
    id: UUID
    kind: str
    actor: str
    detail: dict[str, Any]
    created_at: datetime


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


class TicketDetail(TicketAnswer):
    messages: list[MessageAnswer]
    current_draft: DraftAnswer | None
    deliveries: list[DeliveryAnswer]
    events: list[EventAnswer]
    earlier_tickets: list[EarlierTicketAnswer]


class EarlierTicketAnswer(Answer):
    id: UUID
    number: int
    subject: str
    status: str
    last_message_at: datetime


def _ticket_fields(ticket: Ticket, customer: CustomerAnswer, assignee_name: str | None) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "number": ticket.number,
        "subject": ticket.subject,
        "status": ticket.status,
        "priority": ticket.priority,
        "signals": {name: ticket.signals[name] for name in SIGNALS if name in ticket.signals},
        "channel": ticket.channel,
        "department": ticket.department,
        "assignee": ticket.assignee_id,
        "assignee_name": assignee_name,
        "tags": list(ticket.tags),
        "external_id": ticket.external_id,
        "customer": customer,
        "spam": ticket.is_spam,
        "history": ticket.is_history,
        "snoozed_until": ticket.snoozed_until,
        "waiting_since": ticket.waiting_since,
        "escalated_at": ticket.escalated_at,
        "escalation_reason": ticket.escalation_reason,
        "intent": ticket.intent,
        "level": ticket.level,
        "last_seq": ticket.last_seq,
        "last_inbound_seq": ticket.last_inbound_seq,
        "last_message_at": ticket.last_message_at,
        "created_at": ticket.created_at,
        "updated_at": ticket.updated_at,
    }


def line_answer(line: TicketLine) -> TicketLineAnswer:
    customer = CustomerAnswer(line.ticket.customer_id, line.customer_name, line.customer_email)
    return TicketLineAnswer(
        **_ticket_fields(line.ticket, customer, line.assignee_name),
        snippet=line.snippet,
        draft_id=line.draft_id,
        draft_state=line.draft_state,
        draft_score=line.draft_score,
        delivery_state=line.delivery_state,
    )


def detail_answer(view: TicketView) -> TicketDetail:
    return TicketDetail(
        **_ticket_fields(view.ticket, customer_answer(view.customer), view.assignee_name),
        messages=[message_answer(message, view.files.get(message.id, ())) for message in view.messages],
        current_draft=draft_answer(view.current_draft) if view.current_draft else None,
        deliveries=[
            delivery_answer(delivery, view.outgoing_files.get(delivery.id, ())) for delivery in view.deliveries
        ],
        events=[event_answer(event) for event in view.events],
        earlier_tickets=[
            EarlierTicketAnswer(ticket.id, ticket.number, ticket.subject, ticket.status, ticket.last_message_at)
            for ticket in view.earlier_tickets
        ],
    )


def customer_answer(customer: Customer) -> CustomerAnswer:
    return CustomerAnswer(customer.id, customer.name, customer.email)


def attachment_answer(row: Attachment) -> AttachmentAnswer:
    return AttachmentAnswer(
        id=row.id,
        name=row.name,
        declared_type=row.declared_type,
        media_type=row.media_type,
        size=row.size,
        sha256=row.sha256,
        state=row.state,
        reason=row.reason,
        content_id=row.content_id,
        created_at=row.created_at,
    )


def message_answer(message: Message, files: Sequence[Attachment] = ()) -> MessageAnswer:
    return MessageAnswer(
        id=message.id,
        seq=message.seq,
        author=message.author,
        body=message.body,
        sent_at=message.sent_at,
        name=message.author_name,
        external_id=message.external_id,
        delivery_id=message.delivery_id,
        attachments=[attachment_answer(row) for row in files],
    )


def delivery_answer(delivery: Delivery, files: Sequence[Attachment] = ()) -> DeliveryAnswer:
    return DeliveryAnswer(
        id=delivery.id,
        ticket_id=delivery.ticket_id,
        draft_id=delivery.draft_id,
        state=delivery.state,
        automatic=delivery.is_automatic,
        subject=delivery.subject,
        body=delivery.body,
        recipient=delivery.recipient,
        approved_by=delivery.approved_by,
        undo_until=delivery.undo_until,
        sent_at=delivery.sent_at,
        attempts=delivery.attempts,
        detail=delivery.detail,
        provider_id=delivery.provider_id,
        attachments=[attachment_answer(row) for row in files],
        created_at=delivery.created_at,
    )


def event_answer(event: TicketEvent) -> EventAnswer:
    return EventAnswer(event.id, event.kind, event.actor, event.detail, event.created_at)


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
