"""Webhooks in the settings: added with a secret shown once, tried, looked up in the log, switched off, removed."""

from __future__ import annotations

import re

from sqlalchemy import select, update

from desk.installation import Installation
from desk.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from tests.desk.conftest import Person
from tests.ui.conftest import Browser, signed_in
from tests.ui.markup import faults


async def test_a_webhook_is_added_tried_looked_up_and_removed(
    browser: Browser, installation: Installation, owner: Person
) -> None:
    await signed_in(browser, owner)
    assert "No webhooks yet" in (await browser.page("/settings/webhooks")).text()
    form = {"url": "https://hooks.example.com/x?token=t", "events": "ticket.created", "active": "1"}
    added = await browser.post("/settings/webhooks", form)
    here = added.headers["HX-Push-Url"]
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", added.text)
    assert secret is not None
    assert secret.group() not in (await browser.get(here)).text
    refused = await browser.post("/settings/webhooks", {**form, "url": "https://10.0.0.8/"})
    assert refused.status_code == 400
    await browser.post(f"{here}/test", {"event": "reply.failed"})
    async with installation.database.transaction(owner.actor.scope) as session:
        row = (await session.execute(select(WebhookDelivery))).scalar_one()
        words = '<script>alert("x")</script>'
        session.add(
            WebhookAttempt(
                delivery_id=row.id, url="https://hooks.example.com/x", detail="HTTP 500", answer=words, milliseconds=12
            )
        )
    log = await browser.page(here)
    assert faults(log) == []
    assert "reply.failed" in log.text()
    entry = await browser.page(f"{here}/log/{row.id}")
    assert faults(entry) == []
    assert words in entry.text()
    assert '"test": true' in entry.text()

    async with installation.database.transaction(owner.actor.scope) as session:
        await session.execute(update(WebhookEndpoint).values(state="switched_off", state_reason="it answered 410 Gone"))
    anywhere = await browser.page("/knowledge")
    assert anywhere.css_first(f".news a[href='{here}']") is not None
    await browser.post(here, form)
    assert (await browser.page("/knowledge")).css_first(f".news a[href='{here}']") is None
    assert (await browser.post(f"{here}/delete")).headers["HX-Redirect"] == "/settings/webhooks"
    assert (await browser.get(here)).status_code == 404
