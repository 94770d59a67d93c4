"""Websites whose pages are knowledge, and documents that are kept but not searched.

Revision 0014.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("documents", sa.Column("set_aside", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "websites",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("reach", sa.String(length=5), nullable=False),
        sa.Column("below", sa.Text(), nullable=False),
        sa.Column("most_pages", sa.Integer(), nullable=False),
        sa.Column("most_depth", sa.Integer(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("schedule", sa.String(length=6), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("phase", sa.String(length=8), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("is_seeded", sa.Boolean(), nullable=False),
        sa.Column("stalls", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(), nullable=True),
        *_row_columns(),
        sa.CheckConstraint("reach IN ('page', 'site')", name=op.f("ck_websites_reach")),
        sa.CheckConstraint("schedule IN ('off', 'daily', 'weekly')", name=op.f("ck_websites_schedule")),
        sa.CheckConstraint("phase IN ('idle', 'crawling')", name=op.f("ck_websites_phase")),
        sa.UniqueConstraint("tenant_id", "url", name="uq_websites_url"),
        *_row_constraints("websites"),
    )
    op.create_index("ix_websites_due", "websites", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))
    op.create_table(
        "website_pages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("website_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("found_by", sa.String(length=7), nullable=False),
        sa.Column("depth", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("last_modified", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("misses", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        *_row_columns(),
        sa.CheckConstraint("found_by IN ('start', 'sitemap', 'link')", name=op.f("ck_website_pages_found_by")),
        sa.CheckConstraint(
            "state IN ('queued', 'new', 'changed', 'unchanged', 'duplicate', 'skipped', 'refused', 'failed', 'gone',"
            " 'set_aside', 'excluded')",
            name=op.f("ck_website_pages_state"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "website_id"],
            ["websites.tenant_id", "websites.id"],
            name="fk_website_pages_website_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "document_id"],
            ["documents.tenant_id", "documents.id"],
            name="fk_website_pages_document_id",
            ondelete="SET NULL (document_id)",
        ),
        sa.UniqueConstraint("tenant_id", "website_id", "url", name="uq_website_pages_url"),
        *_row_constraints("website_pages"),
    )
    op.create_index("ix_website_pages_state", "website_pages", ["tenant_id", "website_id", "state"])
    op.create_index("ix_website_pages_content_hash", "website_pages", ["tenant_id", "website_id", "content_hash"])
    op.create_index("ix_website_pages_document_id", "website_pages", ["tenant_id", "document_id"])


def downgrade() -> None:
    op.drop_table("website_pages")
    op.drop_table("websites")
    op.drop_column("documents", "set_aside")


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
