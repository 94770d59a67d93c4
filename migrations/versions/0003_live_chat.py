"""Live conversations: chat sessions, visitors of the web widget, and a chat and a widget channel for every tenant.

Revision 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql
from uuid_utils.compat import uuid7

from desk.accounts.tenants import new_public_key
from desk.db.crypto import key_ring
from desk.models.base import GLOBAL_TENANT_ID

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_CHANNELS = (("chat", "Chat API"), ("widget", "Web widget"))


def upgrade() -> None:
    op.add_column("connections", sa.Column("public_key", sa.String(length=40), nullable=True))
    op.create_unique_constraint("uq_connections_public_key", "connections", ["public_key"])
    op.create_table(
        "visitors",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("customer_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("generation", sa.Integer(), nullable=False),
        *_row_columns(),
        _belongs("visitors", "connections", "connection_id"),
        _belongs("visitors", "customers", "customer_id"),
        *_row_constraints("visitors"),
        sa.UniqueConstraint("tenant_id", "connection_id", "user_id", name="uq_visitors_user_id"),
    )
    op.create_index("ix_visitors_customer_id", "visitors", ["tenant_id", "customer_id"], unique=False)
    op.create_table(
        "chat_sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=True),
        sa.Column("visitor_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("page_url", sa.Text(), nullable=False),
        sa.Column("page_title", sa.Text(), nullable=False),
        sa.Column("read_seq", sa.Integer(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("rating_comment", sa.Text(), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        *_row_columns(),
        _belongs("chat_sessions", "connections", "connection_id"),
        _belongs("chat_sessions", "tickets", "ticket_id"),
        _belongs("chat_sessions", "visitors", "visitor_id", ondelete="SET NULL (visitor_id)"),
        *_row_constraints("chat_sessions"),
        sa.UniqueConstraint("tenant_id", "ticket_id", name="uq_chat_sessions_ticket_id"),
    )
    op.create_index("ix_chat_sessions_visitor_id", "chat_sessions", ["tenant_id", "visitor_id"], unique=False)
    op.create_table(
        "widget_arrivals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("connection_id", sa.Uuid(), nullable=False),
        sa.Column("address_hash", sa.String(length=64), nullable=False),
        *_row_columns(),
        _belongs("widget_arrivals", "connections", "connection_id"),
        *_row_constraints("widget_arrivals"),
    )
    op.create_index(
        "ix_widget_arrivals_address",
        "widget_arrivals",
        ["tenant_id", "connection_id", "address_hash", "created_at"],
        unique=False,
    )
    _give_every_tenant_the_channels()


def downgrade() -> None:
    op.drop_table("widget_arrivals")
    op.drop_table("chat_sessions")
    op.drop_table("visitors")
    op.execute("DELETE FROM tickets WHERE channel IN ('chat', 'widget')")
    op.execute("DELETE FROM connections WHERE channel IN ('chat', 'widget')")
    op.drop_constraint("uq_connections_public_key", "connections", type_="unique")
    op.drop_column("connections", "public_key")


def _row_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sa_orm_sentinel", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
    ]


def _row_constraints(table: str) -> list[sa.Constraint]:
    return [
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("tenant_id", "id", name=f"uq_{table}_tenant_id_id"),
    ]


def _belongs(table: str, other: str, column: str, ondelete: str = "CASCADE") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{other}.tenant_id", f"{other}.id"],
        name=f"fk_{table}_{column}",
        ondelete=ondelete,
    )


def _give_every_tenant_the_channels() -> None:
    """Tenants of later versions are born with them. Without credentials yet: an admin makes the widget's secret."""
    connection = op.get_bind()
    tenants = connection.execute(sa.text("SELECT id FROM tenants WHERE id <> :own"), {"own": GLOBAL_TENANT_ID})
    for tenant_id in tenants.scalars().all():
        for channel, name in _CHANNELS:
            connection.execute(
                sa.text(
                    "INSERT INTO connections (id, tenant_id, channel, name, configuration, secrets, is_active,"
                    " public_key, created_at, updated_at)"
                    " VALUES (:id, :tenant, :channel, :name, '{}', :secrets, true, :key, now(), now())"
                ),
                {
                    "id": uuid7(),
                    "tenant": tenant_id,
                    "channel": channel,
                    "name": name,
                    "secrets": key_ring.fernet.encrypt(b"{}").decode(),
                    "key": new_public_key() if channel == "widget" else None,
                },
            )
