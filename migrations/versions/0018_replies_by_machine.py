"""The replies that machines sent of late are found without reading all that were ever sent.

Revision 0018.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_deliveries_by_machine",
        "deliveries",
        ["tenant_id", "created_at", "connection_id"],
        postgresql_where=sa.text("is_automatic AND state <> 'cancelled'"),
    )


def downgrade() -> None:
    op.drop_index("ix_deliveries_by_machine", table_name="deliveries")
