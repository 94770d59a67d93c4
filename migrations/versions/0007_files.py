"""Originals of documents may lie in the storage; files of messages get their table.

Revision 0007.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Originals that are in the database stay there and stay readable; new ones go to the storage."""
    op.add_column("document_versions", sa.Column("storage_key", sa.Text(), nullable=True))
    op.add_column("document_versions", sa.Column("size", sa.BigInteger(), server_default="0", nullable=False))
    op.execute("UPDATE document_versions SET size = octet_length(raw)")
    op.alter_column("document_versions", "raw", existing_type=sa.LargeBinary(), nullable=True)
    op.create_unique_constraint("uq_document_versions_storage_key", "document_versions", ["storage_key"])
    op.create_table(
        "attachments",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(), nullable=True),
        sa.Column("message_id", sa.Uuid(), nullable=True),
        sa.Column("delivery_id", sa.Uuid(), nullable=True),
        sa.Column("visitor_id", sa.Uuid(), nullable=True),
        sa.Column("uploaded_by_id", sa.Uuid(), nullable=True),
        sa.Column("uploaded_by", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("declared_type", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("storage_key", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("content_id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sa_orm_sentinel", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('uploading', 'ready', 'refused')", name=op.f("ck_attachments_state")),
        _belongs("tickets", "ticket_id"),
        _belongs("messages", "message_id"),
        _belongs("deliveries", "delivery_id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_attachments_tenant", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_attachments_tenant_id_id"),
        sa.UniqueConstraint("storage_key", name="uq_attachments_storage_key"),
    )
    for column in ("ticket_id", "message_id", "delivery_id"):
        op.create_index(f"ix_attachments_{column}", "attachments", ["tenant_id", column], unique=False)
    op.create_index(
        "ix_attachments_loose",
        "attachments",
        ["tenant_id", "created_at"],
        unique=False,
        postgresql_where=sa.text("message_id IS NULL AND delivery_id IS NULL"),
    )


def downgrade() -> None:
    """Only while every original is in the database: what lies in the storage has no place in the older schema."""
    op.drop_table("attachments")
    op.alter_column("document_versions", "raw", existing_type=sa.LargeBinary(), nullable=False)
    op.drop_column("document_versions", "size")
    op.drop_column("document_versions", "storage_key")


def _belongs(other: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{other}.tenant_id", f"{other}.id"],
        name=f"fk_attachments_{column}",
        ondelete="CASCADE",
    )
