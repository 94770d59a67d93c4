"""The first hour of a stranger: a fresh checkout, `make run`, a ticket, a reply by keyboard, a better next draft."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from standardwebhooks import Webhook

from tests.processes import eventually, processes_mentioning
from tests.whole.desk_process import ROOT, Callbacks, callback_server, free_port, wait_for, with_signal

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium; Debian's package is called chromium"),
]
ADDED = " Please tell us if anything else is unclear."


@dataclass
class Checkout:
    """A running desk made from the files of this project, in a folder of its own."""

    folder: Path
    url: str
    process: subprocess.Popen[bytes]
    seconds: float

    @property
    def logins(self) -> str:
        return (self.folder / ".desk" / "demo-logins.txt").read_text()


def _copy_project(to: Path) -> None:
    """What `git clone` would give, uncommitted changes included."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Generator[Checkout]:
    folder, port = tmp_path_factory.mktemp("fresh") / "draft desk", free_port()
    folder.mkdir()
    _copy_project(folder)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DESK_", "VIRTUAL_ENV"))}
    environment = {**clean, "DESK_PORT": str(port), "DESK_EGRESS_ALLOWED_HOSTS": "127.0.0.1", "DESK_UNDO_SECONDS": "3"}
    log, started = (folder / "run.log").open("wb"), time.monotonic()
    process = subprocess.Popen(
        ["make", "run"], cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        text = (folder / "run.log").read_text(errors="replace")
        assert process.poll() is None, text[-3000:]
        return "Draftdesk is ready" in text

    try:
        wait_for(ready, 400)
        yield Checkout(folder, url, process, time.monotonic() - started)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does for Ctrl-C
        assert eventually(lambda: not processes_mentioning(str(folder)), 60), "something was left running after Ctrl-C"
    finally:
        log.close()
        process.kill()
        process.wait()
        for pid in processes_mentioning(str(folder)):
            with_signal(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def browser() -> Generator[Browser]:
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def callbacks() -> Generator[Callbacks]:
    with callback_server() as server:
        yield server


@pytest.fixture(scope="module")
def api(checkout: Checkout) -> Generator[httpx.Client]:
    email, password = _login(checkout, "owner")
    with httpx.Client(base_url=checkout.url, timeout=20) as client:
        answer = client.post("/api/v1/auth/login", json={"email": email, "password": password})
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


def _login(checkout: Checkout, role: str) -> tuple[str, str]:
    """Address and password as they were printed."""
    found = re.search(rf"{role}\s+(\S+@\S+)\s+(\S+)", checkout.logins)
    assert found is not None
    return found.group(1), found.group(2)


def _sign_in(page: Page, checkout: Checkout, role: str) -> None:
    email, password = _login(checkout, role)
    page.goto(checkout.url)
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("list", name="Tickets")).to_be_visible()


def _post(api: httpx.Client, subject: str, body: str) -> dict[str, Any]:
    customer = {"external_id": subject, "name": "Robin Weaver", "email": "robin@weaver.example"}
    answer = api.post("/api/v1/tickets", json={"subject": subject, "body": body, "customer": customer})
    assert answer.status_code == 201, answer.text
    return answer.json()


def _ready_draft(api: httpx.Client, ticket: dict[str, Any]) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        draft = api.get(f"/api/v1/tickets/{ticket['id']}").json()["current_draft"]
        return draft if draft and draft["state"] == "ready" else None

    return wait_for(look, 60)


def test_from_a_ticket_to_a_learned_reply_by_keyboard(  # noqa: PLR0915 - one hour, told in its order
    checkout: Checkout, api: httpx.Client, browser: Browser, callbacks: Callbacks
) -> None:
    answer = api.get("/api/v1/connections")
    assert answer.status_code == 200, answer.text
    connection = answer.json()["items"][0]
    secret = api.post(f"/api/v1/connections/{connection['id']}/signing-secret").json()["signing_secret"]
    api.put(f"/api/v1/connections/{connection['id']}", json={"callback_url": callbacks.url}).raise_for_status()
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    _sign_in(page, checkout, "agent")

    subject = "Which PHP versions can I choose for a staging copy?"
    ticket = _post(
        api, subject, "Hello, I run a staging copy of my site. Which PHP versions can I choose there, and where?"
    )
    line = page.locator(f'[data-line="{ticket["id"]}"]')
    expect(line).to_be_visible(timeout=15_000)  # it appears by itself, live
    draft = _ready_draft(api, ticket)
    assert draft["sources"]

    page.keyboard.press("j")
    for _ in range(60):
        if line.locator("a").evaluate("link => link === document.activeElement"):
            break
        page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#ticket-title")).to_have_text(subject)
    if page.locator("[data-show-draft]").is_visible():
        page.keyboard.press("d")
    if page.locator("#draft [data-use-draft]").is_visible():
        page.keyboard.press("u")  # takes the draft over and goes into the editor
    else:
        page.keyboard.press("e")
    expect(page.locator("#reply")).to_be_focused()
    expect(page.locator("#reply")).to_have_value(draft["body"])
    page.keyboard.press("Control+End")
    page.keyboard.type(ADDED)
    expect(page.locator("#learning summary")).to_contain_text("Will be learned as")
    page.keyboard.press("Control+Enter")
    # The reply in the conversation carries an Undo of its own while the conversation stays in view.
    expect(page.locator("#toasts").get_by_role("button", name="Undo")).to_be_visible()

    wait_for(lambda: callbacks.received, 30)
    (reply,) = callbacks.received
    assert reply["data"]["body"] == draft["body"] + ADDED
    assert reply["data"]["ticket_id"] == ticket["id"]
    Webhook(secret).verify(callbacks.raw[0], callbacks.headers[0])

    def learned() -> bool:
        after = api.get(f"/api/v1/tickets/{ticket['id']}").json()
        return after["status"] == "resolved" and "learned" in {event["kind"] for event in after["events"]}

    wait_for(learned)

    again = _post(
        api,
        "PHP versions on a staging copy",
        "Hi, which PHP versions are there for a staging copy of a site, and where?",
    )
    better = _ready_draft(api, again)
    part = "example_similarity"
    assert better["confidence"]["parts"][part] > draft["confidence"]["parts"][part]
    assert better["writer"] == "approved_answer"
    assert ADDED.strip() in better["body"]
    assert "example" in {source["kind"] for source in better["sources"] if source["used"]}
    assert errors == []
    page.close()


def test_undo_by_hand_sends_nothing_and_gives_the_text_back(
    checkout: Checkout, api: httpx.Client, browser: Browser, callbacks: Callbacks
) -> None:
    ticket = _post(api, "How do I see my backups?", "Hello, where do I see which backups of my site there are?")
    draft = _ready_draft(api, ticket)
    arrived = len(callbacks.received)
    page = browser.new_page()
    _sign_in(page, checkout, "admin")
    page.goto(f"{checkout.url}/tickets/{ticket['id']}")
    page.locator("#reply").fill("Under Backups in the panel.")
    page.locator("#send").click()
    page.get_by_role("button", name="Undo").first.click()
    wait_for(lambda: api.get(f"/api/v1/tickets/{ticket['id']}").json()["deliveries"][0]["state"] == "cancelled")
    time.sleep(4)
    assert len(callbacks.received) == arrived
    assert api.get(f"/api/v1/drafts/{draft['id']}").json()["state"] == "ready"
    page.close()
