"""A customer's page: what is proved, who may be the same, merged and separated by a button each."""

from __future__ import annotations

from uuid import UUID

from desk.customers.proofs import prove_email
from desk.installation import Installation
from tests.desk.api.world import QUESTION, call
from tests.desk.conftest import Client, Person
from tests.ui.conftest import Browser, signed_in
from tests.ui.markup import faults


async def test_two_customers_are_merged_and_separated_on_their_page(
    browser: Browser, client: Client, installation: Installation, agent: Person
) -> None:
    found: list[tuple[str, str]] = []
    for name in ("Kim <b>Larsen</b>", "Kim on the site"):
        person = {"external_id": name, "name": name, "email": "kim@example.com"}
        made = await call(client, agent, "POST", "/tickets", json={**QUESTION, "customer": person})
        customer = made["customer"]["id"]
        found.append((made["id"], customer))
        async with installation.database.transaction(agent.actor.scope) as session:
            await prove_email(session, agent.actor.tenant_id, UUID(customer), "kim@example.com", "email")
    (ticket, first), (_, second) = found
    await signed_in(browser, agent)
    here = f"/customers/{first}"
    panel = await browser.page(f"/tickets/{ticket}?view=all")
    assert panel.css_first(f"#side .notice a[href='{here}']") is not None
    assert "Kim on the site" in (await browser.page("/customers")).text()
    page = await browser.page(here)
    assert faults(page) == []
    assert "Is this also Kim on the site?" in page.text()
    assert "Kim <b>Larsen</b>" in page.text()
    merged = await browser.post(f"{here}/merge", {"other": second})
    assert merged.status_code == 200
    assert merged.text.count("/tickets/") == 2
    page = await browser.page(f"/customers/{second}")
    assert faults(page) == []
    assert "because of kim@example.com" in page.text()
    separated = await browser.post(f"{here}/separate", {"other": second})
    assert separated.text.count("/tickets/") == 1
    await browser.post(f"{here}/refuse", {"other": second})
    assert "Is this also" not in (await browser.page(here)).text()
