"""What a tenant's tickets are told apart into, and the tickets whose intent a person set."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from advanced_alchemy.types import GUID
from sqlalchemy import LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import TenantRow, belongs_to


class Intent(TenantRow):
    """One of the tenant's own intents. A tenant without any uses the default ones."""

    __tablename__ = "intents"
    constraints = (UniqueConstraint("tenant_id", "label", name="uq_intents_label"),)

    label: Mapped[str] = mapped_column(String(60))
    """Stays when the intent is renamed: tickets, topics and labels carry it."""
    title: Mapped[str] = mapped_column(Text)
    keywords: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    """Word or phrase to weight above 0."""
    examples: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    base_certainty: Mapped[float]
    needs_tenant_knowledge: Mapped[bool] = mapped_column(default=False)
    position: Mapped[int] = mapped_column(default=0)


class IntentLabel(TenantRow):
    """What a person said a ticket is about; `other` for none of the intents. The classifier learns from it."""

    __tablename__ = "intent_labels"
    constraints = (
        UniqueConstraint("tenant_id", "ticket_id", name="uq_intent_labels_ticket_id"),
        belongs_to("tickets", "ticket_id", name="intent_labels"),
    )

    ticket_id: Mapped[UUID] = mapped_column(GUID())
    label: Mapped[str] = mapped_column(String(60))
    question: Mapped[str] = mapped_column(Text)
    """What was asked, cleaned as it is searched for."""
    labelled_by: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    """Whose vector it is; another embedding model makes it anew."""
    vector: Mapped[bytes] = mapped_column(LargeBinary)


__all__ = ["Intent", "IntentLabel"]
