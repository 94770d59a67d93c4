"""What the WHMCS channel does against an installation that answers as real ones do."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Generator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from connectors.whmcs.channel import WhmcsChannel
from connectors.whmcs.hook import signature_of
from desk.clock import SystemClock
from desk.egress import EgressRules
from desk.errors import ChannelError, FalseSignatureError, InvalidInputError
from desk.ports import (
    ConnectionDetails,
    InboundMessage,
    KnownCustomer,
    OutgoingChange,
    OutgoingFile,
    ReadAgain,
    RemoteState,
    SendOutcome,
    WebhookRequest,
)
from tests.connectors.contract import CONNECTION, TENANT, reply
from tests.connectors.whmcs.installation import SECRET, Mishap, Whmcs, form_for, whmcs_server

RULES = EgressRules(frozenset({"127.0.0.1"}))
CHANNEL = WhmcsChannel(RULES, SystemClock(), look_up_after=(0.0, 0.05))


@pytest.fixture
def whmcs() -> Generator[Whmcs]:
    with whmcs_server() as running:
        yield running


@pytest.fixture
def connection(whmcs: Whmcs) -> ConnectionDetails:
    configured = CHANNEL.configure(form_for(whmcs), None)
    return ConnectionDetails(CONNECTION, TENANT, {**configured.configuration, **configured.secrets})


async def test_a_ticket_is_read_with_its_messages_notes_files_and_state(
    whmcs: Whmcs, connection: ConnectionDetails
) -> None:
    ticket_id = whmcs.open('It says "<b>quota</b>" & stops.\nWhy?', files={"log.txt": b"out of space"})
    whmcs.admin_writes(ticket_id, "We look.")
    whmcs.admin_notes(ticket_id, "Disk is full.")
    reply_id = whmcs.customer_writes(ticket_id, "And now?")
    raws = await CHANNEL.look(connection, str(ticket_id))
    assert not any(b"client-access-code" in each.raw for each in raws), "with it anybody can read the ticket"
    *said, state = [CHANNEL.parse(each.raw, connection) for each in raws]
    entries = [each for each in said if isinstance(each, InboundMessage)]
    assert [(each.author, each.body, each.is_past) for each in entries] == [
        ("customer", 'It says "<b>quota</b>" & stops.\r\nWhy?', True),
        ("agent", "We look.", True),
        ("note", "Disk is full.", True),
        ("customer", "And now?", False),
    ]
    opening, newest = entries[0], entries[-1]
    assert (opening.key, newest.key) == (f"ticket:{ticket_id}", f"reply:{reply_id}")
    assert (opening.sender.external_id, opening.sender.name) == ("7", "Marta Müller")
    assert entries[1].sender.name == "Olga Operator"
    assert newest.recipient == {"ticket_id": str(ticket_id), "reply_id": reply_id}
    assert opening.sent_at is not None
    assert abs((datetime.now(UTC) - opening.sent_at).total_seconds()) < 700, "the server's zone is two hours east"
    (file,) = opening.to_fetch
    assert (await CHANNEL.fetch_file(connection, file)).content == b"out of space"
    assert isinstance(state, RemoteState)
    assert state.ticket is not None
    assert (state.ticket.number, state.ticket.department and state.ticket.department.there) == (
        f"ABC-{ticket_id}",
        "Technical",
    )
    assert state.ticket.status is not None
    assert (state.ticket.status.there, state.ticket.status.here) == ("Customer-Reply", ("open",))
    assert state.ticket.url.endswith(f"/admin/supporttickets.php?action=view&id={ticket_id}")


async def test_only_what_changed_is_fetched_and_a_new_connection_begins_now(
    whmcs: Whmcs, connection: ConnectionDetails
) -> None:
    old = [whmcs.open(f"Question {number}", f"No. {number}") for number in range(60)]
    async with CHANNEL.watch(connection) as feed:
        begun = await feed.fetch({})
        assert (begun.messages, begun.more) == ((), False)
        assert len(begun.cursor["seen"]) == 60, "tickets on the second page count too"
        assert (await feed.fetch(begun.cursor)).messages == ()
        whmcs.customer_writes(old[3], "Still there?")
        whmcs.set(old[9], status="Closed")
        fresh = whmcs.open("New", "New")
        whmcs.tickets.pop(old[20])
        batch = await feed.fetch(begun.cursor)
        assert {each.order_key for each in batch.messages} == {str(old[3]), str(old[9]), str(fresh), str(old[20])}
        gone = [CHANNEL.parse(each.raw, connection) for each in batch.messages if each.order_key == str(old[20])]
        assert gone == [RemoteState(str(old[20]), gone="it was deleted, or merged into another one")]
        assert (await feed.fetch(batch.cursor)).messages == ()


async def test_what_waits_can_be_taken_in_at_the_beginning(whmcs: Whmcs, connection: ConnectionDetails) -> None:
    waiting, answered = whmcs.open("Waits"), whmcs.open("Is answered")
    whmcs.admin_writes(answered, "Done.")
    begins = replace(connection, settings={**connection.settings, "begin": "waiting"})
    async with CHANNEL.watch(begins) as feed:
        begun = await feed.fetch({})
        assert begun.more
        assert {each.order_key for each in (await feed.fetch(begun.cursor)).messages} == {str(waiting)}


def outgoing(connection: ConnectionDetails, ticket_id: int, reply_id: int = 0, **changes: Any) -> Any:
    recipient: Mapping[str, Any] = {"ticket_id": str(ticket_id), "reply_id": reply_id}
    return replace(reply(connection.settings, recipient), **changes)


async def test_a_reply_is_written_once_whatever_becomes_of_the_answer(
    whmcs: Whmcs, connection: ConnectionDetails
) -> None:
    cases: tuple[tuple[Mishap | None, str], ...] = (
        (None, "sent"),
        ("lost", "sent"),
        ("html", "sent"),
        ("html_500", "sent"),
        ("warning", "sent"),
        ("lost_before", "uncertain"),
        ("rate_limit", "retry"),
        ("refuse_ip", "failed"),
    )
    outcome = SendOutcome("retry")
    for mishap, wanted in cases:
        ticket_id = whmcs.open("How long are backups kept?")
        whmcs.mishaps["AddTicketReply"] = [mishap]
        asked = outgoing(connection, ticket_id, body='For 14 days.\n\n"Ask" <again> & again.')
        outcome = await CHANNEL.send(asked)
        assert outcome.result == wanted, (mishap, outcome.detail)
        written = whmcs.replies(ticket_id)
        assert len(written) == (1 if wanted == "sent" else 0), mishap
        looked_up = await CHANNEL.reconcile(asked)
        assert looked_up.result == ("sent" if written else "uncertain")
        if wanted == "sent":
            (mine,) = [each for each in whmcs.tickets[ticket_id]["replies"] if each["admin"]]
            assert outcome.provider_id == looked_up.provider_id == f"reply:{mine['replyid']}"
    assert outcome == SendOutcome(
        "failed",
        "WHMCS takes no calls from 203.0.113.9: add this address under General Settings > Security > "
        "API IP Access Restriction",
    )


async def test_an_answer_that_stays_away_is_looked_up_and_never_sent_again(
    whmcs: Whmcs, connection: ConnectionDetails
) -> None:
    ticket_id = whmcs.open("How long?")
    whmcs.mishaps = {"AddTicketReply": ["lost"], "GetTicket": [None, "html", "lost"]}
    asked = outgoing(connection, ticket_id)
    assert (await CHANNEL.send(asked)).result == "uncertain"
    assert (await CHANNEL.reconcile(asked)).result == "sent"
    assert whmcs.replies(ticket_id) == ["For 14 days."]


async def test_the_same_words_twice_are_two_replies(whmcs: Whmcs, connection: ConnectionDetails) -> None:
    ticket_id = whmcs.open("How long?")
    first = await CHANNEL.send(outgoing(connection, ticket_id))
    assert first.provider_id
    second = outgoing(connection, ticket_id, known_keys=frozenset({first.provider_id}))
    assert (await CHANNEL.reconcile(second)).result == "uncertain", "the first one is not this one"
    sent = await CHANNEL.send(second)
    assert (sent.result, len(whmcs.replies(ticket_id))) == ("sent", 2)
    assert sent.provider_id != first.provider_id


async def test_a_reply_stops_when_somebody_was_faster(whmcs: Whmcs, connection: ConnectionDetails) -> None:
    ticket_id = whmcs.open("How long?")
    whmcs.admin_writes(ticket_id, "Two weeks.")
    assert (await CHANNEL.send(outgoing(connection, ticket_id, is_automatic=True))).result == "failed"
    assert (await CHANNEL.send(outgoing(connection, ticket_id))).result == "sent", "a person may add to an answer"
    whmcs.customer_writes(ticket_id, "Never mind.")
    refused = await CHANNEL.send(outgoing(connection, ticket_id))
    assert refused.result == "failed"
    assert "written again" in refused.detail
    assert len(whmcs.replies(ticket_id)) == 2


async def test_files_go_out_and_a_refused_one_is_named(whmcs: Whmcs, connection: ConnectionDetails) -> None:
    ticket_id = whmcs.open("Please send it.")
    files = tuple(
        OutgoingFile(UUID(int=at), name, "text/plain", "", content)
        for at, (name, content) in enumerate({"plan.txt": b"the plan", "tool.exe": b"MZ"}.items())
    )
    outcome = await CHANNEL.send(outgoing(connection, ticket_id, files=files, ticket_status="resolved"))
    assert outcome.result == "sent"
    assert "1 of 2 files" in outcome.detail
    assert whmcs.tickets[ticket_id]["replies"][-1]["files"] == {"plan.txt": b"the plan"}
    assert whmcs.tickets[ticket_id]["status"] == "Closed"


def changed(connection: ConnectionDetails, ticket_id: int, field: Any, value: str, **more: Any) -> OutgoingChange:
    return OutgoingChange(
        UUID(int=9), TENANT, CONNECTION, connection.settings, str(ticket_id), field, value, "Ada", datetime.now(UTC), 1,
        **more,
    )  # fmt: skip


async def test_changes_and_notes_are_handed_over_once(whmcs: Whmcs, connection: ConnectionDetails) -> None:
    ticket_id = whmcs.open("How long?")
    for field, value, there in (
        ("status", "on_hold", "On Hold"),
        ("priority", "urgent", "High"),
        ("department", "billing", "Billing"),
    ):
        outcome = await CHANNEL.change(changed(connection, ticket_id, field, value))
        assert (outcome.result, outcome.there) == ("sent", there), outcome.detail
    ticket = whmcs.tickets[ticket_id]
    assert (ticket["status"], ticket["priority"], ticket["deptid"]) == ("On Hold", "High", 2)
    refused = await CHANNEL.change(changed(connection, ticket_id, "department", "Nowhere"))
    assert (refused.result, refused.detail) == ("failed", "WHMCS has no department for 'Nowhere'")
    whmcs.mishaps["UpdateTicket"] = ["lost"]
    lost = changed(connection, ticket_id, "status", "closed")
    assert (await CHANNEL.change(lost)).result == "retry"
    assert (await CHANNEL.reconcile_change(lost)).result == "sent"
    assert sum(action == "UpdateTicket" for action, _ in whmcs.calls) == 4, "what is so already is not set again"
    cases: tuple[tuple[Mishap, str], ...] = (("lost", "sent"), ("lost_before", "uncertain"))
    for mishap, wanted in cases:
        note = changed(connection, ticket_id, "note", f"Called him.\nAgain ({mishap}).")
        whmcs.mishaps["AddTicketNote"] = [mishap]
        outcome = await CHANNEL.change(note)
        assert outcome.result == wanted
        assert (await CHANNEL.reconcile_change(note)).result == wanted
    assert len(ticket["notes"]) == 1
    quiet = {**connection.settings, "share_notes": False, "share_changes": False}
    silent = replace(connection, settings=quiet)
    assert (await CHANNEL.change(changed(silent, ticket_id, "note", "x"))).result == "skipped"
    assert (await CHANNEL.change(changed(silent, ticket_id, "status", "open"))).result == "skipped"


async def test_facts_are_the_clients_and_never_a_password(whmcs: Whmcs, connection: ConnectionDetails) -> None:
    sections = await CHANNEL.customer_facts(connection, KnownCustomer(UUID(int=5), "7"))
    assert [section.title for section in sections] == ["Account", "Services", "Invoices"]
    slots = {fact.slot: fact.value for section in sections for fact in section.facts if fact.slot}
    assert slots == {
        "client name": "Marta Müller",
        "company": "Müller & Söhne",
        "service name": "Webspace M",
        "service domain": "marta.example",
        "next due date": "2026-12-24",
        "invoice number": "4711",
        "invoice amount": "12.00 EUR",
        "invoice due date": "2026-11-30",
    }
    said = repr(sections)
    assert not any(secret in said for secret in ("hosting-password", "4242", "Rex"))
    assert await CHANNEL.customer_facts(connection, KnownCustomer(UUID(int=5), "unknown:12")) == ()
    assert await CHANNEL.customer_facts(connection, KnownCustomer(UUID(int=5), "8")) == ()
    whmcs.forbidden.add("GetInvoices")
    sections = await CHANNEL.customer_facts(connection, KnownCustomer(UUID(int=5), "7"))
    assert sections[-1].facts[0].value == "allow GetInvoices in the API role"
    whmcs.mishaps["GetClientsDetails"] = ["refuse_ip"]
    with pytest.raises(ChannelError) as refused:
        await CHANNEL.customer_facts(connection, KnownCustomer(UUID(int=5), "7"))
    assert refused.value.reason == "settings", "it is not tried again until a person has done something"


async def test_its_check_says_what_to_do(connection: ConnectionDetails) -> None:
    assert all(check.passed for check in await CHANNEL.check(connection))
    wrong = replace(connection, settings={**connection.settings, "secret": "wrong"})
    sign_in = (await CHANNEL.check(wrong))[0]
    assert not sign_in.passed
    assert "check API identifier and secret" in sign_in.detail
    with pytest.raises(ChannelError) as refused:
        await CHANNEL.look(wrong, "1")
    assert refused.value.reason == "sign_in"


def call(body: bytes, secret: str, at: float, **headers: str) -> WebhookRequest:
    signed = {"x-desk-timestamp": str(int(at)), "x-desk-signature": signature_of(secret, str(int(at)), body)}
    return WebhookRequest("POST", "http://desk.test/hooks/in/x", {**signed, **headers}, body)


def test_a_call_of_the_hook_file_is_a_hint_and_only_when_signed(connection: ConnectionDetails) -> None:
    secret, now = connection.settings["hook_secret"], datetime.now(UTC).timestamp()
    body = b'{"event":"TicketUserReply","ticketid":"12","replyid":34}'
    (hint,) = CHANNEL.accept(call(body, secret, now), connection).messages
    assert CHANNEL.parse(hint.raw, connection) == ReadAgain("12")
    again = CHANNEL.accept(call(body, secret, now + 1), connection).messages
    assert again[0].external_id == hint.external_id, "the same event once"
    merge = json.dumps({"event": "TicketMerge", "mergedTicketIds": [5, "6"], "masterTicketId": "4"}).encode()
    found = [
        CHANNEL.parse(each.raw, connection) for each in CHANNEL.accept(call(merge, secret, now), connection).messages
    ]
    assert found == [RemoteState("5", merged_into="4"), RemoteState("6", merged_into="4"), ReadAgain("4")]
    for bad in (
        call(body, "other", now),
        call(body, secret, now - 301),
        call(body, secret, now + 301),
        call(body, secret, now, **{"x-desk-timestamp": "x"}),
        WebhookRequest("POST", "", {}, body),
    ):
        with pytest.raises(FalseSignatureError):
            CHANNEL.accept(bad, connection)
    for nonsense in (b"[1]", b"{", b'{"event":"Login"}'):
        with pytest.raises(InvalidInputError):
            CHANNEL.accept(call(nonsense, secret, now), connection)


def test_the_hook_file_holds_this_connections_address_and_secret(connection: ConnectionDetails, tmp_path: Path) -> None:
    made = CHANNEL.setup_file(connection, "https://desk.example/hooks/in/it's")
    text = made.content.decode()
    assert text.startswith("<?php")
    assert "if (!defined('WHMCS'))" in text
    assert "'https://desk.example/hooks/in/it\\'s'" in text
    assert connection.settings["hook_secret"] in text
    assert SECRET not in text, "the API's secret has no business on a web server"
    assert "@" not in text.replace("@see", "")
    for opened, closed in ("()", "{}", "[]"):
        assert text.count(opened) == text.count(closed)
    php = shutil.which("php")
    if php is None:
        pytest.skip("PHP is not installed: the file's syntax is not checked")
    written = tmp_path / "draftdesk.php"
    written.write_bytes(made.content)
    subprocess.run([php, "-l", str(written)], check=True, capture_output=True, timeout=20)


def test_its_form_keeps_secrets_from_another_server(whmcs: Whmcs) -> None:
    first = CHANNEL.configure(form_for(whmcs), None)
    with pytest.raises(InvalidInputError, match="API secret is needed"):
        CHANNEL.configure({"url": "https://elsewhere.example"}, first)
    moved = CHANNEL.configure({"url": "https://elsewhere.example/billing/", "secret": "new"}, first)
    assert moved.configuration["url"] == "https://elsewhere.example/billing"
    assert moved.secrets["hook_secret"] == first.secrets["hook_secret"], "the hook file there goes on working"
    for wrong in (
        {"statuses": "nonsense"},
        {"statuses": "Vendor = sleeping"},
        {"time_zone": "Mars/Olympus"},
        {"access_key": "a b"},
        {"admin_folder": "x?y"},
    ):
        with pytest.raises(InvalidInputError):
            CHANNEL.configure(wrong, first)
