"""What an agent relies on when answering in the browser."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from desk.installation import Installation
from tests.desk.api.world import ARTICLE, call, close_undo_windows, drafted_ticket
from tests.desk.conftest import Client, Person
from tests.ui.conftest import Browser, signed_in
from tests.ui.markup import faults


@pytest.fixture
async def tickets(client: Client, installation: Installation, owner: Person) -> list[dict[str, Any]]:
    """Two drafted tickets, the older first."""
    await call(client, owner, "POST", "/documents", json={"title": "Passwords", "text": ARTICLE})
    return [await drafted_ticket(client, installation, owner) for _ in range(2)]


def reply_form(page: HTMLParser) -> dict[str, str]:
    names = ("draft_id", "based_on_seq", "seen")
    form = {name: page.css_first(f"#composer input[name={name}]").attributes["value"] or "" for name in names}
    return {**form, "body": page.css_first("#reply").text()}


async def opened(browser: Browser, ticket: dict[str, Any], view: str = "needs_reply") -> HTMLParser:
    return await browser.page(f"/tickets/{ticket['id']}?view={view}")


async def test_sending_goes_on_to_the_next_ticket_and_can_be_undone_with_its_text(
    browser: Browser, client: Client, owner: Person, tickets: list[dict[str, Any]]
) -> None:
    await signed_in(browser, owner)
    older, newer = tickets
    page = await opened(browser, newer)
    draft = page.css_first("#draft-body").text().lstrip("\n")
    body = f"{draft}\n\nWe do not charge for this."
    form = {**reply_form(page), "draft_id": newer["current_draft"]["id"], "body": body}
    sent = await browser.post(f"/tickets/{newer['id']}/send?view=needs_reply", form)
    assert sent.status_code == 200
    assert sent.headers["HX-Push-Url"] == f"/tickets/{older['id']}?view=needs_reply"
    assert sent.headers["Desk-Ticket"] == newer["id"]
    shown = HTMLParser(sent.text)
    assert shown.css_first("#pane").attributes["data-ticket"] == older["id"]
    undo = shown.css_first("[data-toast] button").attributes["hx-post"]
    undone = HTMLParser((await browser.post(undo)).text)
    assert undone.css_first("#pane").attributes["data-ticket"] == newer["id"]
    assert undone.css_first("#restored-body").text().lstrip("\n").strip() == body.strip()
    again = await call(client, owner, "GET", f"/tickets/{newer['id']}")
    assert again["deliveries"][0]["state"] == "cancelled"
    assert again["status"] == "open"


async def test_the_last_ticket_leads_back_to_the_list(
    browser: Browser, owner: Person, tickets: list[dict[str, Any]]
) -> None:
    await signed_in(browser, owner)
    for ticket in tickets:
        form = {**reply_form(await opened(browser, ticket)), "body": "Use the Forgot password link."}
        sent = await browser.post(f"/tickets/{ticket['id']}/send?view=needs_reply", {**form, "resolve": "1"})
    assert sent.headers["HX-Push-Url"].startswith("/queue/needs_reply")
    assert HTMLParser(sent.text).css_first("#pane").attributes.get("data-ticket") is None


async def test_a_reply_is_refused_when_its_writer_has_not_seen_what_was_added(
    browser: Browser, client: Client, owner: Person, tickets: list[dict[str, Any]]
) -> None:
    await signed_in(browser, owner)
    ticket = tickets[0]
    form = {**reply_form(await opened(browser, ticket)), "body": "My answer."}
    await call(
        client, owner, "POST", f"/tickets/{ticket['id']}/messages", json={"from": "note", "body": "wait for Ada"}
    )
    refused = await browser.post(f"/tickets/{ticket['id']}/send", form)
    assert refused.status_code == 409
    assert (await call(client, owner, "GET", f"/tickets/{ticket['id']}"))["deliveries"] == []
    fresh = {**reply_form(await opened(browser, ticket)), "body": "My answer."}
    assert (await browser.post(f"/tickets/{ticket['id']}/send", fresh)).status_code == 200


async def test_a_reply_being_sent_is_nothing_new_to_its_writer(
    browser: Browser, client: Client, installation: Installation, owner: Person, tickets: list[dict[str, Any]]
) -> None:
    await signed_in(browser, owner)
    ticket = tickets[0]
    form = {**reply_form(await opened(browser, ticket)), "body": "First answer."}
    await browser.post(f"/tickets/{ticket['id']}/send", form)
    before = reply_form(await opened(browser, ticket, "all"))["seen"]
    await close_undo_windows(installation, owner)
    page = await opened(browser, ticket, "all")
    assert page.css_first(".message.agent .message-body").text() == "First answer."
    assert reply_form(page)["seen"] == before


async def test_an_edit_shows_what_it_will_teach(browser: Browser, owner: Person, tickets: list[dict[str, Any]]) -> None:
    await signed_in(browser, owner)
    ticket = tickets[0]
    draft = ticket["current_draft"]
    changed = draft["body"].replace("Open the", "Never open the")
    assert changed != draft["body"]
    answer = await browser.post(f"/tickets/{ticket['id']}/difference", {"draft_id": draft["id"], "body": changed})
    shown = HTMLParser(answer.text)
    assert faults(shown, is_whole=False) == []
    assert shown.css_first("del").text() == "Open"
    assert shown.css_first("ins").text() == "Never open"
    assert "correction" in shown.css_first(".chip").text()


async def test_the_refreshed_parts_leave_the_editor_alone(
    browser: Browser, owner: Person, tickets: list[dict[str, Any]]
) -> None:
    await signed_in(browser, owner)
    parts = HTMLParser((await browser.part(f"/tickets/{tickets[0]['id']}/refresh?view=all")).text)
    refreshed = {node.attributes["id"] for node in parts.css("[hx-swap-oob]")}
    assert refreshed == {"ticket-head", "thread", "draft", "side", "reply-window"}
    assert parts.css_first("#reply") is None


async def test_rejecting_needs_a_reason_and_regenerating_shows_the_new_draft_being_written(
    browser: Browser, owner: Person, tickets: list[dict[str, Any]]
) -> None:
    await signed_in(browser, owner)
    path, draft_id = f"/tickets/{tickets[0]['id']}", tickets[0]["current_draft"]["id"]
    assert (await browser.post(f"{path}/reject", {"draft_id": draft_id, "reason": " "})).status_code == 400
    rejected = HTMLParser((await browser.post(f"{path}/reject", {"draft_id": draft_id, "reason": "wrong"})).text)
    assert "rejected" in rejected.css_first("#draft").text()
    asked = HTMLParser((await browser.post(f"{path}/regenerate", {"instruction": "shorter"})).text)
    assert asked.css_first("#draft").attributes["data-shows"] == "writing"


async def test_forms_without_the_sessions_token_change_nothing(
    app: Litestar, browser: Browser, client: Client, owner: Person, tickets: list[dict[str, Any]]
) -> None:
    await signed_in(browser, owner)
    browser.token = ""
    answer = await browser.post(f"/tickets/{tickets[0]['id']}/change", {"status": "closed"})
    assert answer.status_code == 403
    assert (await call(client, owner, "GET", f"/tickets/{tickets[0]['id']}"))["status"] == "open"
