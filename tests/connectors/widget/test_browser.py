"""The widget in a real browser, in a page of another origin, against a real desk."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Generator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.connectors.widget.shop_page import Shop, shop_server
from tests.desk.conftest import PASSWORD
from tests.desk.live_chat import ANSWER, HARD, QUESTION
from tests.whole.desk_process import DeskProcess, wait_for, with_signal

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = (Path(__file__).parent / "hostile_texts.txt").read_text(encoding="utf-8").splitlines()
FOREIGN = (
    "script:not([src])",
    "img[src='x']",
    "iframe",
    "object",
    "embed",
    "base",
    "marquee",
    "[onerror]",
    "[onload]",
    "[hx-get='/settings/widget'][hx-trigger=load]",
)
"""What none of the desk's own pages holds."""
pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("widget-browser"),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium; Debian's package is called chromium"),
]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Generator[DeskProcess]:
    process = DeskProcess(tmp_path_factory.mktemp("widget"))
    try:
        process.start()
        yield process
        process.stop()
    finally:
        process.kill_everything()


@pytest.fixture(scope="module")
def api(desk: DeskProcess) -> httpx.Client:
    """With a key of the tenant's owner."""
    client = desk.api(desk.new_tenant("Bakery"))
    faq = {"question": QUESTION, "answer": ANSWER, "state": "published"}
    assert client.post("/api/v1/faqs", json=faq).status_code == 201
    return client


@pytest.fixture(scope="module")
def shop(desk: DeskProcess, api: httpx.Client) -> Generator[Shop]:
    with shop_server() as server:
        connections = api.get("/api/v1/connections").json()["items"]
        widget = next(each for each in connections if each["channel"] == "widget")
        server.desk_url, server.key = desk.url, widget["public_key"]
        set_to = {"allowed_origins": [server.url], "messages_per_minute": 1000, "answer_seconds": 20}
        saved = api.put(f"/api/v1/connections/{widget['id']}", json={"widget": set_to})
        assert saved.status_code == 200, saved.text
        chat = next(each for each in connections if each["channel"] == "chat")
        api.put(f"/api/v1/connections/{chat['id']}", json={"answer_seconds": 0})
        yield server


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with sync_playwright() as playwright:
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
    panel.get_by_role("textbox").fill(text)
    panel.get_by_role("textbox").press("Enter")


def newest_ticket(api: httpx.Client, text: str) -> dict[str, Any]:
    def look() -> Any:
        found = api.get("/api/v1/tickets", params={"channel": "widget", "q": text}).json()["items"]
        return found[0] if found else None

    return wait_for(look)


def reply(api: httpx.Client, ticket: dict[str, Any], body: str) -> None:
    sent = api.post(f"/api/v1/tickets/{ticket['id']}/messages", json={"from": "agent", "body": body})
    assert sent.status_code == 201, sent.text


def test_ask_be_answered_be_handed_over_and_lose_nothing(
    context: BrowserContext, shop: Shop, api: httpx.Client
) -> None:
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(shop.url)
    panel = open_chat(page)
    expect(panel.get_by_role("textbox")).to_be_focused()
    write(panel, QUESTION)
    expect(panel.get_by_text(ANSWER)).to_be_visible()

    hard = f"{HARD} {uuid4().hex[:6]}"
    write(panel, hard)
    expect(panel.get_by_text("A person has been asked and will answer you here.")).to_be_visible()
    ticket = newest_ticket(api, hard)
    reply(api, ticket, "We have restarted the database.")
    expect(panel.get_by_text("We have restarted the database.")).to_be_visible()

    panel.get_by_role("textbox").fill("half a sen")
    page.reload()
    panel = page.get_by_role("dialog", name="Ask us")
    for text in (QUESTION, ANSWER, hard, "We have restarted the database."):
        expect(panel.get_by_text(text, exact=True)).to_be_visible()
    expect(panel.get_by_role("textbox")).to_have_value("half a sen")

    context.set_offline(True)
    write(panel, "Written while the line was down")
    expect(panel.get_by_text("Waiting to be sent")).to_be_visible()
    reply(api, ticket, "Sent while the line was down")
    context.set_offline(False)
    expect(panel.get_by_text("Sent while the line was down")).to_be_visible()
    expect(panel.get_by_text("Waiting to be sent")).to_have_count(0)
    wait_for(lambda: "Written while the line was down" in thread_of(api, ticket))
    assert thread_of(api, ticket).count("Written while the line was down") == 1
    assert complaints == []


def thread_of(api: httpx.Client, ticket: dict[str, Any]) -> list[str]:
    detail = api.get(f"/api/v1/tickets/{ticket['id']}").json()
    return [message["body"] for message in detail["messages"]]


def test_a_web_server_that_is_killed_costs_a_moment_and_no_message(
    context: BrowserContext, shop: Shop, api: httpx.Client, desk: DeskProcess
) -> None:
    page = context.new_page()
    page.goto(shop.url)
    panel = open_chat(page)
    first = f"Before the kill {uuid4().hex[:6]}"
    write(panel, first)
    ticket = newest_ticket(api, first)
    for pid in desk.pids("serve"):
        with_signal(pid, signal.SIGKILL)
    write(panel, "After the kill")
    wait_for(desk.is_ready, 60)
    wait_for(lambda: thread_of(api, ticket) == [first, "After the kill"], 60)
    reply(api, ticket, "Here we are again")
    expect(panel.get_by_text("Here we are again")).to_be_visible(timeout=40_000)


def test_keys_screen_reader_small_screen_and_right_to_left(context: BrowserContext, shop: Shop) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": 320, "height": 560})
    page.goto(f"{shop.url}/rtl")
    launcher = page.locator("[data-draftdesk] .launcher")
    expect(launcher).to_have_attribute("aria-expanded", "false")
    launcher.focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("dialog", name="اسألنا")
    expect(panel).to_be_visible()
    expect(panel.get_by_role("textbox")).to_be_focused()
    assert panel.evaluate("(one) => getComputedStyle(one).direction") == "rtl"
    assert panel.get_by_role("log").get_attribute("aria-live") == "polite"
    box = panel.bounding_box()
    assert box is not None
    assert (box["width"], box["x"]) == (320, 0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement?.hasAttribute('data-draftdesk')"), "focus left the full screen"
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(launcher).to_be_focused()


def test_a_page_that_is_not_on_the_list_gets_nothing(context: BrowserContext, shop: Shop, desk: DeskProcess) -> None:
    with shop_server() as other:
        other.desk_url, other.key = desk.url, shop.key
        page = context.new_page()
        with page.expect_console_message(lambda said: "Access-Control-Allow-Origin" in said.text):
            page.goto(other.url)
        assert page.locator("[data-draftdesk]").count() == 0


@pytest.mark.timeout(280)
def test_hostile_texts_are_texts_in_widget_and_desk(
    browser: Browser, shop: Shop, api: httpx.Client, desk: DeskProcess
) -> None:
    """As messages, replies, names, page titles and FAQs; in a shop without any policy that would hide a hit."""
    assert len(HOSTILE) >= 60
    context = browser.new_context(locale="en-GB", viewport={"width": 1400, "height": 900})
    context.set_default_timeout(20_000)
    hits: list[str] = []

    def watch(page: Page) -> Page:
        def struck(dialog: Any) -> None:
            hits.append(page.url)
            dialog.dismiss()

        page.on("dialog", struck)
        return page

    page = watch(context.new_page())
    page.goto(f"{shop.url}/open")
    panel = open_chat(page)
    write(panel, f"Hostile {uuid4().hex[:6]}")
    expect(panel.get_by_text("A person has been asked")).to_be_visible()
    visitor = Stored(page, shop)
    for text in HOSTILE:
        visitor.write(text)
    ticket = newest_ticket(api, "Hostile")
    for text in HOSTILE:
        reply(api, ticket, text)
    log = panel.get_by_role("log")
    expect(log.locator(".message.visitor")).to_have_count(len(HOSTILE) + 1, timeout=60_000)
    expect(log.locator(".message.person")).to_have_count(len(HOSTILE), timeout=90_000)
    shown = log.locator(".message.person").all_text_contents()
    assert all(any(text.strip("\u202e\u202c") in one for one in shown) for text in HOSTILE[:40])
    assert (
        log.locator("script, img, svg, iframe, object, embed, form, input, [onerror], [hx-get], base, meta").count()
        == 0
    )
    assert all(
        address.startswith(("http://", "https://"))
        for address in log.locator("a").evaluate_all("(links) => links.map((one) => one.href)")
    )

    for number, text in enumerate(HOSTILE):
        named = {"message": text, "user_id": f"h{number}", "metadata": {"name": text, "email": text}}
        assert api.post("/api/v1/chat", json=named).status_code == 200
        visitor.write(f"Title {number}", conversation_id=None, page_title=text, page_url=text)
    agent = watch(context.new_page())
    sign_in(agent, desk)
    for view in ("/queue/all", "/queue/all?offset=50", "/queue/all?offset=100", f"/tickets/{ticket['id']}?view=all"):
        look_at(agent, desk.url + view)
    listed = api.get("/api/v1/tickets", params={"channel": "widget", "q": "Title", "limit": 100}).json()["items"]
    assert len(listed) >= len(HOSTILE)
    for each in listed[: len(HOSTILE)]:
        look_at(agent, f"{desk.url}/tickets/{each['id']}?view=mine")
    assert hits == []
    context.close()


class Stored:
    """Writes as the visitor of an open page, by that browser's token."""

    def __init__(self, page: Page, shop: Shop) -> None:
        def kept(name: str) -> Any:
            return page.evaluate(f"JSON.parse(localStorage.getItem('draftdesk:{shop.key}:{name}'))")

        self._base = f"{shop.desk_url}/widget/v1/{shop.key}"
        self._headers = {"Authorization": f"Bearer {kept('token')}", "Origin": shop.url}
        self.conversation = kept("conversation")

    def write(self, body: str, **more: Any) -> None:
        asked = {"client_message_id": str(uuid4()), "body": body, "conversation_id": self.conversation, **more}
        answer = httpx.post(f"{self._base}/messages", headers=self._headers, json=asked, timeout=20)
        assert answer.status_code == 201, answer.text


def sign_in(page: Page, desk: DeskProcess) -> None:
    page.goto(desk.url)
    page.get_by_label("E-mail").fill("owner@bakery.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Tickets")).to_be_visible()


def look_at(page: Page, address: str) -> None:
    page.goto(address, wait_until="domcontentloaded")
    assert page.locator("body").count() == 1
    assert page.locator(", ".join(FOREIGN)).count() == 0, address
