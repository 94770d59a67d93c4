"""How well a conversation went is kept with its ticket.

Revision 0021.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tickets", sa.Column("quality", sa.Integer(), nullable=True))
    op.add_column(
        "tickets",
        sa.Column(
            "quality_parts", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'[]'"), nullable=False
        ),
    )
    op.create_index(
        "ix_tickets_quality", "tickets", ["tenant_id", "quality"], postgresql_where=sa.text("quality IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_tickets_quality", table_name="tickets")
    op.drop_column("tickets", "quality_parts")
    op.drop_column("tickets", "quality")
