"""Customers, tickets and their messages, and the inbox through which everything comes in."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from advanced_alchemy.types import GUID, DateTimeUTC
from sqlalchemy import Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.db.crypto import encrypted_text
from desk.models.base import TenantRow, Work, belongs_to, due_index, may_belong_to, one_of

TICKET_STATUSES = ("open", "pending", "on_hold", "resolved", "closed")
PRIORITIES = ("low", "normal", "high", "urgent")
AUTHORS = ("customer", "agent", "note", "machine")


class Connection(TenantRow):
    """One configured channel of a tenant; `configuration` is the channel's own shape."""

    __tablename__ = "connections"
    constraints = (UniqueConstraint("public_key", name="uq_connections_public_key"),)

    channel: Mapped[str] = mapped_column(String(30))
    name: Mapped[str] = mapped_column(Text)
    configuration: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    secrets: Mapped[str] = mapped_column(encrypted_text(), default="{}")
    """JSON object of the credentials."""
    is_active: Mapped[bool] = mapped_column(default=True)
    public_key: Mapped[str | None] = mapped_column(String(40), default=None)
    """Random. Names a widget in the pages that embed it, where it is no secret; elsewhere it is the last part of the
    connection's webhook address, which only the other side is told."""
    removed_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    """Deleted by an admin: without settings and secrets, kept only because tickets came by it."""


class ConnectionWatch(TenantRow, Work):
    """How far a connection's other side has been read, and how it is. Due: to be looked at, under a lease."""

    __tablename__ = "connection_watches"
    constraints = (
        UniqueConstraint("tenant_id", "connection_id", name="uq_connection_watches_connection_id"),
        belongs_to("connections", "connection_id", name="connection_watches"),
        due_index("connection_watches"),
    )

    connection_id: Mapped[UUID] = mapped_column(GUID())
    cursor: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    """The channel's own shape; committed with the messages it stands behind."""
    seen_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    """When the other side was last read without an error."""
    failures: Mapped[int] = mapped_column(default=0)
    """In a row; `last_error` says what the newest one was."""
    error_reason: Mapped[str | None] = mapped_column(String(20), default=None)
    """Of `ChannelError`; with `sign_in` or `settings` nothing is tried until a person has changed something."""
    tried: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    """The last test mail: when it was sent, when it came back."""


class InboxEntry(TenantRow, Work):
    """What came in, as it came, before anyone was told "ok" (design section 3)."""

    __tablename__ = "inbox"
    constraints = (
        UniqueConstraint("tenant_id", "connection_id", "external_id", name="uq_inbox_external_id"),
        belongs_to("connections", "connection_id", name="inbox"),
        one_of("state", "received", "processed", "failed", "ignored"),
        due_index("inbox"),
        Index("ix_inbox_failed", "tenant_id", "connection_id", postgresql_where=text("state = 'failed'")),
        Index(
            "ix_inbox_waiting", "tenant_id", "connection_id", "order_key", postgresql_where=text("state = 'received'")
        ),
    )

    connection_id: Mapped[UUID] = mapped_column(GUID())
    external_id: Mapped[str] = mapped_column(Text)
    raw: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(12), default="received")
    order_key: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Waiting messages of one connection with the same key are read one after another, oldest first."""
    ticket_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    message_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)


class Customer(TenantRow):
    __tablename__ = "customers"
    constraints = (
        may_belong_to("customers", "merged_into_id", name="customers"),
        Index("ix_customers_merged_into_id", "tenant_id", "merged_into_id"),
    )

    name: Mapped[str] = mapped_column(Text, default="")
    email: Mapped[str | None] = mapped_column(Text, default=None)
    merged_into_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    """The customer who stands for the same person (`desk.customers.people`)."""


class CustomerIdentity(TenantRow):
    """One way a customer is known: an id in the tenant's own system, an address, a number."""

    __tablename__ = "customer_identities"
    constraints = (
        UniqueConstraint("tenant_id", "kind", "value", name="uq_customer_identities_value"),
        belongs_to("customers", "customer_id", name="customer_identities"),
        Index("ix_customer_identities_customer_id", "tenant_id", "customer_id"),
    )

    customer_id: Mapped[UUID] = mapped_column(GUID())
    kind: Mapped[str] = mapped_column(String(30))
    value: Mapped[str] = mapped_column(Text)
    opted_out_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    """When the customer told this channel to stop; nothing is sent to them there until they take it back."""


class Ticket(TenantRow):
    __tablename__ = "tickets"
    constraints = (
        UniqueConstraint("tenant_id", "number", name="uq_tickets_number"),
        belongs_to("connections", "connection_id", name="tickets", ondelete="RESTRICT"),
        belongs_to("customers", "customer_id", name="tickets"),
        one_of("status", *TICKET_STATUSES),
        one_of("priority", *PRIORITIES),
        Index("ix_tickets_queue", "tenant_id", "status", text("last_message_at DESC")),
        Index("ix_tickets_customer_id", "tenant_id", "customer_id"),
        Index("ix_tickets_quality", "tenant_id", "quality", postgresql_where=text("quality IS NOT NULL")),
    )

    number: Mapped[int]
    subject: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(12), default="open")
    priority: Mapped[str] = mapped_column(String(12), default="normal")
    channel: Mapped[str] = mapped_column(String(30))
    connection_id: Mapped[UUID] = mapped_column(GUID())
    customer_id: Mapped[UUID] = mapped_column(GUID())
    department: Mapped[str | None] = mapped_column(Text, default=None)
    assignee_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    external_id: Mapped[str | None] = mapped_column(Text, default=None)
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    is_spam: Mapped[bool] = mapped_column(default=False)
    snoozed_until: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    last_seq: Mapped[int] = mapped_column(default=0)
    """Sequence of the newest message of any kind."""
    last_inbound_seq: Mapped[int] = mapped_column(default=0)
    """Sequence of the newest message from the customer; what an approval is checked against."""
    last_message_at: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True))
    waiting_since: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    """When the oldest unanswered message came; empty once answered."""
    intent: Mapped[str | None] = mapped_column(String(60), default=None)
    level: Mapped[str | None] = mapped_column(String(10), default=None)
    """Confidence level of the current draft, for the queue."""
    escalated_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    escalation_reason: Mapped[str | None] = mapped_column(String(60), default=None)
    summary: Mapped[str] = mapped_column(Text, default="")
    """Rolling summary of what came before the last messages."""
    summary_through_seq: Mapped[int] = mapped_column(default=0)
    signals: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default="{}")
    """What the customer's words say of mood and urgency (`desk.signals`); for people and the order of work only."""
    quality: Mapped[int | None] = mapped_column(default=None)
    """How well the conversation went, 0 to 100 (`desk.quality`); for people only. None until it was finished once."""
    quality_parts: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list, server_default="[]")
    """What the score is made of: name, share, points and reason of each part."""
    is_history: Mapped[bool] = mapped_column(default=False)
    """Imported from another desk: learned from, never answered."""


class Message(TenantRow):
    __tablename__ = "messages"
    constraints = (
        UniqueConstraint("tenant_id", "ticket_id", "seq", name="uq_messages_seq"),
        UniqueConstraint("tenant_id", "ticket_id", "external_id", name="uq_messages_external_id"),
        belongs_to("tickets", "ticket_id", name="messages"),
        one_of("author", *AUTHORS),
        Index("ix_messages_external_id", "tenant_id", "external_id", postgresql_where=text("external_id IS NOT NULL")),
    )

    ticket_id: Mapped[UUID] = mapped_column(GUID())
    seq: Mapped[int]
    author: Mapped[str] = mapped_column(String(12))
    body: Mapped[str] = mapped_column(Text)
    sent_at: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True))
    external_id: Mapped[str | None] = mapped_column(Text, default=None)
    user_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    author_name: Mapped[str] = mapped_column(Text, default="")
    delivery_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    quoted: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Quoted history and signature that came with it: shown on request, never answered."""
    html: Mapped[str] = mapped_column(Text, default="", server_default="")
    """The whole message as cleaned HTML, where it came as HTML."""
    automatic: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Why a machine's message must never be answered by machine; empty for a person's."""
    reply_to: Mapped[dict[str, Any] | None] = mapped_column(JSONB, default=None)
    """Where an answer to this message goes, in its channel's own shape."""
    reactions: Mapped[dict[str, str]] = mapped_column(JSONB, default=dict, server_default="{}")
    """Signs put to it, such as a thumb: by whom, and which."""


class TicketEvent(TenantRow):
    """What happened to a ticket and why; nothing is silent (design section 1)."""

    __tablename__ = "ticket_events"
    constraints = (
        belongs_to("tickets", "ticket_id", name="ticket_events"),
        Index("ix_ticket_events_ticket_id", "tenant_id", "ticket_id", "created_at"),
    )

    ticket_id: Mapped[UUID] = mapped_column(GUID())
    kind: Mapped[str] = mapped_column(String(40))
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    actor: Mapped[str] = mapped_column(Text, default="desk")
    """The person's address, `key:<name>` for an API key, or `desk`."""


__all__ = [
    "AUTHORS",
    "PRIORITIES",
    "TICKET_STATUSES",
    "Connection",
    "ConnectionWatch",
    "Customer",
    "CustomerIdentity",
    "InboxEntry",
    "Message",
    "Ticket",
    "TicketEvent",
]
