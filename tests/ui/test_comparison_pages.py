"""A change is checked against the corrections before it is made, and the person who asked for it decides."""

from __future__ import annotations

from desk.accounts.preferences import load_preferences
from desk.installation import Installation
from tests.desk.api.world import ARTICLE, call, do_due_work, drafted_ticket
from tests.desk.conftest import Client, Person
from tests.ui.conftest import Browser, signed_in

WEIGHTS = {"global_kb": "1", "tenant_kb": "1", "example": "1", "correction": "1"}


async def test_weights_are_saved_once_what_they_would_break_has_been_shown(
    client: Client, installation: Installation, browser: Browser, owner: Person
) -> None:
    await call(client, owner, "POST", "/documents", json={"title": "Passwords", "text": ARTICLE})
    await do_due_work(installation)
    rejected = await drafted_ticket(client, installation, owner)
    reason = {"reason": "say that the link is valid for 30 minutes"}
    await call(client, owner, "POST", f"/drafts/{rejected['current_draft']['id']}/reject", json=reason)
    await do_due_work(installation)
    await signed_in(browser, owner)
    answer = await browser.post("/weights", WEIGHTS)
    page = answer.headers["HX-Redirect"]
    async with installation.database.transaction(owner.actor.scope) as session:
        assert (await load_preferences(session)).weights.correction == 0.15, "nothing is saved yet"
    waiting = await browser.page(page)
    assert waiting.css_first("progress") is not None
    assert not waiting.css("[hx-post$='/publish']")
    await do_due_work(installation)
    done = await browser.page(page)
    assert done.css_first("[hx-post$='/publish']") is not None
    assert "What the agent had said" in done.text()
    published = await browser.post(f"{page}/publish")
    assert published.headers["HX-Redirect"] == page
    async with installation.database.transaction(owner.actor.scope) as session:
        assert (await load_preferences(session)).weights.correction == 0.25
    assert not (await browser.page(page)).css("[hx-post$='/publish']")


async def test_where_nothing_was_corrected_a_change_is_made_at_once(browser: Browser, owner: Person) -> None:
    await signed_in(browser, owner)
    answer = await browser.post("/weights", WEIGHTS)
    assert "HX-Redirect" not in answer.headers
    assert "Saved" in answer.headers["HX-Trigger-After-Swap"]


async def test_a_prompt_is_tried_live_and_the_better_one_is_chosen(
    client: Client, browser: Browser, owner: Person
) -> None:
    standard = (await call(client, owner, "GET", "/prompts"))["items"][0]
    copy = await call(client, owner, "POST", f"/prompts/{standard['id']}/duplicate")
    await signed_in(browser, owner)
    prompt = f"/prompts/{copy['id']}"
    assert "Try live" in (await browser.page(prompt)).text()
    await browser.post(f"{prompt}/experiment")
    page = await browser.page("/prompts")
    assert "Not yet clear" in page.text()
    ended = await browser.post("/prompts/experiment/end", {"winner": "b"})
    assert "The last experiment" in ended.text
    assert "Active" in (await browser.page(prompt)).text()
