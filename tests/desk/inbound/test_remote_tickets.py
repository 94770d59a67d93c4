"""A ticket that WHMCS keeps too: what is said and changed on either side is on both, once."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest
from sqlalchemy import select

from connectors.whmcs.reading import hint_message, merge_message
from desk.connections import get_connection
from desk.customer_facts import fact_sheets, refresh_facts
from desk.db.tenancy import Scope
from desk.errors import ConflictError, NotFoundError
from desk.inbound.connecting import create_connection
from desk.inbound.receiving import details_of, receive
from desk.installation import Installation
from desk.intake import add_note
from desk.models import (
    Attachment,
    Customer,
    CustomerFactSheet,
    Delivery,
    Draft,
    Message,
    RemoteChange,
    RemoteLink,
    Ticket,
)
from desk.review import approve
from tests.conftest import new_owner
from tests.connectors.email.servers import Imap, Outbox
from tests.connectors.whmcs.installation import Whmcs, form_for, whmcs_server
from tests.desk.inbound.mail_desk import at_work, until
from tests.desk.inbound.remote_desk import DUTIES, RemoteDesk


class WhmcsDesk(RemoteDesk):
    """A tenant's desk connected to a WHMCS."""

    whmcs: Whmcs


@pytest.fixture
def whmcs() -> Generator[Whmcs]:
    with whmcs_server() as running:
        yield running


@pytest.fixture
async def desk(mail_installation: Installation, whmcs: Whmcs) -> AsyncGenerator[WhmcsDesk]:
    actor = await new_owner(mail_installation.database)
    made = WhmcsDesk(mail_installation, actor, Imap.__new__(Imap), Outbox.__new__(Outbox))
    made.whmcs = whmcs
    async with mail_installation.database.transaction(actor.scope) as session:
        connection = await create_connection(
            session, mail_installation.channels, kind="whmcs", name="Billing", settings=form_for(whmcs)
        )
    made.connection_id = connection.id
    await mail_installation.watches.sync(actor, connection.id)
    async with at_work(mail_installation, *DUTIES):
        yield made


async def test_both_sides_write_and_nothing_comes_back_twice(desk: WhmcsDesk, whmcs: Whmcs) -> None:
    number = whmcs.open('How long are "backups" kept?', files={"shot.txt": b"what I see"})
    await desk.look()
    ticket = await desk.only_ticket()
    assert (ticket.subject, ticket.status, ticket.department, ticket.external_id) == (
        "Backups", "open", "Technical", str(number),
    )  # fmt: skip
    (link,) = await desk.rows(RemoteLink)
    assert (link.number, link.ticket_id) == (f"ABC-{number}", ticket.id)
    (file,) = await desk.rows(Attachment)
    assert (file.name, file.size, file.state) == ("shot.txt", 10, "ready")

    whmcs.mishaps["AddTicketReply"] = ["lost"]
    delivery = await desk.answer(ticket, "For 14 days.")
    assert delivery.state == "sent", delivery.detail
    note = await add_note(desk.installation.database, desk.actor, ticket.id, "He has called before.")
    (handed,) = await desk.handed_over()
    assert handed.state == "sent"
    whmcs.admin_writes(number, "And 30 days for shops.")
    whmcs.admin_notes(number, "Shop customer.")
    whmcs.customer_writes(number, "Thank you!")
    await desk.look()
    await desk.look()
    assert await desk.said(ticket) == [
        ("customer", 'How long are "backups" kept?'),
        ("agent", "For 14 days."),
        ("note", "He has called before."),
        ("agent", "And 30 days for shops."),
        ("note", "Shop customer."),
        ("customer", "Thank you!"),
    ]
    assert (await desk.messages(ticket))[3].author_name == "Olga Operator"
    assert whmcs.replies(number) == ["For 14 days.", "And 30 days for shops."]
    assert len(whmcs.tickets[number]["notes"]) == 2
    assert (await desk.rows(Message, Message.id == note.id))[0].external_id is not None
    assert await desk.entries("failed") == []


async def test_a_reply_from_over_there_ends_the_draft_that_waits(desk: WhmcsDesk, whmcs: Whmcs) -> None:
    number = whmcs.open("How long?")
    await desk.look()
    ticket = await desk.only_ticket()
    (draft,) = await desk.rows(Draft)
    async with desk.installation.database.transaction(desk.actor.scope) as session:
        row = await session.get_one(Draft, draft.id)
        row.state, row.body, row.due_at = "ready", "For 14 days.", None
    whmcs.admin_writes(number, "Two weeks.")
    await desk.look()
    (draft,) = await desk.rows(Draft)
    assert draft.state == "stale"
    with pytest.raises(ConflictError, match="somebody has answered"):
        await approve(
            desk.installation.database, desk.actor, desk.installation.analyser, draft.id,
            body=None, based_on_seq=ticket.last_inbound_seq, resolve=False, undo_seconds=0,
        )  # fmt: skip
    ticket = await desk.only_ticket()
    assert (ticket.status, ticket.waiting_since) == ("pending", None)
    assert whmcs.replies(number) == ["Two weeks."]


async def test_an_unknown_fate_is_settled_by_what_the_poll_finds(desk: WhmcsDesk, whmcs: Whmcs) -> None:
    number = whmcs.open("How long?")
    await desk.look()
    whmcs.mishaps = {"AddTicketReply": ["lost"], "GetTicket": [None, "html", "html"]}
    delivery = await desk.answer(await desk.only_ticket(), "For 14 days.")
    assert delivery.state == "uncertain", delivery.detail
    await desk.look()
    (delivery,) = await desk.rows(Delivery)
    assert delivery.state == "sent"
    assert [author for author, _ in await desk.said(await desk.only_ticket())] == ["customer", "agent"]
    assert len(whmcs.replies(number)) == 1


async def test_the_later_change_counts_on_both_sides_and_none_goes_back_and_forth(
    desk: WhmcsDesk, whmcs: Whmcs
) -> None:
    number = whmcs.open("How long?")
    await desk.look()
    ticket = await desk.only_ticket()
    await desk.change(ticket, status="on_hold", priority="urgent", department="Billing")
    assert [each.state for each in await desk.handed_over()] == ["sent"] * 3
    there = whmcs.tickets[number]
    assert (there["status"], there["priority"], there["deptid"]) == ("On Hold", "High", 2)
    await desk.look()
    assert ((await desk.only_ticket()).status, (await desk.only_ticket()).priority) == ("on_hold", "urgent")

    whmcs.set(number, status="In Progress", priority="Low", subject="Backups of shops")
    await desk.look()
    ticket = await desk.only_ticket()
    assert (ticket.status, ticket.priority, ticket.subject) == ("open", "low", "Backups of shops")
    assert len(await desk.rows(RemoteChange)) == 3, "what came from there is not handed back"

    # Looked at before the desk's own change reached WHMCS, read after it: the desk's is the later word.
    connection = await _details(desk)
    channel: Any = desk.installation.channels["whmcs"]
    early = await channel.look(connection, str(number))
    await desk.change(ticket, status="closed")
    await desk.handed_over()
    assert whmcs.tickets[number]["status"] == "Closed"
    async with desk.installation.database.transaction(desk.actor.scope) as session:
        await receive(session, connection, early)
    await until(desk.is_read)
    assert (await desk.only_ticket()).status == "closed"
    await desk.look()
    assert (await desk.only_ticket()).status == "closed"
    assert whmcs.tickets[number]["status"] == "Closed"
    assert len(await desk.rows(RemoteChange)) == 4

    whmcs.forbidden.add("UpdateTicket")
    await desk.change(ticket, status="open")
    assert "allow the action in the API role" in (await desk.handed_over())[-1].detail
    assert "change_failed" in await desk.events(ticket)


async def test_a_call_of_the_hook_file_brings_the_ticket_and_a_merge_joins_two(desk: WhmcsDesk, whmcs: Whmcs) -> None:
    first, second = whmcs.open("How long?", "First"), whmcs.open("And shops?", "Second")
    await desk.look()
    whmcs.merge(second, first)
    whmcs.customer_writes(first, "Anybody?")
    connection = await _details(desk)
    async with desk.installation.database.transaction(desk.actor.scope) as session:
        told = (merge_message(str(second), str(first), "m"), hint_message("h", str(first)))
        await receive(session, connection, told)
    await until(desk.is_read)
    await desk.look()
    kept, gone = sorted(await desk.tickets(), key=lambda each: each.external_id or "")
    assert (kept.status, gone.status) == ("open", "closed")
    *begun, last = await desk.said(kept)  # WHMCS tells seconds, and both tickets begin in the same one
    assert (sorted(begun), last) == ([("customer", "And shops?"), ("customer", "How long?")], ("customer", "Anybody?"))
    assert (await desk.answer(kept, "For 14 days.")).state == "sent"
    assert whmcs.replies(first) == ["For 14 days."]
    assert await desk.entries("failed") == []


async def test_facts_are_of_this_customer_only_and_go_with_them(desk: WhmcsDesk, whmcs: Whmcs) -> None:
    whmcs.open("How long?")
    whmcs.open("Who are you?", userid=0)
    await desk.look()

    async def fetched() -> list[CustomerFactSheet]:
        sheets = await desk.rows(CustomerFactSheet)
        return [sheet for sheet in sheets if sheet.fetched_at is not None]

    (sheet,) = await until(fetched)
    marta, guest = sorted(await desk.rows(Customer), key=lambda each: each.name != "Marta Müller")
    async with desk.installation.database.transaction(desk.actor.scope) as session:
        (shown,) = await fact_sheets(session, marta.id)
        assert {fact.slot: fact.value for section in shown.sections for fact in section.facts}[
            "invoice number"
        ] == "4711"
        assert await fact_sheets(session, guest.id) == []
    other = await new_owner(desk.installation.database)
    async with desk.installation.database.transaction(Scope(other.tenant_id)) as session:
        assert (await session.scalars(select(CustomerFactSheet))).all() == []
        with pytest.raises(NotFoundError):
            await fact_sheets(session, marta.id)

    whmcs.mishaps["GetClientsDetails"] = ["refuse_ip"]
    ticket = (await desk.rows(Ticket, Ticket.customer_id == marta.id))[0]
    assert await refresh_facts(desk.installation.database, desk.actor, ticket.id) == 1

    async def refused() -> str:
        return (await desk.rows(CustomerFactSheet))[0].problem

    assert "203.0.113.9" in await until(refused)
    (kept,) = await desk.rows(CustomerFactSheet)
    assert (kept.fetched_at, bool(kept.sections)) == (sheet.fetched_at, True), "what was known stays, with its age"
    async with desk.installation.database.transaction(desk.actor.scope) as session:
        row = await session.get_one(Customer, marta.id)
        await session.delete(row)
    assert await desk.rows(CustomerFactSheet) == []


async def _details(desk: WhmcsDesk) -> Any:
    async with desk.installation.database.transaction(desk.actor.scope) as session:
        return details_of(await get_connection(session, desk.connection_id))
