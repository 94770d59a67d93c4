"""Websites and their pages as they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from desk.models import Website
from desk.websites.sites import PageLine, next_crawl
from ui.presenting.words import Chip, Choices, counted

REACHES: Choices = (("page", "This page alone"), ("site", "The site, by its sitemap and links"))
SCHEDULES: Choices = (("off", "Only when asked"), ("daily", "Every day"), ("weekly", "Every week"))
PAGE_STATES: Choices = (
    ("queued", "Waiting"),
    ("new", "New"),
    ("changed", "Changed"),
    ("unchanged", "Unchanged"),
    ("duplicate", "Duplicate"),
    ("skipped", "Left out"),
    ("refused", "Refused"),
    ("failed", "Failed"),
    ("gone", "Gone"),
    ("set_aside", "Set aside"),
    ("excluded", "Excluded"),
)
_TONES = {
    "queued": "fair",
    "new": "good",
    "changed": "good",
    "unchanged": "line",
    "refused": "bad",
    "failed": "bad",
    "gone": "weak",
    "set_aside": "weak",
}
_WORDS: dict[str, str] = dict(PAGE_STATES)


@dataclass(frozen=True, slots=True)
class ShownWebsite:
    id: UUID
    url: str
    name: str
    """The address without what every address has."""
    chip: Chip
    reach: str
    below: str
    most_pages: int
    most_depth: int
    category: str
    schedule: str
    schedule_words: str
    is_paused: bool
    is_crawling: bool
    pages_words: str
    progress_words: str
    percent: int
    counts: list[tuple[str, str, int]]
    """State, its word and the number of its pages."""
    left_out_words: str
    problem: str
    last: datetime | None
    next: str
    """When the next crawl is, in UTC, or why there is none."""


@dataclass(frozen=True, slots=True)
class ShownPage:
    url: str
    path: str
    chip: Chip
    reason: str
    reading: Chip | None
    """How far the document is, where that is worth saying."""
    document_id: UUID | None
    difference: str
    """Address of what changed last; empty for a first version."""
    fetched: datetime | None


def shown_website(row: Website, pages: dict[str, int]) -> ShownWebsite:
    total, waiting = sum(pages.values()), pages.get("queued", 0)
    kept = sum(pages.get(state, 0) for state in ("new", "changed", "unchanged"))
    is_crawling = not row.is_paused and (row.phase == "crawling" or row.round == 0)
    return ShownWebsite(
        id=row.id,
        url=row.url,
        name=row.url.partition("://")[2].removesuffix("/"),
        chip=_website_chip(row, is_crawling=is_crawling, kept=kept),
        reach=row.reach,
        below=row.below,
        most_pages=row.most_pages,
        most_depth=row.most_depth,
        category=row.category,
        schedule=row.schedule,
        schedule_words=dict(SCHEDULES)[row.schedule],
        is_paused=row.is_paused,
        is_crawling=is_crawling,
        pages_words=f"{counted(kept, 'page', 'pages')} of {total:,}" if total != kept else f"{total:,}",
        progress_words=f"Crawling: {total - waiting:,} of {counted(total, 'page', 'pages')} looked at",
        percent=100 * (total - waiting) // max(1, total),
        counts=[(state, word, pages[state]) for state, word in PAGE_STATES if pages.get(state)],
        left_out_words=f"{counted(row.left_out, 'page', 'pages')} beyond the limit of {row.most_pages:,} left out"
        if row.left_out
        else "",
        problem=row.problem,
        last=row.finished_at or row.started_at,
        next=_next(row, is_crawling=is_crawling),
    )


def _website_chip(row: Website, *, is_crawling: bool, kept: int) -> Chip:
    if row.is_paused:
        return Chip("Paused", "line")
    if is_crawling:
        return Chip("Crawling", "fair")
    if not kept:
        return Chip("Nothing taken", "bad")
    return Chip("With problems", "weak") if row.problem else Chip("Ready", "good")


def _next(row: Website, *, is_crawling: bool) -> str:
    if row.is_paused:
        return "Paused"
    if is_crawling:
        return "Now"
    due = next_crawl(row)
    return f"{due:%Y-%m-%d %H:%M} UTC" if due else "When asked"


def shown_page(line: PageLine) -> ShownPage:
    page = line.page
    document_id = page.document_id if line.document_state else None
    is_kept = page.state in {"new", "changed", "unchanged"}
    reading = None
    if is_kept and line.document_state == "waiting":
        reading = Chip("Being read", "fair")
    elif is_kept and line.document_state == "refused":
        reading = Chip("Refused", "bad")
    elif is_kept and line.document_state == "indexed":
        reading = Chip("Indexed", "good")
    refusal = line.document_reason if is_kept and line.document_state == "refused" else ""
    version = line.document_version
    return ShownPage(
        url=page.url,
        path="/" + page.url.partition("://")[2].partition("/")[2],
        chip=Chip(_WORDS[page.state], _TONES.get(page.state, "line")),
        reason=page.reason or refusal,
        reading=reading,
        document_id=document_id,
        difference=f"/knowledge/{document_id}/difference?from={version - 1}&to={version}"
        if document_id and version > 1
        else "",
        fetched=page.fetched_at,
    )
