"""Keeping the knowledge whole: background jobs over it, questions it did not answer, passages that disagree."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from advanced_alchemy.types import GUID, DateTimeUTC
from sqlalchemy import Index, LargeBinary, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import TenantRow, Work, belongs_to, due_index, one_of

JOB_KINDS = ("gaps", "passages", "rebuild")
GAP_STATES = ("open", "snoozed", "dismissed", "answered")
PROPOSAL_STATES = ("proposed", "accepted", "declined", "replaced")
PAIR_DECISIONS = ("open", "kept_first", "kept_second", "both_right")


class KnowledgeJob(TenantRow, Work):
    """One kind of upkeep of a tenant's knowledge: work while `due_at` is set, the memory of the last run otherwise."""

    __tablename__ = "knowledge_jobs"
    constraints = (
        one_of("kind", *JOB_KINDS),
        one_of("state", "waiting", "done", "failed"),
        UniqueConstraint("tenant_id", "kind", name="uq_knowledge_jobs_kind"),
        due_index("knowledge_jobs"),
    )

    kind: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    asked_by: Mapped[str] = mapped_column(Text, default="desk")
    asked_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    finished_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    cursor: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    """How far it came, in the kind's own shape; committed with what it stands behind."""


class KnowledgeGap(TenantRow):
    """Questions that are alike and that no source answered."""

    __tablename__ = "knowledge_gaps"
    constraints = (one_of("state", *GAP_STATES), Index("ix_knowledge_gaps_state", "tenant_id", "state"))

    title: Mapped[str] = mapped_column(Text)
    """The question nearest to the middle of them, on one line."""
    state: Mapped[str] = mapped_column(String(10), default="open")
    snoozed_until: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    decided_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    decided_by: Mapped[str] = mapped_column(Text, default="")


class GapQuestion(TenantRow):
    """A customer message that no source answered, and how that was noticed."""

    __tablename__ = "gap_questions"
    constraints = (
        belongs_to("tickets", "ticket_id", name="gap_questions"),
        belongs_to("knowledge_gaps", "gap_id", name="gap_questions"),
        UniqueConstraint("tenant_id", "ticket_id", "seq", name="uq_gap_questions_seq"),
        Index("ix_gap_questions_gap_id", "tenant_id", "gap_id"),
        Index("ix_gap_questions_asked_at", "tenant_id", "asked_at"),
    )

    gap_id: Mapped[UUID] = mapped_column(GUID())
    ticket_id: Mapped[UUID] = mapped_column(GUID())
    seq: Mapped[int]
    """Of the customer message."""
    question: Mapped[str] = mapped_column(Text)
    """Cleaned as it is searched for."""
    signals: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """failed, very_low, kept_back, handed_over, authored, rejected."""
    asked_at: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True))
    model: Mapped[str] = mapped_column(Text)
    vector: Mapped[bytes] = mapped_column(LargeBinary)


class KnowledgeProposal(TenantRow):
    """An article or FAQ made from what people replied to the questions of a gap; nothing is searched before somebody
    accepts it."""

    __tablename__ = "knowledge_proposals"
    constraints = (
        belongs_to("knowledge_gaps", "gap_id", name="knowledge_proposals"),
        one_of("form", "article", "faq"),
        one_of("action", "create", "update", "nothing"),
        one_of("state", *PROPOSAL_STATES),
        Index("ix_knowledge_proposals_gap_id", "tenant_id", "gap_id"),
    )

    gap_id: Mapped[UUID] = mapped_column(GUID())
    form: Mapped[str] = mapped_column(String(10))
    action: Mapped[str] = mapped_column(String(10))
    target_kind: Mapped[str] = mapped_column(String(10), default="")
    """document or faq: what would be updated, or says it already; empty without one."""
    target_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    target_title: Mapped[str] = mapped_column(Text, default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    """Why this action, for a person."""
    title: Mapped[str] = mapped_column(Text, default="")
    body: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str] = mapped_column(String(10), default="")
    phrasings: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    evidence: Mapped[int] = mapped_column(default=0)
    """Tickets whose replies by people it rests on."""
    checks: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    writer: Mapped[str] = mapped_column(String(20), default="")
    model: Mapped[str | None] = mapped_column(Text, default=None)
    state: Mapped[str] = mapped_column(String(10), default="proposed")
    made_by: Mapped[str] = mapped_column(Text, default="")
    decided_by: Mapped[str] = mapped_column(Text, default="")
    decided_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    result_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    """The document or FAQ it became."""


class PassagePair(TenantRow):
    """Two passages that say the same, or that disagree, and what somebody decided about them.

    Named by their texts as well as by their rows: reading a document again makes new rows of the same passages.
    """

    __tablename__ = "passage_pairs"
    constraints = (
        one_of("kind", "duplicate", "contradiction"),
        one_of("decision", *PAIR_DECISIONS),
        UniqueConstraint(
            "tenant_id", "first_parent", "first_hash", "second_parent", "second_hash", name="uq_passage_pairs_texts"
        ),
        Index("ix_passage_pairs_decision", "tenant_id", "decision"),
        Index("ix_passage_pairs_first_item", "tenant_id", "first_item"),
        Index("ix_passage_pairs_second_item", "tenant_id", "second_item"),
    )

    kind: Mapped[str] = mapped_column(String(15))
    first_kind: Mapped[str] = mapped_column(String(10))
    """document or faq."""
    first_item: Mapped[UUID] = mapped_column(GUID())
    """Chunk or FAQ."""
    first_parent: Mapped[UUID] = mapped_column(GUID())
    """Document, or the FAQ itself."""
    first_hash: Mapped[str] = mapped_column(String(32))
    second_kind: Mapped[str] = mapped_column(String(10))
    second_item: Mapped[UUID] = mapped_column(GUID())
    second_parent: Mapped[UUID] = mapped_column(GUID())
    second_hash: Mapped[str] = mapped_column(String(32))
    similarity: Mapped[float]
    """Share of the shorter passage that the other one has as well, in [0, 1]."""
    differences: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    """Kind, words and spans of what differs, in the two passages."""
    decision: Mapped[str] = mapped_column(String(12), default="open")
    decided_by: Mapped[str] = mapped_column(Text, default="")
    decided_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)


__all__ = [
    "GAP_STATES",
    "JOB_KINDS",
    "PAIR_DECISIONS",
    "PROPOSAL_STATES",
    "GapQuestion",
    "KnowledgeGap",
    "KnowledgeJob",
    "KnowledgeProposal",
    "PassagePair",
]
