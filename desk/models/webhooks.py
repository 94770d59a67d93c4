"""Outgoing webhooks: who listens, what happened, what is on its way to whom, and every attempt."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from advanced_alchemy.types import GUID, DateTimeUTC
from sqlalchemy import BigInteger, Identity, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.db.crypto import encrypted_text
from desk.models.base import TenantRow, Work, belongs_to, due_index, one_of

ENDPOINT_STATES = ("active", "paused", "switched_off")
WEBHOOK_DELIVERY_STATES = ("pending", "delivered", "failed")


class WebhookEndpoint(TenantRow):
    """An address of the tenant's that is told what happens."""

    __tablename__ = "webhook_endpoints"
    constraints = (
        one_of("kind", "webhook", "hook"),
        one_of("state", *ENDPOINT_STATES),
        Index("ix_webhook_endpoints_state", "tenant_id", "state"),
    )

    kind: Mapped[str] = mapped_column(String(10), default="webhook")
    """`hook`: a tool such as Zapier or n8n has subscribed it for one event."""
    url: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text, default="")
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))
    secret: Mapped[str] = mapped_column(encrypted_text())
    previous_secret: Mapped[str] = mapped_column(encrypted_text(), default="")
    previous_until: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    """Until then the secret before signs as well."""
    state: Mapped[str] = mapped_column(String(12), default="active")
    state_reason: Mapped[str] = mapped_column(Text, default="")
    """Why the desk has switched it off."""
    failures: Mapped[int] = mapped_column(default=0)
    """In a row."""
    failing_since: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    resting_until: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    """Nothing is tried before, because it failed again and again."""


class WebhookEvent(TenantRow):
    """Something that happened, written in the transaction that made it so. Its id is the webhook-id."""

    __tablename__ = "webhook_events"
    constraints = (
        belongs_to("tickets", "ticket_id", name="webhook_events"),
        Index("ix_webhook_events_created_at", "tenant_id", "created_at"),
        Index("ix_webhook_events_ticket_id", "tenant_id", "ticket_id"),
    )

    type: Mapped[str] = mapped_column(String(40))
    ticket_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    occurred_at: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True), server_default=func.now())
    position: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    """Grows with every event of one ticket: a receiver drops what is older than what it has."""
    is_test: Mapped[bool] = mapped_column(default=False)


class WebhookDelivery(TenantRow, Work):
    """One event on its way to one endpoint."""

    __tablename__ = "webhook_deliveries"
    constraints = (
        belongs_to("webhook_endpoints", "endpoint_id", name="webhook_deliveries"),
        belongs_to("webhook_events", "event_id", name="webhook_deliveries"),
        UniqueConstraint("tenant_id", "endpoint_id", "event_id", name="uq_webhook_deliveries_event_id"),
        Index("ix_webhook_deliveries_event_id", "tenant_id", "event_id"),
        one_of("state", *WEBHOOK_DELIVERY_STATES),
        due_index("webhook_deliveries"),
    )

    endpoint_id: Mapped[UUID] = mapped_column(GUID())
    event_id: Mapped[UUID] = mapped_column(GUID())
    state: Mapped[str] = mapped_column(String(10), default="pending")
    detail: Mapped[str] = mapped_column(Text, default="")
    tries: Mapped[int] = mapped_column(default=0)
    """Since it was last asked for; a person may ask for it again."""


class WebhookAttempt(TenantRow):
    """One try and what came of it. The signature is not kept."""

    __tablename__ = "webhook_attempts"
    constraints = (
        belongs_to("webhook_deliveries", "delivery_id", name="webhook_attempts"),
        Index("ix_webhook_attempts_delivery_id", "tenant_id", "delivery_id", text("created_at DESC")),
    )

    delivery_id: Mapped[UUID] = mapped_column(GUID())
    url: Mapped[str] = mapped_column(Text)
    """Without its query, which may hold a token."""
    status: Mapped[int | None] = mapped_column(default=None)
    detail: Mapped[str] = mapped_column(Text, default="")
    answer: Mapped[str] = mapped_column(Text, default="")
    """The first 1,000 characters."""
    milliseconds: Mapped[float]


__all__ = [
    "ENDPOINT_STATES",
    "WEBHOOK_DELIVERY_STATES",
    "WebhookAttempt",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
]
