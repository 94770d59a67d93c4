"""What reading a document leaves behind: remarks, pages, how far it is; and which archive a document came in.

Revision 0008.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("part_of_id", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        "fk_documents_part_of_id",
        "documents",
        "documents",
        ["tenant_id", "part_of_id"],
        ["tenant_id", "id"],
        ondelete="SET NULL (part_of_id)",
    )
    op.create_index(
        "ix_documents_part_of_id",
        "documents",
        ["tenant_id", "part_of_id"],
        unique=False,
        postgresql_where=sa.text("part_of_id IS NOT NULL"),
    )
    for column in (
        sa.Column("remarks", sa.Text(), nullable=False, server_default=""),
        sa.Column("pages", postgresql.ARRAY(sa.Integer()), nullable=False, server_default="{}"),
        sa.Column("stage", sa.String(length=10), nullable=False, server_default=""),
        sa.Column("progress", sa.Integer(), nullable=False, server_default="0"),
    ):
        op.add_column("document_versions", column)


def downgrade() -> None:
    for name in ("progress", "stage", "pages", "remarks"):
        op.drop_column("document_versions", name)
    op.drop_index("ix_documents_part_of_id", table_name="documents")
    op.drop_constraint("fk_documents_part_of_id", "documents", type_="foreignkey")
    op.drop_column("documents", "part_of_id")
