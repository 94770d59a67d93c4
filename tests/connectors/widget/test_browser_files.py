"""Files through real browsers: the visitor's in a page of another origin, the agent's in the desk."""

from __future__ import annotations

import struct
import zlib
from uuid import uuid4

import httpx
from playwright.sync_api import Browser, BrowserContext, Locator, expect

from tests.connectors.widget.browsing import IN_A_BROWSER, newest_ticket, open_chat, sign_in
from tests.connectors.widget.shop_page import Shop
from tests.desk.api.test_attachments import PAGE, PDF
from tests.whole.desk_process import DeskProcess

pytestmark = IN_A_BROWSER


def picture(width: int = 64, height: int = 40) -> bytes:
    """A PNG that a browser can show (PNG specification, sections 5 and 11)."""

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = (b"\0" + bytes((40, 120, 200)) * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


def is_shown(image: Locator) -> None:
    expect(image).to_be_visible()
    expect(image).to_have_js_property("naturalWidth", 64)


def test_a_visitor_sends_a_picture_and_gets_a_file_back(  # noqa: PLR0915 - one story from end to end
    context: BrowserContext, browser: Browser, shop: Shop, api: httpx.Client, desk: DeskProcess
) -> None:
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(shop.url)
    panel = open_chat(page)
    chooser = panel.locator("input[type=file]")
    chooser.set_input_files(
        [
            {"name": "screen.png", "mimeType": "image/png", "buffer": picture()},
            {"name": "hidden.png", "mimeType": "image/png", "buffer": PAGE},
            {"name": "by mistake.png", "mimeType": "image/png", "buffer": picture()},
            {"name": "film.mp4", "mimeType": "video/mp4", "buffer": bytes(11 * 1024 * 1024)},
        ]
    )
    expect(panel.get_by_text("Files of up to 10 MB can be sent").first).to_be_visible()
    expect(panel.locator("progress")).to_have_count(0)
    remove = panel.get_by_role("button", name="Remove: by mistake.png")
    remove.focus()
    page.keyboard.press("Enter")
    expect(panel.get_by_role("button", name="Remove: by mistake.png")).to_have_count(0)
    expect(panel.get_by_role("textbox")).to_be_focused()
    words = f"The checkout looks like this {uuid4().hex[:6]}"
    panel.get_by_role("textbox").fill(words)
    page.keyboard.press("Enter")
    is_shown(panel.locator(".message img"))
    expect(panel.locator(".message img")).to_have_count(1)
    expect(panel.get_by_role("link", name="hidden.png")).to_be_visible()
    expect(panel.get_by_text("by mistake.png")).to_have_count(0)

    ticket = newest_ticket(api, words)
    agents = browser.new_context(locale="en-GB")
    agents.set_default_timeout(20_000)
    agent = agents.new_page()
    agent.on("pageerror", lambda error: complaints.append(str(error)))
    sign_in(agent, desk)
    agent.goto(f"{desk.url}/tickets/{ticket['id']}?view=all")
    thread = agent.get_by_role("region", name="Conversation")
    is_shown(thread.locator(".file img"))
    expect(thread.locator(".file img")).to_have_count(1)
    with agent.expect_download() as saved:
        thread.get_by_role("link", name="hidden.png").click()
    assert saved.value.path().read_bytes() == PAGE

    agent.locator("#chosen-files").set_input_files(
        [
            {"name": "steps.pdf", "mimeType": "application/pdf", "buffer": PDF},
            {"name": "wrong.pdf", "mimeType": "application/pdf", "buffer": PDF},
        ]
    )
    composer = agent.locator("#composer")
    expect(composer.get_by_role("link", name="wrong.pdf")).to_be_visible()
    agent.reload()
    composer.get_by_role("button", name="Remove wrong.pdf").click()
    expect(composer.get_by_role("link", name="wrong.pdf")).to_have_count(0)
    composer.get_by_role("textbox").fill("Please follow these steps.")
    composer.get_by_role("button", name="Send", exact=True).click()
    expect(agent.get_by_text("Please follow these steps.").first).to_be_visible()
    agents.close()

    with page.expect_download(timeout=40_000) as received:
        panel.get_by_role("link", name="steps.pdf").click(timeout=40_000)
    assert received.value.suggested_filename == "steps.pdf"
    assert received.value.path().read_bytes() == PDF
    page.reload()
    panel = page.get_by_role("dialog", name="Ask us")
    is_shown(panel.locator(".message img"))
    assert complaints == []
