"""What people do with websites: add, change, pause, crawl now, look, delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.leases import due_in
from desk.db.unit_of_work import announce, wake
from desk.egress import EgressRules
from desk.errors import InvalidInputError, NotFoundError
from desk.knowledge import LONGEST_TITLE, delete_document
from desk.models import Document, DocumentVersion, Website, WebsitePage
from desk.models.websites import PAGE_STATES, REACHES, SCHEDULES
from desk.paging import Page, read_page
from desk.plain_text import clean_line
from desk.websites.addresses import page_address
from desk.websites.rounds import schedule_next

MOST_PAGES: Final = 5_000
MOST_DEPTH: Final = 10
STANDARD_PAGES: Final = 200
STANDARD_DEPTH: Final = 3


@dataclass(frozen=True, slots=True)
class WebsiteChoices:
    """What a person chooses about a website; None leaves it as it is, or takes the usual."""

    reach: str | None = None
    below: str | None = None
    most_pages: int | None = None
    most_depth: int | None = None
    category: str | None = None
    schedule: str | None = None


@dataclass(frozen=True, slots=True)
class WebsiteLine:
    website: Website
    pages: dict[str, int]
    """Number of pages by state."""


@dataclass(frozen=True, slots=True)
class PageLine:
    page: WebsitePage
    document_state: str
    """Of the version it became last: waiting, indexed or refused; empty for a page that became none."""
    document_reason: str
    document_version: int
    """Newest number, 0 without a document."""
    version_id: UUID | None


async def add_website(session: AsyncSession, rules: EgressRules, address: str, choices: WebsiteChoices) -> Website:
    """Follow an address and crawl it now; one that is followed already is changed as asked and crawled again.

    Raises RefusedAddressError, InvalidInputError.
    """
    url = page_address(address, rules)
    found = await session.execute(select(Website).where(Website.url == url).with_for_update())
    row = found.scalar_one_or_none()
    if row is None:
        row = Website(
            id=uuid7(), url=url, reach="page", most_pages=STANDARD_PAGES, most_depth=STANDARD_DEPTH, schedule="off"
        )
        session.add(row)
    else:
        # Asking for it again takes back that its document was deleted.
        await session.execute(
            update(WebsitePage)
            .where(WebsitePage.website_id == row.id, WebsitePage.url == url, WebsitePage.state == "excluded")
            .values(state="queued", document_id=None, content_hash="", etag="", last_modified="", version=0)
        )
    _choose(row, choices)
    row.is_paused = False
    await crawl_again(session, row)
    return row


async def change_website(session: AsyncSession, website_id: UUID, choices: WebsiteChoices) -> Website:
    """Raises NotFoundError, InvalidInputError."""
    row = await get_website(session, website_id, for_change=True)
    before = (row.reach, row.below, row.most_pages, row.most_depth)
    _choose(row, choices)
    if (row.reach, row.below, row.most_pages, row.most_depth) != before:
        # A page that is "not modified" shows none of its links, and now more of them may be wanted.
        await session.execute(
            update(WebsitePage).where(WebsitePage.website_id == row.id).values(etag="", last_modified="")
        )
    if row.phase == "idle":
        schedule_next(row)
    await announce(session, row.tenant_id, "website", website=row.id)
    return row


async def crawl_now(session: AsyncSession, website_id: UUID) -> Website:
    """Begin a round now; one that runs goes on. Raises NotFoundError."""
    row = await get_website(session, website_id, for_change=True)
    row.is_paused = False
    await crawl_again(session, row)
    return row


async def crawl_again(session: AsyncSession, row: Website) -> None:
    if row.lease_until is None or row.due_at is None:
        await due_in(session, row, 0)
    row.attempts = 0
    await session.flush()
    wake(session, "websites")
    await announce(session, row.tenant_id, "website", website=row.id)


async def pause_website(session: AsyncSession, website_id: UUID) -> Website:
    """Whoever crawls it finds the fence raised and stops; what is queued stays for later. Raises NotFoundError."""
    row = await get_website(session, website_id, for_change=True)
    row.is_paused, row.due_at, row.lease_until = True, None, None
    row.fence += 1
    await announce(session, row.tenant_id, "website", website=row.id)
    return row


async def resume_website(session: AsyncSession, website_id: UUID) -> Website:
    """A round that was under way goes on, else the schedule counts again. Raises NotFoundError."""
    row = await get_website(session, website_id, for_change=True)
    row.is_paused = False
    if row.phase == "crawling":
        await crawl_again(session, row)
    else:
        schedule_next(row)
        await announce(session, row.tenant_id, "website", website=row.id)
    return row


async def delete_website(session: AsyncSession, website_id: UUID, *, keep_documents: bool) -> None:
    """Follow it no longer. Its pages are deleted as documents too, but for those another website follows, or stay.

    Raises NotFoundError.
    """
    row = await get_website(session, website_id, for_change=True)
    mine = select(WebsitePage.document_id).where(WebsitePage.website_id == row.id, WebsitePage.document_id.is_not(None))
    others = select(WebsitePage.document_id).where(
        WebsitePage.website_id != row.id, WebsitePage.document_id.is_not(None)
    )
    documents: Sequence[UUID] = ()
    if not keep_documents:
        wanted = select(Document.id).where(Document.id.in_(mine), Document.id.not_in(others), ~Document.is_deleted)
        documents = (await session.execute(wanted)).scalars().all()
    for document_id in documents:
        await delete_document(session, document_id)
    await session.execute(delete(Website).where(Website.id == row.id))
    await announce(session, row.tenant_id, "website", website=row.id)


async def get_website(session: AsyncSession, website_id: UUID, *, for_change: bool = False) -> Website:
    """Raises NotFoundError."""
    statement = select(Website).where(Website.id == website_id)
    row = (await session.execute(statement.with_for_update() if for_change else statement)).scalar_one_or_none()
    if row is None:
        msg = "there is no such website"
        raise NotFoundError(msg)
    return row


async def list_websites(session: AsyncSession, *, limit: int, offset: int) -> Page[WebsiteLine]:
    """By address."""
    rows, total = await read_page(
        session, select(Website).order_by(Website.url, Website.id), limit=limit, offset=offset
    )
    websites = [row[0] for row in rows]
    counts = await page_counts(session, [one.id for one in websites])
    return Page([WebsiteLine(one, counts.get(one.id, {})) for one in websites], total, limit, offset)


async def page_counts(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, dict[str, int]]:
    found = await session.execute(
        select(WebsitePage.website_id, WebsitePage.state, func.count())
        .where(WebsitePage.website_id.in_(ids))
        .group_by(WebsitePage.website_id, WebsitePage.state)
    )
    counts: dict[UUID, dict[str, int]] = {}
    for website_id, state, number in found:
        counts.setdefault(website_id, {})[state] = number
    return counts


async def list_pages(
    session: AsyncSession, website_id: UUID, *, state: str | None, q: str | None, limit: int, offset: int
) -> Page[PageLine]:
    """By address. Raises NotFoundError, InvalidInputError."""
    if state is not None and state not in PAGE_STATES:
        msg = f"state must be one of {', '.join(PAGE_STATES)}"
        raise InvalidInputError(msg)
    website = await get_website(session, website_id)
    newest = (
        select(func.max(DocumentVersion.number))
        .where(DocumentVersion.document_id == WebsitePage.document_id)
        .correlate(WebsitePage)
        .scalar_subquery()
    )
    statement = (
        select(WebsitePage, DocumentVersion.state, DocumentVersion.reason, DocumentVersion.number, DocumentVersion.id)
        .outerjoin(
            DocumentVersion,
            (DocumentVersion.document_id == WebsitePage.document_id) & (DocumentVersion.number == newest),
        )
        .where(WebsitePage.website_id == website.id)
        .order_by(WebsitePage.url, WebsitePage.id)
    )
    if state is not None:
        statement = statement.where(WebsitePage.state == state)
    words = clean_line(q or "")
    if words:
        statement = statement.where(WebsitePage.url.icontains(words, autoescape=True))
    rows, total = await read_page(session, statement, limit=limit, offset=offset)
    return Page(
        [PageLine(row[0], row[1] or "", row[2] or "", row[3] or 0, row[4]) for row in rows], total, limit, offset
    )


def next_crawl(row: Website) -> datetime | None:
    """None while a round runs, when it is paused, and without a schedule."""
    return row.due_at if row.phase == "idle" and not row.is_paused else None


def _choose(row: Website, choices: WebsiteChoices) -> None:
    row.reach = _one_of("reach", choices.reach or row.reach, REACHES)
    row.schedule = _one_of("schedule", choices.schedule or row.schedule, SCHEDULES)
    row.most_pages = _between("most_pages", choices.most_pages, row.most_pages, 1, MOST_PAGES)
    row.most_depth = _between("most_depth", choices.most_depth, row.most_depth, 0, MOST_DEPTH)
    if choices.below is not None:
        row.below = f"/{clean_line(choices.below).removeprefix('/')}"[:500]
    if choices.category is not None:
        row.category = clean_line(choices.category)[:LONGEST_TITLE]


def _one_of(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        msg = f"{name} must be one of {', '.join(allowed)}"
        raise InvalidInputError(msg)
    return value


def _between(name: str, value: int | None, before: int, lowest: int, highest: int) -> int:
    chosen = before if value is None else value
    if not lowest <= chosen <= highest:
        msg = f"{name} must be from {lowest} to {highest:,}"
        raise InvalidInputError(msg)
    return chosen
