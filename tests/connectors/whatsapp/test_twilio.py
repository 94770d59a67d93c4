"""The Twilio channel: its SDK against a server on loopback, and what Twilio posts."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from connectors.whatsapp.twilio.channel import TwilioWhatsApp
from desk.clock import SystemClock
from desk.egress import EgressRules
from desk.errors import ChannelError, FalseSignatureError
from desk.ports import (
    ConnectionDetails,
    DeliveryMark,
    FileReference,
    Ignored,
    InboundMessage,
    OutgoingFile,
    WebhookRequest,
)
from tests.connectors.contract import CONNECTION, DELIVERY, TENANT, reply
from tests.connectors.whatsapp.fakes import ACCOUNT, AUTH, HANG_UP, SILENCE, FakeTwilio, Told, answering, refusal

CHANNEL = TwilioWhatsApp(
    EgressRules(frozenset({"127.0.0.1"})), SystemClock(), answer_seconds=1, look_up_after_seconds=0
)
TO = {"whatsapp": "whatsapp:+16505551234"}
HOOK = "https://desk.test/hooks/in/token"


def connection(port: int = 1, **more: str) -> ConnectionDetails:
    address = f"http://127.0.0.1:{port}"
    given = {"account_sid": ACCOUNT, "auth_token": AUTH, "number": "+14155238886", "api_address": address,
             "content_address": address, **more}  # fmt: skip
    made = CHANNEL.configure(given, None)
    return ConnectionDetails(CONNECTION, TENANT, {**made.configuration, **made.secrets})


@pytest.fixture
async def twilio() -> AsyncGenerator[FakeTwilio]:
    fake = FakeTwilio()
    async with answering(fake) as port:
        fake.port = port
        yield fake


def post(fields: Mapping[str, str], url: str = HOOK, signed: str = "", token: str = AUTH) -> WebhookRequest:
    signature = RequestValidator(token).compute_signature(signed or url, dict(fields))
    return WebhookRequest("POST", url, {"x-twilio-signature": signature}, urlencode(fields).encode())


def said(**more: str) -> dict[str, str]:
    return {
        "MessageSid": "SM" + "1" * 32,
        "SmsStatus": "received",
        "AccountSid": ACCOUNT,
        "From": "whatsapp:+16505551234",
        "To": "whatsapp:+14155238886",
        "Body": "Hello ",
        "NumMedia": "0",
        "ProfileName": "Marta",
        "WaId": "16505551234",
        "SomethingNew": "",
        **more,
    }


def read(fields: Mapping[str, str], url: str = HOOK) -> Any:
    answer = CHANNEL.accept(post(fields, url), connection())
    assert (answer.body, answer.media_type) == (b"<Response/>", "text/xml")
    (raw,) = answer.messages
    return CHANNEL.parse(raw.raw, connection())


def test_the_signature_is_the_validators_with_every_way_to_write_the_port() -> None:
    """The vector of the sheet, then the ports, the retry fragment, and the token of before a change."""
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    known = ConnectionDetails(CONNECTION, TENANT, {**connection().settings, "auth_token": "12345"})
    vector = WebhookRequest(
        "POST", url, {"x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="}, urlencode(fields).encode()
    )
    assert len(CHANNEL.accept(vector, known).messages) == 1
    for signed in (HOOK, HOOK.replace("desk.test", "desk.test:443"), f"{HOOK}#rc=3&rp=all"):
        assert CHANNEL.accept(post(said(), signed=signed), connection()).messages
    before = CHANNEL.configure({"account_sid": ACCOUNT, "auth_token": AUTH, "number": "+14155238886"}, None)
    after = CHANNEL.configure({"auth_token": "a new one"}, before)
    changed = ConnectionDetails(CONNECTION, TENANT, {**after.configuration, **after.secrets})
    assert CHANNEL.accept(post(said()), changed).messages
    assert CHANNEL.accept(post(said(), token="a new one"), changed).messages


@pytest.mark.parametrize("url", [HOOK, f"{HOOK}?bodySHA256=x", "https://user:pass@desk.test:x/hooks"])
def test_what_is_not_signed_is_refused_whatever_the_validator_thinks_of_it(url: str) -> None:
    for refused in (
        post(said(), url, signed="https://desk.test/other"),
        post(said(), url, token="x"),
        replace(post(said(), HOOK), url=url, headers={}),
        replace(post(said(), HOOK), url=url, body=urlencode(said(Body="Hello")).encode()),
    ):
        with pytest.raises(FalseSignatureError):
            CHANNEL.accept(refused, connection())


def test_what_customers_send_is_read() -> None:
    text = read(said(OriginalRepliedMessageSid="SM9", ExternalUserId="whatsapp:US.123"))
    assert isinstance(text, InboundMessage)
    assert (text.body, text.sender.name, text.answers) == ("Hello ", "Marta", ("SM9",))
    assert (text.sender.external_id, text.sender.also) == ("whatsapp:+16505551234", ("whatsapp:US.123",))
    assert datetime.fromisoformat(text.recipient["window_until"]) > datetime.now(UTC)
    media = read(said(Body="", NumMedia="1", MediaUrl0="https://api.twilio.com/m", MediaContentType0="image/jpeg"))
    assert media.to_fetch == (FileReference("image.jpg", {"url": "https://api.twilio.com/m", "type": "image/jpeg"}),)
    place = read(said(Body="", Latitude="52.5", Longitude="13.4", Label="Office", Address="Street 1"))
    assert place.body == "Location:\nOffice\nStreet 1\n52.5, 13.4"
    assert read(said(Body="", ButtonText="Yes")).body == "Yes"
    assert read(said(Body="stop")).consent == "stop"
    assert read(said(From="whatsapp:US.13491208655302741918")).sender.external_id == "whatsapp:US.13491208655302741918"
    assert isinstance(read(said(AccountSid="AC" + "9" * 32)), Ignored)
    assert isinstance(read(said(From="whatsapp:+14155238886")), Ignored)


def test_callbacks_name_the_part_they_are_about_and_repeated_ones_are_the_same_row() -> None:
    url = f"{HOOK}?part={DELIVERY}.1"
    fields = said(MessageStatus="undelivered", SmsStatus="undelivered", ErrorCode="63016")
    mark = read(fields, url)
    assert isinstance(mark, DeliveryMark)
    assert (mark.mark, mark.part, mark.provider_id) == ("failed", (DELIVERY, 1), "SM" + "1" * 32)
    assert "24 hours" in mark.detail
    names = {CHANNEL.accept(post(fields, url), connection()).messages[0].external_id for _ in range(3)}
    assert names == {f"SM{'1' * 32}:undelivered"}
    assert read(said(MessageStatus="read"), url).mark == "read"


async def test_a_reply_goes_out_by_the_sdk_in_parts_with_our_own_name_on_each(twilio: FakeTwilio) -> None:
    picture = OutgoingFile(DELIVERY, "plan.png", "image/png", "s", b"\x89PNG", "https://desk.test/files/x")
    settings = connection(twilio.port).settings
    whole = replace(reply(settings, TO), body="A. " * 1_000, files=(picture,), webhook_address=HOOK)
    outcomes = [await CHANNEL.send(part) for part in CHANNEL.parts(whole)]
    assert [outcome.result for outcome in outcomes] == ["sent"] * 3
    forms = [each["form"] for each in twilio.messages]
    assert all(len(form["Body"]) <= 1_600 for form in forms[:2])
    assert forms[2]["MediaUrl"] == "https://desk.test/files/x"
    assert "Body" not in forms[2]
    assert [form["StatusCallback"] for form in forms] == [f"{HOOK}?part={DELIVERY}.{at}" for at in range(3)]
    assert {(form["To"], form["From"]) for form in forms} == {("whatsapp:+16505551234", "whatsapp:+14155238886")}


@pytest.mark.parametrize(
    ("told", "result"),
    [
        (refusal(20003, "Authenticate", 401), "failed"),
        (refusal(21211, "Invalid To"), "failed"),
        (refusal(63016, "Outside the window"), "failed"),
        (refusal(20429, "Too many requests", 429), "retry"),
        (refusal(20500, "Internal", 500), "uncertain"),
        (Told(503, b"<html>"), "uncertain"),
        (Told(201, b"<html>"), "uncertain"),
        (Told(201, {"sid": None, "status": "queued"}), "uncertain"),
        (Told(201, {"sid": "SM1", "status": "failed", "error_code": 63024, "error_message": "x"}), "failed"),
    ],
)
async def test_what_twilio_answers_decides_what_becomes_of_the_reply(
    twilio: FakeTwilio, told: Told, result: str
) -> None:
    twilio.next.append(told)
    outcome = await CHANNEL.send(reply(connection(twilio.port).settings, TO))
    assert outcome.result == result, outcome.detail
    assert outcome.detail


@pytest.mark.parametrize("lost", [HANG_UP, SILENCE])
async def test_a_message_whose_answer_was_lost_is_found_in_the_list(twilio: FakeTwilio, lost: Told) -> None:
    twilio.next.append(lost)
    asked = reply(connection(twilio.port).settings, TO)
    outcome = await CHANNEL.send(asked)
    assert (outcome.result, outcome.provider_id) == ("sent", f"SM{0:032d}")
    assert len(twilio.messages) == 1
    # Two alike cannot be told apart, and one that is known is not this one.
    twilio.messages.append({**twilio.messages[0], "sid": "SM2"})
    assert (await CHANNEL.reconcile(asked)).result == "uncertain"
    assert (await CHANNEL.reconcile(replace(asked, known_keys=frozenset({"SM2"})))).result == "sent"
    later = replace(asked, approved_at=datetime(2026, 12, 1, tzinfo=UTC))
    assert (await CHANNEL.reconcile(later)).result == "uncertain"


async def test_the_poller_lists_what_calls_have_left_out_under_the_same_names(twilio: FakeTwilio) -> None:
    inbound = {
        "sid": "SM" + "1" * 32,
        "direction": "inbound",
        "from": "whatsapp:+16505551234",
        "to": "whatsapp:+14155238886",
        "body": "Hello",
        "num_media": "1",
        "date_sent": "Fri, 20 Nov 2026 12:00:00 +0000",
    }
    twilio.messages = [inbound, {**inbound, "sid": "SM2", "direction": "outbound-api"}]
    here = connection(twilio.port)
    async with CHANNEL.watch(here) as feed:
        first = await feed.fetch({})
        assert first.messages == ()
        batch = await feed.fetch(first.cursor)
    (raw,) = batch.messages
    assert raw.external_id == CHANNEL.accept(post(said()), here).messages[0].external_id
    found = CHANNEL.parse(raw.raw, here)
    assert isinstance(found, InboundMessage)
    assert found.recipient["window_until"] == "2026-11-21T12:00:00+00:00"
    twilio.files["/cdn/ME1"] = b"\x89PNG"
    file = await CHANNEL.fetch_file(here, found.to_fetch[0])
    assert (file.content, file.content_type) == (b"\x89PNG", "image/png")
    wrong = CHANNEL.watch(ConnectionDetails(CONNECTION, TENANT, {}))
    with pytest.raises(ChannelError):
        await wrong.__aenter__()


async def test_files_are_fetched_only_from_twilio_and_the_store_never_sees_the_credentials(twilio: FakeTwilio) -> None:
    here = connection(twilio.port)
    twilio.files["/cdn/ME1"] = b"bytes"
    own = FileReference("f", {"url": f"http://127.0.0.1:{twilio.port}/2010/Media/ME1", "type": "image/png"})
    assert (await CHANNEL.fetch_file(here, own)).content == b"bytes"
    assert ["authorization" in each.headers for each in twilio.asked] == [True, False]
    for address in ("https://evil.test/x", "https://api.twilio.com.evil.test/x", "http://127.0.0.1:1/x", "file:///x"):
        elsewhere = FileReference("f", {"url": address, "type": ""})
        assert (await CHANNEL.fetch_file(here, elsewhere)).content == b""
    assert len(twilio.asked) == 2


async def test_templates_are_listed_and_sent_by_their_sid(twilio: FakeTwilio) -> None:
    twilio.contents = [
        {"sid": "HX1", "friendly_name": "ready", "language": "en", "variables": {"1": "Ann"},
         "types": {"twilio/text": {"body": "Hello {{1}}"}},
         "approval_requests": {"name": "ready", "status": "approved", "category": "UTILITY"}},
        {"sid": "HX2", "friendly_name": "list", "language": "en", "variables": {}, "types": {"twilio/list-picker": {}},
         "approval_requests": {}},
    ]  # fmt: skip
    found = await CHANNEL.templates(connection(twilio.port))
    assert [(each.key, each.status, bool(each.hindrance)) for each in found] == [
        ("HX1", "approved", False),
        ("HX2", "unsubmitted", True),
    ]
    chosen = {"key": "HX1", "name": "ready", "language": "en", "variables": {"1": "Bo"}}
    (part,) = CHANNEL.parts(reply(connection(twilio.port).settings, {**TO, "template": chosen}))
    assert (await CHANNEL.send(part)).result == "sent"
    form = twilio.messages[0]["form"]
    assert (form["ContentSid"], form["ContentVariables"]) == ("HX1", '{"1": "Bo"}')
    assert "Body" not in form


async def test_the_check_names_the_account(twilio: FakeTwilio) -> None:
    checks = await CHANNEL.check(connection(twilio.port))
    assert [(check.name, check.passed) for check in checks] == [("account", True), ("messages", True)]
