"""What an agent sees of the other system that keeps a ticket, and of the customer's account there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from selectolax.lexbor import LexborHTMLParser as HTMLParser
from sqlalchemy import select

from desk.installation import Installation
from desk.models import CustomerFactSheet, RemoteChange, RemoteLink, Ticket
from tests.desk.conftest import Person
from tests.desk.conversations import new_ticket, reload
from tests.ui.conftest import Browser, signed_in
from tests.ui.markup import faults

SECTIONS = [
    {
        "title": "Invoices",
        "url": "",
        "facts": [
            {"label": "Invoice", "value": "<4711>", "url": "https://billing.test/4711", "slot": "invoice number"},
            {"label": "Amount", "value": "12.00 EUR", "url": "", "slot": "invoice amount"},
        ],
    }
]


@pytest.fixture
async def ticket(installation: Installation, owner: Person) -> Ticket:
    made = await new_ticket(installation.database, owner.actor)
    async with installation.database.transaction(owner.actor.scope) as session:
        link = RemoteLink(
            ticket_id=made.id, connection_id=made.connection_id, external_id="12", number="ABC-12",
            url="https://billing.test/admin/12", known={},
        )  # fmt: skip
        sheet = CustomerFactSheet(
            customer_id=made.customer_id, connection_id=made.connection_id, sections=SECTIONS,
            fetched_at=datetime.now(UTC) - timedelta(hours=2),
        )  # fmt: skip
        session.add_all([link, sheet])
    return made


def _side(page: HTMLParser) -> str:
    side = page.css_first("#side")
    assert side is not None
    return str(side.text())


async def test_the_ticket_shows_its_other_number_and_the_account(
    browser: Browser, installation: Installation, owner: Person, ticket: Ticket
) -> None:
    await signed_in(browser, owner)
    page = await browser.page(f"/tickets/{ticket.id}")
    assert faults(page) == []
    links = {each.text(): each.attributes["href"] for each in page.css("#side a") if each.text()}
    assert links["ABC-12"] == "https://billing.test/admin/12"
    assert links["<4711>"] == "https://billing.test/4711"
    assert "12.00 EUR" in _side(page)
    answer = await browser.post(f"/tickets/{ticket.id}/facts")
    assert answer.status_code == 200
    assert "Being fetched" in answer.text, "the page does not wait for the other system"
    async with installation.database.transaction(owner.actor.scope) as session:
        sheet = (await session.execute(select(CustomerFactSheet))).scalar_one()
        assert sheet.due_at is not None


async def test_a_change_here_is_handed_over_and_one_that_failed_can_be_tried_again(
    browser: Browser, installation: Installation, owner: Person, ticket: Ticket
) -> None:
    await signed_in(browser, owner)
    await browser.page(f"/tickets/{ticket.id}")
    form = {"status": "on_hold", "department": "Billing", "whole": "1"}
    assert (await browser.post(f"/tickets/{ticket.id}/change", form)).status_code == 200
    async with installation.database.transaction(owner.actor.scope) as session:
        changes = (await session.execute(select(RemoteChange).order_by(RemoteChange.id))).scalars().all()
        assert [(each.field, each.value, each.state) for each in changes] == [
            ("status", "on_hold", "pending"),
            ("department", "Billing", "pending"),
        ]
        changes[0].state, changes[0].detail, changes[0].due_at = "failed", "the role does not allow it", None
        failed = changes[0].id
    page = await browser.page(f"/tickets/{ticket.id}")
    side = _side(page)
    assert "Status On hold: not handed over" in side
    assert "the role does not allow it" in side
    again = f"/tickets/{ticket.id}/handed-over/{failed}/again"
    assert (await browser.post(again)).status_code == 200
    change = await reload(installation.database, owner.actor, RemoteChange, failed)
    assert (change.state, change.due_at is not None) == ("pending", True)
    assert (await browser.post(again)).status_code == 409
    assert (await browser.post(f"/tickets/{ticket.id}/handed-over/{UUID(int=1)}/again")).status_code == 404


async def test_a_ticket_that_only_the_desk_keeps_hands_nothing_over(
    browser: Browser, installation: Installation, owner: Person
) -> None:
    alone = await new_ticket(installation.database, owner.actor)
    await signed_in(browser, owner)
    await browser.page(f"/tickets/{alone.id}")
    await browser.post(f"/tickets/{alone.id}/change", {"status": "on_hold"})
    async with installation.database.transaction(owner.actor.scope) as session:
        assert (await session.execute(select(RemoteChange))).scalars().all() == []
