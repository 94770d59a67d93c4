"""Customers who are one person, and the addresses that prove it.

Revision 0019.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("customers", sa.Column("merged_into_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_customers_merged_into_id",
        "customers",
        "customers",
        ["tenant_id", "merged_into_id"],
        ["tenant_id", "id"],
        ondelete="SET NULL (merged_into_id)",
    )
    op.create_index("ix_customers_merged_into_id", "customers", ["tenant_id", "merged_into_id"])
    op.create_table(
        "customer_proofs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("channel", sa.String(length=30), nullable=False),
        *_row_columns(),
        sa.CheckConstraint("kind IN ('email', 'phone')", name=op.f("ck_customer_proofs_kind")),
        _of_customer("customer_proofs", "customer_id"),
        sa.UniqueConstraint("tenant_id", "customer_id", "kind", "value", name="uq_customer_proofs_value"),
        *_row_constraints("customer_proofs"),
    )
    op.create_index("ix_customer_proofs_value", "customer_proofs", ["tenant_id", "kind", "value"])
    op.create_table(
        "customer_merges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("into_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("separated_by", sa.Text(), nullable=False),
        *_row_columns(),
        sa.CheckConstraint("state IN ('merged', 'separated', 'refused')", name=op.f("ck_customer_merges_state")),
        _of_customer("customer_merges", "customer_id"),
        _of_customer("customer_merges", "into_id"),
        *_row_constraints("customer_merges"),
    )
    op.create_index("ix_customer_merges_customer_id", "customer_merges", ["tenant_id", "customer_id"])
    op.create_index("ix_customer_merges_into_id", "customer_merges", ["tenant_id", "into_id"])
    # What signed sites and opened links had proved before there was a place for it.
    op.execute(
        "INSERT INTO customer_proofs (id, tenant_id, customer_id, kind, value, channel, created_at, updated_at)"
        " SELECT DISTINCT ON (tenant_id, customer_id, lower(verified_email)) id, tenant_id, customer_id, 'email',"
        " lower(verified_email), 'widget', now(), now() FROM visitors WHERE verified_email LIKE '%@%'"
        " ORDER BY tenant_id, customer_id, lower(verified_email), id"
    )


def downgrade() -> None:
    op.drop_table("customer_merges")
    op.drop_table("customer_proofs")
    op.drop_index("ix_customers_merged_into_id", "customers")
    op.drop_constraint("fk_customers_merged_into_id", "customers")
    op.drop_column("customers", "merged_into_id")


def _of_customer(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        ["customers.tenant_id", "customers.id"],
        name=f"fk_{table}_{column}",
        ondelete="CASCADE",
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
