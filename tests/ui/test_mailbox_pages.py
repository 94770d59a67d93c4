"""Mailboxes in the desk: set up from an address, how they are, and what could not be read."""

from __future__ import annotations

import json
from uuid import UUID

from sqlalchemy import select

from desk.inbound.receiving import details_of, receive
from desk.installation import Installation
from desk.models import Connection, InboxEntry
from desk.ports import RawMessage
from tests.desk.conftest import Person
from tests.ui.conftest import Browser, signed_in
from tests.ui.markup import faults

FORM = {
    "address": "help@fastmail.com",
    "name": "Help",
    "sign_in": "password",
    "password": "hunter-2-hunter",
    "imap_host": "imap.fastmail.com",
    "imap_port": "993",
    "imap_security": "tls",
    "smtp_host": "smtp.fastmail.com",
    "smtp_port": "465",
    "smtp_security": "tls",
    "plus_addresses": "1",
}


async def connected(browser: Browser) -> str:
    made = await browser.post("/settings/email", FORM)
    assert made.status_code == 200, made.text
    return made.headers["hx-redirect"]


async def test_a_mailbox_is_set_up_from_its_address(
    browser: Browser, owner: Person, installation: Installation
) -> None:
    await signed_in(browser, owner)
    assert faults(await browser.page("/settings/email")) == []
    page = await browser.page("/settings/email/new?address=help@fastmail.com")
    assert faults(page) == []
    host = page.css_first("#imap_host")
    assert host is not None
    assert host.attributes["value"] == "imap.fastmail.com"
    address = await connected(browser)
    page = await browser.page(address)
    assert faults(page) == []
    assert "hunter-2-hunter" not in (page.html or "")
    async with installation.database.transaction(owner.actor.scope) as session:
        (row,) = (await session.execute(select(Connection).where(Connection.channel == "email"))).scalars()
        assert row.configuration["name"] == "Help"
        assert "hunter-2-hunter" not in json.dumps(row.configuration)
    saved = await browser.post(address, {**FORM, "password": "", "active": "1", "name": "Desk"})
    assert "stored; empty keeps it" in saved.text
    refused = await browser.post(address, {**FORM, "imap_security": "none"})
    assert refused.status_code == 400


async def test_a_mail_that_cannot_be_read_is_shown_as_text_and_can_be_tried_again(
    browser: Browser, owner: Person, installation: Installation
) -> None:
    await signed_in(browser, owner)
    address = await connected(browser)
    async with installation.database.transaction(owner.actor.scope) as session:
        row = await session.get_one(Connection, UUID(address.rpartition("/")[2]))
        await receive(session, details_of(row), [RawMessage("x", b"Subject: x\n\n<script>alert(1)</script>\x00")])
        (entry,) = (await session.execute(select(InboxEntry).where(InboxEntry.connection_id == row.id))).scalars()
        entry.state, entry.last_error, entry.due_at = "failed", "this mail names no sender", None
    page = await browser.page(address)
    assert faults(page) == []
    assert "this mail names no sender" in (page.html or "")
    assert "&lt;script&gt;alert(1)" in (page.html or "")
    again = await browser.post(f"{address}/messages/{entry.id}/again")
    assert again.status_code == 200
    assert "Could not be read" not in again.text
    assert (await browser.post(f"{address}/messages/{entry.id}/again")).status_code == 409


async def test_a_sign_in_that_was_not_begun_here_is_refused(browser: Browser, owner: Person) -> None:
    await signed_in(browser, owner)
    assert (await browser.get("/settings/email/allowed?state=x&code=y")).status_code == 400
