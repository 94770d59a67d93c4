"""The Cloud API channel against a server on loopback, and what Meta posts."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest

from connectors.whatsapp.meta.channel import MetaWhatsApp
from desk.clock import SystemClock
from desk.egress import EgressRules
from desk.errors import ChannelError, FalseSignatureError, UnreadableMessageError
from desk.ports import (
    ConnectionDetails,
    DeliveryMark,
    FileReference,
    Ignored,
    InboundMessage,
    OutgoingFile,
    Reaction,
    WebhookAnswer,
    WebhookRequest,
)
from tests.connectors.contract import CONNECTION, DELIVERY, TENANT, reply
from tests.connectors.whatsapp.fakes import HANG_UP, SILENCE, FakeMeta, Told, answering, error

SECRET, NUMBER = "the-app-secret", "106540352242922"
CHANNEL = MetaWhatsApp(EgressRules(frozenset({"127.0.0.1"})), SystemClock(), answer_seconds=1)
TO = {"whatsapp": "16505551234"}


def form(port: int = 1) -> dict[str, str]:
    return {
        "phone_number_id": NUMBER,
        "business_account_id": "102290129340398",
        "access_token": "the-access-token",
        "app_secret": SECRET,
        "api_address": f"http://127.0.0.1:{port}",
    }


def connection(port: int = 1) -> ConnectionDetails:
    made = CHANNEL.configure(form(port), None)
    return ConnectionDetails(CONNECTION, TENANT, {**made.configuration, **made.secrets})


@pytest.fixture
async def meta() -> AsyncGenerator[FakeMeta]:
    fake = FakeMeta()
    async with answering(fake) as port:
        fake.port = port
        yield fake


def post(body: bytes, secret: str = SECRET) -> WebhookRequest:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return WebhookRequest("POST", "https://desk.test/hooks/in/x", {"x-hub-signature-256": f"sha256={digest}"}, body)


def batch(*values: dict[str, Any]) -> bytes:
    around = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": NUMBER}}
    changes = [{"field": "messages", "value": {**around, **value}} for value in values]
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]}).encode()


def said(kind: str = "text", **more: Any) -> dict[str, Any]:
    message = {"from": "16505551234", "id": "wamid.A==", "timestamp": "1749416383", "type": kind, **more}
    contact = {"profile": {"name": "Marta"}, "wa_id": "16505551234", "user_id": "US.13491208655302741918"}
    return {"contacts": [contact], "messages": [message]}


def read(value: dict[str, Any]) -> Any:
    (raw,) = CHANNEL.accept(post(batch(value)), connection()).messages
    return CHANNEL.parse(raw.raw, connection())


def test_the_signature_is_checked_over_the_raw_bytes() -> None:
    """The vector of the sheet: escapes and an emoji as they were sent, not as JSON would write them again."""
    body = b'{"text":"caf\\u00e9 \xf0\x9f\x98\x80"}'
    expected = hmac.new(b"appsecret", body, hashlib.sha256).hexdigest()
    assert expected == "56105ae8b8a8c12635edd59b7264e070d9f5b9b91694c2091e9e60fe6f06ccac"
    details = connection()
    known = ConnectionDetails(CONNECTION, TENANT, {**details.settings, "app_secret": "appsecret"})
    assert CHANNEL.accept(post(body, "appsecret"), known) == WebhookAnswer()
    for refused in (post(body), replace(post(body, "appsecret"), body=body + b" "), replace(post(body), headers={})):
        with pytest.raises(FalseSignatureError):
            CHANNEL.accept(refused, known)


def test_metas_question_is_answered_only_for_the_right_token() -> None:
    details = connection()

    def asked(token: str, mode: str = "subscribe") -> WebhookRequest:
        query = urlencode({"hub.mode": mode, "hub.verify_token": token, "hub.challenge": "1158201444"})
        return WebhookRequest("GET", f"https://desk.test/hooks/in/x?{query}", {}, b"")

    token = details.settings["verify_token"]
    assert CHANNEL.accept(asked(token), details).body == b"1158201444"
    for wrong in (asked("x"), asked(""), asked(token, "unsubscribe"), asked(token + "é")):
        with pytest.raises(FalseSignatureError):
            CHANNEL.accept(wrong, details)


def test_a_batch_is_taken_apart_and_a_repeated_item_has_the_same_name() -> None:
    status = {"id": "wamid.B==", "status": "read", "timestamp": "1749416383", "recipient_id": "16505551234"}
    two = said("text", text={"body": "one"})
    two["messages"].append({**two["messages"][0], "id": "wamid.C==", "text": {"body": "two"}})
    body = batch(two, {"statuses": [status, {**status, "status": "delivered"}]}, {"other": 1})
    names = [raw.external_id for raw in CHANNEL.accept(post(body), connection()).messages]
    assert names[:4] == ["wamid.A==", "wamid.C==", "wamid.B==:read", "wamid.B==:delivered"]
    assert len(names) == 5
    assert names == [raw.external_id for raw in CHANNEL.accept(post(body), connection()).messages]
    orders = [raw.order_key for raw in CHANNEL.accept(post(body), connection()).messages]
    assert orders[:3] == ["16505551234", "16505551234", ""]


def test_what_customers_send_is_read() -> None:
    text = read(said("text", text={"body": "Hello"}, context={"id": "wamid.Z=="}))
    assert isinstance(text, InboundMessage)
    assert (text.body, text.sender.name, text.answers) == ("Hello", "Marta", ("wamid.Z==",))
    assert text.sender.also == ("US.13491208655302741918",)
    assert text.recipient["window_until"] == "2025-06-09T20:59:43+00:00"
    assert (text.joins_newest, text.consent) == (True, "")
    assert read(said("text", text={"body": "STOP"})).consent == "stop"
    image = read(said("image", image={"id": "m1", "mime_type": "image/jpeg", "sha256": "s", "caption": "Look"}))
    assert image.body == "Look"
    assert image.to_fetch == (FileReference("image.jpg", {"id": "m1", "mime_type": "image/jpeg", "sha256": "s"}),)
    place = read(said("location", location={"latitude": 52.5, "longitude": 13.4, "name": "Office"}))
    assert place.body == "Location:\nOffice\n52.5, 13.4"
    assert (
        read(said("interactive", interactive={"button_reply": {"id": "1", "title": "Yes please"}})).body == "Yes please"
    )
    assert read(said("button", button={"text": "More", "payload": "x"})).body == "More"
    card = {"name": {"formatted_name": "Ann"}, "phones": [{"phone": "+1 650"}], "emails": [{"email": "a@b.test"}]}
    assert read(said("contacts", contacts=[card])).body == "Contact: Ann\n+1 650\na@b.test"
    assert read(said("reaction", reaction={"message_id": "wamid.Q==", "emoji": "👍"})) == Reaction(
        "wamid.Q==", "16505551234", "👍"
    )
    unknown = read(said("unsupported", errors=[{"code": 131051, "title": "x"}]))
    assert "cannot show" in unknown.body
    assert isinstance(read(said("system", system={"body": "changed", "type": "user_changed_number"})), Ignored)
    with pytest.raises(UnreadableMessageError):
        read({"messages": [{"id": "", "type": "text"}]})
    other = read({**said("text", text={"body": "x"}), "metadata": {"phone_number_id": "7"}})
    assert isinstance(other, Ignored)


def test_somebody_without_a_number_is_known_and_answered_by_their_id() -> None:
    value = said("text", text={"body": "Hi"})
    value["messages"][0]["from"] = "US.13491208655302741918"
    value["contacts"] = [{"profile": {"name": "Marta"}, "user_id": "US.13491208655302741918"}]
    found = read(value)
    assert found.sender.external_id == "US.13491208655302741918"


def test_statuses_name_the_part_they_are_about_and_say_why_it_failed() -> None:
    reason = {"code": 131047, "title": "Re-engagement message", "error_data": {"details": "More than 24"}}
    told = {
        "id": "wamid.B==",
        "status": "failed",
        "timestamp": "1749416383",
        "biz_opaque_callback_data": f"{DELIVERY}:2",
        "errors": [reason],
    }
    mark = read({"statuses": [told]})
    assert isinstance(mark, DeliveryMark)
    assert (mark.mark, mark.part) == ("failed", (DELIVERY, 2))
    assert "24 hours" in mark.detail
    assert isinstance(read({"statuses": [{**told, "status": "warning"}]}), Ignored)


async def test_a_reply_goes_out_in_parts_with_our_own_name_on_each(meta: FakeMeta) -> None:
    picture = OutgoingFile(DELIVERY, "plan.png", "image/png", "s", b"\x89PNG")
    letter = OutgoingFile(DELIVERY, "letter.pdf", "application/pdf", "s", b"%PDF-")
    whole = replace(reply(connection(meta.port).settings, TO), body="A. " * 2_000, files=(picture, letter))
    parts = CHANNEL.parts(whole)
    assert len(parts) == 4
    outcomes = [await CHANNEL.send(part) for part in parts]
    assert [outcome.result for outcome in outcomes] == ["sent"] * 4
    assert [outcome.provider_id for outcome in outcomes] == [f"wamid.{at}==" for at in (1, 2, 3, 4)]
    assert [each["type"] for each in meta.sent] == ["text", "text", "image", "document"]
    assert all(len(each["text"]["body"]) <= 4_096 for each in meta.sent[:2])
    assert meta.sent[2]["image"] == {"id": "up1"}
    assert meta.sent[3]["document"] == {"id": "up2", "filename": "letter.pdf"}
    assert [each["biz_opaque_callback_data"] for each in meta.sent] == [f"{DELIVERY}:{at}" for at in range(4)]
    assert b"%PDF-" in meta.uploads[1]


@pytest.mark.parametrize(
    ("told", "result"),
    [
        (error(131047, "window"), "failed"),
        (error(131026, "undeliverable"), "failed"),
        (error(190, "expired", 401), "failed"),
        (error(130429, "rate", 429), "retry"),
        (error(131056, "pair"), "retry"),
        (error(131000, "something went wrong", 500), "uncertain"),
        (Told(502, b"<html>Bad gateway</html>", {"Content-Type": "text/html"}), "uncertain"),
        (Told(200, b"<html>"), "uncertain"),
        (HANG_UP, "uncertain"),
        (SILENCE, "uncertain"),
        (Told(429, b"", {"Retry-After": "7"}), "retry"),
    ],
)
async def test_what_meta_answers_decides_what_becomes_of_the_reply(meta: FakeMeta, told: Told, result: str) -> None:
    meta.next.append(told)
    outcome = await CHANNEL.send(reply(connection(meta.port).settings, TO))
    assert outcome.result == result, outcome.detail
    assert outcome.detail
    assert outcome.retry_after_seconds == (7.0 if told.headers.get("Retry-After") else None)


async def test_files_are_fetched_with_the_token_and_checked(meta: FakeMeta) -> None:
    meta.files["m1"] = ("image/png", b"\x89PNG bytes")
    digest = hashlib.sha256(b"\x89PNG bytes").hexdigest()
    here = connection(meta.port)
    reference = FileReference("image.png", {"id": "m1", "mime_type": "image/png", "sha256": digest})
    assert (await CHANNEL.fetch_file(here, reference)).content == b"\x89PNG bytes"
    wrong = FileReference("image.png", {"id": "m1", "mime_type": "image/png", "sha256": "0" * 64})
    assert (await CHANNEL.fetch_file(here, wrong)).content == b""
    away = ConnectionDetails(CONNECTION, TENANT, {**here.settings, "access_token": "expired"})
    with pytest.raises(ChannelError):
        await CHANNEL.fetch_file(away, reference)


async def test_templates_are_listed_and_sent_with_their_values(meta: FakeMeta) -> None:
    body = {"type": "BODY", "text": "Hello {{1}}, order {{2}} is ready.", "example": {"body_text": [["Ann", "17"]]}}
    meta.templates = [
        {"name": "ready", "language": "en", "status": "APPROVED", "category": "UTILITY", "components": [body]},
        {"name": "pic", "language": "en", "status": "PAUSED", "category": "MARKETING",
         "components": [{"type": "HEADER", "format": "IMAGE"}, body]},
    ]  # fmt: skip
    found = await CHANNEL.templates(connection(meta.port))
    assert [(each.key, each.status, bool(each.hindrance)) for each in found] == [
        ("ready:en", "approved", False),
        ("pic:en", "paused", True),
    ]
    assert [(each.name, each.example) for each in found[0].variables] == [("1", "Ann"), ("2", "17")]
    chosen = {"key": "ready:en", "name": "ready", "language": "en", "variables": {"2": "18", "1": "Bo"}}
    asked = reply(connection(meta.port).settings, {**TO, "template": chosen})
    (part,) = CHANNEL.parts(asked)
    assert (await CHANNEL.send(part)).result == "sent"
    assert meta.sent[0]["template"] == {
        "name": "ready",
        "language": {"code": "en"},
        "components": [
            {"type": "body", "parameters": [{"type": "text", "text": "Bo"}, {"type": "text", "text": "18"}]}
        ],
    }
    refused = {**chosen, "variables": {"1": "two\nlines", "2": "x"}}
    assert (await CHANNEL.send(reply(connection(meta.port).settings, {**TO, "template": refused}))).result == "failed"


async def test_the_check_subscribes_the_app_once(meta: FakeMeta) -> None:
    for _ in range(2):
        checks = await CHANNEL.check(connection(meta.port))
        assert all(check.passed for check in checks), checks
    assert sum(asked.method == "POST" for asked in meta.asked) == 1
