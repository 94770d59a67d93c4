"""FAQs with their phrasings, searchable like the other sources, and the switch that sends them.

Revision 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SOURCES_BEFORE = "source IN ('knowledge', 'example', 'correction')"
_SOURCES = "source IN ('knowledge', 'example', 'correction', 'faq')"


def upgrade() -> None:
    op.create_table(
        "faqs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("question_key", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sa_orm_sentinel", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('draft', 'published', 'retired')", name=op.f("ck_faqs_state")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_faqs_tenant", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_faqs")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_faqs_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "question_key", name="uq_faqs_question_key"),
    )
    op.create_index("ix_faqs_category", "faqs", ["tenant_id", "category"], unique=False)
    op.create_table(
        "faq_phrasings",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("faq_id", sa.Uuid(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("sa_orm_sentinel", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "faq_id"],
            ["faqs.tenant_id", "faqs.id"],
            name="fk_faq_phrasings_faq_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name="fk_faq_phrasings_tenant", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_faq_phrasings")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_faq_phrasings_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "faq_id", "ordinal", name="uq_faq_phrasings_ordinal"),
    )
    op.create_index(
        "ix_draft_sources_faq",
        "draft_sources",
        ["tenant_id", "item_id"],
        unique=False,
        postgresql_where=sa.text("kind = 'faq' AND used"),
    )
    _exchange_sources(_SOURCES)
    op.add_column(
        "channel_policies", sa.Column("faq_send", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    # Policies from before the switch get what a channel without a policy has.
    op.execute("UPDATE channel_policies SET faq_send = channel IN ('widget', 'chat')")
    op.alter_column("channel_policies", "faq_send", server_default=None)


def downgrade() -> None:
    op.drop_column("channel_policies", "faq_send")
    op.drop_index("ix_draft_sources_faq", table_name="draft_sources", postgresql_where=sa.text("kind = 'faq' AND used"))
    op.execute("DELETE FROM embeddings WHERE source = 'faq'")
    op.execute("DELETE FROM index_log WHERE source = 'faq'")
    _exchange_sources(_SOURCES_BEFORE)
    op.drop_table("faq_phrasings")
    op.drop_index("ix_faqs_category", table_name="faqs")
    op.drop_table("faqs")


def _exchange_sources(allowed: str) -> None:
    for table in ("embeddings", "index_log"):
        op.drop_constraint(op.f(f"ck_{table}_source"), table, type_="check")
        op.create_check_constraint(op.f(f"ck_{table}_source"), table, allowed)
