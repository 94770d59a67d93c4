"""What a live conversation needs to be told by e-mail, to be joined with another, and to know who has seen what.

Revision 0004.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("visitors", sa.Column("verified_email", sa.Text(), nullable=False, server_default=""))
    op.alter_column("visitors", "verified_email", server_default=None)
    for name in ("person_seen_seq", "edition"):
        op.add_column("chat_sessions", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
        op.alter_column("chat_sessions", name, server_default=None)
    op.add_column("chat_sessions", sa.Column("person_seen_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("chat_sessions", sa.Column("joined_into_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_chat_sessions_joined_into_id",
        "chat_sessions",
        "chat_sessions",
        ["tenant_id", "joined_into_id"],
        ["tenant_id", "id"],
        ondelete="SET NULL (joined_into_id)",
    )
    op.create_table(
        "reply_notices",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("session_id", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sa_orm_sentinel", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'read', 'failed', 'uncertain', 'no_connection', 'no_address')",
            name=op.f("ck_reply_notices_state"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "session_id"],
            ["chat_sessions.tenant_id", "chat_sessions.id"],
            name="fk_reply_notices_session_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_reply_notices_tenant", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reply_notices")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_reply_notices_tenant_id_id"),
    )
    op.create_index(
        "uq_reply_notices_waiting",
        "reply_notices",
        ["tenant_id", "session_id"],
        unique=True,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_reply_notices_due", "reply_notices", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))


def downgrade() -> None:
    op.drop_table("reply_notices")
    op.drop_constraint("fk_chat_sessions_joined_into_id", "chat_sessions", type_="foreignkey")
    for name in ("joined_into_id", "person_seen_at", "edition", "person_seen_seq"):
        op.drop_column("chat_sessions", name)
    op.drop_column("visitors", "verified_email")
