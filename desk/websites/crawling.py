"""The worker's part: websites that are due are crawled, a minute at a time, so that long ones keep nobody waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Final
from uuid import UUID

from desk.db.leases import Claim
from desk.db.unit_of_work import Database
from desk.egress import EgressRules
from desk.errors import InvalidInputError, RefusedAddressError, RefusedDocumentError, TooLargeError
from desk.knowledge import Upload, take_in
from desk.ports import Clock, Storage, WebPageReader
from desk.websites.addresses import file_name, origin_of, page_address
from desk.websites.fetching import FetchError, PageFetcher
from desk.websites.looking import Look, Looker, PageFacts, SiteFacts
from desk.websites.pace import HostPace
from desk.websites.robots import RobotsBook, RobotsDisallowedError
from desk.websites.rounds import begin, end_page, enqueue, let_go, put_off, same_content, seeded, take_up

AT_ONCE: Final = 2
"""Pages of one website."""
_MOST_SILENT: Final = 6
"""Answers in a row that did not come, before the website is put off."""
_MOST_SITEMAPS: Final = 50


@dataclass(frozen=True, slots=True)
class CrawlLimits:
    pause_seconds: float
    """Least time between two requests to one host."""
    most_bytes: int
    """Of one page or file."""
    robot_page: str
    """Where people who run a site find out who asks: part of the User-Agent header."""
    slice_seconds: float = 60.0
    """Of one website before the next one has its turn."""
    page_seconds: float = 30.0
    """From resolving the name to the last byte, each hop of a redirect."""


class CrawlDesk:
    """Crawls what is due. One for a process: it spaces out the requests to each host."""

    def __init__(
        self,
        database: Database,
        storage: Storage,
        reader: WebPageReader,
        rules: EgressRules,
        clock: Clock,
        limits: CrawlLimits,
    ) -> None:
        self._database = database
        self._storage = storage
        self._reader = reader
        self._clock = clock
        self._limits = limits
        self._pace = HostPace(limits.pause_seconds)
        self._robots = RobotsBook(self._pace)
        self.rules = rules

    async def work(self, held: Claim) -> None:
        """A slice of the website's round. Raises LostLeaseError when it is somebody else's, paused or deleted."""
        async with self._database.transaction(held.scope) as session:
            site = await begin(session, held)
        if site is None:
            return
        fetcher = PageFetcher(
            self.rules,
            most_bytes=self._limits.most_bytes,
            seconds=self._limits.page_seconds,
            robot_page=self._limits.robot_page,
        )
        try:
            await self._crawl(held, site, fetcher)
        finally:
            await fetcher.close()

    async def _crawl(self, held: Claim, site: SiteFacts, fetcher: PageFetcher) -> None:
        until = monotonic() + self._limits.slice_seconds
        if site.is_site and not site.is_seeded:
            await self._seed(held, site, fetcher)
        looker = Looker(fetcher, self._robots, self._reader, self.rules, self._clock, site)
        silent = 0
        while monotonic() < until:
            async with self._database.transaction(held.scope) as session:
                pages = await take_up(session, held, AT_ONCE)
            if not pages:
                break
            looks = await asyncio.gather(*(looker.look(page) for page in pages))
            for page, look in zip(pages, looks, strict=True):
                await self._end(held, site, page, look)
                silent = silent + 1 if look.is_silent else 0
            if silent >= _MOST_SILENT:
                async with self._database.transaction(held.scope) as session:
                    await put_off(session, held, f"The site does not answer. {looks[-1].reason}")
                return
        async with self._database.transaction(held.scope) as session:
            await let_go(session, held)

    async def _seed(self, held: Claim, site: SiteFacts, fetcher: PageFetcher) -> None:
        """Queue what the sitemaps name. A site whose robots.txt cannot be read now is asked again in the next slice."""
        try:
            rules = await self._robots.rules_for(site.url, fetcher)
        except FetchError:
            return
        except RefusedAddressError as error:
            addresses: list[str] = []
            problem = error.detail
        else:
            addresses, problem = await self._sitemap_pages(site, fetcher, rules.sitemaps)
        async with self._database.transaction(held.scope) as session:
            await enqueue(session, held, addresses, self.rules, depth=0, found_by="sitemap")
            await seeded(session, held, problem)

    async def _sitemap_pages(
        self, site: SiteFacts, fetcher: PageFetcher, named: Sequence[str]
    ) -> tuple[list[str], str]:
        """Addresses, enough for the limit of pages, and in words what could not be read of sitemaps the site names."""
        waiting = list(named) or [f"{origin_of(site.url)}/sitemap.xml"]
        done: set[str] = set()
        pages: list[str] = []
        problems: list[str] = []
        while waiting and len(done) < _MOST_SITEMAPS and len(pages) < 4 * site.most_pages:
            address = waiting.pop(0)
            if address in done:
                continue
            done.add(address)
            try:
                found = await self._sitemap(page_address(address, self.rules), fetcher)
            except (FetchError, RefusedAddressError, RefusedDocumentError) as error:
                if named:
                    problems.append(f"The sitemap {address[:200]} was not read: {error.detail}")
                continue
            except RobotsDisallowedError:
                continue
            pages += found[0]
            waiting += found[1]
        return pages, " ".join(problems[:3])

    async def _sitemap(self, address: str, fetcher: PageFetcher) -> tuple[Sequence[str], Sequence[str]]:
        async def admit(hop: str) -> None:
            await self._robots.admit(hop, fetcher)

        answer = await fetcher.fetch(address, admit)
        if answer.status != 200:
            raise FetchError(f"the server answers with status {answer.status}.", passes=False)
        facts = await self._reader.read_sitemap(answer.raw)
        return facts.pages, facts.sitemaps

    async def _end(self, held: Claim, site: SiteFacts, page: PageFacts, look: Look) -> None:
        """Take in what is new, then write down what became of the page and queue what it links to."""
        kept: tuple[UUID, int] | None = None
        if look.state == "changed":
            look, kept = await self._take_in(held, site, page, look)
        async with self._database.transaction(held.scope) as session:
            await end_page(session, held, page, look, kept)
            if not site.is_site:
                return
            links = list(look.links)
            if look.state == "duplicate" and links:
                # Where it sends to is the page itself, as near to the start as this one.
                await enqueue(session, held, [links.pop(0)], self.rules, depth=page.depth, found_by="link")
            if page.depth < site.most_depth:
                await enqueue(session, held, links, self.rules, depth=page.depth + 1, found_by="link")

    async def _take_in(
        self, held: Claim, site: SiteFacts, page: PageFacts, look: Look
    ) -> tuple[Look, tuple[UUID, int] | None]:
        if look.content_hash == page.content_hash and page.document_id is not None:
            return replace(look, state="unchanged"), None
        async with self._database.transaction(held.scope) as session:
            twin = await same_content(session, site, page, look) if site.is_site else ""
        if twin:
            return replace(
                look, state="duplicate", reason=f"It says the same as {twin}", links=(twin, *look.links)
            ), None
        is_new = page.document_id is None
        upload = Upload(
            file_name=file_name(look.address, look.media_type),
            raw=look.raw,
            origin=look.address,
            title=look.title if is_new else "",
            category=site.category if is_new else "",
            url=look.address,
        )
        try:
            version = await take_in(
                self._database, self._storage, held.scope, upload, maximum_bytes=self._limits.most_bytes
            )
        except (TooLargeError, InvalidInputError) as error:
            return replace(look, state="refused", reason=f"{error.detail[:1].upper()}{error.detail[1:]}."), None
        return replace(look, state="new" if is_new else "changed"), (version.document_id, version.number)
