"""What is read from mail, however odd."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.email.addresses import LOOP_HEADER, loop_mark, reply_address
from connectors.email.incoming import parse_mail, raw_message
from connectors.email.settings import configure, read_settings
from desk.egress import EgressRules
from desk.errors import UnreadableMessageError
from desk.ports import ConnectionDetails, DeliveryReport, Ignored, InboundMessage
from desk.quoting import cut
from tests.connectors.email.corpus import CORPUS, Odd

CONFIGURED = configure({"address": "support@acme.test", "password": "x"}, None, EgressRules())
CONNECTION = ConnectionDetails(uuid4(), uuid4(), {**CONFIGURED.configuration, **CONFIGURED.secrets})
SETTINGS = read_settings(CONNECTION.settings)


def read(raw: bytes, connection: ConnectionDetails = CONNECTION) -> InboundMessage:
    message = parse_mail(raw, connection)
    assert isinstance(message, InboundMessage)
    return message


@pytest.mark.parametrize("odd", CORPUS, ids=lambda odd: odd.name)
def test_odd_mail_is_read_or_refused_with_a_reason(odd: Odd) -> None:
    assert len(raw_message(odd.raw).external_id) <= 500
    if odd.unreadable:
        with pytest.raises(UnreadableMessageError):
            parse_mail(odd.raw, CONNECTION)
        return
    message = read(odd.raw)
    assert message.body.startswith(odd.body)
    assert message.sender.address == odd.address
    assert odd.subject is None or message.subject == odd.subject
    assert message.quoted.startswith(odd.quoted)
    assert bool(message.quoted) == bool(odd.quoted)
    assert tuple(file.name for file in message.files) == odd.files
    assert bool(message.automatic) == odd.automatic
    for words in odd.absent:
        assert words not in message.body + message.html
    assert read(odd.raw) == message, "the same bytes always say the same"


def test_the_corpus_is_large_enough_to_mean_something() -> None:
    assert len(CORPUS) >= 40
    assert len({odd.name for odd in CORPUS}) == len(CORPUS)


@given(st.binary(max_size=400), st.sampled_from(CORPUS), st.integers(0, 10_000))
@settings(max_examples=200, deadline=None)
def test_damaged_mail_is_read_or_refused_and_nothing_else(noise: bytes, odd: Odd, at: int) -> None:
    raw = odd.raw[:20_000]
    at %= len(raw) + 1
    damaged = raw[:at] + noise + raw[at:]
    raw_message(damaged)
    try:
        parse_mail(damaged, CONNECTION)
    except UnreadableMessageError:
        return


@given(st.text(max_size=2_000))
def test_cutting_loses_no_word(text: str) -> None:
    parted = cut(text)
    kept = sorted((parted.new + " " + parted.quoted).split())
    assert kept == sorted(text.replace("\r\n", "\n").replace("\r", "\n").split())


def test_a_reply_address_proves_its_ticket_and_a_changed_one_nothing() -> None:
    ticket = uuid4()
    address = reply_address(SETTINGS, CONNECTION.connection_id, ticket)
    assert len(address.partition("@")[0]) <= 64
    raw = f"From: a@b.test\nTo: {address}\n\nHello".encode()
    assert read(raw).ticket_id == ticket
    other = replace(CONNECTION, connection_id=uuid4())
    assert read(raw, other).ticket_id is None, "of another connection"
    local, _, domain = address.partition("@")
    swapped = local[:12] + ("a" if local[12] != "a" else "b") + local[13:]
    assert read(f"From: a@b.test\nTo: {swapped}@{domain}\n\nHello".encode()).ticket_id is None


def test_own_mail_that_comes_back_is_ignored_and_a_strangers_copy_of_the_mark_is_not() -> None:
    mark = loop_mark(SETTINGS, CONNECTION.connection_id)
    own = f"From: support@acme.test\nMessage-ID: <x@acme.test>\n{LOOP_HEADER}: {mark}\n\nHello".encode()
    assert isinstance(parse_mail(own, CONNECTION), Ignored)
    stranger = own.replace(b"From: support@acme.test", b"From: eve@evil.test")
    assert read(stranger).automatic == "sent by a desk"


@pytest.mark.parametrize(
    ("results", "verified"),
    [
        ("mx.acme.test; dmarc=pass header.from=b.test", True),
        ("mx.acme.test; spf=pass; dmarc=fail (p=reject)", False),
        ("mx.evil.test; dmarc=pass", None),
        ("", None),
    ],
)
def test_only_the_own_servers_verdict_on_the_sender_counts(results: str, verified: bool | None) -> None:
    connection = replace(CONNECTION, settings={**CONNECTION.settings, "trusted_authserv": "mx.acme.test"})
    header = f"Authentication-Results: {results}\n" if results else ""
    raw = f"{header}From: a@b.test\n\nHello".encode()
    assert read(raw, connection).sender.verified is verified
    assert read(raw).sender.verified is None, "none is trusted until one is named"


def test_a_report_names_its_mail_its_recipient_and_the_reason() -> None:
    raw = (
        b"From: mailer-daemon@mx.test\nContent-Type: multipart/report; report-type=delivery-status; boundary=x\n\n"
        b"--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.test\n\n"
        b"Final-Recipient: rfc822; marta@customer.test\nAction: failed\nStatus: 5.1.1 (x)\n"
        b"Diagnostic-Code: smtp; 550 unknown\n\n--x\nContent-Type: message/rfc822\n\n"
        b"Message-ID: <desk.1@acme.test>\nFrom: a@b.test\n\nx\n--x--\n"
    )
    report = parse_mail(raw, CONNECTION)
    assert isinstance(report, DeliveryReport)
    assert (report.provider_ids, report.recipient, report.action, report.detail) == (
        ("<desk.1@acme.test>",), "marta@customer.test", "failed", "5.1.1 550 unknown",
    )  # fmt: skip


def test_copies_that_came_another_way_have_one_name_and_another_text_another() -> None:
    one = b"Message-ID: <a@b.test>\nFrom: a@b.test\n\nHello"
    assert raw_message(b"Received: x\n" + one).external_id == raw_message(one).external_id
    assert raw_message(one + b"!").external_id != raw_message(one).external_id
    assert raw_message(one.replace(b"\n", b"\r\n")).external_id != ""


def test_the_identity_is_whoever_would_be_answered() -> None:
    message = read(b"From: marta@customer.test\nReply-To: Eve <eve@evil.test>\n\nHello")
    assert (message.sender.address, message.recipient["email"]) == ("eve@evil.test", "eve@evil.test")
