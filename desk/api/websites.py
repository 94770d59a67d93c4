"""Websites that are followed: add, look, change, crawl now, pause, delete."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from desk.accounts.identity import Actor, Permission
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.installation import Installation
from desk.models import Website
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs
from desk.websites.sites import (
    PageLine,
    WebsiteChoices,
    add_website,
    change_website,
    crawl_now,
    delete_website,
    get_website,
    list_pages,
    list_websites,
    next_crawl,
    page_counts,
    pause_website,
    resume_website,
)


class AskedWebsiteChange(Asked):
    """What is left out stays as it is."""

    reach: str | None = None
    """page, or site: the pages that its sitemap names and its links lead to."""
    below: str | None = None
    """Of a site: only paths that begin so."""
    most_pages: int | None = None
    most_depth: int | None = None
    """Links from the first page; 0 takes only what the sitemap names."""
    category: str | None = None
    schedule: str | None = None
    """off, daily or weekly."""

    def choices(self) -> WebsiteChoices:
        return WebsiteChoices(self.reach, self.below, self.most_pages, self.most_depth, self.category, self.schedule)


class AskedWebsite(AskedWebsiteChange, kw_only=True):
    url: str


class WebsiteAnswer(Answer):
    id: UUID
    url: str
    reach: str
    below: str
    most_pages: int
    most_depth: int
    category: str
    schedule: str
    is_paused: bool
    phase: str
    """idle or crawling."""
    pages: dict[str, int]
    """Number of pages by state."""
    left_out: int
    """Pages found in the last crawl beyond `most_pages`."""
    problem: str
    """What the last crawl could not do."""
    started_at: datetime | None
    finished_at: datetime | None
    next_crawl_at: datetime | None
    created_at: datetime


class WebsitePageAnswer(Answer):
    id: UUID
    url: str
    state: str
    """queued, new, changed, unchanged, duplicate, skipped, refused, failed, gone, set_aside or excluded."""
    reason: str
    found_by: str
    depth: int
    status: int | None
    """Of the last HTTP answer."""
    misses: int
    """Crawls in a row that found nothing to read where there was something before."""
    document_id: UUID | None
    version: int
    """Of the document, that this page became last."""
    document_state: str
    """Of the newest version: waiting, indexed or refused; empty without a document."""
    document_reason: str
    fetched_at: datetime | None
    changed_at: datetime | None


class WebsiteController(Controller):
    path = "/websites"
    tags = ("documents",)

    @post("/", status_code=202, opt=needs(Permission.KNOWLEDGE))
    async def add(
        self, data: JSONBody[AskedWebsite], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> WebsiteAnswer:
        """Follow an address and crawl it in the background; one that is followed already is crawled again."""
        async with installation.database.transaction(actor.scope) as session:
            row = await add_website(session, installation.crawls.rules, data.url, data.choices())
        return await _answer(installation, actor, row)

    @get("/", opt=needs(Permission.SIGNED_IN))
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[WebsiteAnswer]:
        """By address."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_websites(session, limit=limit, offset=offset)
        items = [website_answer(line.website, line.pages) for line in page.items]
        return Listed(items, page.total, page.limit, page.offset)

    @get("/{website_id:uuid}", opt=needs(Permission.SIGNED_IN))
    async def show(
        self, website_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> WebsiteAnswer:
        async with installation.database.transaction(actor.scope) as session:
            row = await get_website(session, website_id)
        return await _answer(installation, actor, row)

    @get("/{website_id:uuid}/pages", opt=needs(Permission.SIGNED_IN))
    async def pages(
        self,
        website_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        page_state: FromQuery[str | None] = None,
        q: FromQuery[str | None] = None,
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[WebsitePageAnswer]:
        """What became of each page, by address."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_pages(session, website_id, state=page_state, q=q, limit=limit, offset=offset)
        return Listed([_page(line) for line in page.items], page.total, page.limit, page.offset)

    @patch("/{website_id:uuid}", opt=needs(Permission.KNOWLEDGE))
    async def change(
        self,
        website_id: FromPath[UUID],
        data: JSONBody[AskedWebsiteChange],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> WebsiteAnswer:
        """It counts from the next crawl on."""
        async with installation.database.transaction(actor.scope) as session:
            row = await change_website(session, website_id, data.choices())
        return await _answer(installation, actor, row)

    @post("/{website_id:uuid}/crawl", status_code=202, opt=needs(Permission.KNOWLEDGE))
    async def crawl(
        self, website_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> WebsiteAnswer:
        """Now instead of by the schedule."""
        async with installation.database.transaction(actor.scope) as session:
            row = await crawl_now(session, website_id)
        return await _answer(installation, actor, row)

    @post("/{website_id:uuid}/pause", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def pause(
        self, website_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> WebsiteAnswer:
        async with installation.database.transaction(actor.scope) as session:
            row = await pause_website(session, website_id)
        return await _answer(installation, actor, row)

    @post("/{website_id:uuid}/resume", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def resume(
        self, website_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> WebsiteAnswer:
        async with installation.database.transaction(actor.scope) as session:
            row = await resume_website(session, website_id)
        return await _answer(installation, actor, row)

    @delete("/{website_id:uuid}", opt=needs(Permission.KNOWLEDGE))
    async def remove(
        self,
        website_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        keep_documents: FromQuery[bool] = False,
    ) -> None:
        """Its documents go with it, but for those another website follows, unless they are to be kept."""
        async with installation.database.transaction(actor.scope) as session:
            await delete_website(session, website_id, keep_documents=keep_documents)


async def _answer(installation: Installation, actor: Actor, row: Website) -> WebsiteAnswer:
    async with installation.database.transaction(actor.scope) as session:
        counts = await page_counts(session, [row.id])
    return website_answer(row, counts.get(row.id, {}))


def website_answer(row: Website, pages: dict[str, int]) -> WebsiteAnswer:
    return WebsiteAnswer(
        id=row.id,
        url=row.url,
        reach=row.reach,
        below=row.below,
        most_pages=row.most_pages,
        most_depth=row.most_depth,
        category=row.category,
        schedule=row.schedule,
        is_paused=row.is_paused,
        phase=row.phase,
        pages=pages,
        left_out=row.left_out,
        problem=row.problem,
        started_at=row.started_at,
        finished_at=row.finished_at,
        next_crawl_at=next_crawl(row),
        created_at=row.created_at,
    )


def _page(line: PageLine) -> WebsitePageAnswer:
    page = line.page
    return WebsitePageAnswer(
        id=page.id,
        url=page.url,
        state=page.state,
        reason=page.reason,
        found_by=page.found_by,
        depth=page.depth,
        status=page.status,
        misses=page.misses,
        document_id=page.document_id,
        version=page.version,
        document_state=line.document_state,
        document_reason=line.document_reason,
        fetched_at=page.fetched_at,
        changed_at=page.changed_at,
    )
