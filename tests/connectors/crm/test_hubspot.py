"""What the HubSpot channel does against an account that answers as real ones do."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from connectors.crm.hubspot.calls import signature
from connectors.crm.hubspot.channel import HubSpotChannel
from desk.clock import SystemClock
from desk.egress import EgressRules
from desk.errors import ChannelError, FalseSignatureError, InvalidInputError, UnreadableMessageError
from desk.ports import ConnectionDetails, KnownCustomer, OutgoingFile, ReadAgain, RemoteState
from desk.secret import Secret
from tests.connectors.contract import Credentials
from tests.connectors.crm.asking import answering, changing, connect, read
from tests.connectors.crm.portal import CLIENT_SECRET, TOKEN, Portal, form_for, posted
from tests.connectors.faulty_server import Mishap, Said, running

STORE = Credentials({})
CHANNEL = HubSpotChannel(EgressRules(frozenset({"127.0.0.1"})), SystemClock(), STORE, look_up_after=(0.0, 0.05))


@pytest.fixture
def portal() -> Generator[Portal]:
    with running(Portal()) as started:
        yield started


@pytest.fixture
def connection(portal: Portal) -> ConnectionDetails:
    return connect(CHANNEL, form_for(portal))


async def test_a_ticket_is_read_with_its_conversation_notes_files_and_contact(
    portal: Portal, connection: ConnectionDetails
) -> None:
    rich = "<p>How <b>long</b>?</p><script>x()</script><img src='http://t.test/p.gif'><blockquote>Old</blockquote>"
    file = {"type": "FILE", "fileId": "77", "name": "log.txt", "url": "https://app.test/private"}
    ticket_id, thread_id = portal.converse("How long? Old", richText=rich, attachments=[file])
    portal.add(thread_id, {"type": "WELCOME_MESSAGE", "direction": "OUTGOING", "text": "Hello!"})
    portal.agent_writes(thread_id, "We look.")
    portal.agent_writes(thread_id, "Disk is full.", "COMMENT")
    portal.notes["601"] = {
        "ticket": ticket_id,
        "properties": {"hs_note_body": "<p>VIP</p>", "hs_timestamp": portal.now()},
    }
    portal.customer_writes(thread_id, "cut", truncationStatus="TRUNCATED_TO_MOST_RECENT_REPLY")
    said, state = read(CHANNEL, connection, await CHANNEL.look(connection, ticket_id))
    assert [(each.author, each.body) for each in said] == [
        ("customer", "How long?"),
        ("agent", "We look."),
        ("note", "Disk is full."),
        ("note", "VIP"),
        ("customer", "the whole of it"),
    ]
    opening = said[0]
    assert "script" not in opening.html
    assert "img" not in opening.html
    assert "Old" in opening.quoted
    assert (opening.sender.external_id, opening.sender.address) == ("301", "marta@customer.test")
    assert [each.is_past for each in said] == [True, True, True, True, False]
    (asked,) = opening.to_fetch
    assert (await CHANNEL.fetch_file(connection, asked)).content == b"out of space"
    assert state.ticket is not None
    assert state.ticket.status is not None
    assert (state.ticket.status.there, state.ticket.status.here) == ("1", ("open",))
    assert state.ticket.url.endswith(f"/ticket/{ticket_id}")
    gone = await CHANNEL.fetch_file(connection, replace(asked, reference={**asked.reference, "file": "78"}))
    assert gone.content == b""


async def test_a_ticket_without_a_conversation_is_its_own_first_message_and_cannot_be_answered(
    portal: Portal, connection: ConnectionDetails
) -> None:
    ticket_id = portal.open("<p>Please call</p>", contact=False)
    portal.set(ticket_id, hs_pipeline_stage="8834211")
    (said,), state = read(CHANNEL, connection, await CHANNEL.look(connection, ticket_id))
    assert (said.key, said.body, said.sender.external_id) == (
        f"ticket:{ticket_id}",
        "Please call",
        f"ticket:{ticket_id}",
    )
    assert state.ticket is not None
    assert state.ticket.status is not None
    assert state.ticket.status.here == ("on_hold",)
    outcome = await CHANNEL.send(await answering(CHANNEL, connection, ticket_id))
    assert outcome.result == "failed"
    assert "no conversation" in outcome.detail


async def test_deleted_and_merged_tickets_are_told_apart(portal: Portal, connection: ConnectionDetails) -> None:
    kept, merged = portal.open("a"), portal.open("b")
    portal.merged[merged] = kept
    (raw,) = await CHANNEL.look(connection, merged)
    state = CHANNEL.parse(raw.raw, connection)
    assert isinstance(state, RemoteState)
    assert state.merged_into == kept
    (raw,) = await CHANNEL.look(connection, "404")
    assert CHANNEL.parse(raw.raw, connection) == RemoteState("404", gone="it was deleted in HubSpot")


async def test_polling_finds_what_calls_left_out_once_and_what_a_search_shows_late(
    portal: Portal, connection: ConnectionDetails
) -> None:
    portal.seconds = 500
    old = [portal.open(f"No. {number}") for number in range(7)]
    quiet, thread_id = portal.converse("Before")
    async with CHANNEL.watch(connection) as feed:
        begun = await feed.fetch({})
        assert begun.messages == ()
        settled = await feed.fetch(begun.cursor)
        assert not settled.messages, "what the first look shows already is not new"
        portal.seconds = 560
        late = portal.open("Late")
        portal.lag.add(late)
        portal.seconds = 700
        portal.set(old[2], hs_pipeline_stage="4")
        portal.customer_writes(thread_id, "And now?")
        batch = await feed.fetch(settled.cursor)
        assert {each.order_key for each in batch.messages} == {old[2], quiet}
        portal.lag.clear()
        batch = await feed.fetch(batch.cursor)
        assert {each.order_key for each in batch.messages} == {late}
    opened = replace(connection, settings={**connection.settings, "begin": "open"})
    portal.set(old[0], closed_date=portal.now())
    async with CHANNEL.watch(opened) as feed:
        batch = await feed.fetch({})
        found = {each.order_key for each in batch.messages}
    assert old[0] not in found
    assert old[1] in found


async def test_a_reply_is_written_once_whatever_becomes_of_the_answer(
    portal: Portal, connection: ConnectionDetails
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
        ticket_id, thread_id = portal.converse("How long?")
        asked = await answering(CHANNEL, connection, ticket_id, body="For 14 days.\n<b> & 'so'")
        portal.mishaps = {f"POST /conversations/v3/conversations/threads/{thread_id}": [mishap]}
        outcome = await CHANNEL.send(asked)
        assert (outcome.result, len(portal.sent(thread_id))) == (wanted, count), (mishap, outcome)
        looked_up = await CHANNEL.reconcile(asked)
        assert looked_up.result == ("sent" if count else "uncertain")
        if count:
            (mine,) = [each for each in portal.threads[thread_id]["messages"] if each["direction"] == "OUTGOING"]
            assert outcome.provider_id == looked_up.provider_id == f"message:{mine['id']}"
            assert mine["recipients"][0]["deliveryIdentifiers"][0]["value"] == "marta@customer.test"
            said, _ = read(CHANNEL, connection, await CHANNEL.look(connection, ticket_id))
            assert (said[-1].author, said[-1].key) == ("agent", outcome.provider_id), "its echo is known by its key"
        if mishap == "limit":
            assert outcome.retry_after_seconds == 7


async def test_a_reply_stops_when_somebody_was_faster(portal: Portal, connection: ConnectionDetails) -> None:
    ticket_id, thread_id = portal.converse("How long?")
    asked = await answering(CHANNEL, connection, ticket_id)
    portal.agent_writes(thread_id, "Two weeks.")
    assert (await CHANNEL.send(replace(asked, is_automatic=True))).result == "failed"
    sent = await CHANNEL.send(asked)
    assert sent.result == "sent", "a person may add to an answer"
    second = replace(asked, known_keys=frozenset({str(sent.provider_id)}))
    assert (await CHANNEL.reconcile(second)).result == "uncertain", "the same words twice are two replies"
    portal.customer_writes(thread_id, "Never mind.")
    refused = await CHANNEL.send(asked)
    assert refused.result == "failed"
    assert "written again" in refused.detail
    again = await answering(CHANNEL, connection, ticket_id, known_keys=frozenset({"message:x"}))
    assert (await CHANNEL.reconcile(again)).result == "uncertain", (
        "the same words before the question are not this reply"
    )


async def test_files_are_uploaded_before_the_reply(portal: Portal, connection: ConnectionDetails) -> None:
    ticket_id, thread_id = portal.converse("Send it")
    file = OutgoingFile(UUID(int=8), "plan.txt", "text/plain", "", b"the plan")
    asked = await answering(CHANNEL, connection, ticket_id, files=(file,))
    portal.mishaps = {"POST /files": ["lost"]}
    assert (await CHANNEL.send(asked)).result == "retry"
    assert portal.sent(thread_id) == []
    assert (await CHANNEL.send(asked)).result == "sent"
    assert portal.threads[thread_id]["messages"][-1]["attachments"] == [{"type": "FILE", "fileId": "501"}]


async def test_changes_and_notes_are_handed_over_once(portal: Portal, connection: ConnectionDetails) -> None:
    ticket_id, _ = portal.converse("How long?")
    for field, value, there in (
        ("status", "closed", "4"),
        ("status", "on_hold", "3"),
        ("priority", "normal", "MEDIUM"),
    ):
        outcome = await CHANNEL.change(changing(connection, ticket_id, field, value))
        assert (outcome.result, outcome.there) == ("sent", there)
    assert portal.tickets[ticket_id]["hs_ticket_priority"] == "MEDIUM"
    assert (await CHANNEL.change(changing(connection, ticket_id, "department", "Billing"))).result == "skipped"
    mishaps: tuple[tuple[Mishap, str], ...] = (("lost", "sent"), ("lost_before", "uncertain"))
    for mishap, wanted in mishaps:
        note = changing(connection, ticket_id, "note", f"Called <him>.\nAgain {mishap}.")
        # Notes that are there already are read first, by a call of the same beginning.
        portal.mishaps = {"POST /crm/v3/objects/notes": [*([None] if portal.notes else []), mishap]}
        outcome = await CHANNEL.change(note)
        assert outcome.result == wanted, outcome.detail
        assert (await CHANNEL.reconcile_change(note)).result == wanted
    assert len(portal.notes) == 1
    assert next(iter(portal.notes.values()))["type"] == [
        {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 228}
    ]
    silent = replace(connection, settings={**connection.settings, "share_notes": False})
    assert (await CHANNEL.change(changing(silent, ticket_id, "note", "x"))).result == "skipped"


async def test_limits_and_refusals_say_what_to_do(portal: Portal, connection: ConnectionDetails) -> None:
    ticket_id, _ = portal.converse("How long?")
    asked = await answering(CHANNEL, connection, ticket_id)
    cases = (
        (Said(429, {"errorType": "RATE_LIMIT", "policyName": "DAILY"}), "retry", "used up"),
        (Said(429, {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}), "retry", "too many"),
        (Said(403, {"category": "MISSING_SCOPES", "message": "no", "correlationId": "c-1"}), "failed", "scopes"),
        (Said(477, {"message": "migration"}, {"retry-after": "60"}), "retry", "migration"),
        (Said(502, b"<html>Bad gateway</html>"), "retry", "502"),
    )
    for said, wanted, words in cases:
        portal.refuses = said
        outcome = await CHANNEL.send(asked)
        assert (outcome.result, words in outcome.detail) == (wanted, True), outcome
    assert outcome.detail
    wrong = replace(connection, settings={**connection.settings, "token": "pat-other"})
    with pytest.raises(ChannelError) as refused:
        await CHANNEL.look(wrong, ticket_id)
    assert refused.value.reason == "sign_in"
    assert TOKEN not in refused.value.detail


async def test_an_app_that_may_renew_its_permission_does_so_in_time(portal: Portal) -> None:
    oauth = {"sign_in": "oauth", "client_id": "app", "refresh_token": "refresh-0", "token": ""}
    connection = connect(CHANNEL, {**form_for(portal), **oauth})
    STORE.stored = {}
    ticket_id, _ = portal.converse("How long?")
    await CHANNEL.look(connection, ticket_id)
    await CHANNEL.look(connection, ticket_id)
    assert (portal.tokens, STORE.stored["refresh_token"]) == (1, "refresh-1"), "each renewal brings the next permission"
    STORE.stored["expires_at"] = 0
    await CHANNEL.look(connection, ticket_id)
    assert STORE.stored["access_token"] == "oauth-2"
    STORE.stored |= {"expires_at": 0, "refresh_token": "taken back"}
    with pytest.raises(ChannelError, match="asks for a new permission") as refused:
        await CHANNEL.look(connection, ticket_id)
    assert refused.value.reason == "sign_in"


async def test_facts_are_the_contacts(portal: Portal, connection: ConnectionDetails) -> None:
    (section,) = await CHANNEL.customer_facts(connection, KnownCustomer(UUID(int=5), "301"))
    assert [(fact.label, fact.value) for fact in section.facts] == [
        ("Name", "Marta Müller"),
        ("E-mail", "marta@customer.test"),
        ("Lifecycle", "customer"),
    ]
    assert await CHANNEL.customer_facts(connection, KnownCustomer(UUID(int=5), "302")) == ()
    assert await CHANNEL.customer_facts(connection, KnownCustomer(UUID(int=5), "ticket:9")) == ()
    assert [check.name for check in await CHANNEL.check(connection) if not check.passed] == []
    assert "Stage 555 (555)" in (await CHANNEL.check(connection))[0].detail


async def test_calls_are_hints_only_when_signed_and_each_once(portal: Portal, connection: ConnectionDetails) -> None:
    ticket_id, thread_id = portal.converse("How long?")
    events = [
        portal.event("ticket.creation", ticket_id),
        portal.event("ticket.creation", ticket_id, attemptNumber=3),
        portal.event("conversation.newMessage", thread_id, messageId="m"),
        portal.event("ticket.merge", "5", primaryObjectId=5, mergedObjectIds=[6, 7]),
        portal.event("ticket.creation", "9", portalId=1),
        portal.event("contact.creation", "301"),
    ]
    answer = CHANNEL.accept(posted(events), connection)
    assert answer.status == 200
    hints = [CHANNEL.parse(each.raw, connection) for each in answer.messages]
    assert hints == [ReadAgain(each) for each in (ticket_id, ticket_id, f"thread:{thread_id}", "6", "7", "5")]
    assert answer.messages[0].external_id == answer.messages[1].external_id, "a repetition is known"
    found = await CHANNEL.look(connection, f"thread:{thread_id}")
    assert {each.order_key for each in found} == {ticket_id}
    portal.threads[thread_id]["ticket"] = None
    assert await CHANNEL.look(connection, f"thread:{thread_id}") == ()
    (deleted,) = CHANNEL.accept(posted([portal.event("contact.privacyDeletion", "301")]), connection).messages
    with pytest.raises(UnreadableMessageError, match="delete them too"):
        CHANNEL.parse(deleted.raw, connection)
    now = datetime.now(UTC).timestamp()
    older = posted(events, **{"x-hubspot-signature-v3": ""})
    for wrong in (
        posted(events, secret="other"),
        posted(events, at=now - 301),
        posted(events, at=now + 301),
        older,
        replace(posted(events), body=json.dumps(events[:1]).encode()),
        replace(posted(events), url="https://desk.example/hooks/in/abc"),
        replace(posted(events), headers={}),
    ):
        with pytest.raises(FalseSignatureError):
            CHANNEL.accept(wrong, connection)
    for nonsense in (b"{}", b"{", b"[" * 5_000):
        with pytest.raises(InvalidInputError):
            CHANNEL.accept(posted(nonsense), connection)
    unsigned = replace(connection, settings={**connection.settings, "client_secret": ""})
    with pytest.raises(FalseSignatureError):
        CHANNEL.accept(posted(events, secret=""), unsigned)


def test_an_address_is_signed_as_hubspot_decodes_it() -> None:
    signed = b'POSThttps://desk.example/hooks/in/abc?x=:/b&y=%20[{"a":1}]1767000000000'
    wanted = base64.b64encode(hmac.new(CLIENT_SECRET.encode(), signed, hashlib.sha256).digest()).decode()
    url = "https://desk.example/hooks/in/abc?x=%3A%2fb&y=%20"
    assert signature(Secret(CLIENT_SECRET), "POST", url, b'[{"a":1}]', "1767000000000") == wanted


def test_its_form_keeps_secrets_from_other_hosts(portal: Portal) -> None:
    first = CHANNEL.configure(form_for(portal), None)
    assert not any(secret in repr(first) + str(first.configuration) for secret in (TOKEN, CLIENT_SECRET))
    for wrong in (
        {"api_url": "https://evil.example"},
        {"api_url": "http://127.0.0.1:1"},
        {"portal": "x"},
        {"statuses": "a = sleeping"},
        {"sign_in": "oauth"},
    ):
        with pytest.raises(InvalidInputError):
            CHANNEL.configure(wrong, first)
