"""Notes on edits, a secret for the blind-review draw, which models the clock has seen, and who published anyway.

Revision 0022.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("corrections", sa.Column("model_note", sa.Text(), server_default="", nullable=False))
    op.add_column("corrections", sa.Column("model_note_by", sa.Text(), server_default="", nullable=False))
    op.add_column("corrections", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("corrections", sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True))
    for name in ("fence", "attempts"):
        op.add_column("corrections", sa.Column(name, sa.Integer(), server_default="0", nullable=False))
        op.alter_column("corrections", name, server_default=None)
    op.add_column("corrections", sa.Column("last_error", sa.String(), nullable=True))
    op.create_index("ix_corrections_due", "corrections", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.add_column(
        "tenant_settings",
        sa.Column("review_salt", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
    )
    op.add_column(
        "tenant_settings",
        sa.Column(
            "models_seen", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
    )
    op.add_column("comparisons", sa.Column("published_anyway_by", sa.Text(), server_default="", nullable=False))


def downgrade() -> None:
    op.drop_column("comparisons", "published_anyway_by")
    op.drop_column("tenant_settings", "models_seen")
    op.drop_column("tenant_settings", "review_salt")
    op.drop_index("ix_corrections_due", table_name="corrections")
    for name in ("last_error", "attempts", "fence", "lease_until", "due_at", "model_note_by", "model_note"):
        op.drop_column("corrections", name)
