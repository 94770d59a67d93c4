"""Tickets, messages and deliveries in the shapes of the contract."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from desk.api.draft_answers import DraftAnswer, draft_answer
from desk.api.fields import Answer
from desk.models import Attachment, Customer, Delivery, Message, Ticket, TicketEvent
from desk.tickets import TicketLine, TicketView

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
    quality: int | None
    """How well the conversation went, 0 to 100, once it was finished; no guard goes by it."""
    quality_parts: list[dict[str, Any]]
    """What it is made of: `name`, `share` (0 to 1) of its `points`, and the `reason`."""
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
        "quality": ticket.quality,
        "quality_parts": list(ticket.quality_parts),
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
