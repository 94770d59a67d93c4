"""Upkeep of the knowledge: its background jobs, gaps with what was asked and proposed, passages that disagree.

Revision 0011.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("chunks", sa.Column("is_set_aside", sa.Boolean(), server_default="false", nullable=False))
    op.create_table(
        "knowledge_jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cursor", postgresql.JSONB(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(length=None), nullable=True),
        *_row_columns(),
        sa.CheckConstraint("kind IN ('gaps', 'passages', 'rebuild')", name=op.f("ck_knowledge_jobs_kind")),
        sa.CheckConstraint("state IN ('waiting', 'done', 'failed')", name=op.f("ck_knowledge_jobs_state")),
        sa.UniqueConstraint("tenant_id", "kind", name="uq_knowledge_jobs_kind"),
        *_row_constraints("knowledge_jobs"),
    )
    op.create_index(
        "ix_knowledge_jobs_due", "knowledge_jobs", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL")
    )
    op.create_table(
        "knowledge_gaps",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        *_row_columns(),
        sa.CheckConstraint(
            "state IN ('open', 'snoozed', 'dismissed', 'answered')", name=op.f("ck_knowledge_gaps_state")
        ),
        *_row_constraints("knowledge_gaps"),
    )
    op.create_index("ix_knowledge_gaps_state", "knowledge_gaps", ["tenant_id", "state"])
    op.create_table(
        "gap_questions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("gap_id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("signals", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        *_row_columns(),
        sa.ForeignKeyConstraint(
            ["tenant_id", "gap_id"],
            ["knowledge_gaps.tenant_id", "knowledge_gaps.id"],
            name="fk_gap_questions_gap_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "ticket_id"],
            ["tickets.tenant_id", "tickets.id"],
            name="fk_gap_questions_ticket_id",
            ondelete="CASCADE",
        ),
        sa.UniqueConstraint("tenant_id", "ticket_id", "seq", name="uq_gap_questions_seq"),
        *_row_constraints("gap_questions"),
    )
    op.create_index("ix_gap_questions_asked_at", "gap_questions", ["tenant_id", "asked_at"])
    op.create_index("ix_gap_questions_gap_id", "gap_questions", ["tenant_id", "gap_id"])
    op.create_table(
        "knowledge_proposals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("gap_id", sa.Uuid(), nullable=False),
        sa.Column("form", sa.String(length=10), nullable=False),
        sa.Column("action", sa.String(length=10), nullable=False),
        sa.Column("target_kind", sa.String(length=10), nullable=False),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("target_title", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("phrasings", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("evidence", sa.Integer(), nullable=False),
        sa.Column("checks", postgresql.JSONB(), nullable=False),
        sa.Column("writer", sa.String(length=20), nullable=False),
        sa.Column("model", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result_id", sa.Uuid(), nullable=True),
        *_row_columns(),
        sa.CheckConstraint("action IN ('create', 'update', 'nothing')", name=op.f("ck_knowledge_proposals_action")),
        sa.CheckConstraint("form IN ('article', 'faq')", name=op.f("ck_knowledge_proposals_form")),
        sa.CheckConstraint(
            "state IN ('proposed', 'accepted', 'declined', 'replaced')", name=op.f("ck_knowledge_proposals_state")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "gap_id"],
            ["knowledge_gaps.tenant_id", "knowledge_gaps.id"],
            name="fk_knowledge_proposals_gap_id",
            ondelete="CASCADE",
        ),
        *_row_constraints("knowledge_proposals"),
    )
    op.create_index("ix_knowledge_proposals_gap_id", "knowledge_proposals", ["tenant_id", "gap_id"])
    op.create_table(
        "passage_pairs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=15), nullable=False),
        sa.Column("first_kind", sa.String(length=10), nullable=False),
        sa.Column("first_item", sa.Uuid(), nullable=False),
        sa.Column("first_parent", sa.Uuid(), nullable=False),
        sa.Column("first_hash", sa.String(length=32), nullable=False),
        sa.Column("second_kind", sa.String(length=10), nullable=False),
        sa.Column("second_item", sa.Uuid(), nullable=False),
        sa.Column("second_parent", sa.Uuid(), nullable=False),
        sa.Column("second_hash", sa.String(length=32), nullable=False),
        sa.Column("similarity", sa.Float(), nullable=False),
        sa.Column("differences", postgresql.JSONB(), nullable=False),
        sa.Column("decision", sa.String(length=12), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        *_row_columns(),
        sa.CheckConstraint(
            "decision IN ('open', 'kept_first', 'kept_second', 'both_right')", name=op.f("ck_passage_pairs_decision")
        ),
        sa.CheckConstraint("kind IN ('duplicate', 'contradiction')", name=op.f("ck_passage_pairs_kind")),
        sa.UniqueConstraint(
            "tenant_id", "first_parent", "first_hash", "second_parent", "second_hash", name="uq_passage_pairs_texts"
        ),
        *_row_constraints("passage_pairs"),
    )
    op.create_index("ix_passage_pairs_decision", "passage_pairs", ["tenant_id", "decision"])
    op.create_index("ix_passage_pairs_first_item", "passage_pairs", ["tenant_id", "first_item"])
    op.create_index("ix_passage_pairs_second_item", "passage_pairs", ["tenant_id", "second_item"])


def downgrade() -> None:
    op.drop_table("passage_pairs")
    op.drop_table("knowledge_proposals")
    op.drop_table("gap_questions")
    op.drop_table("knowledge_gaps")
    op.drop_table("knowledge_jobs")
    op.drop_column("chunks", "is_set_aside")


def _row_columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sa_orm_sentinel", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    )


def _row_constraints(table: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("tenant_id", "id", name=f"uq_{table}_tenant_id_id"),
    )
