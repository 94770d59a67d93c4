"""Every page of the desk: it renders full and empty, keeps to the rules of markup, and lets in whom it should."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from selectolax.lexbor import LexborHTMLParser as HTMLParser

import ui
from desk.accounts.identity import ROLES, Permission
from desk.app import create_app
from desk.db.crypto import key_ring
from desk.db.roles import DatabaseAddress
from desk.installation import Installation
from desk.settings import load_settings
from desk.wiring import build
from tests.database import ENCRYPTION_KEY
from tests.desk.api.world import build_world, call, do_due_work
from tests.desk.conftest import Client, People, Person, serving
from tests.ui.conftest import Browser, new_address, signed_in
from tests.ui.markup import faults
from tests.ui.test_mailbox_pages import connected
from tests.ui.test_sending_pages import certify, quiet_ticket

HOSTILE = '</textarea></template><script>alert(1)</script><img src=x onerror=alert(1)>" hx-get="/x" {{ 7*7 }} \u202e'
NO_PAGE = ("/", "/login", "/logout", "/live", "/welcome", "/settings/email/allowed")
"""What leads elsewhere, or is only come back to from elsewhere."""
CHANNEL_PAGES = "/settings/channels/"
"""Of each kind of channel: looked at in `test_channel_pages`."""
PARTS = ("/refresh", "/health", "/faqs/suggestions", "/sending/switch", "/sending/news", "/sending/standing")


class PageRoute(NamedTuple):
    method: str
    path: str
    permission: Permission


def page_routes(app: Litestar) -> Iterator[PageRoute]:
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or route.path.startswith(
            ("/api", "/health", "/schema", "/metrics", "/static", "/widget", "/demo", "/files", "/hooks")
        ):
            continue
        for handler in route.route_handlers:
            for method in handler.http_methods - {"OPTIONS", "HEAD"}:
                yield PageRoute(method, route.path_format, handler.opt["permission"])


def filled(path: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        path = path.replace("{" + name + "}", value)
    return path


def addresses(app: Litestar, ids: dict[str, str]) -> list[str]:
    got = [
        filled(route.path, ids)
        for route in page_routes(app)
        if route.method == "GET" and route.path not in NO_PAGE and not route.path.startswith(CHANNEL_PAGES)
    ]
    asked = {
        filled("/prompts/{prompt_id}/difference", ids): f"?against={ids['prompt_id']}",
        filled("/knowledge/{document_id}/difference", ids): "?from=1&to=1",
        "/settings/email/new": "?address=help@acme.test",
    }
    assert set(asked) <= set(got)
    return [path + asked.get(path, "") for path in got]


async def test_every_page_of_a_desk_at_work_keeps_to_the_rules(
    app: Litestar, client: Client, installation: Installation, browser: Browser, owner: Person
) -> None:
    world = await build_world(client, installation, owner)
    certificate_id = await certify(installation.database, owner, await quiet_ticket(installation.database, owner))
    await signed_in(browser, owner)
    mailbox_id = (await connected(browser)).rpartition("/")[2]
    found: dict[str, list[str]] = {}
    added = {"certificate_id": str(certificate_id), "connection_id": mailbox_id, "view": "all", "channel": "rest"}
    for path in addresses(app, {**world.ids, **added}):
        answer = await browser.get(path)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        is_whole = not path.endswith(PARTS)
        found[path] = faults(HTMLParser(answer.text), is_whole=is_whole)
    assert {path: each for path, each in found.items() if each} == {}
    assert len(found) > 20


async def test_every_page_of_an_empty_tenant_renders_and_says_what_to_do(
    app: Litestar, browser: Browser, owner: Person
) -> None:
    await signed_in(browser, owner)
    for path in (
        "/queue/needs_reply",
        "/knowledge",
        "/examples",
        "/corrections",
        "/prompts",
        "/playground",
        "/weights",
    ):
        assert faults(await browser.page(path)) == [], path
    queue = await browser.page("/queue/needs_reply")
    assert queue.css_first("#lines a[href='/settings/channels']") is not None
    assert "No knowledge yet" in (await browser.page("/knowledge")).text()


async def test_hostile_words_are_shown_as_words_everywhere(
    app: Litestar, client: Client, installation: Installation, browser: Browser, owner: Person
) -> None:
    await call(client, owner, "POST", "/documents", json={"title": HOSTILE, "text": f"# {HOSTILE}\n\n{HOSTILE}"})
    customer = {"external_id": "x", "email": "x@example.com", "name": HOSTILE}
    made = await call(
        client, owner, "POST", "/tickets", json={"subject": HOSTILE, "body": HOSTILE * 2, "customer": customer}
    )
    note = {"from": "note", "body": HOSTILE}
    await call(client, owner, "POST", f"/tickets/{made['id']}/messages", json=note)
    await call(client, owner, "PATCH", f"/tickets/{made['id']}", json={"tags": [HOSTILE[:50]]})
    await do_due_work(installation)
    document = (await call(client, owner, "GET", "/documents"))["items"][0]
    await signed_in(browser, owner)
    for path in ("/queue/all", f"/tickets/{made['id']}", "/knowledge", f"/knowledge/{document['id']}"):
        page = await browser.page(f"{path}?view=all")
        assert faults(page) == [], path
        assert not page.css("img, [onerror], [hx-get='/x']"), path
        assert "<script>alert(1)</script>" in page.text(), path
        assert "{{ 7*7 }}" in page.text(), path


@pytest.mark.parametrize("role", ["nobody", "agent", "admin", "owner", "operator"])
async def test_a_page_lets_in_whom_its_permission_names(
    app: Litestar, browser: Browser, people: People, tenant_id: UUID, role: str
) -> None:
    """Ids are unknown ones: whoever is let in finds nothing, whoever is not never gets that far."""
    if role == "operator":
        await signed_in(browser, await people.operator(new_address()))
    elif role != "nobody":
        await signed_in(browser, await people.person(tenant_id, role, new_address()))
    for route in page_routes(app):
        if route.permission is Permission.PUBLIC or route.path == "/live":
            continue
        unknown = {part[1:-1]: str(uuid4()) for part in route.path.split("/") if part.startswith("{")}
        path = filled(route.path, {**unknown, "view": "all"})
        if role != "nobody" and route.path in {"/sending/stop", "/sending/resume", "/tenant", "/prompts/default"}:
            assert (route.permission in ROLES[role]) == (await _reaches(browser, route, path)), route
            continue
        answer = await (browser.get(path) if route.method == "GET" else browser.post(path))
        if role == "nobody":
            assert answer.headers.get("HX-Redirect", answer.headers.get("location", "")).startswith("/login"), route
        elif route.permission in ROLES[role]:
            assert answer.status_code != 403, (route, answer.text)
        else:
            assert answer.status_code == 403, (route, answer.status_code)


async def _reaches(browser: Browser, route: PageRoute, path: str) -> bool:
    answer = await browser.post(path)
    return not (answer.status_code == 403 and f"'{route.permission}'" in answer.text.replace("&#39;", "'"))


async def test_what_one_may_not_do_is_not_offered(browser: Browser, client: Client, agent: Person) -> None:
    await signed_in(browser, agent)
    knowledge = await browser.page("/knowledge")
    assert not knowledge.css("[data-drop], #paste")
    assert not (await browser.page("/weights")).css("#main button")
    assert not knowledge.css("a[href^='/settings']")


async def test_signing_in_says_what_is_wrong_and_leads_on(browser: Browser, agent: Person) -> None:
    refused = await browser.sign_in(agent.email, "not the password")
    page = HTMLParser(refused.text)
    assert refused.status_code == 401
    assert page.css_first("#refusal") is not None
    assert [field.attributes["value"] for field in page.css("#email")] == [agent.email]
    assert "not the password" not in refused.text
    kept = await browser.sign_in(agent.email, next_page="/knowledge?q=mail")
    assert kept.headers["location"] == "/knowledge?q=mail"
    assert (await browser.get("/")).headers["location"] == "/queue/needs_reply"
    await browser.page("/knowledge")
    left = await browser.post("/logout")
    assert left.headers["location"] == "/login"
    assert (await browser.get("/queue/all")).status_code == 303


@pytest.mark.parametrize("away", ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)"])
async def test_signing_in_never_leads_to_another_site(browser: Browser, agent: Person, away: str) -> None:
    assert (await browser.sign_in(agent.email, next_page=away)).headers["location"] == "/queue/needs_reply"


async def test_a_desk_without_tenants_says_how_to_make_one(fresh_address: DatabaseAddress, tmp_path: Path) -> None:
    installation = build(
        load_settings({"DESK_DATA_DIR": str(tmp_path), "DESK_PUBLIC_URL": "http://desk.test"}), fresh_address
    )
    app = create_app(installation, ui.page_handlers(), [ui.PagesPlugin()], ui.error_page)
    key_ring.configure((ENCRYPTION_KEY,))
    async with serving(app) as opened:
        assert "desk tenants create" in (await opened.get("/login", headers={"Accept": "text/html"})).text


async def test_errors_are_pages_for_visits_and_sentences_for_swaps(browser: Browser, owner: Person) -> None:
    await signed_in(browser, owner)
    missing = await browser.get(f"/tickets/{uuid4()}")
    assert missing.status_code == 404
    assert faults(HTMLParser(missing.text)) == []
    swapped = await browser.part(f"/tickets/{uuid4()}")
    assert swapped.status_code == 404
    told = [node.text(strip=True) for node in HTMLParser(swapped.text).css("[data-problem]")]
    assert told == ["There is no such ticket."]


async def test_static_files_are_kept_for_ever_under_their_version(browser: Browser) -> None:
    page = HTMLParser((await browser.get("/login")).text)
    loaded = [str(node.attributes["href"]) for node in page.css("link[rel=stylesheet]")]
    for address in loaded:
        answer = await browser.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert "url(" not in answer.text
    assert len(loaded) == 8
