"""Runs that compare drafts of two states of a desk, case by case, and live experiments with two prompts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from advanced_alchemy.types import GUID, DateTimeUTC
from sqlalchemy import Index, Numeric, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import TenantRow, Work, belongs_to, due_index, one_of


class Comparison(TenantRow, Work):
    """One run: what is compared, over which cases, how far it is."""

    __tablename__ = "comparisons"
    constraints = (
        one_of("kind", "corrections", "replies"),
        one_of("state", "waiting", "finished", "failed"),
        due_index("comparisons"),
    )

    kind: Mapped[str] = mapped_column(String(12))
    """corrections: must not be repeated. replies: what was really sent, to be come close to."""
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    title: Mapped[str] = mapped_column(Text)
    """What the second state changes, in words."""
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True), default=None)
    """The first state (`desk.comparing.candidates.Candidate`); None: corrections are held against the drafts that were
    corrected."""
    after: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    asked_by: Mapped[str] = mapped_column(Text)
    available: Mapped[int] = mapped_column(default=0)
    """Cases there are; more than are compared when only a part is."""
    published_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    published_anyway_by: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Who published it although it breaks something, or before it was known whether it does."""
    finished_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    reason: Mapped[str] = mapped_column(Text, default="")
    """Why it failed."""


class ComparisonCase(TenantRow):
    """One question, drafted twice. Without an outcome it is still to be done."""

    __tablename__ = "comparison_cases"
    constraints = (
        belongs_to("comparisons", "comparison_id", name="comparison_cases"),
        UniqueConstraint("tenant_id", "comparison_id", "ordinal", name="uq_comparison_cases_ordinal"),
        one_of("outcome", "broken", "fixed", "unchanged", "closer", "further", "same"),
    )

    comparison_id: Mapped[UUID] = mapped_column(GUID())
    ordinal: Mapped[int]
    ticket_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    draft_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    """Whose conversation is read again."""
    correction_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    question: Mapped[str] = mapped_column(Text)
    avoid: Mapped[str] = mapped_column(Text, default="")
    wanted: Mapped[str] = mapped_column(Text, default="")
    """What the agent had said."""
    before_body: Mapped[str | None] = mapped_column(Text, default=None)
    """None: no draft could be made."""
    after_body: Mapped[str | None] = mapped_column(Text, default=None)
    outcome: Mapped[str | None] = mapped_column(String(10), default=None)
    is_wrong: Mapped[bool] = mapped_column(default=False)
    """The second draft says again what must not be used."""
    reasons: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    before_similarity: Mapped[float | None] = mapped_column(default=None)
    after_similarity: Mapped[float | None] = mapped_column(default=None)
    before_ms: Mapped[float] = mapped_column(default=0.0)
    after_ms: Mapped[float] = mapped_column(default=0.0)
    before_usd: Mapped[Decimal] = mapped_column(Numeric(14, 6), default=Decimal(0))
    after_usd: Mapped[Decimal] = mapped_column(Numeric(14, 6), default=Decimal(0))


class Experiment(TenantRow):
    """Two prompt versions at work at once; a ticket always gets the same one."""

    __tablename__ = "experiments"
    constraints = (
        one_of("state", "running", "ended"),
        one_of("winner", "a", "b"),
        belongs_to("prompt_versions", "prompt_b_id", name="experiments"),
        Index("uq_experiments_running", "tenant_id", unique=True, postgresql_where=text("state = 'running'")),
    )

    prompt_a_id: Mapped[UUID] = mapped_column(GUID())
    """The one that was active; may be a global one."""
    prompt_b_id: Mapped[UUID] = mapped_column(GUID())
    state: Mapped[str] = mapped_column(String(10), default="running")
    started_by: Mapped[str] = mapped_column(Text)
    ended_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    winner: Mapped[str | None] = mapped_column(String(1), default=None)


__all__ = ["Comparison", "ComparisonCase", "Experiment"]
