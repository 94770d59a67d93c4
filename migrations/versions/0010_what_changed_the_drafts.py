"""Since when a tenant's drafts are made as they are now, and which news of its certificates a person has put away.

Revision 0010.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("tenant_settings", sa.Column("drafts_changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("memberships", sa.Column("news_seen_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("memberships", "news_seen_at")
    op.drop_column("tenant_settings", "drafts_changed_at")
