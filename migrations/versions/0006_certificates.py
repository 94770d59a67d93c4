"""Certificates for sending without a person, what their labels come from, and quiet hours.

Revision 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "certification_groups",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("channels", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("looks_before", sa.Integer(), nullable=False),
        sa.Column("looks_spent", sa.Integer(), nullable=False),
        sa.Column("labels_seen", sa.Integer(), nullable=False),
        sa.Column("risk", sa.Float(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        *_row_columns(),
        *_row_constraints("certification_groups"),
        sa.UniqueConstraint("tenant_id", "name", name="uq_certification_groups_name"),
    )
    op.create_table(
        "certificates",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("group_name", sa.Text(), nullable=False),
        sa.Column("channels", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("risk", sa.Float(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("bound", sa.Float(), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("errors", sa.Integer(), nullable=False),
        sa.Column("look", sa.Integer(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_because", sa.Text(), nullable=False),
        *_row_columns(),
        sa.CheckConstraint("state IN ('active', 'replaced', 'revoked')", name=op.f("ck_certificates_state")),
        *_row_constraints("certificates"),
    )
    op.create_index(
        "uq_certificates_active",
        "certificates",
        ["tenant_id", "group_name"],
        unique=True,
        postgresql_where=sa.text("state = 'active'"),
    )
    op.add_column("drafts", sa.Column("blind_review", sa.Boolean(), nullable=True))
    op.add_column("deliveries", sa.Column("certificate_id", sa.Uuid(), nullable=True))
    op.add_column("deliveries", sa.Column("judgement", sa.String(length=10), nullable=True))
    op.create_foreign_key(
        "fk_deliveries_certificate_id",
        "deliveries",
        "certificates",
        ["tenant_id", "certificate_id"],
        ["tenant_id", "id"],
        ondelete="SET NULL (certificate_id)",
    )
    op.create_check_constraint(op.f("ck_deliveries_judgement"), "deliveries", "judgement IN ('asked', 'good', 'wrong')")
    op.create_index("ix_deliveries_certificate_id", "deliveries", ["tenant_id", "certificate_id"])
    op.create_index(
        "ix_deliveries_asked", "deliveries", ["tenant_id", "id"], postgresql_where=sa.text("judgement = 'asked'")
    )
    _modes("off", "threshold", "certified")
    op.add_column("channel_policies", sa.Column("quiet_from", sa.String(length=5), nullable=True))
    op.add_column("channel_policies", sa.Column("quiet_until", sa.String(length=5), nullable=True))
    op.add_column("channel_policies", sa.Column("time_zone", sa.Text(), nullable=False, server_default="UTC"))
    op.alter_column("channel_policies", "time_zone", server_default=None)


def downgrade() -> None:
    for name in ("time_zone", "quiet_until", "quiet_from"):
        op.drop_column("channel_policies", name)
    op.execute("UPDATE channel_policies SET mode = 'off' WHERE mode = 'certified'")
    _modes("off", "threshold")
    op.drop_index("ix_deliveries_asked", "deliveries")
    op.drop_index("ix_deliveries_certificate_id", "deliveries")
    op.drop_constraint(op.f("ck_deliveries_judgement"), "deliveries", type_="check")
    op.drop_constraint("fk_deliveries_certificate_id", "deliveries", type_="foreignkey")
    op.drop_column("deliveries", "judgement")
    op.drop_column("deliveries", "certificate_id")
    op.drop_column("drafts", "blind_review")
    op.drop_table("certificates")
    op.drop_table("certification_groups")


def _modes(*modes: str) -> None:
    listed = ", ".join(f"'{mode}'" for mode in modes)
    op.drop_constraint(op.f("ck_channel_policies_mode"), "channel_policies", type_="check")
    op.create_check_constraint(op.f("ck_channel_policies_mode"), "channel_policies", f"mode IN ({listed})")


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
