"""Channels in the desk: set up from the form their channel declares, and what a messenger's ticket shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from desk.inbound.filing import file_inbound
from desk.inbound.receiving import details_of
from desk.installation import Installation
from desk.models import Connection, Delivery, MessageTemplate, Ticket
from desk.ports import InboundMessage, Sender
from tests.desk.conftest import Person
from tests.ui.conftest import Browser, signed_in
from tests.ui.markup import faults

TWILIO = {"account_sid": "AC" + "0" * 32, "auth_token": "hunter-2-hunter", "number": "+1 415 523 8886"}
META = {
    "phone_number_id": "106540352242922",
    "business_account_id": "102290129340398",
    "access_token": "hunter-2-hunter",
    "app_secret": "another secret",
}


HUBSPOT = {"token": "hunter-2-hunter", "client_secret": "another secret", "portal": "88", "user": "51"}
ZOHO = {
    "org": "60",
    "client_id": "1000.A",
    "client_secret": "another secret",
    "grant_code": "hunter-2-hunter",
    "from_address": "support@acme.test",
}
SALESFORCE = {"domain": "https://acme.my.salesforce.com", "client_id": "3MVG9", "client_secret": "hunter-2-hunter"}
CUSTOM = {"body": "text", "subject": "title", "auth": "bearer", "auth_secret": "hunter-2-hunter"}


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("whatsapp_twilio", TWILIO),
        ("whatsapp_meta", META),
        ("hubspot", HUBSPOT),
        ("zoho", ZOHO),
        ("salesforce", SALESFORCE),
        ("custom", CUSTOM),
    ],
)
async def test_a_channel_is_set_up_tried_and_deleted_on_one_page(
    browser: Browser, owner: Person, installation: Installation, kind: str, form: dict[str, str]
) -> None:
    await signed_in(browser, owner)
    assert f'href="/settings/channels/new/{kind}"' in (await browser.get("/settings/channels")).text
    assert faults(await browser.page(f"/settings/channels/new/{kind}")) == []
    refused = await browser.post(f"/settings/channels/new/{kind}", dict.fromkeys(form, ""))
    assert refused.status_code == 400
    made = await browser.post(f"/settings/channels/new/{kind}", form)
    assert made.status_code == 200, made.text
    address = made.headers["hx-redirect"]
    page = await browser.page(address)
    assert faults(page) == []
    async with installation.database.transaction(owner.actor.scope) as session:
        row = await session.get_one(Connection, UUID(address.rpartition("/")[2]))
    assert f"http://desk.test/hooks/in/{row.public_key}" in (page.html or "")
    assert "hunter-2-hunter" not in (page.html or "")
    assert "hunter-2-hunter" not in json.dumps(row.configuration)
    saved = await browser.post(f"{address}/settings", {**dict.fromkeys(form, ""), **form, "connection_name": "Shop"})
    assert saved.status_code == 200, saved.text
    assert "stored; empty keeps it" in saved.text
    off = await browser.post(f"{address}/switch", {"active": ""})
    assert "Switch on" in off.text
    assert faults(await browser.page("/settings/channels")) == []
    assert "Shop" in (await browser.get("/settings/channels")).text
    assert (await browser.get(f"{address}/health")).status_code == 200
    assert (await browser.post(f"{address}/delete")).headers["hx-redirect"] == "/settings/channels"
    assert (await browser.get(address)).status_code == 404


async def test_a_closed_window_offers_templates_and_a_deleted_connection_keeps_its_tickets(
    browser: Browser, owner: Person, installation: Installation
) -> None:
    await signed_in(browser, owner)
    made = await browser.post("/settings/channels/new/whatsapp_meta", META)
    connection_id = UUID(made.headers["hx-redirect"].rpartition("/")[2])
    ticket_id = await conversation(installation, owner, connection_id, hours_ago=23)
    page = await browser.page(f"/tickets/{ticket_id}?view=all")
    assert faults(page) == []
    assert [node.text()[-3:] for node in page.css("[data-counts-to]")] == ["min"]
    await conversation(installation, owner, connection_id, hours_ago=23, key="b")
    ticket_id = await conversation(installation, owner, connection_id, hours_ago=30, sender="4915100000001")
    async with installation.database.transaction(owner.actor.scope) as session:
        variables = [{"name": "1", "example": "Ann"}]
        template = MessageTemplate(
            connection_id=connection_id, key="ready:en", name="ready", language="en", category="utility",
            status="approved", body="Hello {{1}}", variables=variables,
        )  # fmt: skip
        session.add(template)
    page = await browser.page(f"/tickets/{ticket_id}?view=all")
    assert faults(page) == []
    assert page.css("#reply-window[data-closed] details")
    assert (await browser.post(f"/tickets/{ticket_id}/template", {"template_id": str(template.id)})).status_code == 400
    sent = await browser.post(f"/tickets/{ticket_id}/template", {"template_id": str(template.id), "value_1": "Bo"})
    assert sent.status_code == 200, sent.text
    async with installation.database.transaction(owner.actor.scope) as session:
        (delivery,) = (await session.execute(select(Delivery).where(Delivery.ticket_id == ticket_id))).scalars()
    assert delivery.body == "Hello Bo"
    assert delivery.recipient["template"]["variables"] == {"1": "Bo"}
    assert (await browser.post(f"/settings/channels/{connection_id}/delete")).status_code == 200
    page = await browser.page(f"/tickets/{ticket_id}?view=all")
    assert "was deleted" in page.text()
    assert (await browser.get(f"/settings/channels/{connection_id}")).status_code == 404
    async with installation.database.transaction(owner.actor.scope) as session:
        row = await session.get_one(Connection, connection_id)
        assert (row.secrets, row.configuration, row.public_key) == ("{}", {}, None)


async def conversation(
    installation: Installation,
    owner: Person,
    connection_id: UUID,
    *,
    hours_ago: float,
    key: str = "a",
    sender: str = "4915100000000",
) -> UUID:
    """A ticket by a message that was written then."""
    until = datetime.now(UTC) - timedelta(hours=hours_ago) + timedelta(hours=24)
    recipient: dict[str, Any] = {"whatsapp": sender, "window_until": until.isoformat(timespec="seconds")}
    message = InboundMessage(
        key=key + sender,
        sender=Sender(external_id=sender, name="Marta", verified=True),
        body="Is my order ready?",
        recipient=recipient,
        joins_newest=True,
    )
    async with installation.database.transaction(owner.actor.scope) as session:
        row = await session.get_one(Connection, connection_id)
        await file_inbound(session, details_of(row), message, UUID(int=0), (), 0)
        newest = await session.execute(select(Ticket.id).order_by(Ticket.last_message_at.desc()).limit(1))
        return newest.scalar_one()


async def test_a_sample_shows_what_it_becomes_with_the_form_as_it_stands(browser: Browser, owner: Person) -> None:
    await signed_in(browser, owner)
    sample = '{"title": "Backups <b>", "text": "How long?", "from": "marta@customer.test"}'
    form = {**CUSTOM, "customer_email": "from", "sample": sample}
    shown = await browser.post("/settings/channels/new/custom/sample", form)
    assert shown.status_code == 200, shown.text
    assert "Backups &lt;b&gt;" in shown.text
    assert "marta@customer.test" in shown.text
    address = (await browser.post("/settings/channels/new/custom", CUSTOM)).headers["hx-redirect"]
    unsaved = await browser.post(f"{address}/sample", {**form, "auth_secret": "", "subject": "text"})
    assert "Backups" not in unsaved.text
    assert "How long?" in unsaved.text
    broken = await browser.post(f"{address}/sample", {**form, "body": "text["})
    assert "is no JMESPath expression" in broken.text
    assert "title" in (await browser.get(address)).text, "nothing of it was saved"
    assert (await browser.post("/settings/channels/new/hubspot/sample", form)).status_code == 404
