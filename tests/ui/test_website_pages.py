"""Websites on their pages: added, watched, paused, changed and deleted."""

from __future__ import annotations

from sqlalchemy import select

from desk.installation import Installation
from desk.models import Website, WebsitePage
from tests.desk.conftest import Person
from tests.ui.conftest import Browser, signed_in


async def test_a_website_is_added_changed_paused_and_deleted(
    browser: Browser, installation: Installation, owner: Person
) -> None:
    await signed_in(browser, owner)
    assert "No websites yet" in (await browser.page("/knowledge/websites")).body.text()
    form = {"url": "help.example.com", "reach": "site", "schedule": "daily", "below": "docs/", "most_pages": "20"}
    added = await browser.post("/knowledge/websites", form)
    here = added.headers["HX-Redirect"]
    async with installation.database.transaction(owner.actor.scope) as session:
        row = (await session.execute(select(Website))).scalar_one()
        page = WebsitePage(website_id=row.id, url="https://help.example.com/docs/a", found_by="link", state="refused")
        page.reason, page.try_at = "The page is not open to everybody (status 403).", row.created_at
        session.add(page)
    assert (row.url, row.below, row.most_pages, row.schedule) == ("https://help.example.com/", "/docs/", 20, "daily")
    shown = (await browser.page(here)).body.text()
    assert "/docs/a" in shown
    assert "status 403" in shown
    assert "Crawling" in shown
    assert "help.example.com" in (await browser.part("/knowledge/websites")).text

    assert "Resume" in (await browser.post(f"{here}/pause")).text
    changed = await browser.post(f"{here}/change", {"reach": "page", "schedule": "off", "most_pages": "5"})
    assert "One page" in changed.text
    refused = await browser.post(f"{here}/change", {"most_pages": "many"})
    assert refused.status_code == 400
    assert (await browser.post(f"{here}/delete")).headers["HX-Redirect"] == "/knowledge/websites"
    assert (await browser.get(here)).status_code == 404


async def test_an_agent_looks_and_changes_nothing(browser: Browser, agent: Person) -> None:
    await signed_in(browser, agent)
    assert "Add a page or a site" not in (await browser.page("/knowledge/websites")).body.text()
    assert (await browser.post("/knowledge/websites", {"url": "https://help.example.com/"})).status_code == 403


async def test_an_address_inside_the_own_network_is_refused_with_a_reason(browser: Browser, owner: Person) -> None:
    await signed_in(browser, owner)
    answer = await browser.post("/knowledge/websites", {"url": "https://169.254.169.254/latest"})
    assert answer.status_code == 400
    assert "not a public address" in answer.text
