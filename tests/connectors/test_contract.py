"""The contract suite over every channel there is."""

from __future__ import annotations

import socket
from collections.abc import Generator
from typing import Any

import pytest

from connectors.crm.hubspot.channel import HubSpotChannel
from connectors.crm.salesforce.channel import SalesforceChannel
from connectors.crm.zoho.channel import ZohoChannel
from connectors.email.channel import EmailChannel
from connectors.rest.channel import RestChannel
from connectors.rest.mapped.channel import MappedChannel
from connectors.whatsapp.meta.channel import MetaWhatsApp
from connectors.whatsapp.twilio.channel import TwilioWhatsApp
from connectors.whmcs.channel import WhmcsChannel
from connectors.widget.channel import LiveChannel
from desk.egress import EgressRules
from desk.errors import DeskError, UnreadableMessageError
from desk.ports import ConfiguredChannel, ConnectionDetails, InboundChannel
from tests.connectors.contract import CONNECTION, TENANT, Subject, reply

RULES = EgressRules(frozenset({"127.0.0.1"}))
CRM_HINT = b'{"kind": "hint", "id": "12"}'
CRM_NONSENSE = (b"", b"{}", b"[]", b'{"kind": "entry"}', b'{"kind": "x"}', bytes(range(256)))
SUBJECTS = (
    Subject(
        "rest",
        lambda rules, clock, _: RestChannel(rules, clock, 2),
        {"callback_url": "http://127.0.0.1:{port}/", "signing_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    ),
    Subject(
        "whatsapp_meta",
        lambda rules, clock, _: MetaWhatsApp(rules, clock, answer_seconds=2),
        {
            "phone_number_id": "106540352242922",
            "business_account_id": "102290129340398",
            "access_token": "the-access-token",
            "app_secret": "the-app-secret",
            "api_address": "http://127.0.0.1:{port}",
        },
        recipient={"whatsapp": "16505551234"},
        raw=b'{"message": {"id": "wamid.A", "from": "16505551234", "type": "text", "timestamp": "1749416383"}}',
        broken=(b"", b"[]", b"{}", b'{"message": {"type": "text"}}', bytes(range(256)), b"[" * 10_000),
        secret="access_token",
    ),
    Subject(
        "whatsapp_twilio",
        lambda rules, clock, _: TwilioWhatsApp(rules, clock, answer_seconds=2, look_up_after_seconds=0),
        {
            "account_sid": "AC" + "0" * 32,
            "auth_token": "the-auth-token",
            "number": "+14155238886",
            "api_address": "http://127.0.0.1:{port}",
        },
        recipient={"whatsapp": "whatsapp:+16505551234"},
        raw=b'{"form": {"MessageSid": "SM1", "From": "whatsapp:+1650"}, "received_at": "2026-01-01T00:00:00Z"}',
        broken=(b"", b"[]", b"{}", b'{"form": {}}', b'{"listed": {}}', bytes(range(256)), b"[" * 10_000),
        secret="auth_token",
    ),
    Subject("widget", lambda _rules, _clock, _store: LiveChannel("widget"), {}, reaches_out=False),
    Subject("chat", lambda _rules, _clock, _store: LiveChannel("chat"), {}, reaches_out=False),
    Subject(
        "email",
        lambda rules, clock, store: EmailChannel(rules, clock, store, look_up_after_seconds=0),
        {
            "address": "support@acme.test",
            "password": "opensesame",
            "imap_host": "127.0.0.1",
            "imap_port": "{port}",
            "imap_security": "none",
            "smtp_host": "127.0.0.1",
            "smtp_port": "{port}",
            "smtp_security": "none",
        },
        recipient={"email": "marta@customer.test"},
        raw=b"From: marta@customer.test\nMessage-ID: <a@b.test>\nSubject: x\n\nHello",
        broken=(b"", b"Subject: x\n\nno sender", bytes(range(256))),
        secret="password",
    ),
    Subject(
        "whmcs",
        lambda rules, clock, _: WhmcsChannel(rules, clock, look_up_after=(0.0,)),
        {
            "url": "http://127.0.0.1:{port}",
            "identifier": "an-identifier",
            "secret": "opensesame",
            "admin": "support",
        },
        recipient={"ticket_id": "12", "reply_id": 0},
        raw=b'{"kind": "hint", "id": "12"}',
        broken=(b"", b"{}", b"[1]", b'{"kind": "entry"}', bytes(range(256))),
        secret="secret",
    ),
    Subject(
        "custom",
        lambda rules, clock, store: MappedChannel(rules, clock, store, 2),
        {
            "body": "text",
            "customer_email": "from",
            "reply_url": "http://127.0.0.1:{port}/replies",
            "auth": "bearer",
            "auth_secret": "a-token",
        },
        recipient={"email": "marta@customer.test"},
        raw=b'{"text": "Hello", "from": "marta@customer.test"}',
        broken=(b"", b"{}", b"[1]", b'{"text": ["x"]}', bytes(range(256))),
        secret="auth_secret",
    ),
    Subject(
        "hubspot",
        lambda rules, clock, store: HubSpotChannel(rules, clock, store, look_up_after=(0.0,)),
        {"api_url": "http://127.0.0.1:{port}", "token": "pat-a-token", "portal": "88", "user": "51"},
        recipient={"ticket_id": "12"},
        raw=CRM_HINT,
        broken=CRM_NONSENSE,
        secret="token",
    ),
    Subject(
        "zoho",
        lambda rules, clock, store: ZohoChannel(rules, clock, store, look_up_after=(0.0,)),
        {
            "accounts_url": "http://127.0.0.1:{port}",
            "desk_url": "http://127.0.0.1:{port}",
            "org": "60",
            "client_id": "1000.A",
            "client_secret": "opensesame",
            "grant_code": "1000.code",
            "from_address": "support@acme.test",
        },
        recipient={"ticket_id": "12"},
        raw=CRM_HINT,
        broken=CRM_NONSENSE,
        secret="client_secret",
    ),
    Subject(
        "salesforce",
        lambda rules, clock, store: SalesforceChannel(rules, clock, store, look_up_after=(0.0,)),
        {"domain": "http://127.0.0.1:{port}", "client_id": "3MVG9", "client_secret": "opensesame"},
        recipient={"ticket_id": "500000000000001AAA"},
        raw=CRM_HINT,
        broken=CRM_NONSENSE,
        secret="client_secret",
    ),
)
every_channel = pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.kind)
inbox_channel = pytest.mark.parametrize(
    "subject", [each for each in SUBJECTS if each.raw], ids=lambda subject: subject.kind
)


@pytest.fixture
def closed_port() -> Generator[int]:
    """A port at which nobody listens, kept from everybody else."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield int(kept.getsockname()[1])


def settings_of(subject: Subject, port: int) -> dict[str, Any]:
    channel, form = subject.channel(RULES), subject.form(port)
    if not isinstance(channel, InboundChannel):
        return form
    configured = channel.configure(form, None)
    return {**configured.configuration, **configured.secrets}


@every_channel
def test_it_says_which_kind_it_is(subject: Subject) -> None:
    assert subject.channel(RULES).kind == subject.kind


@every_channel
async def test_with_the_other_side_away_nothing_counts_as_sent(subject: Subject, closed_port: int) -> None:
    outcome = await subject.channel(RULES).send(reply(settings_of(subject, closed_port), subject.recipient))
    assert outcome.result == ("retry" if subject.reaches_out else "sent"), outcome.detail
    assert outcome.detail


@every_channel
async def test_what_cannot_be_looked_up_stays_uncertain(subject: Subject, closed_port: int) -> None:
    outcome = await subject.channel(RULES).reconcile(reply(settings_of(subject, closed_port), subject.recipient))
    assert outcome.result == ("uncertain" if subject.reaches_out else "sent")


@every_channel
async def test_broken_settings_are_an_outcome_and_no_exception(subject: Subject) -> None:
    channel = subject.channel(RULES)
    broken: dict[str, Any] = dict.fromkeys(subject.given, "nonsense")
    for asked in (reply(broken, {}), reply({"callback_url": "x"}, {"email": "a\r\nb@c.test"})):
        sent, looked_up = await channel.send(asked), await channel.reconcile(asked)
        if subject.reaches_out:
            assert (sent.result, looked_up.result) == ("failed", "uncertain")


@every_channel
async def test_a_private_address_is_refused_unless_the_operator_allows_it(subject: Subject, closed_port: int) -> None:
    if not subject.reaches_out:
        pytest.skip("it reaches nobody")
    settings = settings_of(subject, closed_port)
    outcome = await subject.channel(EgressRules()).send(reply(settings, subject.recipient))
    assert outcome.result == "failed"
    checks = await subject.channel(EgressRules()).check(ConnectionDetails(CONNECTION, TENANT, settings))
    assert not all(check.passed for check in checks)


@every_channel
async def test_its_health_says_what_is_wrong_and_never_raises(subject: Subject, closed_port: int) -> None:
    channel = subject.channel(RULES)
    for settings in (settings_of(subject, closed_port), {}, {"callback_url": 5}):
        checks = await channel.check(ConnectionDetails(CONNECTION, TENANT, settings))
        assert checks
        assert all(check.detail for check in checks if not check.passed)


@inbox_channel
def test_the_same_bytes_always_say_the_same(subject: Subject, closed_port: int) -> None:
    channel = subject.channel(RULES)
    assert isinstance(channel, InboundChannel)
    connection = ConnectionDetails(CONNECTION, TENANT, settings_of(subject, closed_port))
    assert channel.parse(subject.raw, connection) == channel.parse(subject.raw, connection)


@inbox_channel
def test_what_cannot_be_read_is_refused_with_a_sentence(subject: Subject, closed_port: int) -> None:
    channel = subject.channel(RULES)
    assert isinstance(channel, InboundChannel)
    connection = ConnectionDetails(CONNECTION, TENANT, settings_of(subject, closed_port))
    for raw in subject.broken:
        with pytest.raises(UnreadableMessageError) as refused:
            channel.parse(raw, connection)
        assert refused.value.detail


@inbox_channel
def test_its_form_keeps_secrets_apart_and_an_empty_one_as_it_was(subject: Subject, closed_port: int) -> None:
    channel = subject.channel(RULES)
    assert isinstance(channel, InboundChannel)
    form = subject.form(closed_port)
    first = channel.configure(form, None)
    assert form[subject.secret] not in str(first.configuration)
    assert form[subject.secret] not in repr(first)
    again = channel.configure({subject.secret: ""}, first)
    assert again == ConfiguredChannel(first.configuration, first.secrets)
    with pytest.raises(DeskError):
        channel.configure({**form, "no_such_setting": "1"}, None)
