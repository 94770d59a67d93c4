"""Live conversations: sessions as the chat sees a ticket, visitors of the web widget, and the brake on strangers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from advanced_alchemy.types import GUID, DateTimeUTC
from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import TenantRow, Work, belongs_to, due_index, may_belong_to, one_of

NOTICE_STATES = ("waiting", "sending", "sent", "read", "failed", "uncertain", "no_connection", "no_address")


class Visitor(TenantRow):
    """Somebody who has written in the widget. Name and address are what they said, not what is known."""

    __tablename__ = "visitors"
    constraints = (
        belongs_to("connections", "connection_id", name="visitors"),
        belongs_to("customers", "customer_id", name="visitors"),
        UniqueConstraint("tenant_id", "connection_id", "user_id", name="uq_visitors_user_id"),
        Index("ix_visitors_customer_id", "tenant_id", "customer_id"),
    )

    connection_id: Mapped[UUID] = mapped_column(GUID())
    customer_id: Mapped[UUID] = mapped_column(GUID())
    user_id: Mapped[str | None] = mapped_column(Text, default=None)
    """The host site's own id, once the site's signature has proved it."""
    generation: Mapped[int] = mapped_column(default=0)
    """Raised when the visitor is identified or logs out: tokens of before are worth nothing from then on."""
    verified_email: Mapped[str] = mapped_column(Text, default="")
    """The host site has signed it, or a link sent to it was opened; empty when it is only what was said."""


class ChatSession(TenantRow):
    """A conversation as the chat sees it; its ticket is made with the first message."""

    __tablename__ = "chat_sessions"
    constraints = (
        belongs_to("connections", "connection_id", name="chat_sessions"),
        belongs_to("tickets", "ticket_id", name="chat_sessions"),
        may_belong_to("visitors", "visitor_id", name="chat_sessions"),
        may_belong_to("chat_sessions", "joined_into_id", name="chat_sessions"),
        UniqueConstraint("tenant_id", "ticket_id", name="uq_chat_sessions_ticket_id"),
        Index("ix_chat_sessions_visitor_id", "tenant_id", "visitor_id"),
    )

    connection_id: Mapped[UUID] = mapped_column(GUID())
    ticket_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    visitor_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    user_id: Mapped[str | None] = mapped_column(Text, default=None)
    """As the caller of the chat API named the person."""
    details: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    """The metadata that came with the chat."""
    page_url: Mapped[str] = mapped_column(Text, default="")
    page_title: Mapped[str] = mapped_column(Text, default="")
    read_seq: Mapped[int] = mapped_column(default=0)
    """Sequence of the newest message the visitor has seen."""
    person_seen_seq: Mapped[int] = mapped_column(default=0)
    """Sequence of the newest message that somebody has looked at in the desk."""
    person_seen_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    """When somebody in the desk last had this conversation open."""
    edition: Mapped[int] = mapped_column(default=0)
    """Raised when merging or splitting numbers the messages anew: a reader of an older one starts over."""
    joined_into_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    """The conversation this one was merged into."""
    rating: Mapped[int | None] = mapped_column(default=None)
    """1 to 5."""
    rating_comment: Mapped[str] = mapped_column(Text, default="")
    closed_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)


class ReplyNotice(TenantRow, Work):
    """A reply that the visitor has not read in the widget yet. When it is due the visitor is told by e-mail."""

    __tablename__ = "reply_notices"
    constraints = (
        belongs_to("chat_sessions", "session_id", name="reply_notices"),
        one_of("state", *NOTICE_STATES),
        Index(
            "uq_reply_notices_waiting",
            "tenant_id",
            "session_id",
            unique=True,
            postgresql_where=text("state = 'waiting'"),
        ),
        due_index("reply_notices"),
    )

    session_id: Mapped[UUID] = mapped_column(GUID())
    seq: Mapped[int]
    """Of the newest reply it speaks of."""
    state: Mapped[str] = mapped_column(String(16), default="waiting")
    address: Mapped[str] = mapped_column(Text, default="")
    """Frozen when it is sent, as subject and body are."""
    subject: Mapped[str] = mapped_column(Text, default="")
    body: Mapped[str] = mapped_column(Text, default="")
    detail: Mapped[str] = mapped_column(Text, default="")


class WidgetArrival(TenantRow):
    """One message from one address, for the limit per address; kept for an hour."""

    __tablename__ = "widget_arrivals"
    constraints = (
        belongs_to("connections", "connection_id", name="widget_arrivals"),
        Index("ix_widget_arrivals_address", "tenant_id", "connection_id", "address_hash", "created_at"),
    )

    connection_id: Mapped[UUID] = mapped_column(GUID())
    address_hash: Mapped[str] = mapped_column(String(64))
    """A keyed hash: the address itself is not kept."""


__all__ = ["NOTICE_STATES", "ChatSession", "ReplyNotice", "Visitor", "WidgetArrival"]
