"""The widget in a real browser, in a page of another origin, against a real desk."""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.connectors.widget.browsing import (
    IN_A_BROWSER,
    configure,
    marked,
    newest_ticket,
    open_chat,
    reply,
    sign_in,
    thread_of,
    widget_connection,
    write,
)
from tests.connectors.widget.shop_page import Shop, shop_server
from tests.desk.live_chat import ANSWER, HARD, QUESTION
from tests.whole.desk_process import DeskProcess, wait_for, with_signal

pytestmark = IN_A_BROWSER


@pytest.mark.timeout(280, func_only=True)
def test_the_whole_story_of_a_question(  # noqa: PLR0915 - one story, told in its order
    browser: Browser, context: BrowserContext, shop: Shop, api: httpx.Client, desk: DeskProcess
) -> None:
    """Asked and answered, asked and handed over, edited and sent by keyboard, seen live; lines lost, nothing else."""
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(shop.url)
    panel = open_chat(page)
    expect(panel.get_by_role("textbox")).to_be_focused()
    write(panel, QUESTION)
    expect(panel.get_by_text(ANSWER)).to_be_visible()
    hard = f"{HARD} {marked()}"
    write(panel, hard)
    expect(panel.get_by_text("A person has been asked and will answer you here.")).to_be_visible()
    ticket = newest_ticket(api, hard)

    agents = browser.new_context(viewport={"width": 1400, "height": 900})
    agents.set_default_timeout(20_000)
    agent = agents.new_page()
    sign_in(agent, desk)
    agent.goto(f"{desk.url}/tickets/{ticket['id']}?view=all")
    expect(panel.get_by_text("Somebody is here")).to_be_visible()
    expect(panel.get_by_text("Seen", exact=True)).to_be_visible()
    wait_for(lambda: is_shown_writing(panel, agent))
    agent.locator("body").press("e")
    answer = f"We have restarted the database {marked()}."
    agent.keyboard.press("Control+a")
    agent.keyboard.type(answer, delay=5)
    expect(panel.get_by_text("Somebody is writing")).to_be_visible()
    agent.keyboard.press("Alt+Enter")
    expect(panel.get_by_text(answer)).to_be_visible()
    wait_for(lambda: is_seen(agent, f"{desk.url}/tickets/{ticket['id']}?view=all"))

    for one in (page, agent):
        one.reload()
    panel = page.get_by_role("dialog", name="Ask us")
    for text in (QUESTION, ANSWER, hard, answer):
        expect(panel.get_by_text(text, exact=True)).to_be_visible()
        expect(agent.locator("#thread").get_by_text(text, exact=True)).to_be_visible()
    expect(panel.get_by_role("textbox")).to_have_value("One more thing")

    context.set_offline(True)
    write(panel, "Written while the line was down")
    write(panel, "And another one")
    expect(panel.get_by_text("Waiting to be sent")).to_have_count(2)
    reply(api, ticket, "Sent while the line was down")
    page.wait_for_timeout(1500)
    context.set_offline(False)
    expect(panel.get_by_text("Sent while the line was down")).to_be_visible()
    expect(panel.get_by_text("Waiting to be sent")).to_have_count(0)

    for pid in desk.pids("serve"):
        with_signal(pid, signal.SIGKILL)
    write(panel, "Written while the desk was down")
    wait_for(desk.is_ready, 60)
    said = [QUESTION, hard, "Written while the line was down", "And another one", "Written while the desk was down"]
    wait_for(lambda: [text for text in thread_of(api, ticket) if text in said] == said, 60)
    reply(api, ticket, "Here we are again")
    expect(panel.get_by_text("Here we are again")).to_be_visible(timeout=40_000)
    shown = panel.get_by_role("log").locator("[data-seq]").evaluate_all("(all) => all.map((one) => one.dataset.seq)")
    assert shown == [str(number) for number in range(1, len(shown) + 1)], "lost, doubled or out of order"
    expect(agent.locator("#thread").get_by_text("Here we are again")).to_be_visible(timeout=40_000)
    assert complaints == []
    agents.close()


def is_shown_writing(panel: Locator, agent: Page) -> bool:
    """A letter more, as of somebody who goes on writing: whoever looks from now on is told as well."""
    panel.get_by_role("textbox").fill("")
    panel.get_by_role("textbox").press_sequentially("One more thing", delay=100)
    return agent.get_by_text("The visitor is writing").is_visible()


def is_seen(agent: Page, address: str) -> bool:
    agent.goto(address)
    return agent.get_by_text("Seen by the visitor").count() == 1


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


def test_forms_logo_and_colours_are_as_they_were_set(context: BrowserContext, shop: Shop, api: httpx.Client) -> None:
    """The form before the first message, the one outside of business hours, and how the widget looks."""
    now = datetime.now(UTC)
    closed = [{"day": (now.weekday() + 3) % 7, "opens": "09:00", "closes": "10:00"}]
    look = {
        "colour": "#7a1f5c",
        "text_colour": "#fffbe6",
        "position": "start",
        "logo_url": "https://logo.example/x.png",
    }
    configure(api, shop, ask_name=True, form_required=True, openings=closed, **look)
    try:
        page = context.new_page()
        page.route("https://logo.example/*", lambda route: route.fulfill(body=PIXEL, content_type="image/gif"))
        page.goto(f"{shop.url}/open")
        panel = open_chat(page)
        expect(panel.get_by_role("textbox", name="Your name")).to_be_focused()
        expect(panel.get_by_role("textbox", name="Write a message")).to_be_hidden()
        panel.get_by_role("button", name="Start").click()
        expect(panel.get_by_role("textbox", name="Write a message")).to_be_hidden()
        panel.get_by_role("textbox", name="Your name").fill("Ada Lovelace")
        panel.get_by_role("button", name="Start").click()
        expect(panel.get_by_role("textbox", name="Write a message")).to_be_focused()
        hard = f"{HARD} {marked()}"
        write(panel, hard)
        expect(panel.get_by_text("Nobody is here right now.")).to_be_visible()
        address = panel.get_by_role("textbox", name="Your e-mail address")
        address.fill("ada@example")
        panel.get_by_role("button", name="Save").click()
        expect(panel.get_by_text("Please check the address.")).to_be_visible()
        address.fill("ada@example.com")
        panel.get_by_role("button", name="Save").click()
        expect(address).to_have_count(0)
        ticket = newest_ticket(api, hard)
        assert (ticket["customer"]["name"], ticket["customer"]["email"]) == ("Ada Lovelace", "ada@example.com")
        logo = panel.locator("header img")
        assert logo.evaluate("(one) => one.complete && one.naturalWidth") == 1
        header = panel.locator("header")
        assert header.evaluate("(one) => getComputedStyle(one).backgroundColor") == "rgb(122, 31, 92)"
        assert header.evaluate("(one) => getComputedStyle(one).color") == "rgb(255, 251, 230)"
        launcher = page.locator("[data-draftdesk] .launcher").bounding_box()
        assert launcher is not None
        assert launcher["x"] < 100, "at the start of the line"
    finally:
        configure(api, shop)


PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")


def test_signing_in_and_out_without_loading_anew(context: BrowserContext, shop: Shop, api: httpx.Client) -> None:
    """Two users of one browser never see each other's conversations; nor does whoever comes after them."""
    made = api.post(f"/api/v1/connections/{widget_connection(api)['id']}/signing-secret")
    secret = made.json()["signing_secret"]
    page = context.new_page()
    page.goto(shop.url)
    panel = open_chat(page)
    users = {name: f"{name}-{marked()}" for name in ("uma", "ben")}
    identify = "(known) => DraftdeskWidget.identify(known)"
    page.evaluate(identify, {"token": token_for(secret, shop.key, users["uma"])})
    write(panel, "A secret of Uma's")
    expect(panel.get_by_text("A secret of Uma's")).to_be_visible()
    expect(panel.get_by_text("Waiting to be sent")).to_have_count(0)
    signature = hmac.new(secret.encode(), users["ben"].encode(), hashlib.sha256).hexdigest()
    page.evaluate(identify, {"user_id": users["ben"], "signature": signature})
    expect(panel.get_by_text("A secret of Uma's")).to_have_count(0)
    write(panel, "A secret of Ben's")
    expect(panel.get_by_text("A secret of Ben's")).to_be_visible()
    expect(panel.get_by_text("Waiting to be sent")).to_have_count(0)
    page.evaluate(identify, {"token": token_for(secret, shop.key, users["uma"])})
    expect(panel.get_by_text("A secret of Uma's")).to_be_visible()
    page.evaluate("DraftdeskWidget.logout()")
    expect(panel.get_by_text("A secret of Uma's")).to_have_count(0)
    kept = page.evaluate("JSON.stringify({ ...localStorage })")
    assert "secret of" not in kept
    assert "token" not in json.loads(kept)
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "refused" in said.text else None)
    page.evaluate(identify, {"token": token_for("whsec_" + 8 * "another-", shop.key, users["uma"])})
    wait_for(lambda: bool(refused) or bool(page.wait_for_timeout(100)))
    expect(panel.get_by_text("A secret of Uma's")).to_have_count(0)


def token_for(secret: str, key: str, user: str) -> str:
    now = datetime.now(UTC)
    claims = {"sub": user, "aud": key, "iat": now, "exp": now + timedelta(minutes=5)}
    return jwt.encode(claims, secret, algorithm="HS256")


def test_what_a_screen_reader_is_told(context: BrowserContext, shop: Shop) -> None:
    """The accessibility tree as Chromium builds it: names, roles, and a log that speaks when something comes."""
    page = context.new_page()
    page.goto(shop.url)
    launcher = page.locator("[data-draftdesk] .launcher")
    expect(launcher).to_have_attribute("aria-haspopup", "dialog")
    panel = open_chat(page)
    write(panel, QUESTION)
    expect(panel.get_by_text(ANSWER)).to_be_visible()
    expect(panel.get_by_role("log")).to_have_attribute("aria-busy", "false")
    tree = spoken(page)
    for role, name in (
        ("dialog", "Ask us"),
        ("heading", "Ask us"),
        ("log", "Ask us"),
        ("status", ""),
        ("textbox", "Write a message"),
        ("button", "Send"),
        ("button", "Close the chat"),
        ("button", "Talk to a person"),
        ("button", "Yes"),
    ):
        assert (role, name) in tree, f"nobody is told of {role} {name!r}"
    assert not [role for role, name in tree if role in {"button", "textbox", "link"} and not name]
    page.keyboard.press("Escape")
    expect(launcher).to_be_focused()
    expect(launcher).to_have_attribute("aria-expanded", "false")


def spoken(page: Page) -> set[tuple[str, str]]:
    """Role and name of everything that is not hidden from assistive technology."""
    client = page.context.new_cdp_session(page)
    nodes: list[dict[str, Any]] = client.send("Accessibility.getFullAXTree")["nodes"]
    return {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")}
