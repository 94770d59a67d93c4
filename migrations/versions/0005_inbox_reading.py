"""Channels that are read through the inbox: how far each is read and how it is, and what an outside message brings.

Revision 0005.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_PRESENT = sa.text("external_id IS NOT NULL")


def upgrade() -> None:
    op.add_column("inbox", sa.Column("order_key", sa.Text(), nullable=False, server_default=""))
    op.drop_constraint(op.f("ck_inbox_state"), "inbox", type_="check")
    op.create_check_constraint(
        op.f("ck_inbox_state"), "inbox", "state IN ('received', 'processed', 'failed', 'ignored')"
    )
    op.create_index(
        "ix_inbox_failed", "inbox", ["tenant_id", "connection_id"], postgresql_where=sa.text("state = 'failed'")
    )
    op.create_index(
        "ix_inbox_waiting",
        "inbox",
        ["tenant_id", "connection_id", "order_key"],
        postgresql_where=sa.text("state = 'received'"),
    )
    for name in ("quoted", "html", "automatic"):
        op.add_column("messages", sa.Column(name, sa.Text(), nullable=False, server_default=""))
    op.add_column("messages", sa.Column("reply_to", postgresql.JSONB(astext_type=sa.Text()), nullable=True))
    op.create_index("ix_messages_external_id", "messages", ["tenant_id", "external_id"], postgresql_where=_PRESENT)
    op.create_index(
        "ix_deliveries_provider_id",
        "deliveries",
        ["tenant_id", "provider_id"],
        postgresql_where=sa.text("provider_id IS NOT NULL"),
    )
    op.create_table(
        "connection_watches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("cursor", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("error_reason", sa.String(length=20), nullable=True),
        sa.Column("tried", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sa_orm_sentinel", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "connection_id"],
            ["connections.tenant_id", "connections.id"],
            name="fk_connection_watches_connection_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_connection_watches_tenant", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connection_watches")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_connection_watches_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "connection_id", name="uq_connection_watches_connection_id"),
    )
    op.create_index(
        "ix_connection_watches_due",
        "connection_watches",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("connection_watches")
    op.drop_index("ix_deliveries_provider_id", "deliveries")
    op.drop_index("ix_messages_external_id", "messages")
    for name in ("reply_to", "automatic", "html", "quoted"):
        op.drop_column("messages", name)
    op.drop_index("ix_inbox_waiting", "inbox")
    op.drop_index("ix_inbox_failed", "inbox")
    op.drop_constraint(op.f("ck_inbox_state"), "inbox", type_="check")
    op.execute("UPDATE inbox SET state = 'processed' WHERE state = 'ignored'")
    op.create_check_constraint(op.f("ck_inbox_state"), "inbox", "state IN ('received', 'processed', 'failed')")
    op.drop_column("inbox", "order_key")
