"""Tickets that another system keeps as well, changes on their way to it, and what it knows of customers.

Revision 0015.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "remote_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("known", postgresql.JSONB(), nullable=False),
        sa.Column("gone", sa.Text(), nullable=False),
        *_row_columns(),
        _belongs_to("remote_links", "tickets", "ticket_id"),
        _belongs_to("remote_links", "connections", "connection_id"),
        sa.UniqueConstraint("tenant_id", "connection_id", "external_id", name="uq_remote_links_external_id"),
        *_row_constraints("remote_links"),
    )
    op.create_index("ix_remote_links_ticket_id", "remote_links", ["tenant_id", "ticket_id"])
    op.create_table(
        "remote_changes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("field", sa.String(length=12), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        *_work_columns(),
        *_row_columns(),
        sa.CheckConstraint(
            "field IN ('status', 'priority', 'department', 'note')", name=op.f("ck_remote_changes_field")
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'sent', 'failed', 'uncertain', 'superseded', 'skipped')",
            name=op.f("ck_remote_changes_state"),
        ),
        _belongs_to("remote_changes", "tickets", "ticket_id"),
        _belongs_to("remote_changes", "connections", "connection_id"),
        _belongs_to("remote_changes", "messages", "message_id", "SET NULL (message_id)"),
        *_row_constraints("remote_changes"),
    )
    op.create_index("ix_remote_changes_ticket_id", "remote_changes", ["tenant_id", "ticket_id"])
    op.create_table(
        "customer_fact_sheets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("sections", postgresql.JSONB(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=False),
        *_work_columns(),
        *_row_columns(),
        _belongs_to("customer_fact_sheets", "customers", "customer_id"),
        _belongs_to("customer_fact_sheets", "connections", "connection_id"),
        sa.UniqueConstraint("tenant_id", "customer_id", "connection_id", name="uq_customer_fact_sheets_customer_id"),
        *_row_constraints("customer_fact_sheets"),
    )
    for table in ("remote_changes", "customer_fact_sheets"):
        op.create_index(f"ix_{table}_due", table, ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))


def downgrade() -> None:
    op.drop_table("customer_fact_sheets")
    op.drop_table("remote_changes")
    op.drop_table("remote_links")


def _belongs_to(table: str, other: str, column: str, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{other}.tenant_id", f"{other}.id"],
        name=f"fk_{table}_{column}",
        ondelete=ondelete,
    )


def _work_columns() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
    )


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
