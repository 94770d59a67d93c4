"""A real desk, a shop of another origin and Chromium, for the tests that look at the widget as visitors do."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.connectors.widget.shop_page import Shop, shop_server
from tests.desk.conftest import PASSWORD
from tests.desk.live_chat import ANSWER, QUESTION
from tests.whole.desk_process import DeskProcess, wait_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
IN_A_BROWSER = [
    pytest.mark.browser,
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium; Debian's package is called chromium"),
]


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Generator[DeskProcess]:
    process = DeskProcess(tmp_path_factory.mktemp("widget"), {"DESK_TRUSTED_PROXIES": "127.0.0.1"})
    try:
        process.start()
        yield process
        process.stop()
    finally:
        process.kill_everything()


@pytest.fixture(scope="session")
def api(desk: DeskProcess) -> httpx.Client:
    """With a key of the tenant's owner."""
    client = desk.api(desk.new_tenant("Bakery"))
    faq = {"question": QUESTION, "answer": ANSWER, "state": "published"}
    assert client.post("/api/v1/faqs", json=faq).status_code == 201
    return client


@pytest.fixture(scope="session")
def shop(desk: DeskProcess, api: httpx.Client) -> Generator[Shop]:
    with shop_server() as server:
        server.desk_url = desk.url
        server.key = widget_connection(api)["public_key"]
        configure(api, server)
        yield server


def widget_connection(api: httpx.Client) -> dict[str, Any]:
    return next(each for each in api.get("/api/v1/connections").json()["items"] if each["channel"] == "widget")


def configure(api: httpx.Client, shop: Shop, **changes: Any) -> None:
    """Set the widget up for the shop; what is not named goes back to what these tests begin with."""
    standard = {"allowed_origins": [shop.url], "messages_per_minute": 1000, "answer_seconds": 20}
    changed = api.put(f"/api/v1/connections/{widget_connection(api)['id']}", json={"widget": {**standard, **changes}})
    assert changed.status_code == 200, changed.text


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    """Gone with its module: while Playwright runs, the asynchronous tests of this process cannot."""
    with sync_playwright() as playwright:
        expect.set_options(timeout=20_000)
        flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield opened
        opened.close()


@pytest.fixture
def context(browser: Browser) -> Generator[BrowserContext]:
    opened = browser.new_context(locale="en-GB")
    opened.set_default_timeout(20_000)
    yield opened
    opened.close()


def open_chat(page: Page) -> Locator:
    page.get_by_role("button", name="Open the chat").click()
    panel = page.get_by_role("dialog", name="Ask us")
    expect(panel).to_be_visible()
    return panel


def write(panel: Locator, text: str) -> None:
    panel.get_by_role("textbox", name="Write a message").fill(text)
    panel.get_by_role("textbox", name="Write a message").press("Enter")


def newest_ticket(api: httpx.Client, text: str) -> dict[str, Any]:
    def look() -> Any:
        found = api.get("/api/v1/tickets", params={"channel": "widget", "q": text}).json()["items"]
        return found[0] if found else None

    return wait_for(look)


def reply(api: httpx.Client, ticket: dict[str, Any], body: str) -> None:
    sent = api.post(f"/api/v1/tickets/{ticket['id']}/messages", json={"from": "agent", "body": body})
    assert sent.status_code == 201, sent.text


def thread_of(api: httpx.Client, ticket: dict[str, Any]) -> list[str]:
    detail = api.get(f"/api/v1/tickets/{ticket['id']}").json()
    return [message["body"] for message in detail["messages"]]


def sign_in(page: Page, desk: DeskProcess) -> None:
    page.goto(desk.url)
    page.get_by_label("E-mail").fill("owner@bakery.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Tickets")).to_be_visible()


def marked() -> str:
    """Something that no other test writes."""
    return uuid4().hex[:6]


__all__ = ["api", "browser", "context", "desk", "shop"]
