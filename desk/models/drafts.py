"""Drafts with everything their decision used, the reviews of them, and the outbox."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from advanced_alchemy.types import GUID, DateTimeUTC
from sqlalchemy import Index, Numeric, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import TenantRow, Work, belongs_to, due_index, may_belong_to, one_of

DRAFT_STATES = ("writing", "ready", "approved", "rejected", "superseded", "stale", "sent", "failed")
DELIVERY_STATES = ("pending", "sending", "sent", "failed", "uncertain", "cancelled")


class Draft(TenantRow, Work):
    """One proposed reply. In state `writing` it is also the work of writing it, under a lease."""

    __tablename__ = "drafts"
    constraints = (
        belongs_to("tickets", "ticket_id", name="drafts"),
        one_of("state", *DRAFT_STATES),
        Index("ix_drafts_ticket_id", "tenant_id", "ticket_id"),
        Index(
            "uq_drafts_current",
            "tenant_id",
            "ticket_id",
            unique=True,
            postgresql_where=text("state IN ('writing', 'ready')"),
        ),
        Index(
            "ix_drafts_experiment_id", "tenant_id", "experiment_id", postgresql_where=text("experiment_id IS NOT NULL")
        ),
        due_index("drafts"),
    )

    ticket_id: Mapped[UUID] = mapped_column(GUID())
    state: Mapped[str] = mapped_column(String(12), default="writing")
    based_on_seq: Mapped[int]
    """Sequence of the newest customer message the draft answers."""
    instruction: Mapped[str] = mapped_column(Text, default="")
    tone: Mapped[str] = mapped_column(Text, default="")
    body: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str] = mapped_column(String(10), default="")
    writer: Mapped[str | None] = mapped_column(String(20), default=None)
    model: Mapped[str | None] = mapped_column(Text, default=None)
    prompt_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    presentation: Mapped[str | None] = mapped_column(String(12), default=None)
    """prefilled, banner, collapsed or notes: what the agent sees (design section 5)."""
    confidence: Mapped[dict[str, Any] | None] = mapped_column(JSONB, default=None)
    intent: Mapped[dict[str, Any] | None] = mapped_column(JSONB, default=None)
    checks: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    policy: Mapped[dict[str, Any] | None] = mapped_column(JSONB, default=None)
    timings_ms: Mapped[dict[str, float]] = mapped_column(JSONB, default=dict)
    features: Mapped[list[float] | None] = mapped_column(JSONB, default=None)
    """What the calibrated probability is computed from (`learning.calibration`)."""
    blind_review: Mapped[bool | None] = mapped_column(default=None)
    """Whether it was drawn for blind review; None when a guard keeps drafts like it from ever going out."""
    tokens_in: Mapped[int] = mapped_column(default=0)
    tokens_out: Mapped[int] = mapped_column(default=0)
    usd: Mapped[Decimal] = mapped_column(Numeric(14, 6), default=Decimal(0))
    experiment_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    arm: Mapped[str | None] = mapped_column(String(1), default=None)
    """Which of the experiment's two prompts wrote it: a or b."""


class DraftSource(TenantRow):
    """A citation: what was found, as it was then, and whether the draft used it."""

    __tablename__ = "draft_sources"
    constraints = (
        UniqueConstraint("tenant_id", "draft_id", "ordinal", name="uq_draft_sources_ordinal"),
        belongs_to("drafts", "draft_id", name="draft_sources"),
        Index("ix_draft_sources_faq", "tenant_id", "item_id", postgresql_where=text("kind = 'faq' AND used")),
    )

    draft_id: Mapped[UUID] = mapped_column(GUID())
    ordinal: Mapped[int]
    kind: Mapped[str] = mapped_column(String(12))
    item_id: Mapped[UUID] = mapped_column(GUID())
    parent_id: Mapped[UUID] = mapped_column(GUID())
    title: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(default=1)
    url: Mapped[str | None] = mapped_column(Text, default=None)
    span_start: Mapped[int | None] = mapped_column(default=None)
    span_end: Mapped[int | None] = mapped_column(default=None)
    score: Mapped[float]
    weighted_score: Mapped[float]
    used: Mapped[bool]
    excerpt: Mapped[str] = mapped_column(Text)


class Decision(TenantRow):
    """The whole record of one draft's decision: all that it used, so that it can be explained and replayed."""

    __tablename__ = "decisions"
    constraints = (
        UniqueConstraint("tenant_id", "draft_id", name="uq_decisions_draft_id"),
        belongs_to("drafts", "draft_id", name="decisions"),
    )

    draft_id: Mapped[UUID] = mapped_column(GUID())
    record: Mapped[dict[str, Any]] = mapped_column(JSONB)


class ModelCall(TenantRow):
    """The ledger of language-model calls, one row an attempt; content is not kept."""

    __tablename__ = "model_calls"
    constraints = (Index("ix_model_calls_created_at", "tenant_id", "created_at"),)

    draft_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    purpose: Mapped[str] = mapped_column(String(20))
    provider: Mapped[str] = mapped_column(Text)
    model: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(String(20))
    detail: Mapped[str] = mapped_column(Text, default="")
    tokens_in: Mapped[int] = mapped_column(default=0)
    tokens_out: Mapped[int] = mapped_column(default=0)
    is_estimated: Mapped[bool] = mapped_column(default=False)
    usd: Mapped[Decimal] = mapped_column(Numeric(14, 6), default=Decimal(0))
    milliseconds: Mapped[float] = mapped_column(default=0.0)


class Review(TenantRow, Work):
    """What an agent did with a draft, and what is learned from it once the undo window has closed."""

    __tablename__ = "reviews"
    constraints = (
        belongs_to("tickets", "ticket_id", name="reviews"),
        one_of("action", "approved", "edited", "rejected", "authored"),
        one_of("state", "waiting", "learned", "cancelled"),
        Index(
            "uq_reviews_draft_id",
            "tenant_id",
            "draft_id",
            unique=True,
            postgresql_where=text("draft_id IS NOT NULL AND state <> 'cancelled'"),
        ),
        due_index("reviews"),
    )

    ticket_id: Mapped[UUID] = mapped_column(GUID())
    draft_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    delivery_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    action: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    reviewer: Mapped[str] = mapped_column(Text)
    question: Mapped[str] = mapped_column(Text)
    draft_body: Mapped[str] = mapped_column(Text, default="")
    sent_body: Mapped[str] = mapped_column(Text, default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    similarity: Mapped[float | None] = mapped_column(default=None)
    meaning_changed: Mapped[bool] = mapped_column(default=False)
    changes: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    learns: Mapped[str] = mapped_column(String(12), default="none")
    """example, correction or none."""
    notes: Mapped[str] = mapped_column(Text, default="")
    document_ids: Mapped[list[UUID]] = mapped_column(ARRAY(GUID()), default=list)


class Delivery(TenantRow, Work):
    """The outbox. `sending` is committed before the channel is called, so an unknown outcome is never resent."""

    __tablename__ = "deliveries"
    constraints = (
        belongs_to("tickets", "ticket_id", name="deliveries"),
        belongs_to("connections", "connection_id", name="deliveries", ondelete="RESTRICT"),
        one_of("state", *DELIVERY_STATES),
        Index(
            "uq_deliveries_draft_id",
            "tenant_id",
            "draft_id",
            unique=True,
            postgresql_where=text("draft_id IS NOT NULL AND state <> 'cancelled'"),
        ),
        Index(
            "uq_deliveries_automatic",
            "tenant_id",
            "ticket_id",
            "inbound_seq",
            unique=True,
            postgresql_where=text("is_automatic"),
        ),
        Index("ix_deliveries_ticket_id", "tenant_id", "ticket_id"),
        Index(
            "ix_deliveries_by_machine",
            "tenant_id",
            "created_at",
            "connection_id",
            postgresql_where=text("is_automatic AND state <> 'cancelled'"),
        ),
        Index(
            "ix_deliveries_provider_id", "tenant_id", "provider_id", postgresql_where=text("provider_id IS NOT NULL")
        ),
        may_belong_to("certificates", "certificate_id", name="deliveries"),
        one_of("judgement", "asked", "good", "wrong"),
        Index("ix_deliveries_certificate_id", "tenant_id", "certificate_id"),
        Index("ix_deliveries_asked", "tenant_id", "id", postgresql_where=text("judgement = 'asked'")),
        due_index("deliveries"),
    )

    ticket_id: Mapped[UUID] = mapped_column(GUID())
    connection_id: Mapped[UUID] = mapped_column(GUID())
    draft_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    inbound_seq: Mapped[int]
    """The customer message this answers."""
    is_automatic: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(String(12), default="pending")
    subject: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    recipient: Mapped[dict[str, Any]] = mapped_column(JSONB)
    approved_by: Mapped[str] = mapped_column(Text)
    approved_by_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    undo_until: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True))
    resolve_ticket: Mapped[bool] = mapped_column(default=False)
    provider_id: Mapped[str | None] = mapped_column(Text, default=None)
    detail: Mapped[str] = mapped_column(Text, default="")
    sent_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    certificate_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    """Under which it was sent without a person."""
    judgement: Mapped[str | None] = mapped_column(String(10), default=None)
    """What a person says of a reply that went out by itself: `asked` until somebody has looked, then good or wrong."""


__all__ = [
    "DELIVERY_STATES",
    "DRAFT_STATES",
    "Decision",
    "Delivery",
    "Draft",
    "DraftSource",
    "ModelCall",
    "Review",
]
