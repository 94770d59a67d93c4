"""Takes pictures of every page in every look, from desks of its own: `python -m tests.whole.screenshots FOLDER`.

With `--readme FOLDER` only those that the README shows are kept. The demo desk is looked at as its owner; the pages of
a first visit come from a second, empty desk.
"""

from __future__ import annotations

import argparse
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.whole.desk_process import DeskProcess

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 380, "height": 800}, "color_scheme": "light", "device_scale_factor": 2},
}
README = ("ticket-light", "ticket-dark", "ticket-phone", "queue-light", "faqs-light", "setup-light")
PAGES = {
    "queue": "/queue/needs_reply",
    "problems": "/queue/failed_or_uncertain",
    "knowledge": "/knowledge",
    "faq-new": "/faqs/new",
    "examples": "/examples",
    "corrections": "/corrections",
    "prompts": "/prompts",
    "weights": "/weights",
    "account": "/account",
}
QUESTION = "Is a wildcard certificate free?"


def login(page: Page, desk: DeskProcess) -> None:
    found = re.search(r"owner\s+(\S+@\S+)\s+(\S+)", (desk.data_dir / "demo-logins.txt").read_text())
    if found is None:
        raise SystemExit("the demo logins are missing")
    page.get_by_label("E-mail").fill(found.group(1))
    page.get_by_label("Password").fill(found.group(2))
    page.keyboard.press("Enter")
    page.get_by_role("list", name="Tickets").wait_for()


def ticket(page: Page) -> None:
    page.goto("/queue/needs_reply")
    page.locator("#ticket-lines a").first.click()
    page.locator("#ticket-title").wait_for()


def document(page: Page) -> None:
    page.goto("/knowledge")
    page.locator("#documents td a").first.click()
    page.wait_for_load_state()


def faqs(page: Page) -> None:
    page.goto("/faqs?category=SSL+certificates")
    page.locator("#tried").fill(QUESTION)
    page.get_by_role("button", name="Try it").click()
    page.locator("#trial .outcomes").wait_for()
    page.locator("#suggestions article").first.wait_for()
    page.mouse.move(0, 0)


def playground(page: Page) -> None:
    page.goto("/playground")
    page.get_by_label("Message").fill("How do I restore a folder from yesterday's backup, and what does it cost?")
    page.get_by_role("button", name="Draft a reply").click()
    page.locator("#result .draft-text").wait_for()


def shop(page: Page) -> None:
    """The widget on a customer's page, with a question that a FAQ has answered."""
    page.goto("/demo/shop")
    page.get_by_role("button", name="Open the chat").click()
    field = page.get_by_role("textbox", name="Write a message")
    field.fill(QUESTION)
    field.press("Enter")
    page.get_by_role("log").get_by_text("name servers").first.wait_for()


SCENES: Mapping[str, Callable[[Page], None]] = {
    "ticket": ticket,
    "document": document,
    "faqs": faqs,
    "playground": playground,
    "shop": shop,
}


def take(context: BrowserContext, desk: DeskProcess, look: str, folder: Path) -> None:
    """Everything the demo has to show, in one look."""
    page = context.new_page()

    def keep(name: str) -> None:
        page.wait_for_timeout(400)
        page.screenshot(path=folder / f"{name}-{look}.png")

    page.goto("/login")
    keep("login")
    login(page, desk)
    page.goto("/settings/channels")
    links = page.locator(".settings > nav a")
    settings = {str(each.get_attribute("href")) for each in links.all()}
    for name, path in {**PAGES, **{path.strip("/").replace("/", "-"): path for path in sorted(settings)}}.items():
        page.goto(path)
        keep(name)
    for name, scene in SCENES.items():
        scene(page)
        keep(name)


def take_first_visit(context: BrowserContext, look: str, folder: Path, *, is_first: bool) -> None:
    """The form that opens the desk, seen once only, and the setup on the way to its first draft."""
    page = context.new_page()
    page.goto("/")
    if is_first:
        page.screenshot(path=folder / f"welcome-{look}.png")
        page.get_by_label("Company").fill("Harbour Books")
    page.get_by_label("E-mail").fill("edda@harbour-books.example")
    page.get_by_label("Password").fill("ten letters at least")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/(setup|queue)"))
    page.goto("/setup")
    if is_first:
        page.get_by_role("textbox", name="Title").fill("Delivery")
        page.get_by_role("textbox", name="Text", exact=True).fill("Orders are delivered within 3 working days.")
        page.get_by_role("button", name="Add this text").click()
        page.locator("#step-knowledge .chip.good").wait_for()
        page.get_by_role("textbox", name="Question").fill("How long does delivery take?")
        page.get_by_role("button", name="Ask", exact=True).click()
        page.locator("#first-draft .answer").wait_for()
    page.wait_for_timeout(400)
    page.screenshot(path=folder / f"setup-{look}.png")


def _looked_at(browser: Browser, desk: DeskProcess, visit: Callable[[BrowserContext, str], None]) -> None:
    desk.start(600)
    for look, options in LOOKS.items():
        context = browser.new_context(base_url=desk.url, **options)
        visit(context, look)
        context.close()
    desk.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--readme", action="store_true", help="keep only the pictures of the README")
    asked = parser.parse_args()
    folder: Path = asked.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="desk-pictures-"))
    taken = scratch / "taken"
    taken.mkdir()
    demo, empty = DeskProcess(scratch / "demo", {"DESK_DEMO": "1"}), DeskProcess(scratch / "empty")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        with sync_playwright() as playwright:
            flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            _looked_at(browser, demo, lambda context, look: take(context, demo, look, taken))
            first = next(iter(LOOKS))
            _looked_at(
                browser, empty, lambda context, look: take_first_visit(context, look, taken, is_first=look == first)
            )
            browser.close()
        for picture in sorted(taken.iterdir()):
            if not asked.readme or picture.stem in README:
                shutil.copy(picture, folder / picture.name)
    finally:
        demo.kill_everything()
        empty.kill_everything()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
