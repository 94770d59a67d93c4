"""Tickets that another system keeps as well, what is on its way to it, and what it knows of customers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from advanced_alchemy.types import GUID, DateTimeUTC
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import TenantRow, Work, belongs_to, due_index, may_belong_to, one_of

CHANGE_FIELDS = ("status", "priority", "department", "note")
CHANGE_STATES = ("pending", "sending", "sent", "failed", "uncertain", "superseded", "skipped")


class RemoteLink(TenantRow):
    """The ticket of another system that is the same as one of ours."""

    __tablename__ = "remote_links"
    constraints = (
        UniqueConstraint("tenant_id", "connection_id", "external_id", name="uq_remote_links_external_id"),
        belongs_to("tickets", "ticket_id", name="remote_links"),
        belongs_to("connections", "connection_id", name="remote_links"),
        Index("ix_remote_links_ticket_id", "tenant_id", "ticket_id"),
    )

    ticket_id: Mapped[UUID] = mapped_column(GUID())
    connection_id: Mapped[UUID] = mapped_column(GUID())
    external_id: Mapped[str] = mapped_column(Text)
    number: Mapped[str] = mapped_column(Text, default="")
    url: Mapped[str] = mapped_column(Text, default="")
    known: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    """By property: `there`, the other system's newest value that the desk knows, and `at`, since when."""
    gone: Mapped[str] = mapped_column(Text, default="")
    """Why it is not over there any more; empty while it is."""


class RemoteChange(TenantRow, Work):
    """The outbox of changes and notes. `sending` is committed before the channel is called, as with replies."""

    __tablename__ = "remote_changes"
    constraints = (
        belongs_to("tickets", "ticket_id", name="remote_changes"),
        belongs_to("connections", "connection_id", name="remote_changes"),
        may_belong_to("messages", "message_id", name="remote_changes"),
        one_of("field", *CHANGE_FIELDS),
        one_of("state", *CHANGE_STATES),
        Index("ix_remote_changes_ticket_id", "tenant_id", "ticket_id"),
        due_index("remote_changes"),
    )

    ticket_id: Mapped[UUID] = mapped_column(GUID())
    connection_id: Mapped[UUID] = mapped_column(GUID())
    field: Mapped[str] = mapped_column(String(12))
    value: Mapped[str] = mapped_column(Text)
    message_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    """The note."""
    state: Mapped[str] = mapped_column(String(12), default="pending")
    detail: Mapped[str] = mapped_column(Text, default="")
    decided_by: Mapped[str] = mapped_column(Text)
    decided_at: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True))


class CustomerFactSheet(TenantRow, Work):
    """What one connection's system knows of one customer, as it was when it was fetched. Due: to be fetched."""

    __tablename__ = "customer_fact_sheets"
    constraints = (
        UniqueConstraint("tenant_id", "customer_id", "connection_id", name="uq_customer_fact_sheets_customer_id"),
        belongs_to("customers", "customer_id", name="customer_fact_sheets"),
        belongs_to("connections", "connection_id", name="customer_fact_sheets"),
        due_index("customer_fact_sheets"),
    )

    customer_id: Mapped[UUID] = mapped_column(GUID())
    connection_id: Mapped[UUID] = mapped_column(GUID())
    sections: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    """`title`, `url`, `facts`: each with `label`, `value`, `url`, `slot`."""
    fetched_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    problem: Mapped[str] = mapped_column(Text, default="")
    """Why the newest try to fetch them failed; what is kept is then older."""


__all__ = ["CHANGE_FIELDS", "CHANGE_STATES", "CustomerFactSheet", "RemoteChange", "RemoteLink"]
