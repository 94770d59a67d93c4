"""Parts of a reply, message templates, opting out, reactions, and connections that were deleted.

Revision 0016.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("connections", sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("customer_identities", sa.Column("opted_out_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("messages", sa.Column("reactions", postgresql.JSONB(), server_default="{}", nullable=False))
    op.create_table(
        "delivery_parts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=True),
        sa.Column("mark", sa.String(length=12), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        *_row_columns(),
        sa.CheckConstraint(
            "state IN ('pending', 'sending', 'sent', 'failed', 'uncertain')", name=op.f("ck_delivery_parts_state")
        ),
        sa.CheckConstraint(
            "mark IN ('', 'accepted', 'sent', 'delivered', 'read', 'failed')", name=op.f("ck_delivery_parts_mark")
        ),
        _belongs_to("delivery_parts", "deliveries", "delivery_id"),
        sa.UniqueConstraint("tenant_id", "delivery_id", "position", name="uq_delivery_parts_position"),
        *_row_constraints("delivery_parts"),
    )
    op.create_index(
        "ix_delivery_parts_provider_id",
        "delivery_parts",
        ["tenant_id", "provider_id"],
        postgresql_where=sa.text("provider_id IS NOT NULL"),
    )
    op.create_table(
        "message_templates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("variables", postgresql.JSONB(), nullable=False),
        sa.Column("hindrance", sa.Text(), nullable=False),
        *_row_columns(),
        _belongs_to("message_templates", "connections", "connection_id"),
        sa.UniqueConstraint("tenant_id", "connection_id", "key", name="uq_message_templates_key"),
        *_row_constraints("message_templates"),
    )


def downgrade() -> None:
    op.drop_table("message_templates")
    op.drop_table("delivery_parts")
    op.drop_column("messages", "reactions")
    op.drop_column("customer_identities", "opted_out_at")
    op.drop_column("connections", "removed_at")


def _belongs_to(table: str, other: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{other}.tenant_id", f"{other}.id"],
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
