"""A website added by the API and by the command, from the request to a document that is searched."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from desk.db.roles import DatabaseAddress
from desk.egress import EgressRules
from desk.installation import Installation
from desk.settings import load_settings
from desk.websites.crawling import CrawlDesk
from desk.wiring import build
from retrieval.ingestion.isolation.reader import shared_reader
from tests.database import ENCRYPTION_KEY, SECRET_KEY
from tests.desk.api.world import call, do_due_work
from tests.desk.cli.conftest import Command, command_on
from tests.desk.conftest import Client, Person
from tests.desk.websites.conftest import LIMITS
from tests.desk.websites.small_site import SmallSite, small_site


@pytest.fixture
async def installation(fresh_address: DatabaseAddress, tmp_path: Path) -> AsyncGenerator[Installation]:
    given = {
        "DESK_DATA_DIR": str(tmp_path),
        "DESK_SECRET_KEY": SECRET_KEY.reveal(),
        "DESK_ENCRYPTION_KEYS": ENCRYPTION_KEY.reveal(),
        "DESK_PUBLIC_URL": "http://desk.test",
    }
    built = build(load_settings(given), fresh_address)
    rules = EgressRules(frozenset({"127.0.0.1"}))
    crawls = CrawlDesk(built.database, built.storage, shared_reader(), rules, built.clock, LIMITS)
    yield replace(built, crawls=crawls)
    await built.database.close()


async def test_a_url_becomes_a_document_and_again_a_new_version(
    client: Client,
    installation: Installation,
    owner: Person,
    site: SmallSite,
) -> None:
    site.write("/guide", "Guide", "How it is done.")
    accepted = await client.post("/api/v1/documents", json={"url": site.at("/guide")}, headers=owner.headers)
    assert accepted.status_code == 202
    job = accepted.json()
    assert (job["url"], job["job"]["state"]) == (site.at("/guide"), "waiting")
    await do_due_work(installation)
    pages = (await call(client, owner, "GET", f"/websites/{job['website_id']}/pages"))["items"]
    assert [(one["state"], one["document_state"], one["version"]) for one in pages] == [("new", "indexed", 1)]

    site.write("/guide", "Guide", "How it is done now.")
    await call(client, owner, "POST", "/documents", json={"url": site.at("/guide")})
    await do_due_work(installation)
    document = await call(client, owner, "GET", f"/documents/{pages[0]['document_id']}")
    assert (document["current_version"], document["url"]) == (2, site.at("/guide"))


async def test_a_site_is_changed_paused_crawled_and_deleted(
    client: Client,
    installation: Installation,
    owner: Person,
    site: SmallSite,
) -> None:
    site.write("/", "Help", "Start.", links="/a")
    site.write("/a", "A", "About a.")
    asked = {"url": site.origin, "reach": "site", "schedule": "daily", "most_depth": 0}
    website = await call(client, owner, "POST", "/websites", json=asked)
    await do_due_work(installation)
    shown = await call(client, owner, "GET", f"/websites/{website['id']}")
    assert (shown["phase"], shown["pages"], shown["next_crawl_at"] is not None) == ("idle", {"new": 1}, True)
    await call(client, owner, "PATCH", f"/websites/{website['id']}", json={"most_depth": 2})
    assert (await call(client, owner, "POST", f"/websites/{website['id']}/pause"))["next_crawl_at"] is None
    await call(client, owner, "POST", f"/websites/{website['id']}/crawl")
    await do_due_work(installation)
    listed = (await call(client, owner, "GET", "/websites"))["items"]
    assert [one["pages"] for one in listed] == [{"new": 1, "unchanged": 1}]
    await call(client, owner, "DELETE", f"/websites/{website['id']}")
    assert (await call(client, owner, "GET", "/documents"))["total"] == 0


@pytest.mark.parametrize(
    "asked",
    [
        {"url": "https://169.254.169.254/latest"},
        {"url": "https://user:secret@example.com/"},
        {"url": "https://2130706433/"},
        {"url": "ftp://example.com/"},
        {"url": "https://example.com/", "most_pages": 0},
        {"url": "https://example.com/", "schedule": "hourly"},
    ],
)
async def test_what_cannot_be_followed_is_refused_at_once(client: Client, owner: Person, asked: object) -> None:
    answer = await client.post("/api/v1/websites", json=asked, headers=owner.headers)
    assert answer.status_code == 400
    assert "secret" not in answer.text


@contextmanager
def site_in_a_thread() -> Generator[SmallSite]:
    """For commands, which have an event loop of their own."""
    started, done, sites = threading.Event(), asyncio.Event(), list[SmallSite]()
    loop = asyncio.new_event_loop()

    async def live() -> None:
        async with small_site() as site:
            sites.append(site)
            started.set()
            await done.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(live(),))
    thread.start()
    started.wait()
    try:
        yield sites[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()


def test_the_command_takes_addresses_beside_files(database_address: DatabaseAddress, tmp_path: Path) -> None:
    (tmp_path / "note.md").write_text("# Note\n\nA note of our own.\n", encoding="utf-8")
    with site_in_a_thread() as site, command_on(database_address, tmp_path / "data") as plain:
        site.write("/", "Help", "Start.", links="/a /nowhere")
        site.write("/a", "A", "About a.")
        desk: Command = plain.with_settings(DESK_EGRESS_ALLOWED_HOSTS="127.0.0.1", DESK_CRAWL_PAUSE_SECONDS="0")
        note = str(tmp_path / "note.md")
        report = desk.json("ingest", note, site.origin, "--site", "--tenant", desk.new_tenant())
    results = {one["path"].removeprefix(site.origin): one for one in report["results"]}
    assert (report["indexed"], report["refused"]) == (3, 1)
    assert results["/a"]["chunks"] == 1
    assert "404" in results["/nowhere"]["reason"]
