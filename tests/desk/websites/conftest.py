"""A crawler over a real database, and a site for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import cache
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from connectors.storage.folder import FolderStorage
from desk.accounts.identity import Actor
from desk.clock import SystemClock
from desk.db.leases import claim, claim_these
from desk.db.unit_of_work import Database
from desk.egress import EgressRules
from desk.models import Document, Website, WebsitePage
from desk.websites.crawling import CrawlDesk, CrawlLimits
from desk.websites.sites import PageLine, WebsiteChoices, add_website, crawl_now, list_pages
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.indexer import ChunkIndexer
from retrieval.ingestion.isolation.reader import shared_reader
from tests.desk.websites.small_site import SmallSite, small_site

LIMITS = CrawlLimits(0.0, 1_000_000, "http://desk.test", page_seconds=2.0)


@cache
def embedder() -> MiniLMEmbedder:
    return MiniLMEmbedder()


class Crawler:
    """Adds websites, crawls what is due, and reads what was taken in."""

    def __init__(self, database: Database, actor: Actor, folder: Path, rules: EgressRules) -> None:
        self.database, self.actor, self.rules = database, actor, rules
        self.storage = FolderStorage(folder)
        self.indexer = ChunkIndexer(database, self.storage, embedder(), lease_seconds=30)
        self.limits = LIMITS

    def desk(self, **limits: float) -> CrawlDesk:
        """A worker of its own, which remembers no robots.txt."""
        return CrawlDesk(
            self.database, self.storage, shared_reader(), self.rules, SystemClock(), replace(self.limits, **limits)
        )

    async def add(self, address: str, **choices: object) -> UUID:
        async with self.database.transaction(self.actor.scope) as session:
            asked = WebsiteChoices(**choices)  # type: ignore[arg-type]
            return (await add_website(session, self.rules, address, asked)).id

    async def again(self, website_id: UUID) -> dict[str, str]:
        """A further round."""
        async with self.database.transaction(self.actor.scope) as session:
            await crawl_now(session, website_id)
        return await self.crawl(website_id)

    async def crawl(self, website_id: UUID, desk: CrawlDesk | None = None, most_slices: int = 30) -> dict[str, str]:
        """To the end of the round, waiting for nothing; then everything is indexed. Returns states by path."""
        worker = desk or self.desk()
        for _ in range(most_slices):
            async with self.database.transaction(self.actor.scope) as session:
                await session.execute(update(WebsitePage).values(try_at=func.now()))
                await session.execute(update(Website).where(Website.phase == "crawling").values(due_at=func.now()))
                claims = await claim_these(session, Website, [website_id], 30)
            if not claims:
                break
            await worker.work(claims[0])
        await self.index()
        return {path: line.page.state for path, line in (await self.pages(website_id)).items()}

    async def index(self) -> None:
        while held := await claim(self.database, "document_versions", 50, 30):
            for one in held:
                await self.indexer.index(one.tenant_id, one.row_id, one.fence)

    async def pages(self, website_id: UUID) -> dict[str, PageLine]:
        async with self.database.transaction(self.actor.scope) as session:
            page = await list_pages(session, website_id, state=None, q=None, limit=200, offset=0)
        return {"/" + line.page.url.split("/", 3)[3]: line for line in page.items}

    async def website(self, website_id: UUID) -> Website:
        async with self.database.transaction(self.actor.scope) as session:
            return await session.get_one(Website, website_id)

    async def documents(self) -> dict[str, Document]:
        """Not deleted ones, by path."""
        async with self.database.transaction(self.actor.scope) as session:
            crawled = select(Document).where(~Document.is_deleted, Document.origin.contains("://"))
            rows = await session.execute(crawled)
            return {"/" + one.origin.split("/", 3)[3]: one for one in rows.scalars()}


@pytest.fixture
async def site() -> AsyncGenerator[SmallSite]:
    async with small_site() as served:
        yield served


@pytest.fixture
def crawler(database: Database, actor: Actor, tmp_path: Path, site: SmallSite) -> Crawler:
    return Crawler(database, actor, tmp_path, EgressRules(frozenset({f"127.0.0.1:{site.port}"})))
