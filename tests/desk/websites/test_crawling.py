"""A website becomes knowledge: what is taken, what is left out and why, and what happens when it changes."""

from __future__ import annotations

import asyncio
import gzip
from itertools import pairwise

import pytest
from sqlalchemy import select, update

from desk.db.leases import LostLeaseError, claim_these
from desk.document_difference import version_difference
from desk.documents import document_view
from desk.knowledge import delete_document
from desk.models import Document, DocumentVersion, Embedding, Website
from desk.websites.sites import delete_website, list_websites, next_crawl, pause_website, resume_website
from tests.conftest import new_owner
from tests.desk.websites.conftest import Crawler
from tests.desk.websites.small_site import SmallSite
from tests.retrieval.ingestion.made_files import text_pdf

TERMS = text_pdf("Backups are kept for 14 days.", "A restore is free of charge.")


def help_centre(site: SmallSite) -> None:
    site.write(
        "/", "Help", "Everything about hosting.", links="/backups /terms.pdf /logo.png /nobody https://other.test/"
    )
    site.write(
        "/backups", "Backups", "Backups are made every night at two.", links="/restore#top /backups?utm_source=x"
    )
    site.write("/restore", "Restore", "A restore takes ten minutes.", links="/deep")
    site.write("/deep", "Deep", "Too far from the start.")
    site.put("/terms.pdf", TERMS, "application/pdf")


async def test_one_page_is_kept_without_what_stands_around_it(crawler: Crawler, site: SmallSite) -> None:
    help_centre(site)
    website = await crawler.add(site.at("/backups"), category="Guides")
    assert await crawler.crawl(website) == {"/backups": "new"}
    document = (await crawler.documents())["/backups"]
    async with crawler.database.transaction(crawler.actor.scope) as session:
        view = await document_view(session, document.id)
        text = (await session.execute(select(DocumentVersion.text))).scalar_one()
    assert (document.title, document.category, document.url) == ("Backups", "Guides", site.at("/backups"))
    assert "every night at two" in text
    assert not any(word in text for word in ("cookies", "Cookies", "Home", "rights reserved"))
    assert [chunk.text for chunk in view.chunks]
    assert "DraftdeskBot" in site.asked[-1].headers["user-agent"]


async def test_a_site_is_followed_by_its_links_as_far_as_was_asked(crawler: Crawler, site: SmallSite) -> None:
    help_centre(site)
    website = await crawler.add(site.at("/"), reach="site", most_depth=2)
    states = await crawler.crawl(website)
    assert states == {"/": "new", "/backups": "new", "/terms.pdf": "new", "/nobody": "gone", "/restore": "new"}
    pages = await crawler.pages(website)
    assert {path: line.document_state for path, line in pages.items() if line.document_state} == dict.fromkeys(
        ("/", "/backups", "/terms.pdf", "/restore"), "indexed"
    )
    assert site.paths().count("/backups") == 1
    assert "/logo.png" not in site.paths()


async def test_sitemaps_are_read_also_packed_and_through_an_index(crawler: Crawler, site: SmallSite) -> None:
    help_centre(site)
    entries = "".join(f"<url><loc>{site.at(path)}</loc></url>" for path in ("/deep", "/outside", "/docs/a"))
    listed = f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'
    index = f"<sitemapindex><sitemap><loc>{site.at('/maps/one.xml.gz')}</loc></sitemap></sitemapindex>"
    site.put("/robots.txt", f"User-agent: *\nDisallow: /out*e$\nSitemap: {site.at('/maps/all.xml')}\n", "text/plain")
    site.put("/maps/all.xml", index, "application/xml")
    site.put("/maps/one.xml.gz", gzip.compress(listed.encode()), "application/gzip")
    site.write("/docs/a", "A", "About a.", links="/docs/b /restore")
    site.write("/docs/b", "B", "About b.")
    website = await crawler.add(site.at("/"), reach="site", most_depth=0)
    states = await crawler.crawl(website)
    assert states == {"/": "new", "/deep": "new", "/docs/a": "new", "/outside": "skipped"}
    assert "/outside" not in site.paths()
    assert "robots.txt" in (await crawler.pages(website))["/outside"].page.reason

    below = await crawler.add(site.at("/docs/a"), reach="site", below="docs/")
    assert await crawler.crawl(below) == {"/docs/a": "new", "/docs/b": "new"}


async def test_what_a_page_says_about_itself_is_respected(crawler: Crawler, site: SmallSite) -> None:
    site.write("/", "Help", "Start.", links="/hidden /print /moved /twin /empty /video /away /table.csv?x=1")
    site.write("/hidden", "Hidden", "Not for robots.", head='<meta name="robots" content="noindex">')
    site.write("/print", "Page", "The page.", head='<link rel="canonical" href="/page">')
    site.write("/page", "Page", "The page.")
    site.send_on("/moved", "/target", 301)
    site.write("/target", "Target", "The target.")
    site.write("/twin", "Target", "The target.")
    site.put("/empty", "<html><body><script>render()</script></body></html>", "text/html")
    site.put("/video", b"\x00\x01", "video/mp4")
    site.send_on("/away", "https://example.com/elsewhere")
    website = await crawler.add(site.at("/"), reach="site")
    states = await crawler.crawl(website)
    pages = await crawler.pages(website)
    assert {path: states[path] for path in ("/hidden", "/print", "/page", "/moved", "/empty", "/video", "/away")} == {
        "/hidden": "skipped", "/print": "duplicate", "/page": "new", "/moved": "duplicate", "/empty": "refused",
        "/video": "skipped", "/away": "skipped",
    }  # fmt: skip
    assert sorted((states["/target"], states["/twin"])) == ["duplicate", "new"]
    assert "another site" in pages["/away"].page.reason
    assert "noindex" in pages["/hidden"].page.reason
    assert "No text" in pages["/empty"].page.reason
    assert all(line.page.reason for path, line in pages.items() if states[path] != "new")


async def test_a_site_without_end_stops_at_the_limit(crawler: Crawler, site: SmallSite) -> None:
    for number in range(12):
        site.write(f"/{number or ''}", f"Page {number}", f"Number {number}.", links=f"/{number + 1} /{number + 2}")
    website = await crawler.add(site.at("/"), reach="site", most_pages=5, most_depth=10)
    states = await crawler.crawl(website)
    assert states == dict.fromkeys(("/", "/1", "/2", "/3", "/4"), "new")
    assert (await crawler.website(website)).left_out > 0


async def test_a_character_set_in_the_header_counts(crawler: Crawler, site: SmallSite) -> None:
    site.put(
        "/", "<html><body><h1>Цены</h1><p>Бесплатно</p></body></html>".encode("koi8-r"), "text/html; charset=koi8-r"
    )
    website = await crawler.add(site.at("/"))
    await crawler.crawl(website)
    async with crawler.database.transaction(crawler.actor.scope) as session:
        text = (await session.execute(select(DocumentVersion.text))).scalar_one()
    assert "Бесплатно" in text


async def test_only_what_changed_becomes_a_new_version(crawler: Crawler, site: SmallSite) -> None:
    site.write("/", "Help", "Start.", links="/tagged /plain /news")
    site.write("/tagged", "Tagged", "Stays as it is.", etag='"one"')
    site.write("/plain", "Plain", "Stays too.", head="<meta name='nonce' content='1'>")
    site.write("/news", "News", "Backups are kept for 14 days.")
    website = await crawler.add(site.at("/"), reach="site")
    await crawler.crawl(website)

    site.write("/plain", "Plain", "Stays too.", head="<meta name='nonce' content='2'>")
    site.write("/news", "News", "Backups are kept for 30 days.")
    states = await crawler.again(website)
    assert states == {"/": "unchanged", "/tagged": "unchanged", "/plain": "unchanged", "/news": "changed"}
    asked = [each for each in site.asked if each.path == "/tagged"]
    assert [each.headers.get("if-none-match") for each in asked] == [None, '"one"']
    news = (await crawler.pages(website))["/news"]
    assert (news.page.version, news.document_version, news.document_state) == (2, 2, "indexed")
    assert news.page.document_id is not None
    async with crawler.database.transaction(crawler.actor.scope) as session:
        difference = await version_difference(session, news.page.document_id, 1, 2)
        versions = (await session.execute(select(DocumentVersion.number))).scalars().all()
    assert [(one.before, one.after) for one in difference.changes if one.kind == "replaced"] == [
        ("Backups are kept for 14 days.", "Backups are kept for 30 days.")
    ]
    assert sorted(versions) == [1, 1, 1, 1, 2]


async def test_a_page_that_is_gone_is_set_aside_after_three_rounds_and_comes_back(
    crawler: Crawler, site: SmallSite
) -> None:
    site.write("/", "Help", "Start.", links="/old")
    site.write("/old", "Old", "The old way to do it.")
    website = await crawler.add(site.at("/"), reach="site")
    await crawler.crawl(website)
    kept = site.pages.pop("/old")
    searched: list[int] = []
    for _ in range(3):
        await crawler.again(website)
        searched.append((await crawler.documents())["/old"].current_version)
    assert searched == [1, 1, 0]
    old = (await crawler.pages(website))["/old"]
    assert (old.page.state, "no longer searched" in old.page.reason) == ("set_aside", True)
    async with crawler.database.transaction(crawler.actor.scope) as session:
        document = (await session.execute(select(Document).where(Document.id == old.page.document_id))).scalar_one()
        assert "gone" in document.set_aside
        assert len((await session.execute(select(Embedding))).scalars().all()) == 1

    site.pages["/old"] = kept
    assert (await crawler.again(website))["/old"] == "unchanged"
    assert (await crawler.documents())["/old"].current_version == 1


async def test_a_server_that_fails_for_a_while_changes_nothing(crawler: Crawler, site: SmallSite) -> None:
    site.write("/", "Help", "Start.", links="/page")
    site.write("/page", "Page", "Words.")
    website = await crawler.add(site.at("/"), reach="site")
    await crawler.crawl(website)
    site.put("/page", "busy", "text/plain", status=503)
    for _ in range(4):
        assert (await crawler.again(website))["/page"] == "failed"
    assert (await crawler.documents())["/page"].current_version == 1
    assert site.paths().count("/page") == 1 + 4 * 3


async def test_without_a_readable_robots_txt_nothing_is_fetched(crawler: Crawler, site: SmallSite) -> None:
    help_centre(site)
    site.put("/robots.txt", "", "text/plain", status=500)
    website = await crawler.add(site.at("/"), reach="site")
    assert await crawler.crawl(website) == {"/": "failed"}
    assert set(site.paths()) == {"/robots.txt"}
    assert "robots.txt" in (await crawler.pages(website))["/"].page.reason


async def test_a_site_that_does_not_answer_is_put_off_and_then_given_up(crawler: Crawler, site: SmallSite) -> None:
    site.write("/", "Help", "Start.", links=" ".join(f"/{number}" for number in range(8)))
    website = await crawler.add(site.at("/"), reach="site")
    for number in range(8):
        site.put(f"/{number}", b"never", "text/html", pause=5.0)
    slow = crawler.desk(page_seconds=0.05)
    states = await crawler.crawl(website, slow)
    assert states.pop("/") == "new"
    assert set(states.values()) == {"failed"}
    row = await crawler.website(website)
    assert (row.phase, "does not answer" in row.problem) == ("idle", True)


async def test_whoever_takes_a_crawl_over_goes_on_where_it_stopped(crawler: Crawler, site: SmallSite) -> None:
    help_centre(site)
    website = await crawler.add(site.at("/"), reach="site")

    async def claimed() -> object:
        async with crawler.database.transaction(crawler.actor.scope) as session:
            await session.execute(update(Website).values(lease_until=None))
            return (await claim_these(session, Website, [website], 30))[0]

    site.pages["/backups"].pause = 0.01
    dying = asyncio.create_task(crawler.desk().work(await claimed()))  # type: ignore[arg-type]
    await site.wait_for("/backups")
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    site.pages["/backups"].pause = 0.0
    sleeping, waking = await claimed(), await claimed()
    await crawler.desk().work(waking)  # type: ignore[arg-type]
    with pytest.raises(LostLeaseError):
        await crawler.desk().work(sleeping)  # type: ignore[arg-type]
    await crawler.index()
    pages = await crawler.pages(website)
    assert {path: line.page.state for path, line in pages.items()} == {
        "/": "new", "/backups": "new", "/terms.pdf": "new", "/nobody": "gone", "/restore": "new", "/deep": "new",
    }  # fmt: skip
    assert site.paths().count("/") == 1
    assert {one.current_version for one in (await crawler.documents()).values()} == {1}


async def test_a_pause_stops_whoever_crawls_and_what_is_left_waits(crawler: Crawler, site: SmallSite) -> None:
    help_centre(site)
    website = await crawler.add(site.at("/"), reach="site")
    async with crawler.database.transaction(crawler.actor.scope) as session:
        held = (await claim_these(session, Website, [website], 30))[0]
    async with crawler.database.transaction(crawler.actor.scope) as session:
        await pause_website(session, website)
    with pytest.raises(LostLeaseError):
        await crawler.desk().work(held)
    assert site.asked == []
    async with crawler.database.transaction(crawler.actor.scope) as session:
        await resume_website(session, website)
        assert (await session.get_one(Website, website)).due_at is None
    states = await crawler.again(website)
    assert states["/deep"] == "new"


async def test_the_schedule_says_when_it_is_crawled_next(crawler: Crawler, site: SmallSite) -> None:
    help_centre(site)
    website = await crawler.add(site.at("/"), schedule="weekly")
    await crawler.crawl(website)
    row = await crawler.website(website)
    due = next_crawl(row)
    assert row.started_at is not None
    assert due is not None
    assert (due - row.started_at).days == 7


async def test_a_document_that_somebody_deleted_does_not_come_back(crawler: Crawler, site: SmallSite) -> None:
    help_centre(site)
    website = await crawler.add(site.at("/"), reach="site")
    await crawler.crawl(website)
    deleted = (await crawler.documents())["/backups"]
    async with crawler.database.transaction(crawler.actor.scope) as session:
        await delete_document(session, deleted.id)
    assert (await crawler.again(website))["/backups"] == "excluded"
    assert (await crawler.again(website))["/backups"] == "excluded"
    assert "/backups" not in await crawler.documents()


async def test_a_deleted_website_takes_its_documents_along_unless_they_are_to_stay(
    crawler: Crawler, site: SmallSite
) -> None:
    help_centre(site)
    whole, single = await crawler.add(site.at("/"), reach="site"), await crawler.add(site.at("/backups"))
    await crawler.crawl(whole)
    await crawler.crawl(single)
    async with crawler.database.transaction(crawler.actor.scope) as session:
        await delete_website(session, whole, keep_documents=False)
    assert set(await crawler.documents()) == {"/backups"}
    async with crawler.database.transaction(crawler.actor.scope) as session:
        await delete_website(session, single, keep_documents=True)
    assert set(await crawler.documents()) == {"/backups"}


async def test_requests_to_one_host_keep_their_distance(crawler: Crawler, site: SmallSite) -> None:
    help_centre(site)
    website = await crawler.add(site.at("/"), reach="site")
    await crawler.crawl(website, crawler.desk(pause_seconds=0.1))
    moments = [each.at for each in site.asked]
    assert len(moments) >= 7
    assert min(after - before for before, after in pairwise(moments)) > 0.08


async def test_another_tenant_sees_nothing_of_it(crawler: Crawler, site: SmallSite) -> None:
    help_centre(site)
    await crawler.crawl(await crawler.add(site.at("/"), reach="site"))
    other = await new_owner(crawler.database, "Other")
    async with crawler.database.transaction(other.scope) as session:
        assert (await list_websites(session, limit=10, offset=0)).items == []
