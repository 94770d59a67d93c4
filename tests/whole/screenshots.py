"""Takes the README's pictures from a desk of its own: `python -m tests.whole.screenshots FOLDER`."""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from tests.whole.desk_process import DeskProcess

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 380, "height": 800}, "color_scheme": "light", "device_scale_factor": 2},
}
PAGES = {"queue": "/", "knowledge": "/knowledge", "weights": "/weights", "playground": "/playground"}


def take(browser: Browser, desk: DeskProcess, look: str, folder: Path) -> None:
    """Queue, an open ticket and the tuning pages in one look."""
    context = browser.new_context(base_url=desk.url, **LOOKS[look])
    page = context.new_page()
    found = re.search(r"owner\s+(\S+@\S+)\s+(\S+)", (desk.data_dir / "demo-logins.txt").read_text())
    if found is None:
        raise SystemExit("the demo logins are missing")
    page.goto("/login")
    page.screenshot(path=folder / f"login-{look}.png")
    page.get_by_label("E-mail").fill(found.group(1))
    page.get_by_label("Password").fill(found.group(2))
    page.keyboard.press("Enter")
    page.get_by_role("list", name="Tickets").wait_for()
    for name, path in PAGES.items():
        page.goto(path)
        page.screenshot(path=folder / f"{name}-{look}.png")
    page.goto("/")
    page.locator("#ticket-lines a").first.click()
    page.locator("#ticket-title").wait_for()
    page.wait_for_timeout(500)
    page.screenshot(path=folder / f"ticket-{look}.png")
    context.close()


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="desk-pictures-"))
    desk = DeskProcess(scratch / "data", {"DESK_DEMO": "1"})
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        desk.start(300)
        with sync_playwright() as playwright:
            flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
            browser = playwright.chromium.launch(executable_path=chromium, args=flags)
            for look in LOOKS:
                take(browser, desk, look, folder)
            browser.close()
        desk.stop()
    finally:
        desk.kill_everything()
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
