"""Comparisons of drafts, live experiments, how often an answer was approved, and what customers' words signal.

Revision 0012.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "comparisons",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("before", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.Column("after", postgresql.JSONB(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("available", sa.Integer(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        *_row_columns(),
        *_row_constraints("comparisons"),
        sa.CheckConstraint("kind IN ('corrections', 'replies')", name=op.f("ck_comparisons_kind")),
        sa.CheckConstraint("state IN ('waiting', 'finished', 'failed')", name=op.f("ck_comparisons_state")),
    )
    op.create_index("ix_comparisons_due", "comparisons", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_table(
        "comparison_cases",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("comparison_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=True),
        sa.Column("draft_id", sa.Uuid(), nullable=True),
        sa.Column("correction_id", sa.Uuid(), nullable=True),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("avoid", sa.Text(), nullable=False),
        sa.Column("wanted", sa.Text(), nullable=False),
        sa.Column("before_body", sa.Text(), nullable=True),
        sa.Column("after_body", sa.Text(), nullable=True),
        sa.Column("outcome", sa.String(length=10), nullable=True),
        sa.Column("is_wrong", sa.Boolean(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(), nullable=False),
        sa.Column("before_similarity", sa.Float(), nullable=True),
        sa.Column("after_similarity", sa.Float(), nullable=True),
        sa.Column("before_ms", sa.Float(), nullable=False),
        sa.Column("after_ms", sa.Float(), nullable=False),
        sa.Column("before_usd", sa.Numeric(precision=14, scale=6), nullable=False),
        sa.Column("after_usd", sa.Numeric(precision=14, scale=6), nullable=False),
        *_row_columns(),
        *_row_constraints("comparison_cases"),
        _belongs_to("comparison_cases", "comparisons", "comparison_id"),
        sa.UniqueConstraint("tenant_id", "comparison_id", "ordinal", name="uq_comparison_cases_ordinal"),
        sa.CheckConstraint(
            "outcome IN ('broken', 'fixed', 'unchanged', 'closer', 'further', 'same')",
            name=op.f("ck_comparison_cases_outcome"),
        ),
    )
    op.create_table(
        "experiments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("prompt_a_id", sa.Uuid(), nullable=False),
        sa.Column("prompt_b_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("winner", sa.String(length=1), nullable=True),
        *_row_columns(),
        *_row_constraints("experiments"),
        _belongs_to("experiments", "prompt_versions", "prompt_b_id"),
        sa.CheckConstraint("state IN ('running', 'ended')", name=op.f("ck_experiments_state")),
        sa.CheckConstraint("winner IN ('a', 'b')", name=op.f("ck_experiments_winner")),
    )
    op.create_index(
        "uq_experiments_running",
        "experiments",
        ["tenant_id"],
        unique=True,
        postgresql_where=sa.text("state = 'running'"),
    )
    op.add_column("drafts", sa.Column("experiment_id", sa.Uuid(), nullable=True))
    op.add_column("drafts", sa.Column("arm", sa.String(length=1), nullable=True))
    op.create_index(
        "ix_drafts_experiment_id",
        "drafts",
        ["tenant_id", "experiment_id"],
        postgresql_where=sa.text("experiment_id IS NOT NULL"),
    )
    op.add_column("examples", sa.Column("times", sa.Integer(), server_default="1", nullable=False))
    op.add_column("examples", sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("corrections", sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("tickets", sa.Column("signals", postgresql.JSONB(), server_default="{}", nullable=False))


def downgrade() -> None:
    op.drop_column("tickets", "signals")
    op.drop_column("corrections", "looked_at")
    op.drop_column("examples", "looked_at")
    op.drop_column("examples", "times")
    op.drop_index("ix_drafts_experiment_id", table_name="drafts")
    op.drop_column("drafts", "arm")
    op.drop_column("drafts", "experiment_id")
    op.drop_table("experiments")
    op.drop_table("comparison_cases")
    op.drop_table("comparisons")


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


def _belongs_to(table: str, other: str, column: str) -> sa.Constraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column], [f"{other}.tenant_id", f"{other}.id"], name=f"fk_{table}_{column}", ondelete="CASCADE"
    )
