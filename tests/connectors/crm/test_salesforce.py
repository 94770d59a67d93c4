"""What the Salesforce channel does against an organisation that answers as real ones do."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from connectors.crm.salesforce.channel import SalesforceChannel
from desk.clock import SystemClock
from desk.egress import EgressRules
from desk.errors import ChannelError, FalseSignatureError, InvalidInputError
from desk.ports import ConnectionDetails, KnownCustomer, OutgoingFile, ReadAgain, RemoteState
from tests.connectors.contract import Credentials
from tests.connectors.crm.asking import answering, changing, connect, read
from tests.connectors.crm.org import CONTACT, KEY, SECRET, Org, form_for, posted
from tests.connectors.faulty_server import Mishap, Said, running

STORE = Credentials({})
CHANNEL = SalesforceChannel(EgressRules(frozenset({"127.0.0.1"})), SystemClock(), STORE, look_up_after=(0.0, 0.05))


@pytest.fixture
def org() -> Generator[Org]:
    with running(Org()) as started:
        yield started


@pytest.fixture
def connection(org: Org) -> ConnectionDetails:
    STORE.stored = {}
    return connect(CHANNEL, form_for(org))


async def test_a_case_is_read_with_mails_comments_files_and_state(org: Org, connection: ConnectionDetails) -> None:
    case_id = org.open("My backups\nare gone.")
    html = "<p>How <b>long</b>?</p><script>x</script><blockquote>old nonsense</blockquote>"
    org.mail(case_id, "How long?", HtmlBody=html, HasAttachment=True)
    org.mail(case_id, "never sent", incoming=False, Status="5")
    org.mail(case_id, "We look.\r\nSoon.", incoming=False)
    org.comment(case_id, "Disk is full.")
    org.comment(case_id, "Known problem.", published=True)
    org.comment(case_id, "From the portal.", published=True, by="CspLitePortal")
    org.mail(case_id, "Me too.", FromAddress="jan@customer.test", FromName="Jan")
    org.set(case_id, Status="Vendor")
    said, state = read(CHANNEL, connection, await CHANNEL.look(connection, case_id))
    assert [(each.author, each.body) for each in said] == [
        ("customer", "My backups\nare gone."),
        ("customer", "How long?"),
        ("agent", "We look.\r\nSoon."),
        ("note", "Disk is full."),
        ("agent", "Known problem."),
        ("customer", "From the portal."),
        ("customer", "Me too."),
    ]
    assert said[0].key == f"case:{case_id}"
    assert (said[1].sender.external_id, said[1].sender.name) == (CONTACT, "Marta Müller")
    assert "nonsense" in said[1].quoted
    assert "script" not in said[1].html
    assert (said[-1].sender.address, said[-1].sender.external_id) == ("jan@customer.test", "")
    assert [(await CHANNEL.fetch_file(connection, file)).content for file in said[1].to_fetch] == [
        b"out of space",
        b"%PDF",
    ]
    assert [file.name for file in said[1].to_fetch] == ["log.txt", "plan.pdf"]
    assert state.ticket is not None
    assert state.ticket.status is not None
    assert (state.ticket.status.there, state.ticket.status.here) == ("Vendor", ("on_hold",))
    assert said[0].sent_at is not None
    mailed = org.open("How long are backups kept?")
    org.mail(mailed, "How long are backups kept?\nMarta")
    said, _ = read(CHANNEL, connection, await CHANNEL.look(connection, mailed))
    assert len(said) == 1, "the description of a case that came by e-mail is a copy of it"


async def test_deleted_and_merged_cases_are_told_apart(org: Org, connection: ConnectionDetails) -> None:
    gone, merged, kept = (f"500{number:012d}AAA" for number in (901, 902, 903))
    org.deleted = {gone: "", merged: kept}
    for case_id, into in ((gone, ""), (merged, kept), ("' OR Id != '", "")):
        (raw,) = await CHANNEL.look(connection, case_id)
        state = CHANNEL.parse(raw.raw, connection)
        assert isinstance(state, RemoteState)
        assert state.gone
        assert state.merged_into == into
    assert not any("OR Id" in call.query.get("q", "") for call in org.calls)


async def test_polling_finds_every_change_once_over_all_pages(org: Org, connection: ConnectionDetails) -> None:
    org.seconds = 500
    old = [org.open(f"No. {number}") for number in range(5)]
    async with CHANNEL.watch(connection) as feed:
        begun = await feed.fetch({})
        assert begun.messages == ()
        settled = await feed.fetch(begun.cursor)
        assert not settled.messages, "what the first look shows already is not new"
        org.seconds = 700
        org.mail(old[1], "And now?")
        org.comment(old[2], "Look.")
        fresh = [org.open(f"New {number}") for number in range(3)]
        batch = await feed.fetch(settled.cursor)
        assert {each.order_key for each in batch.messages} == {old[1], old[2], *fresh}
        assert not (await feed.fetch(batch.cursor)).messages
        org.seconds = 640
        earlier = org.open("Committed late")
        batch = await feed.fetch(batch.cursor)
        assert {each.order_key for each in batch.messages} == {earlier}, "times are not in the order of commits"
        fresh.append(earlier)
    org.set(old[0], IsClosed=True)
    opened = replace(connection, settings={**connection.settings, "begin": "open"})
    async with CHANNEL.watch(opened) as feed:
        found = {each.order_key for each in (await feed.fetch({})).messages}
    assert found == {*old[1:], *fresh}
    assert CHANNEL.account(connection).poll_seconds == 60
    org.usage = "api-usage=12000/15000"
    await CHANNEL.look(connection, old[1])
    assert CHANNEL.account(connection).poll_seconds == 900, "replies need what is left of the day's calls"


@pytest.mark.parametrize("reply_as", ["email", "comment"])
async def test_a_reply_is_written_once_whatever_becomes_of_the_answer(
    org: Org, connection: ConnectionDetails, reply_as: str
) -> None:
    connection = replace(
        connection, settings={**connection.settings, "reply_as": reply_as, "from_address": "support@acme.test"}
    )
    path = "actions/standard/emailSimple" if reply_as == "email" else "sobjects/CaseComment"
    cases: tuple[tuple[Mishap | None, str, int], ...] = (
        (None, "sent", 1),
        ("lost", "sent", 1),
        ("html", "sent", 1),
        ("html_500", "sent", 1),
        ("lost_before", "uncertain", 0),
        ("limit", "retry", 0),
    )
    for mishap, wanted, written in cases:
        case_id = org.open("How long?")
        asked = await answering(
            CHANNEL, connection, case_id, body="For 14 days.\n\nAsk again.", ticket_status="resolved"
        )
        org.mishaps = {f"POST /services/data/v67.0/{path}": [mishap]}
        outcome = await CHANNEL.send(asked)
        there = (
            org.sent(case_id) if reply_as == "email" else [each for each in org.comments if each["ParentId"] == case_id]
        )
        assert (outcome.result, len(there)) == (wanted, written), (mishap, outcome)
        looked_up = await CHANNEL.reconcile(asked)
        assert looked_up.result == ("sent" if written else "uncertain")
        if written:
            kind = "mail" if reply_as == "email" else "comment"
            assert outcome.provider_id == looked_up.provider_id == f"{kind}:{there[0]['Id']}"
            assert org.cases[case_id]["Status"] == "Closed"
        if written and reply_as == "email":
            told = there[0]["told"]
            assert (told["emailAddresses"], told["senderAddress"], told["relatedRecordId"]) == (
                "marta@customer.test", "support@acme.test", case_id,
            )  # fmt: skip


async def test_what_stops_a_reply(org: Org, connection: ConnectionDetails) -> None:
    case_id = org.open("How long?")
    asked = await answering(CHANNEL, connection, case_id)
    file = OutgoingFile(UUID(int=8), "plan.txt", "text/plain", "", b"the plan")
    assert "files" in (await CHANNEL.send(replace(asked, files=(file,)))).detail
    elsewhere = {**asked.configuration, "from_address": "other@acme.test"}
    assert (await CHANNEL.send(replace(asked, configuration=elsewhere))).result == "failed"
    comment = {**asked.configuration, "reply_as": "comment"}
    assert (await CHANNEL.send(replace(asked, configuration=comment, body="ä" * 2_001))).result == "failed"
    org.logs_mail = False
    sent = await CHANNEL.send(asked)
    assert (sent.result, sent.provider_id) == ("sent", None), "it was taken, logged or not"
    org.comment(case_id, "Two weeks.", published=True)
    assert (await CHANNEL.send(replace(asked, is_automatic=True))).result == "failed"
    org.mail(case_id, "Never mind.")
    assert "written again" in (await CHANNEL.send(asked)).detail
    assert not org.sent(case_id)


async def test_a_session_that_ends_is_replaced_and_nothing_is_written_twice(
    org: Org, connection: ConnectionDetails
) -> None:
    case_id = org.open("How long?")
    asked = await answering(CHANNEL, connection, case_id)
    assert org.sessions == 1
    org.sessions += 1
    await CHANNEL.look(connection, case_id)
    assert org.sessions == 3
    note = changing(connection, case_id, "status", "closed")
    org.sessions += 1
    outcome = await CHANNEL.change(note)
    assert (outcome.result, org.cases[case_id]["Status"]) == ("retry", "New")
    assert (await CHANNEL.change(note)).result == "sent"
    assert (await CHANNEL.send(asked)).result == "sent"
    wrong = replace(connection, settings={**connection.settings, "client_secret": "wrong"})
    STORE.stored = {}
    with pytest.raises(ChannelError, match="invalid client credentials") as refused:
        await CHANNEL.look(wrong, case_id)
    assert refused.value.reason == "sign_in"
    org.instance = "https://evil.example"
    with pytest.raises(ChannelError, match="no host of Salesforce"):
        await CHANNEL.look(connection, case_id)


async def test_changes_and_notes_are_handed_over_once(org: Org, connection: ConnectionDetails) -> None:
    case_id = org.open("How long?")
    for field, value, there in (("status", "pending", "Working"), ("priority", "urgent", "High")):
        outcome = await CHANNEL.change(changing(connection, case_id, field, value))
        assert (outcome.result, outcome.there, org.cases[case_id][field.title()]) == ("sent", there, there)
    assert org.calls[-1].headers["sforce-auto-assign"] == "false"
    mishaps: tuple[tuple[Mishap, str], ...] = (("lost", "sent"), ("lost_before", "uncertain"))
    for mishap, wanted in mishaps:
        note = changing(connection, case_id, "note", f"Called him.\nAgain {mishap}.")
        org.mishaps = {"POST /services/data/v67.0/sobjects/CaseComment": [mishap]}
        assert (await CHANNEL.change(note)).result == wanted
        assert (await CHANNEL.reconcile_change(note)).result == wanted
    assert [each["IsPublished"] for each in org.comments] == [False]


async def test_limits_and_refusals_say_what_to_do(org: Org, connection: ConnectionDetails) -> None:
    case_id = org.open("How long?")
    asked = await answering(CHANNEL, connection, case_id)
    cases = (
        (403, "REQUEST_LIMIT_EXCEEDED", "retry", "used up"),
        (400, "UNABLE_TO_LOCK_ROW", "retry", "UNABLE_TO_LOCK_ROW"),
        (503, "SERVER_UNAVAILABLE", "retry", "SERVER_UNAVAILABLE"),
        (400, "INVALID_FIELD", "failed", "INVALID_FIELD"),
        (403, "INSUFFICIENT_ACCESS_OR_READONLY", "failed", "INSUFFICIENT"),
    )
    for status, code, wanted, words in cases:
        org.refuses = Said(status, [{"message": "no", "errorCode": code}])
        outcome = await CHANNEL.send(asked)
        assert (outcome.result, words in outcome.detail) == (wanted, True), outcome
    assert outcome.retry_after_seconds is None
    org.refuses = Said(403, [{"message": "no", "errorCode": "REQUEST_LIMIT_EXCEEDED"}])
    assert (await CHANNEL.send(asked)).retry_after_seconds == 3600


async def test_facts_and_checks(org: Org, connection: ConnectionDetails) -> None:
    (section,) = await CHANNEL.customer_facts(connection, KnownCustomer(UUID(int=5), CONTACT))
    assert [(fact.label, fact.value) for fact in section.facts] == [
        ("Name", "Marta Müller"),
        ("Account", "Müller & Söhne"),
        ("Open cases", "3"),
    ]
    assert await CHANNEL.customer_facts(connection, KnownCustomer(UUID(int=5), "' OR Id != '")) == ()
    checks = {check.name: check for check in await CHANNEL.check(connection)}
    assert "14990 of 15000" in checks["sign-in"].detail
    assert "Odd" in checks["Case"].detail
    assert (checks["EmailMessage"].passed, checks["EmailMessage"].detail) == (
        False,
        "the desk's user may not see FromAddress",
    )


def test_outbound_messages_are_hints_and_are_acknowledged(connection: ConnectionDetails) -> None:
    case_id = "500000000000001AAA"
    answer = CHANNEL.accept(posted(("04l1", case_id), ("04l2", case_id)), connection)
    assert b"<Ack>true</Ack>" in answer.body
    assert answer.media_type == "text/xml"
    assert [CHANNEL.parse(each.raw, connection) for each in answer.messages] == [ReadAgain(case_id)] * 2
    assert [each.external_id for each in answer.messages] == ["hint:04l1", "hint:04l2"]
    with pytest.raises(FalseSignatureError):
        CHANNEL.accept(posted(("04l1", case_id), org="00D000000000002"), connection)
    nameless = replace(connection, settings={**connection.settings, "org": ""})
    with pytest.raises(FalseSignatureError):
        CHANNEL.accept(posted(("04l1", case_id), org=""), nameless)
    bomb = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    for wrong in (posted(("1", case_id), before=bomb), replace(posted(), body=b"<a/>"), replace(posted(), body=b"{}")):
        with pytest.raises(InvalidInputError):
            CHANNEL.accept(wrong, connection)


async def test_a_user_may_be_signed_in_by_a_signed_token(org: Org) -> None:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    form = {**form_for(org), "sign_in": "jwt", "username": "desk@acme.test", "client_secret": "", "sandbox": "1"}
    STORE.stored = {}
    on_one_line = connect(CHANNEL, {**form, "private_key": pem.replace("\n", " ")})
    await CHANNEL.look(on_one_line, org.open("Hello"))
    claims = jwt.decode(
        org.calls[0].form["assertion"], key.public_key(), ["RS256"], audience="https://test.salesforce.com", issuer=KEY
    )
    assert claims["sub"] == "desk@acme.test"
    for wrong in ("x", pem.replace("PRIVATE KEY", "PUBLIC KEY"), "-----BEGIN PRIVATE KEY----- AAAA -----END PRIVATE KEY-----"):  # fmt: skip # noqa: E501
        with pytest.raises(InvalidInputError):
            CHANNEL.configure({**form, "private_key": wrong}, None)


def test_its_form_keeps_secrets_to_their_host(org: Org) -> None:
    first = CHANNEL.configure(form_for(org), None)
    assert SECRET not in repr(first) + str(first.configuration)
    for wrong in (
        {"domain": "https://evil.example"},
        {"domain": "https://acme.my.salesforce.com"},
        {"domain": "https://login.salesforce.com", "client_secret": "x"},
        {"domain": "https://salesforce.com.evil.example", "client_secret": "x"},
        {"org": "nonsense"},
        {"sign_in": "refresh"},
    ):
        with pytest.raises(InvalidInputError):
            CHANNEL.configure(wrong, first)
