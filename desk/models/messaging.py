"""What messengers need beside tickets: the parts a reply is sent in, and templates that may begin a conversation."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from advanced_alchemy.types import GUID, DateTimeUTC
from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import TenantRow, belongs_to, one_of

PART_STATES = ("pending", "sending", "sent", "failed", "uncertain")
MARKS = ("", "accepted", "sent", "delivered", "read", "failed")
"""What the other side has said of a part, by rank; `failed` comes before `delivered` or never."""


class DeliveryPart(TenantRow):
    """One message of a reply that its channel sends as several. `sending` is committed before the call, as of a
    delivery; the delivery's lease and fence are the part's."""

    __tablename__ = "delivery_parts"
    constraints = (
        UniqueConstraint("tenant_id", "delivery_id", "position", name="uq_delivery_parts_position"),
        belongs_to("deliveries", "delivery_id", name="delivery_parts"),
        one_of("state", *PART_STATES),
        one_of("mark", *MARKS),
        Index(
            "ix_delivery_parts_provider_id",
            "tenant_id",
            "provider_id",
            postgresql_where=text("provider_id IS NOT NULL"),
        ),
    )

    delivery_id: Mapped[UUID] = mapped_column(GUID())
    position: Mapped[int]
    state: Mapped[str] = mapped_column(String(12), default="pending")
    provider_id: Mapped[str | None] = mapped_column(Text, default=None)
    mark: Mapped[str] = mapped_column(String(12), default="")
    marked_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    detail: Mapped[str] = mapped_column(Text, default="")


class MessageTemplate(TenantRow):
    """A message the other side has looked at before: it may be sent when nothing else may."""

    __tablename__ = "message_templates"
    constraints = (
        UniqueConstraint("tenant_id", "connection_id", "key", name="uq_message_templates_key"),
        belongs_to("connections", "connection_id", name="message_templates"),
    )

    connection_id: Mapped[UUID] = mapped_column(GUID())
    key: Mapped[str] = mapped_column(Text)
    """The channel's own name of it."""
    name: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    category: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(Text)
    """In the other side's words; only `approved` can be sent."""
    body: Mapped[str] = mapped_column(Text)
    """With `{{name}}` where a variable goes."""
    variables: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    """`name` and `example` of each, in order."""
    hindrance: Mapped[str] = mapped_column(Text, default="")
    """Why the desk cannot fill it in; "" when it can."""


__all__ = ["MARKS", "PART_STATES", "DeliveryPart", "MessageTemplate"]
