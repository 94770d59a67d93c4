"""Websites whose pages are knowledge: what is followed of each, and what became of every page."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from advanced_alchemy.types import GUID, DateTimeUTC
from sqlalchemy import Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import TenantRow, Work, belongs_to, due_index, may_belong_to, one_of

REACHES = ("page", "site")
SCHEDULES = ("off", "daily", "weekly")
PAGE_STATES = (
    "queued",
    "new",
    "changed",
    "unchanged",
    "duplicate",
    "skipped",
    "refused",
    "failed",
    "gone",
    "set_aside",
    "excluded",
)


class Website(TenantRow, Work):
    """One address that is followed, alone or with the pages around it.

    Work: `due_at` says when the next crawl begins or goes on. A crawl is a `round`; what is left of it are its queued
    pages, so that whoever takes it over goes on where it stopped.
    """

    __tablename__ = "websites"
    constraints = (
        one_of("reach", *REACHES),
        one_of("schedule", *SCHEDULES),
        one_of("phase", "idle", "crawling"),
        UniqueConstraint("tenant_id", "url", name="uq_websites_url"),
        due_index("websites"),
    )

    url: Mapped[str] = mapped_column(Text)
    reach: Mapped[str] = mapped_column(String(5))
    """The page alone, or the site it is on."""
    below: Mapped[str] = mapped_column(Text, default="/")
    """Of a site: only paths that begin so."""
    most_pages: Mapped[int]
    most_depth: Mapped[int]
    """Links from the first page; 0 follows none, only the sitemap."""
    category: Mapped[str] = mapped_column(Text, default="")
    schedule: Mapped[str] = mapped_column(String(6), default="off")
    is_paused: Mapped[bool] = mapped_column(default=False)
    phase: Mapped[str] = mapped_column(String(8), default="idle")
    round: Mapped[int] = mapped_column(default=0)
    is_seeded: Mapped[bool] = mapped_column(default=False)
    """The sitemaps have been read in this round."""
    stalls: Mapped[int] = mapped_column(default=0)
    """How often in a row this round was put off because nothing answered."""
    left_out: Mapped[int] = mapped_column(default=0)
    """Pages found in this round beyond the limit."""
    problem: Mapped[str] = mapped_column(Text, default="")
    """What the last round could not do, in words."""
    started_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    finished_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)


class WebsitePage(TenantRow):
    """A page of a website, what became of it when it was last looked at, and the document it is kept as."""

    __tablename__ = "website_pages"
    constraints = (
        belongs_to("websites", "website_id", name="website_pages"),
        may_belong_to("documents", "document_id", name="website_pages"),
        one_of("state", *PAGE_STATES),
        one_of("found_by", "start", "sitemap", "link"),
        UniqueConstraint("tenant_id", "website_id", "url", name="uq_website_pages_url"),
        Index("ix_website_pages_state", "tenant_id", "website_id", "state"),
        Index("ix_website_pages_content_hash", "tenant_id", "website_id", "content_hash"),
        Index("ix_website_pages_document_id", "tenant_id", "document_id"),
    )

    website_id: Mapped[UUID] = mapped_column(GUID())
    url: Mapped[str] = mapped_column(Text)
    found_by: Mapped[str] = mapped_column(String(7))
    depth: Mapped[int] = mapped_column(default=0)
    round: Mapped[int] = mapped_column(default=0)
    """In which it was last found or looked at."""
    state: Mapped[str] = mapped_column(String(10), default="queued")
    reason: Mapped[str] = mapped_column(Text, default="")
    tries: Mapped[int] = mapped_column(default=0)
    """In this round; counted before each, so that a page that ends its worker is noticed."""
    try_at: Mapped[datetime] = mapped_column(DateTimeUTC(timezone=True))
    """A queued one is not fetched before."""
    status: Mapped[int | None] = mapped_column(default=None)
    """Of the last answer."""
    etag: Mapped[str] = mapped_column(Text, default="")
    last_modified: Mapped[str] = mapped_column(Text, default="")
    content_hash: Mapped[str] = mapped_column(String(64), default="")
    """SHA-256 of the words of a web page, of the bytes of anything else."""
    misses: Mapped[int] = mapped_column(default=0)
    """Rounds in a row that found nothing to read where there was something before."""
    document_id: Mapped[UUID | None] = mapped_column(GUID(), default=None)
    version: Mapped[int] = mapped_column(default=0)
    """Number of the document's version that it became last; 0 before."""
    fetched_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    changed_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)


__all__ = ["PAGE_STATES", "REACHES", "SCHEDULES", "Website", "WebsitePage"]
