"""A conversation that a CRM keeps too, or that comes as somebody's own JSON, through the whole desk."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from standardwebhooks import Webhook

from desk.connections import get_connection
from desk.customer_facts import fact_sheets, refresh_facts
from desk.inbound.connecting import create_connection
from desk.inbound.receiving import details_of, receive
from desk.installation import Installation
from desk.intake import add_note
from desk.models import Attachment, Customer
from desk.ports import WebhookChannel, WebhookRequest
from desk.review import reply
from tests.conftest import new_owner
from tests.connectors.crm import org, portal, zoho_desk
from tests.connectors.email.servers import Imap, Outbox
from tests.connectors.faulty_server import Imitated, running
from tests.connectors.rest.test_mapped import MAPPING, SAMPLE, Crm
from tests.desk.inbound.mail_desk import at_work
from tests.desk.inbound.remote_desk import DUTIES, RemoteDesk

JUST_NOW = 570
"""Seconds on the clocks of the imitated: half a minute ago."""


@dataclass
class There:
    """One CRM, and what its people and customers do in it."""

    kind: str
    imitated: Imitated
    form: Callable[[], dict[str, Any]]
    reply_call: str
    begin: Callable[[str], str]
    """A customer asks; the ticket's id."""
    customer: Callable[[str, str], Any]
    colleague: Callable[[str, str], Any]
    replies: Callable[[str], int]
    """How many went out of the CRM, by whomever."""
    notes: Callable[[str], int]
    status: Callable[[str], str]


def hubspot() -> There:
    made = portal.Portal(seconds=JUST_NOW)
    threads: dict[str, str] = {}

    def begin(words: str) -> str:
        ticket_id, threads[ticket_id] = made.converse(words)
        return ticket_id

    return There(
        "hubspot", made, lambda: portal.form_for(made), "POST /conversations", begin,
        lambda ticket, words: made.customer_writes(threads[ticket], words),
        lambda ticket, words: made.agent_writes(threads[ticket], words),
        lambda ticket: len(made.sent(threads[ticket])),
        lambda ticket: len([each for each in made.notes.values() if each["ticket"] == ticket]),
        lambda ticket: made.tickets[ticket]["hs_pipeline_stage"].replace("4", "Closed"),
    )  # fmt: skip


def zoho() -> There:
    made = zoho_desk.ZohoDesk(seconds=JUST_NOW)
    return There(
        "zoho", made, lambda: zoho_desk.form_for(made), "POST /api/v1/tickets", made.open,
        made.customer_writes, made.agent_writes,
        lambda ticket: len(made.sent(ticket)), lambda ticket: len(made.comments[ticket]),
        lambda ticket: made.tickets[ticket]["status"] if made.tickets[ticket]["status"] != "Open" else next(
            (each["told"]["ticketStatus"] for each in made.sent(ticket) if each.get("told")), "Open"),
    )  # fmt: skip


def salesforce() -> There:
    made = org.Org(seconds=JUST_NOW)
    return There(
        "salesforce", made, lambda: org.form_for(made), "POST /services/data/v67.0/actions", made.open,
        made.mail, lambda ticket, words: made.mail(ticket, words, incoming=False),
        lambda ticket: len(made.sent(ticket)),
        lambda ticket: len([each for each in made.comments if each["ParentId"] == ticket]),
        lambda ticket: made.cases[ticket]["Status"],
    )  # fmt: skip


@pytest.fixture(params=[hubspot, zoho, salesforce], ids=lambda made: made.__name__)
def there(request: pytest.FixtureRequest) -> Generator[There]:
    made: There = request.param()
    with running(made.imitated):
        yield made


@asynccontextmanager
async def connected(installation: Installation, kind: str, form: dict[str, Any]) -> AsyncGenerator[RemoteDesk]:
    actor = await new_owner(installation.database)
    desk = RemoteDesk(installation, actor, Imap.__new__(Imap), Outbox.__new__(Outbox))
    async with installation.database.transaction(actor.scope) as session:
        connection = await create_connection(session, installation.channels, kind=kind, name="Sales", settings=form)
    desk.connection_id = connection.id
    await installation.watches.sync(actor, connection.id)
    async with at_work(installation, *DUTIES):
        yield desk


async def test_both_sides_write_and_nothing_comes_back_twice(mail_installation: Installation, there: There) -> None:
    async with connected(mail_installation, there.kind, there.form()) as desk:
        number = there.begin("How long are backups kept?")
        await desk.look()
        ticket = await desk.only_ticket()
        assert (ticket.subject, ticket.status, ticket.external_id) == ("Backups", "open", number)
        # The answer is lost after the reply was written: it is found there, and not written again.
        there.imitated.mishaps = {there.reply_call: ["lost"]}
        sent = await reply(
            mail_installation.database, desk.actor, ticket.id, "For 14 days.\n\nBest regards",
            based_on_seq=None, resolve=True, undo_seconds=0,
        )  # fmt: skip
        settled = await desk.settled(sent.id)
        assert settled.state == "sent", settled.detail
        assert there.status(number) == "Closed"
        await add_note(mail_installation.database, desk.actor, ticket.id, "He has called before.")
        (handed,) = await desk.handed_over()
        assert handed.state == "sent", handed.detail
        there.colleague(number, "And 30 days for shops.")
        there.customer(number, "Thank you!")
        await desk.look()
        await desk.look()
        assert await desk.said(ticket) == [
            ("customer", "How long are backups kept?"),
            ("agent", "For 14 days.\n\nBest regards"),
            ("note", "He has called before."),
            ("agent", "And 30 days for shops."),
            ("customer", "Thank you!"),
        ]
        assert (there.replies(number), there.notes(number)) == (2, 1)
        (customer,) = await desk.rows(Customer)
        assert (customer.name, customer.email) == ("Marta Müller", "marta@customer.test")
        await refresh_facts(mail_installation.database, desk.actor, ticket.id)
        async with mail_installation.database.transaction(desk.actor.scope) as session:
            assert [sheet.source for sheet in await fact_sheets(session, customer.id)] == ["Sales"]
        assert await desk.entries("failed") == []


async def test_somebodys_own_json_becomes_a_ticket_and_its_reply_is_posted_back(
    mail_installation: Installation,
) -> None:
    with running(Crm()) as crm:
        form = {**MAPPING, "reply_url": f"{crm.url}/tickets/{{ticket_id}}/replies", "reply_id": "reply.id"}
        async with connected(mail_installation, "custom", form) as desk:
            channel = mail_installation.channels["custom"]
            assert isinstance(channel, WebhookChannel)
            sample = {**SAMPLE, "ticket": {**SAMPLE["ticket"]}}  # type: ignore[dict-item]
            sample["ticket"]["message"] = {**sample["ticket"]["message"], "files": [f"{crm.url}/file"]}
            body, moment = json.dumps(sample).encode(), datetime.now(UTC)
            async with mail_installation.database.transaction(desk.actor.scope) as session:
                details = details_of(await get_connection(session, desk.connection_id))
                headers = {
                    "webhook-id": "msg_1",
                    "webhook-timestamp": str(int(moment.timestamp())),
                    "webhook-signature": Webhook(details.settings["signing_secret"]).sign(
                        "msg_1", moment, body.decode()
                    ),
                }
                called = WebhookRequest("POST", "http://desk.test/hooks/in/x", headers, body)
                for _ in range(5):
                    await receive(session, details, channel.accept(called, details).messages)
            await desk.look()
            ticket = await desk.only_ticket()
            assert (ticket.subject, ticket.external_id) == ("Backups", "4711")
            (file,) = await desk.rows(Attachment)
            assert (file.name, file.size) == ("file", 8)
            delivery = await desk.answer(ticket, "For 14 days.")
            assert (delivery.state, delivery.provider_id) == ("sent", "99"), delivery.detail
            (posted,) = crm.replies.values()
            assert (posted["body"], posted["customer"]["email"]) == ("For 14 days.", "marta@customer.test")
            assert posted["in_reply_to"] == "9007199254740993"
            assert await desk.said(ticket) == [("customer", "How long are\nbackups kept?"), ("agent", "For 14 days.")]
