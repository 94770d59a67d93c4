"""What the Zoho Desk channel does against one that answers as real ones do."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest

from connectors.crm.zoho.channel import ZohoChannel
from desk.clock import SystemClock
from desk.egress import EgressRules
from desk.errors import ChannelError, FalseSignatureError, InvalidInputError
from desk.ports import ConnectionDetails, KnownCustomer, OutgoingFile, ReadAgain, RemoteState, WebhookRequest
from tests.connectors.contract import Credentials
from tests.connectors.crm.asking import answering, changing, connect, read
from tests.connectors.crm.zoho_desk import CODE, ORG, SECRET, ZohoDesk, form_for, posted
from tests.connectors.faulty_server import Mishap, Said, running

RULES = EgressRules(frozenset({"127.0.0.1"}))
STORE = Credentials({})
CHANNEL = ZohoChannel(RULES, SystemClock(), STORE, look_up_after=(0.0, 0.05))


@pytest.fixture
def zoho() -> Generator[ZohoDesk]:
    with running(ZohoDesk()) as started:
        yield started


@pytest.fixture
def connection(zoho: ZohoDesk) -> ConnectionDetails:
    made = connect(CHANNEL, form_for(zoho))
    STORE.stored = {name: made.settings[name] for name in ("grant_code", "client_secret")}
    return made


def now_known(connection: ConnectionDetails) -> ConnectionDetails:
    """With what the channel has stored itself meanwhile."""
    return replace(connection, settings={**connection.settings, **STORE.stored})


async def test_a_ticket_is_read_with_threads_comments_and_files(zoho: ZohoDesk, connection: ConnectionDetails) -> None:
    quoted = "<div>How long?</div><blockquote>On Monday you wrote nonsense</blockquote><script>x</script>"
    ticket_id = zoho.open(quoted, attachments=[{"id": "55", "name": "log.txt", "size": "12"}])
    zoho.agent_writes(ticket_id, "<div>never sent</div>", status="DRAFT")
    zoho.agent_writes(ticket_id, "<div>We look.</div>")
    zoho.comment(ticket_id, "Disk is full.")
    zoho.comment(ticket_id, "Known problem.", public=True)
    zoho.customer_writes(ticket_id, "<p>And now?</p>", fromEmailAddress="Jan <jan@customer.test>")
    zoho.set(ticket_id, status="Waiting for parts", statusType="ON HOLD")
    said, state = read(CHANNEL, connection, await CHANNEL.look(connection, ticket_id))
    assert [(each.author, each.body) for each in said] == [
        ("customer", "How long?"),
        ("agent", "We look."),
        ("note", "Disk is full."),
        ("agent", "Known problem."),
        ("customer", "And now?"),
    ]
    assert (said[0].sender.external_id, said[0].sender.name) == ("7001", "Marta Müller")
    assert "nonsense" in said[0].quoted
    assert "script" not in said[0].html
    assert (said[-1].sender.address, said[-1].sender.external_id) == ("jan@customer.test", ""), "somebody else"
    (file,) = said[0].to_fetch
    assert (await CHANNEL.fetch_file(connection, file)).content == b"out of space"
    assert state.ticket is not None
    assert state.ticket.status is not None
    assert (state.ticket.status.there, state.ticket.status.here) == ("Waiting for parts", ("on_hold",))
    assert state.ticket.department is not None
    assert state.ticket.department.there == "Technical"
    asked = len(zoho.calls)
    await CHANNEL.look(connection, ticket_id)
    assert len(zoho.calls) - asked == 3, "what a thread holds is asked for once: every call costs credits"
    for gone in ("404", "x"):
        (raw,) = await CHANNEL.look(connection, gone)
        found = CHANNEL.parse(raw.raw, connection)
        assert isinstance(found, RemoteState)
        assert found.gone


async def test_the_code_works_once_and_tokens_are_renewed_when_they_end(
    zoho: ZohoDesk, connection: ConnectionDetails
) -> None:
    ticket_id = zoho.open("Hello")
    await CHANNEL.look(connection, ticket_id)
    await CHANNEL.look(connection, ticket_id)
    assert zoho.tokens == 1, "a token is used until it ends: whoever renews often is blocked"
    assert STORE.stored["refresh_token"] == "1000.refresh"
    zoho.tokens += 1
    await CHANNEL.look(connection, ticket_id)
    assert STORE.stored["access_token"] == "token-3"
    STORE.stored["expires_at"] = datetime.now(UTC).timestamp() + 60
    await CHANNEL.look(connection, ticket_id)
    assert zoho.tokens == 4, "in time, and not when it is refused"
    STORE.stored["expires_at"] = 0
    zoho.refuses_token = Said(400, {"error": "Access Denied", "error_description": "You have made too many requests"})
    with pytest.raises(ChannelError) as waits:
        await CHANNEL.look(connection, ticket_id)
    assert waits.value.reason == "network"
    zoho.refuses_token = Said(200, {"error": "invalid_code"})
    with pytest.raises(ChannelError, match="make a new code") as refused:
        await CHANNEL.look(connection, ticket_id)
    assert refused.value.reason == "sign_in"
    assert SECRET not in refused.value.detail
    zoho.refuses_token = Said(200, {"error": "invalid_client"})
    with pytest.raises(ChannelError, match="data centre"):
        await CHANNEL.look(connection, ticket_id)


async def test_polling_finds_every_change_once(zoho: ZohoDesk, connection: ConnectionDetails) -> None:
    zoho.seconds = 500
    old = [zoho.open(f"No. {number}") for number in range(3)]
    async with CHANNEL.watch(connection) as feed:
        begun = await feed.fetch({})
        assert begun.messages == ()
        settled = await feed.fetch(begun.cursor)
        assert not settled.messages, "what the first look shows already is not new"
        zoho.seconds = 700
        zoho.customer_writes(old[1], "And now?")
        fresh = zoho.open("New")
        batch = await feed.fetch(settled.cursor)
        assert {each.order_key for each in batch.messages} == {old[1], fresh}
        assert not (await feed.fetch(batch.cursor)).messages
    zoho.set(old[0], status="Closed", statusType="CLOSED")
    opened = replace(connection, settings={**connection.settings, "begin": "open"})
    async with CHANNEL.watch(opened) as feed:
        found = {each.order_key for each in (await feed.fetch({})).messages}
    assert found == {old[1], old[2], fresh}


async def test_a_reply_is_written_once_whatever_becomes_of_the_answer(
    zoho: ZohoDesk, connection: ConnectionDetails
) -> None:
    cases: tuple[tuple[Mishap | None, str, int], ...] = (
        (None, "sent", 1),
        ("lost", "sent", 1),
        ("html", "sent", 1),
        ("html_500", "sent", 1),
        ("lost_before", "uncertain", 0),
        ("limit", "retry", 0),
    )
    for mishap, wanted, count in cases:
        ticket_id = zoho.open("How long?")
        asked = await answering(
            CHANNEL, connection, ticket_id, body="For 14 days.\n\n1 < 2 & 3", ticket_status="resolved"
        )
        zoho.mishaps = {f"POST /api/v1/tickets/{ticket_id}/sendReply": [mishap]}
        outcome = await CHANNEL.send(asked)
        assert (outcome.result, len(zoho.sent(ticket_id))) == (wanted, count), (mishap, outcome)
        looked_up = await CHANNEL.reconcile(asked)
        assert looked_up.result == ("sent" if count else "uncertain")
        if count:
            (mine,) = zoho.sent(ticket_id)
            assert outcome.provider_id == looked_up.provider_id == f"thread:{mine['id']}"
            assert mine["told"] == {"to": "marta@customer.test", "attachmentIds": [], "ticketStatus": "Closed"}
    assert zoho.calls[-1].headers["sourceid"], "what the desk writes is marked, so that Zoho does not call about it"
    ticket_id = zoho.open("How long?")
    asked = await answering(CHANNEL, connection, ticket_id)
    wrong = replace(asked, configuration={**asked.configuration, "from_address": "other@acme.test"})
    refused = await CHANNEL.send(wrong)
    assert (refused.result, "/fromEmailAddress" in refused.detail) == ("failed", True)
    zoho.customer_writes(ticket_id, "Never mind.")
    assert "written again" in (await CHANNEL.send(asked)).detail


async def test_files_are_uploaded_before_the_reply(zoho: ZohoDesk, connection: ConnectionDetails) -> None:
    ticket_id = zoho.open("Send it")
    file = OutgoingFile(UUID(int=8), "plan.txt", "text/plain", "", b"the plan")
    asked = await answering(CHANNEL, connection, ticket_id, files=(file,))
    zoho.mishaps = {"POST /api/v1/uploads": ["lost"]}
    assert (await CHANNEL.send(asked)).result == "retry"
    assert (await CHANNEL.send(asked)).result == "sent"
    (mine,) = zoho.sent(ticket_id)
    assert mine["told"]["attachmentIds"] == ["4001"]


async def test_changes_and_notes_are_handed_over_once(zoho: ZohoDesk, connection: ConnectionDetails) -> None:
    ticket_id = zoho.open("How long?")
    for field, value, there in (("status", "on_hold", "On Hold"), ("priority", "urgent", "High")):
        outcome = await CHANNEL.change(changing(connection, ticket_id, field, value))
        assert (outcome.result, outcome.there, zoho.tickets[ticket_id][field]) == ("sent", there, there)
    assert (await CHANNEL.change(changing(connection, ticket_id, "status", "pending"))).result == "skipped"
    mishaps: tuple[tuple[Mishap, str], ...] = (("lost", "sent"), ("lost_before", "uncertain"))
    for mishap, wanted in mishaps:
        note = changing(connection, ticket_id, "note", f"Called him.\nAgain {mishap}.")
        zoho.mishaps = {f"POST /api/v1/tickets/{ticket_id}/comments": [mishap]}
        assert (await CHANNEL.change(note)).result == wanted
        assert (await CHANNEL.reconcile_change(note)).result == wanted
    assert [each["isPublic"] for each in zoho.comments[ticket_id]] == [False]


async def test_limits_and_refusals_say_what_to_do(zoho: ZohoDesk, connection: ConnectionDetails) -> None:
    ticket_id = zoho.open("How long?")
    asked = await answering(CHANNEL, connection, ticket_id)
    cases = (
        (Said(429, {"errorCode": "THRESHOLD_EXCEEDED"}, {"retry-after": "900"}), "retry", "used up"),
        (Said(429, {"errorCode": "TOO_MANY_REQUESTS"}), "retry", "at once"),
        (Said(403, {"errorCode": "SCOPE_MISMATCH", "message": "no"}), "failed", "scopes"),
        (Said(403, {"errorCode": "OAUTH_ORG_MISMATCH", "message": "no"}), "failed", "data centre"),
        (Said(500, b"<html>"), "retry", "500"),
    )
    for said, wanted, words in cases:
        zoho.refuses = said
        outcome = await CHANNEL.send(asked)
        assert (outcome.result, words in outcome.detail) == (wanted, True), outcome


async def test_facts_and_checks(zoho: ZohoDesk, connection: ConnectionDetails) -> None:
    (section,) = await CHANNEL.customer_facts(connection, KnownCustomer(UUID(int=5), "7001"))
    assert [(fact.label, fact.value) for fact in section.facts] == [
        ("Name", "Marta Müller"),
        ("Account", "Müller & Söhne"),
        ("Plan", "Webspace M"),
    ]
    assert await CHANNEL.customer_facts(connection, KnownCustomer(UUID(int=5), "7002")) == ()
    checks = await CHANNEL.check(connection)
    assert all(check.passed for check in checks)
    assert "polling" in checks[-1].detail
    other = replace(connection, settings={**connection.settings, "org": "1"})
    assert not (await CHANNEL.check(other))[0].passed


async def test_calls_are_hints_only_from_zoho_for_this_organisation(
    zoho: ZohoDesk, connection: ConnectionDetails
) -> None:
    events: list[dict[str, Any]] = [
        {"eventType": "Ticket_Add", "payload": {"id": "5"}, "eventTime": "1767000000000", "orgId": ORG},
        {"eventType": "Ticket_Thread_Add", "payload": {"id": "9", "ticketId": "6"}, "eventTime": "1", "orgId": ORG},
        {"eventType": "Contact_Add", "payload": {"id": "7001"}, "eventTime": "1", "orgId": ORG},
        {"eventType": "Ticket_Add", "payload": {"id": "8"}, "eventTime": "1", "orgId": "999"},
    ]
    for tried in (WebhookRequest("GET", "", {}, b""), WebhookRequest("POST", "", {}, b"")):
        assert CHANNEL.accept(tried, connection).status == 200, "Zoho tries an address when it is entered"
    with pytest.raises(FalseSignatureError, match="does not know the key"):
        CHANNEL.accept(posted(events), connection)
    async with CHANNEL.watch(connection) as feed:
        await feed.fetch({})
    known = now_known(connection)
    first, again = CHANNEL.accept(posted(events), known).messages, CHANNEL.accept(posted(events), known).messages
    assert [CHANNEL.parse(each.raw, known) for each in first] == [ReadAgain("5"), ReadAgain("6")]
    assert first == again
    unsigned = jwt.encode({"iss": f"orgId:{ORG}", "aud": "webhookId:42"}, "", "none", {"kid": "k1"})
    for wrong in (
        posted(events, signer="mallory"),
        posted(events, iss="orgId:1"),
        posted(events, aud="somethingElse"),
        posted(events, exp=datetime.now(UTC) - timedelta(minutes=1)),
        posted(events, exp=None),
        posted(events, kid="k2"),
        replace(posted(events), headers={"x-zdesk-jwt": unsigned}),
        replace(posted(events), headers={}),
    ):
        with pytest.raises(FalseSignatureError):
            CHANNEL.accept(wrong, known)
    for nonsense in (b"{", b'{"a": 1}'):
        with pytest.raises(InvalidInputError):
            CHANNEL.accept(posted(nonsense), known)


def test_its_form_keeps_secrets_to_the_data_centre_they_are_for(zoho: ZohoDesk) -> None:
    first = CHANNEL.configure(form_for(zoho), None)
    assert not any(secret in repr(first) + str(first.configuration) for secret in (CODE, SECRET))
    for wrong in (
        {"centre": "com"},
        {"desk_url": "https://evil.example"},
        {"accounts_url": "https://accounts.zoho.com"},
        {"org": "x"},
        {"from_address": "x"},
    ):
        with pytest.raises(InvalidInputError):
            CHANNEL.configure(wrong, first)
    fresh = CHANNEL.configure(
        {"grant_code": "1000.new"}, replace(first, secrets={**first.secrets, "refresh_token": "r"})
    )
    assert "refresh_token" not in fresh.secrets, "a new code replaces the permission there was"
