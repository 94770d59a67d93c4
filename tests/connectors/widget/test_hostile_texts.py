"""Texts of people who mean harm are texts, in the widget and in the desk: in real Chromium, with every policy that
would hide a hit switched off, and by comparing what a page is built of with and without them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, expect

from tests.connectors.widget.browsing import (
    IN_A_BROWSER,
    newest_ticket,
    open_chat,
    reply,
    sign_in,
    write,
)
from tests.connectors.widget.shop_page import Shop
from tests.whole.desk_process import DeskProcess, with_signal

HOSTILE = [line for line in (Path(__file__).parent / "hostile_texts.txt").read_text("utf-8").split("\n") if line]
TOGETHER = 25
LONGEST_NAME = 100
"""Of a visitor, in the desk."""
BATCHES = [HOSTILE[start : start + TOGETHER] for start in range(0, len(HOSTILE), TOGETHER)]
pytestmark = IN_A_BROWSER


def grouped(texts: Sequence[str], longest: int) -> list[str]:
    """As many of them together as fit; each whole. What one of them opens, the structure of the page shows."""
    groups: list[str] = []
    for text in texts:
        if groups and len(groups[-1]) + 1 + len(text) <= longest:
            groups[-1] += f" {text}"
        else:
            groups.append(text)
    return groups


GROUPS = grouped(HOSTILE, LONGEST_NAME)
TRAP = """() => {
  for (const name of ["alert", "confirm", "prompt", "print"]) {
    window[name] = (...said) => window.struck(name + " " + location.href + " " + said);
  }
}"""
STRUCTURE = """async (paths) => {
  /* What each page is built of: tag and attribute names of all elements, without the links that texts are given. */
  const built = async (path) => {
    const answer = await fetch(path, { headers: { "HX-Request": "true" } });
    const text = await answer.text();
    const page = new DOMParser().parseFromString(text, "text/html");
    for (const link of page.querySelectorAll("a[rel~=nofollow]")) {
      if (!/^https?:\\/\\//i.test(link.getAttribute("href"))) return "link " + link.outerHTML;
      link.replaceWith(...link.childNodes);
    }
    for (const one of page.querySelectorAll("[href], [src], [action], [formaction]")) {
      const address = one.getAttribute("href") ?? one.getAttribute("src") ?? one.getAttribute("action") ?? "x:";
      if (!/^[/#]/.test(address)) return "address " + one.outerHTML;
    }
    document.getElementById("spill")?.remove();
    const spill = document.body.appendChild(document.createElement("div"));
    spill.id = "spill";
    spill.append(document.createRange().createContextualFragment(text));
    const parts = [...page.querySelectorAll("*")];
    return parts.map((one) => one.tagName + "[" + one.getAttributeNames().sort() + "]").join(" ");
  };
  const found = {};
  const waiting = [...paths];
  const work = async () => {
    for (let path = waiting.shift(); path; path = waiting.shift()) found[path] = await built(path);
  };
  await Promise.all([1, 2, 3, 4].map(work));
  return found;
}"""
PLAIN = "A plain question about bread"
FOREIGN = "script:not([src]), img[src='x'], iframe, object, embed, base, marquee, math, [onerror], [onload]"


def watched(browser: Browser, struck: list[str]) -> BrowserContext:
    """Whatever is carried out reports itself; no page's Content-Security-Policy stands in its way."""
    opened = browser.new_context(locale="en-GB", viewport={"width": 1400, "height": 900}, bypass_csp=True)
    opened.set_default_timeout(30_000)

    def report(*what: object) -> None:
        struck.append(str(what))

    def refuse(dialog: Dialog) -> None:
        struck.append(dialog.message)
        dialog.dismiss()

    opened.expose_function("struck", report)  # pyright: ignore[reportUnknownMemberType] -- its parameters have no types
    opened.add_init_script(f"({TRAP})()")
    opened.on("dialog", refuse)
    opened.on("request", lambda request: struck.append(request.url) if "127.0.0.1:9/" in request.url else None)
    return opened


async def fill(shop: Shop, desk: DeskProcess, key: str) -> dict[str, str]:
    """Each text, beside others, as message, name, page title and page address of a visitor; and in batches as FAQ.

    The texts by the ids of their conversations.
    """
    written: dict[str, str] = {}
    limits = httpx.Limits(max_connections=8)
    async with httpx.AsyncClient(base_url=desk.url, timeout=60, limits=limits) as client:
        base = f"/widget/v1/{shop.key}"

        async def visit(number: int, text: str) -> None:
            headers = {"Origin": shop.url, "X-Forwarded-For": f"10.1.{number // 200}.{number % 200 + 1}"}
            token = (await client.post(f"{base}/session", headers=headers)).json()["token"]
            everywhere = dict.fromkeys(("body", "page_title", "page_url", "name"), text)
            answer = await client.post(
                f"{base}/messages",
                headers={**headers, "Authorization": f"Bearer {token}"},
                json={"client_message_id": str(uuid4()), **everywhere},
            )
            assert answer.status_code == 201, (text, answer.text)
            written[answer.json()["conversation_id"]] = text

        async def publish(batch: list[str]) -> None:
            faq = {"question": " ".join(batch)[:480], "answer": "\n".join(batch), "category": batch[0][:60]}
            made = await client.post(
                "/api/v1/faqs", headers={"Authorization": f"Bearer {key}"}, json={**faq, "state": "published"}
            )
            assert made.status_code == 201, made.text

        visits = [visit(number, text) for number, text in enumerate([*GROUPS, PLAIN])]
        await asyncio.gather(*visits, *(publish(batch) for batch in BATCHES))
    return written


@pytest.mark.timeout(280, func_only=True)
def test_hostile_texts_are_texts_in_widget_and_desk(
    browser: Browser, shop: Shop, api: httpx.Client, desk: DeskProcess
) -> None:
    assert len(HOSTILE) >= 300
    struck: list[str] = []
    context = watched(browser, struck)
    _in_the_widget(context, shop, api)
    workers = desk.pids("worker")
    for pid in workers:
        with_signal(pid, signal.SIGSTOP)
    try:
        key = str(api.headers["authorization"]).removeprefix("Bearer ")
        # In a thread of its own: Playwright's loop runs in this one.
        with ThreadPoolExecutor(1) as beside:
            written = beside.submit(lambda: asyncio.run(fill(shop, desk, key))).result()
        _in_the_desk(context, desk, api, written)
    finally:
        for pid in workers:
            with_signal(pid, signal.SIGCONT)
    assert struck == []
    context.close()


def _in_the_widget(context: BrowserContext, shop: Shop, api: httpx.Client) -> None:
    page = context.new_page()
    page.goto(f"{shop.url}/open")
    panel = open_chat(page)
    write(panel, "Hostile texts follow, please talk to a person about them")
    ticket = newest_ticket(api, "Hostile")
    for batch in BATCHES:
        reply(api, ticket, "\n".join(batch))
        write(panel, "\n".join(batch))
    log = panel.get_by_role("log")
    expect(log.locator(".message.visitor:not(.waiting)")).to_have_count(len(BATCHES) + 1, timeout=60_000)
    expect(log.locator(".message.person")).to_have_count(len(BATCHES), timeout=60_000)
    page.reload()
    expect(log.locator(".message.person").first).to_be_visible()
    foreign = log.locator("*:not(div, span, a, br, button)")
    assert foreign.count() == 0, foreign.first.evaluate("(one) => one.outerHTML")
    odd = "(all) => all.flatMap((one) => one.getAttributeNames()).filter((name) => !ALLOWED.includes(name))"
    allowed = "['class', 'data-key', 'data-seq', 'href', 'target', 'rel', 'type', 'aria-live']"
    assert log.locator("*").evaluate_all(odd.replace("ALLOWED", allowed)) == []
    protocols = log.locator("a").evaluate_all("(links) => [...new Set(links.map((one) => one.protocol))]")
    assert set(protocols) <= {"http:", "https:"}
    panel.get_by_role("textbox").fill("x")


def _in_the_desk(context: BrowserContext, desk: DeskProcess, api: httpx.Client, written: dict[str, str]) -> None:
    page = context.new_page()
    sign_in(page, desk)
    for offset in range(0, len(GROUPS) + 50, 50):
        look_at(page, f"{desk.url}/queue/all?offset={offset}")
    for view in ("", "?offset=25"):
        look_at(page, f"{desk.url}/faqs{view}")
    paths = {f"/tickets/{ticket}?view=all": text for ticket, text in tickets_of(api, written).items()}
    assert len(paths) == len(GROUPS) + 1
    built: dict[str, str] = page.evaluate(STRUCTURE, list(paths))
    expected = next(built[path] for path, text in paths.items() if text == PLAIN)
    assert "TEXTAREA" in expected, expected[:500]
    assert [paths[path] for path, structure in built.items() if structure != expected] == []
    look_at(page, f"{desk.url}{next(iter(paths))}")


def tickets_of(api: httpx.Client, written: dict[str, str]) -> dict[str, str]:
    """The texts by ticket."""
    found: dict[str, str] = {}
    for offset in range(0, len(written) + 400, 100):
        sessions = api.get("/api/v1/sessions", params={"limit": 100, "offset": offset}).json()["items"]
        found |= {each["ticket_id"]: written[each["id"]] for each in sessions if each["id"] in written}
    return found


def look_at(page: Page, address: str) -> None:
    answer = page.goto(address, wait_until="load")
    assert answer is not None
    assert answer.status == 200, address
    assert page.locator(FOREIGN).count() == 0, address
