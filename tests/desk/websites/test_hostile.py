"""Sites that mean harm: no connection is ever opened to where the desk may not go, and nothing they send hurts."""

from __future__ import annotations

import asyncio
import gzip
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.accounts.identity import Actor
from desk.db.unit_of_work import Database
from desk.egress import EgressRules
from desk.errors import RefusedAddressError, RefusedDocumentError
from desk.websites.addresses import page_address
from retrieval.ingestion.isolation.reader import shared_reader
from tests.desk.websites.conftest import Crawler
from tests.desk.websites.small_site import SmallSite

FORBIDDEN = [
    "http://127.0.0.1:1/", "https://127.0.0.1/", "https://localhost/", "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254/", "https://2130706433/", "https://0177.0.0.1/", "https://0x7f.1/", "https://127.1/",
    "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://[fd00::1]/",
    "https://10.0.0.1/", "https://user:pass@example.com/", "https://user@127.0.0.1/", "ftp://example.com/",
    "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "javascript:alert(1)", "data:text/html,hello",
    "https://metadata.internal/", "https://example.com:22/", "//127.0.0.1:1/x", "https://127.0.0.1%00.example.com/",
]  # fmt: skip
NOT_KEPT = {"refused", "skipped", "failed"}


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch, site: SmallSite) -> list[Any]:
    """Every address a socket of this process is connected to, but for the site's own."""
    opened: list[Any] = []
    connect = BaseSelectorEventLoop.sock_connect

    async def watched(loop: BaseSelectorEventLoop, sock: Any, address: Any) -> None:
        if isinstance(address, tuple) and address[:2] != ("127.0.0.1", site.port):
            opened.append(address)
        await connect(loop, sock, address)

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", watched)
    return opened


class Names:
    """A resolver under the attacker's control: each question is answered by the next answer, the last one for ever."""

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self.answers = {name.replace("_", "."): list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        given = self.answers.get(host, [["127.0.0.1"]])
        return given.pop(0) if len(given) > 1 else given[0]


@pytest.fixture
def guarded(database: Database, actor: Actor, tmp_path: Path, site: SmallSite) -> Crawler:
    """Names of the site are allowed, every other name resolves to loopback."""
    rules = EgressRules(frozenset({f"127.0.0.1:{site.port}"}), Names())
    return Crawler(database, actor, tmp_path, rules)


@pytest.mark.parametrize("reach", ["page", "site"])
async def test_no_redirect_and_no_link_leads_inside(
    guarded: Crawler, site: SmallSite, connections: list[Any], reach: str
) -> None:
    for number, where in enumerate(FORBIDDEN):
        site.send_on(f"/r{number}", where, (301, 302, 303, 307, 308)[number % 5])
    hops = " ".join(f"/r{number}" for number in range(len(FORBIDDEN)))
    site.write("/", "Start", "Words.", links=f"{hops} {' '.join(FORBIDDEN[:-1])}")
    names = "".join(f"<url><loc>{where}</loc></url>" for where in FORBIDDEN if "&" not in where)
    site.put("/sitemap.xml", f"<urlset>{names}</urlset>", "application/xml")
    if reach == "site":
        states = await guarded.crawl(await guarded.add(site.at("/"), reach="site"))
        assert {state for path, state in states.items() if path.startswith("/r")} <= NOT_KEPT
        assert len(states) == len(FORBIDDEN) + 1
    else:
        for number in range(0, len(FORBIDDEN), 4):
            website = await guarded.add(site.at(f"/r{number}"))
            assert set((await guarded.crawl(website)).values()) <= NOT_KEPT, FORBIDDEN[number]
    assert connections == []


async def test_robots_and_sitemaps_lead_nowhere_inside_either(
    guarded: Crawler, site: SmallSite, connections: list[Any]
) -> None:
    lines = "".join(f"Sitemap: {where}\n" for where in FORBIDDEN)
    site.put("/robots.txt", f"User-agent: *\nAllow: /\n{lines}", "text/plain")
    site.write("/", "Start", "Words.")
    website = await guarded.add(site.at("/"), reach="site")
    assert await guarded.crawl(website) == {"/": "new"}
    assert "was not read" in (await guarded.website(website)).problem
    site.send_on("/robots.txt", "https://169.254.169.254/robots.txt")
    assert await guarded.again(website) == {"/": "refused"}
    assert connections == []


async def test_a_name_that_changes_its_address_is_refused_before_a_socket_is_opened(
    database: Database, actor: Actor, tmp_path: Path, connections: list[Any]
) -> None:
    names = Names(rebinding_example=[["93.184.216.34", "10.0.0.7"], ["::ffff:127.0.0.1"], ["127.0.0.1"]])
    crawler = Crawler(database, actor, tmp_path, EgressRules(resolver=names))
    website = await crawler.add("https://rebinding.example/")
    for _ in range(3):
        assert list((await crawler.again(website)).values()) == ["refused"]
    page = next(iter((await crawler.pages(website)).values())).page
    assert "not a public address" in page.reason
    assert len(names.asked) == 3
    assert connections == []


@pytest.mark.parametrize("address", [*FORBIDDEN[4:17], "https://example.com:8080/", "", "   ", "https://"])
def test_what_may_not_be_fetched_is_refused_when_it_is_added(address: str) -> None:
    if address in {"https://metadata.internal/"}:
        pytest.skip("only its resolution shows where it is")
    with pytest.raises(RefusedAddressError):
        page_address(address, EgressRules())


@settings(deadline=None)
@given(st.text(max_size=60).map(lambda text: f"https://example.com/{text}") | st.text(max_size=40))
def test_every_address_has_one_way_to_be_written(text: str) -> None:
    rules = EgressRules()
    try:
        once = page_address(text, rules)
    except RefusedAddressError:
        return
    assert once.isascii()
    assert page_address(once, rules) == once


async def test_bombs_and_slow_bodies_end_refused_or_failed(crawler: Crawler, site: SmallSite) -> None:
    site.write("/", "Start", "Words.", links="/packed /large /slow /loop /deep /zip.zip /pdf.pdf")
    site.put("/packed", gzip.compress(b"0" * 20_000_000), "text/html")
    site.pages["/packed"].headers["content-encoding"] = "gzip"
    site.put("/large", b"<p>" + b"x" * 1_200_000, "text/html")
    site.put("/slow", b"<p>" + b"x" * 10_000, "text/html", pause=0.05)
    site.send_on("/loop", "/loop?again", 302)
    site.send_on("/loop?again", "/loop", 302)
    site.put("/deep", b"<div>" * 100_000 + b"words", "text/html")
    site.put("/pdf.pdf", b"%PDF-1.7\nnot at all", "application/pdf")
    started = asyncio.get_running_loop().time()
    website = await crawler.add(site.at("/"), reach="site")
    states = await crawler.crawl(website, crawler.desk(page_seconds=0.4))
    pages = await crawler.pages(website)
    assert {path: states[path] for path in ("/packed", "/large", "/slow", "/deep")} == {
        "/packed": "refused", "/large": "refused", "/slow": "failed", "/deep": "refused",
    }  # fmt: skip
    assert states["/loop"] == "refused"
    assert pages["/pdf.pdf"].document_state == "refused"
    assert "compressed" in pages["/packed"].page.reason
    assert "larger than" in pages["/large"].page.reason
    assert set(await crawler.documents()) == {"/", "/pdf.pdf"}
    # The slow page alone would take 500 s, and is tried three times.
    assert asyncio.get_running_loop().time() - started < 200


ENTITIES = b'<!DOCTYPE z [<!ENTITY a "%s"><!ENTITY b "%s">]>' % (b"A" * 5000, b"&a;" * 5000)
OUTSIDE = b'<!DOCTYPE z [<!ENTITY f SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize(
    "raw",
    [
        gzip.compress(b"<urlset>" + b" " * 60_000_000),
        b"<urlset><url><loc>https://example.com/",
        b"<html><body>Not found</body></html>",
        b"\x1f\x8b broken",
        b"\x89PNG\r\n\x1a\n",
    ],
)
async def test_damaged_sitemaps_are_refused(raw: bytes) -> None:
    with pytest.raises(RefusedDocumentError):
        await shared_reader().read_sitemap(raw)


@pytest.mark.parametrize(("start", "entity"), [(ENTITIES, b"&b;"), (OUTSIDE, b"&f;")])
async def test_entities_of_a_sitemap_stand_for_nothing(start: bytes, entity: bytes) -> None:
    url = b"<urlset><url><loc>https://example.com/%s</loc></url></urlset>" % entity
    try:
        found = await shared_reader().read_sitemap(start + url)
    except RefusedDocumentError:
        return
    assert list(found.pages) in ([], ["https://example.com/"])
