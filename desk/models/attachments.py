"""Files in messages. The bytes are in the storage; a row says whose they are and what they turned out to be."""

from __future__ import annotations

from uuid import UUID

from advanced_alchemy.types import GUID
from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import TenantRow, belongs_to, one_of

ATTACHMENT_STATES = ("uploading", "ready", "refused")


class Attachment(TenantRow):
    """Of a message once that is in the thread, of a delivery from its approval on; until then only its uploader's."""

    __tablename__ = "attachments"
    constraints = (
        belongs_to("tickets", "ticket_id", name="attachments"),
        belongs_to("messages", "message_id", name="attachments"),
        belongs_to("deliveries", "delivery_id", name="attachments"),
        one_of("state", *ATTACHMENT_STATES),
        UniqueConstraint("storage_key", name="uq_attachments_storage_key"),
        Index("ix_attachments_ticket_id", "tenant_id", "ticket_id"),
        Index("ix_attachments_message_id", "tenant_id", "message_id"),
        Index("ix_attachments_delivery_id", "tenant_id", "delivery_id"),
        Index(
            "ix_attachments_loose",
            "tenant_id",
            "created_at",
            postgresql_where=text("message_id IS NULL AND delivery_id IS NULL"),
        ),
    )

    ticket_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    """Empty while a visitor has not sent the message that begins the conversation."""
    message_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    delivery_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    visitor_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    """Who is uploading in the widget; the visitor's row may come later."""
    uploaded_by_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    uploaded_by: Mapped[str] = mapped_column(Text, default="")
    name: Mapped[str] = mapped_column(Text)
    declared_type: Mapped[str] = mapped_column(Text, default="")
    """What the sender says it is; shown to people, believed by nobody."""
    media_type: Mapped[str] = mapped_column(Text, default="")
    """What its bytes say it is."""
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64), default="")
    storage_key: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(10), default="uploading")
    reason: Mapped[str] = mapped_column(Text, default="")
    """Why it was refused, for whoever sent it."""
    content_id: Mapped[str] = mapped_column(Text, default="")
    """What an inline picture is called in the message's HTML."""


__all__ = ["ATTACHMENT_STATES", "Attachment"]
