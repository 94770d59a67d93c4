"""Websites that are followed: what is taken from each, how it goes, and what became of every page."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.errors import InvalidInputError
from desk.installation import Installation
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs
from desk.websites.sites import (
    MOST_DEPTH,
    MOST_PAGES,
    STANDARD_DEPTH,
    STANDARD_PAGES,
    WebsiteChoices,
    add_website,
    change_website,
    crawl_now,
    delete_website,
    get_website,
    list_pages,
    list_websites,
    page_counts,
    pause_website,
    resume_website,
)
from ui.pages.asked import asked_offset
from ui.pages.shell import leave_for, page_or_content, part_of_page, shell, told, wants_part
from ui.presenting.queue import page_links
from ui.presenting.websites import PAGE_STATES, REACHES, SCHEDULES, shown_page, shown_website
from ui.presenting.words import query_string


class WebsiteForm(msgspec.Struct):
    """Every field as the page sends it."""

    url: str = ""
    reach: str = ""
    below: str = ""
    most_pages: str = ""
    most_depth: str = ""
    category: str = ""
    schedule: str = ""

    def choices(self) -> WebsiteChoices:
        return WebsiteChoices(
            reach=self.reach or None,
            below=self.below,
            most_pages=_whole("the limit of pages", self.most_pages),
            most_depth=_whole("the number of links", self.most_depth),
            category=self.category,
            schedule=self.schedule or None,
        )


class DeleteForm(msgspec.Struct):
    keep: str = ""


class Websites(Controller):
    path = "/knowledge/websites"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """The page; for the page itself, its list."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_websites(session, limit=STANDARD_PAGE, offset=asked_offset(request))
        context = {
            "websites": [shown_website(line.website, line.pages) for line in page.items],
            "page": page_links(page, "/knowledge/websites", ""),
            "may_change": actor.may(Permission.KNOWLEDGE),
            "refresh_address": f"/knowledge/websites?offset={page.offset}",
            "schedules": SCHEDULES,
            "standard_pages": STANDARD_PAGES,
            "standard_depth": STANDARD_DEPTH,
            "largest": (MOST_PAGES, MOST_DEPTH),
            "part_area": "websites",
        }
        if wants_part(request):
            around = await shell(request, installation, actor, area="knowledge")
            return part_of_page("websites.html", ["websites"], shell=around, **context)
        return await page_or_content(request, installation, actor, "websites.html", area="knowledge", **context)

    @post("/", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def add(
        self,
        data: URLEncodedBody[WebsiteForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Response[str]:
        async with installation.database.transaction(actor.scope) as session:
            row = await add_website(session, installation.crawls.rules, data.url, data.choices())
        return leave_for(f"/knowledge/websites/{row.id}")


class OneWebsite(Controller):
    path = "/knowledge/websites/{website_id:uuid}"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        website_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """The page; for the page itself, how the crawl goes and its list."""
        if wants_part(request):
            context = await _website(request, installation, actor, website_id)
            around = await shell(request, installation, actor, area="knowledge")
            return part_of_page("website.html", ["progress"], shell=around, **context)
        return await _page(request, installation, actor, website_id)

    @post("/change", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def change(
        self,
        request: Request[Any, Any, Any],
        website_id: FromPath[UUID],
        data: URLEncodedBody[WebsiteForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await change_website(session, website_id, data.choices())
        return told(await _page(request, installation, actor, website_id), "Saved. It counts from the next crawl on.")

    @post("/crawl", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def crawl(
        self,
        request: Request[Any, Any, Any],
        website_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await crawl_now(session, website_id)
        return told(await _page(request, installation, actor, website_id), "The crawl begins.")

    @post("/pause", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def pause(
        self,
        request: Request[Any, Any, Any],
        website_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await pause_website(session, website_id)
        return told(await _page(request, installation, actor, website_id), "Paused.")

    @post("/resume", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def resume(
        self,
        request: Request[Any, Any, Any],
        website_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await resume_website(session, website_id)
        return told(await _page(request, installation, actor, website_id), "Followed again.")

    @post("/delete", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def remove(
        self,
        website_id: FromPath[UUID],
        data: URLEncodedBody[DeleteForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Response[str]:
        async with installation.database.transaction(actor.scope) as session:
            await delete_website(session, website_id, keep_documents=bool(data.keep))
        return leave_for("/knowledge/websites")


async def _website(
    request: Request[Any, Any, Any], installation: Installation, actor: Actor, website_id: UUID
) -> dict[str, Any]:
    state, q = (str(request.query_params.get(name) or "") for name in ("state", "q"))
    async with installation.database.transaction(actor.scope) as session:
        row = await get_website(session, website_id)
        counts = await page_counts(session, [row.id])
        page = await list_pages(
            session, website_id, state=state or None, q=q or None, limit=STANDARD_PAGE, offset=asked_offset(request)
        )
    here = f"/knowledge/websites/{website_id}"
    query = query_string({"state": state, "q": q})
    return {
        "website": shown_website(row, counts.get(row.id, {})),
        "pages": [shown_page(line) for line in page.items],
        "page": page_links(page, here, query),
        "wanted": {"state": state, "q": q},
        "is_filtered": bool(state or q),
        "states": PAGE_STATES,
        "reaches": REACHES,
        "schedules": SCHEDULES,
        "may_change": actor.may(Permission.KNOWLEDGE),
        "refresh_address": f"{here}?{query_string({'state': state, 'q': q, 'offset': str(page.offset or '')})}",
        "largest": (MOST_PAGES, MOST_DEPTH),
    }


async def _page(request: Request[Any, Any, Any], installation: Installation, actor: Actor, website_id: UUID) -> Any:
    context = await _website(request, installation, actor, website_id)
    return await page_or_content(request, installation, actor, "website.html", area="knowledge", **context)


def _whole(name: str, given: str) -> int | None:
    if not given.strip():
        return None
    if not (given.strip().isascii() and given.strip().isdigit()):
        msg = f"{name} must be a whole number"
        raise InvalidInputError(msg)
    return int(given)
