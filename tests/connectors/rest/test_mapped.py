"""A system that is connected by its own JSON: what comes in, what goes out, and what its answers mean."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from connectors.rest.mapped.channel import MappedChannel
from desk.clock import SystemClock
from desk.egress import EgressRules
from desk.errors import DeskError, FalseSignatureError, InvalidInputError, RefusedAddressError, UnreadableMessageError
from desk.ports import (
    ConnectionDetails,
    FileReference,
    Ignored,
    InboundMessage,
    KnownCustomer,
    OutgoingFile,
    OutgoingReply,
    WebhookRequest,
)
from tests.connectors.contract import CONNECTION, DELIVERY, TENANT, Credentials, reply
from tests.connectors.faulty_server import Call, Mishap, Said, running

RULES = EgressRules(frozenset({"127.0.0.1"}))
STORE = Credentials({})
CHANNEL = MappedChannel(RULES, SystemClock(), STORE, 5)
SAMPLE = {
    "event": "message.created",
    "ticket": {
        "id": 4711,
        "subject": "Backups",
        "customer": {"id": "c-7", "email": "marta@customer.test", "name": "Marta Müller"},
        "message": {
            "id": 9007199254740993,
            "text": "How long are\nbackups kept?",
            "created_at": "2026-03-01T12:00:00.000+01:00",
            "files": [{"url": "https://files.acme.test/a/log%20of.txt"}, {"url": "https://x.test/1", "name": "b.png"}],
        },
    },
}
MAPPING = {
    "body": "ticket.message.text",
    "subject": "ticket.subject",
    "ticket_id": "ticket.id",
    "message_id": "ticket.message.id",
    "customer_id": "ticket.customer.id",
    "customer_email": "ticket.customer.email",
    "customer_name": "ticket.customer.name",
    "attachments": "ticket.message.files",
    "sent_at": "ticket.message.created_at",
    "author": "ticket.message.author",
    "skip": "event != 'message.created'",
}


@dataclass
class Crm:
    """Takes replies under a key once, lists messages in pages, and knows customers."""

    url: str = ""
    calls: list[Call] = field(default_factory=list[Call])
    mishaps: dict[str, list[Mishap | None]] = field(default_factory=dict[str, list[Mishap | None]])
    replies: dict[str, Any] = field(default_factory=dict[str, Any])
    news: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    tokens: int = 0
    says: Said | None = None

    def answer(self, call: Call) -> Said:  # noqa: PLR0911 - one for each address
        if call.path == "/token":
            self.tokens += 1
            return Said(200, {"access_token": f"token-{self.tokens}", "expires_in": 3600})
        if self.tokens and call.headers.get("authorization") != f"Bearer token-{self.tokens}":
            return Said(401, {"error": "expired"})
        if call.method == "POST":
            self.replies.setdefault(call.headers["idempotency-key"], call.json)
            return self.says or Said(201, {"reply": {"id": 99}})
        if call.path == "/replies":
            return Said(200, {"items": [{"id": 99}] if call.query["key"] in self.replies else []})
        if call.path == "/news":
            since, page = call.query["since"], int(call.query.get("page", "0"))
            found = [each for each in self.news if each["at"] > since]
            link = {"link": f'<{self.url}/news?since={since}&page={page + 1}>; rel="next"'} if found[2:] else {}
            shown = found[2 * page : 2 * page + 2]
            return Said(200, {"data": shown}, link if len(found) > 2 * page + 2 else {})
        if call.path == "/customers/c-7":
            return Said(200, {"plan": {"name": "Webspace M"}, "balance": 12.5, "extra": None})
        return Said(200, b"the file", {"content-type": "text/plain"}) if call.path == "/file" else Said(404, {})


@pytest.fixture
def crm() -> Generator[Crm]:
    with running(Crm()) as started:
        yield started


def connected(**given: Any) -> ConnectionDetails:
    configured = CHANNEL.configure({**MAPPING, **given}, None)
    return ConnectionDetails(CONNECTION, TENANT, {**configured.configuration, **configured.secrets})


def replying(crm: Crm, **given: Any) -> ConnectionDetails:
    address = f"{crm.url}/tickets/{{ticket_id}}/replies"
    return connected(reply_url=address, reply_id="reply.id", **given)


def outgoing(connection: ConnectionDetails, **changes: Any) -> OutgoingReply:
    to = {"ticket_id": "4711", "customer_id": "c-7", "email": "marta@customer.test", "name": 'Marta "M" Müller'}
    return replace(reply(connection.settings, to), **changes)


def posted(body: bytes, **headers: str) -> WebhookRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebhookRequest("POST", "http://desk.test/hooks/in/x", named, body)


def signed(connection: ConnectionDetails, body: bytes, name: str = "msg_1", at: datetime | None = None) -> Any:
    """By the independent implementation of the specification."""
    moment = at or datetime.now(UTC)
    made = Webhook(connection.settings["signing_secret"]).sign(name, moment, body.decode())
    return posted(body, webhook_id=name, webhook_timestamp=str(int(moment.timestamp())), webhook_signature=made)


def test_a_call_becomes_the_message_its_expressions_say() -> None:
    connection, body = connected(), json.dumps(SAMPLE).encode()
    answer = CHANNEL.accept(signed(connection, body), connection)
    assert answer.status == 202
    (raw,) = answer.messages
    assert (raw.external_id, raw.order_key) == ("id:9007199254740993", "4711"), "numbers lose no digit"
    message = CHANNEL.parse(raw.raw, connection)
    assert isinstance(message, InboundMessage)
    assert (message.subject, message.body) == ("Backups", "How long are\nbackups kept?")
    assert (message.external_ticket_id, message.sender.external_id, message.sender.name) == (
        "4711", "c-7", "Marta Müller",
    )  # fmt: skip
    assert message.sent_at == datetime(2026, 3, 1, 11, 0, tzinfo=UTC)
    assert [file.name for file in message.to_fetch] == ["log of.txt", "b.png"]
    again = CHANNEL.accept(signed(connection, body, "msg_2"), connection).messages
    assert again[0].external_id == raw.external_id, "the same message under another call is known"
    other = json.dumps({**SAMPLE, "event": "ticket.closed"}).encode()
    assert isinstance(CHANNEL.parse(other, connection), Ignored)


def test_nothing_unsigned_is_taken_and_a_replaced_secret_works_until_the_next() -> None:
    connection, body = connected(), json.dumps(SAMPLE).encode()
    now = datetime.now(UTC).timestamp()
    right = signed(connection, body)
    for wrong in (
        posted(body),
        posted(body + b" ", **{name.replace("-", "_"): value for name, value in right.headers.items()}),
        signed(connection, body, at=datetime.fromtimestamp(now - 360, UTC)),
        signed(connection, body, at=datetime.fromtimestamp(now + 360, UTC)),
        posted(body, webhook_id="a", webhook_timestamp=str(int(now)), webhook_signature="nonsense"),
        posted(body, webhook_id="a", webhook_timestamp=str(int(now)), webhook_signature="v1,###"),
    ):
        with pytest.raises(FalseSignatureError):
            CHANNEL.accept(wrong, connection)
    first = CHANNEL.configure(MAPPING, None)
    fresh = "whsec_" + base64.b64encode(b"n" * 32).decode()
    second = CHANNEL.configure({"signing_secret": fresh}, first)
    for secrets in (first.secrets, second.secrets):
        sender = ConnectionDetails(CONNECTION, TENANT, {**first.configuration, **secrets})
        receiver = ConnectionDetails(CONNECTION, TENANT, {**second.configuration, **second.secrets})
        assert CHANNEL.accept(signed(sender, body), receiver).messages


@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_systems_that_sign_in_their_own_way(encoding: str) -> None:
    secret, body = "a-secret-of-the-crm", json.dumps(SAMPLE).encode()
    digest = hmac.new(secret.encode(), body, hashlib.sha256).digest()
    shown = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    connection = connected(
        signature="hmac",
        signing_secret=secret,
        signature_header="X-Crm-Sign",
        signature_prefix="sha256=",
        signature_encoding=encoding,
    )
    assert CHANNEL.accept(posted(body, x_crm_sign=f"sha256={shown}"), connection).messages
    for wrong in (shown, f"sha256={shown[:-1]}", "sha256=", "sha256=\xe9"):
        with pytest.raises(FalseSignatureError):
            CHANNEL.accept(posted(body, x_crm_sign=wrong), connection)
    by_token = connected(signature="token", signing_secret="a-token-of-the-crm")
    assert CHANNEL.accept(posted(body, authorization="Bearer a-token-of-the-crm"), by_token).messages
    with pytest.raises(FalseSignatureError):
        CHANNEL.accept(posted(body, authorization="Bearer a-token-of-the-cr"), by_token)


def test_several_in_one_call_and_those_without_an_id() -> None:
    connection = connected(items="list", message_id="", ticket_id="", body="text", customer_email="from", skip="")
    body = json.dumps({"list": [{"text": "One", "from": "a@b.test"}, {"text": "Two", "from": "a@b.test"}]}).encode()
    first = CHANNEL.accept(signed(connection, body), connection).messages
    assert [each.external_id for each in first] == ["msg_1:0", "msg_1:1"]
    assert CHANNEL.accept(signed(connection, body), connection).messages == first, "its repetition is the same"


NO_JSON = (b"", b"{", b'{"a": 1, "a": 2}', b"[" * 60 + b"]" * 60, b'{"a": NaN}', b"\xff", b'"' + b"x" * 300_000 + b'"')


@pytest.mark.parametrize("body", NO_JSON)
def test_what_is_no_usable_json_is_turned_away(body: bytes) -> None:
    connection = connected(signature="token", signing_secret="a-token-of-the-crm")
    with pytest.raises(InvalidInputError):
        CHANNEL.accept(posted(body, authorization="Bearer a-token-of-the-crm"), connection)


def test_a_message_that_does_not_fit_stays_with_its_reason() -> None:
    connection = connected()
    for broken, words in (
        ({"event": "message.created"}, "Text of the message: 'ticket.message.text' finds nothing"),
        ({**SAMPLE, "ticket": {"message": {"text": ["a"]}}}, "finds a list, no text"),
        ({**SAMPLE, "ticket": {"message": {"text": "a"}}}, "nothing says who wrote it"),
    ):
        with pytest.raises(UnreadableMessageError, match=words):
            CHANNEL.parse(json.dumps(broken).encode(), connection)


def test_a_sample_shows_what_it_becomes_before_anything_is_saved() -> None:
    (shown,) = CHANNEL.preview(MAPPING, None, json.dumps(SAMPLE))
    assert dict(shown)["Text"] == "How long are\nbackups kept?"
    assert dict(shown)["Id of the message"] == "9007199254740993"
    (shown,) = CHANNEL.preview({**MAPPING, "body": "ticket.txt"}, None, json.dumps({**SAMPLE, "ticket": {}}))
    assert "finds nothing" in dict(shown)["Could not be read"]
    for wrong in ({**MAPPING, "body": "a["}, {**MAPPING, "items": "nowhere"}):
        with pytest.raises(InvalidInputError):
            CHANNEL.preview(wrong, None, json.dumps(SAMPLE))


async def test_a_reply_goes_out_as_the_template_says_and_nothing_is_pasted(crm: Crm) -> None:
    template = '{"text": "{body}", "to": "{customer_name} <{customer_email}>", "files": "{attachments}", "n": 1}'
    connection = replying(crm, reply_template=template, auth="bearer", auth_secret="t0ken")
    file = OutgoingFile(UUID(int=8), "a.txt", "text/plain", "00", b"abc", "https://desk.test/f")
    sent = await CHANNEL.send(
        outgoing(connection, body='Say "yes"\n{"x": 1}', files=(file,), external_ticket_id="47/11?a=b")
    )
    assert (sent.result, sent.provider_id) == ("sent", "99")
    (call,) = crm.calls
    assert call.path == "/tickets/47%2F11%3Fa%3Db/replies"
    assert call.headers["authorization"] == "Bearer t0ken"
    assert call.headers["idempotency-key"] == str(DELIVERY)
    assert Webhook(connection.settings["signing_secret"]).verify(call.body, dict(call.headers))
    assert call.json["text"] == 'Say "yes"\n{"x": 1}'
    assert call.json["to"] == 'Marta "M" Müller <marta@customer.test>'
    assert call.json["files"][0]["url"] == "https://desk.test/f"
    for nowhere in ("..", ""):
        refused = await CHANNEL.send(outgoing(connection, external_ticket_id=nowhere, recipient={}))
        assert refused.result == "failed"
    assert len(crm.calls) == 1


async def test_what_each_answer_means(crm: Crm) -> None:
    plain = replying(crm, retry_statuses="418, 429")
    asking = replying(crm, sent_when="ok")
    cases: tuple[tuple[ConnectionDetails, Said | Mishap, str], ...] = (
        (plain, Said(200, b"<html>fine</html>"), "sent"),
        (plain, Said(204), "sent"),
        (plain, Said(418, {"title": "teapot"}), "retry"),
        (plain, "limit", "retry"),
        (plain, Said(503, None, {"retry-after": "9"}), "retry"),
        (plain, Said(503), "uncertain"),
        (plain, Said(302, None, {"location": "http://169.254.169.254/"}), "failed"),
        (plain, Said(422, {"title": "No", "detail": "closed"}), "failed"),
        (plain, "lost", "uncertain"),
        (plain, "html_500", "uncertain"),
        (asking, Said(200, {"ok": True}), "sent"),
        (asking, Said(200, {"ok": False}), "uncertain"),
        (asking, Said(200, b"<html>"), "uncertain"),
    )
    for connection, said, wanted in cases:
        crm.says = said if isinstance(said, Said) else None
        crm.mishaps = {} if isinstance(said, Said) else {"POST /tickets": [said]}
        outcome = await CHANNEL.send(outgoing(connection))
        assert outcome.result == wanted, (said, outcome)
    assert (await CHANNEL.reconcile(outgoing(plain))).result == "uncertain"


async def test_a_lost_answer_is_looked_up_or_sent_again_under_the_same_key(crm: Crm) -> None:
    lookup = {"lookup_url": f"{crm.url}/replies?key={{delivery_id}}", "lookup_found": "length(items) > `0`"}
    looking = replying(crm, **lookup, lookup_id="items[0].id")
    cases: tuple[tuple[Mishap, str], ...] = (("lost_before", "retry"), ("lost", "sent"))
    for mishap, wanted in cases:
        crm.mishaps = {"POST /tickets": [mishap], "GET /replies": ["html", None]}
        assert (await CHANNEL.send(outgoing(looking))).result == "uncertain"
        assert (await CHANNEL.reconcile(outgoing(looking))).result == "uncertain", "a page is neither yes nor no"
        assert (await CHANNEL.reconcile(outgoing(looking))).result == wanted
    crm.replies.clear()
    repeating = replying(crm, is_idempotent="1")
    crm.mishaps = {"POST /tickets": ["lost"]}
    assert (await CHANNEL.send(outgoing(repeating))).result == "retry"
    assert (await CHANNEL.reconcile(outgoing(repeating))).result == "retry"
    assert (await CHANNEL.send(outgoing(repeating))).result == "sent"
    assert len(crm.replies) == 1


async def test_news_are_fetched_page_by_page_from_where_the_last_look_ended(crm: Crm) -> None:
    crm.news = [{"at": f"2026-03-0{day}", "text": f"No. {day}", "who": "a@b.test", "id": day} for day in range(1, 6)]
    polled = connected(
        body="text", customer_email="who", message_id="id", subject="", ticket_id="", customer_id="", customer_name="",
        attachments="", sent_at="at", author="", skip="", poll_url=f"{crm.url}/news?since={{cursor}}",
        poll_items="data", poll_cursor="max(data[].at)",
    )  # fmt: skip
    async with CHANNEL.watch(polled) as feed:
        begun = await feed.fetch({})
        assert (begun.messages, begun.cursor["at"]) == ((), "2026-03-05"), "what is there already is not new"
        crm.news += [
            {"at": f"2026-03-1{day}", "text": f"New {day}", "who": "a@b.test", "id": 10 + day} for day in (1, 2, 3)
        ]
        crm.mishaps = {"GET /news": ["html"]}
        with pytest.raises(DeskError):
            await feed.fetch(begun.cursor)
        batch = await feed.fetch(begun.cursor)
        assert [each.external_id for each in batch.messages] == ["id:11", "id:12", "id:13"]
        assert not (await feed.fetch(batch.cursor)).messages


async def test_it_signs_in_by_client_credentials_and_once_more_when_turned_down(crm: Crm) -> None:
    STORE.stored.clear()
    connection = replying(crm, auth="oauth", auth_name="id", auth_secret="s", token_url=f"{crm.url}/token")
    assert (await CHANNEL.send(outgoing(connection))).result == "sent"
    assert (await CHANNEL.send(outgoing(connection))).result == "sent"
    assert crm.tokens == 1, "a token is used until it ends"
    crm.tokens += 1
    assert (await CHANNEL.send(outgoing(connection))).result == "sent"
    assert crm.tokens == 3
    assert STORE.stored["access_token"] == "token-3"


async def test_facts_and_files_come_from_its_own_hosts_with_credentials_and_from_others_without(crm: Crm) -> None:
    facts = "Plan = plan.name\nBalance = balance\nExtra = extra"
    connection = connected(
        contact_url=f"{crm.url}/customers/{{customer_id}}", contact_facts=facts, auth="header", auth_name="X-Key",
        auth_secret="k3y",
    )  # fmt: skip
    (section,) = await CHANNEL.customer_facts(connection, KnownCustomer(UUID(int=5), "c-7"))
    assert [(fact.label, fact.value) for fact in section.facts] == [
        ("Plan", "Webspace M"), ("Balance", "12.5"), ("Extra", ""),
    ]  # fmt: skip
    assert await CHANNEL.customer_facts(connection, KnownCustomer(UUID(int=5), "c-8")) == ()
    got = await CHANNEL.fetch_file(connection, FileReference("a.txt", {"url": f"{crm.url}/file"}))
    assert (got.content, got.content_type) == (b"the file", "text/plain")
    assert crm.calls[-1].headers["x-key"] == "k3y"
    elsewhere = connected(contact_url="https://crm.acme.test/{customer_id}", auth="bearer", auth_secret="k3y")
    await CHANNEL.fetch_file(elsewhere, FileReference("a.txt", {"url": f"{crm.url}/file"}))
    assert "authorization" not in crm.calls[-1].headers, "whoever writes a message must not be given the credentials"
    for gone in (f"{crm.url}/nothing", "http://169.254.169.254/latest", "ftp://x.test/a"):
        assert (await CHANNEL.fetch_file(connection, FileReference("a", {"url": gone}))).content == b""


def test_what_the_form_does_not_take() -> None:
    wrong: tuple[tuple[dict[str, str], type[DeskError]], ...] = (
        ({"body": ""}, InvalidInputError),
        ({"signing_secret": "abc"}, InvalidInputError),
        ({"signature": "hmac", "signing_secret": "short"}, InvalidInputError),
        ({"reply_url": "https://{customer_id}.evil.test/"}, InvalidInputError),
        ({"reply_url": "https://crm.test/{password}"}, InvalidInputError),
        ({"reply_url": "http://crm.test/"}, RefusedAddressError),
        ({"poll_url": "https://169.254.169.254/{cursor}"}, RefusedAddressError),
        ({"reply_template": '{"a": {body}}'}, InvalidInputError),
        ({"auth": "header", "auth_name": "Host", "auth_secret": "x"}, InvalidInputError),
        ({"auth": "bearer"}, InvalidInputError),
        ({"retry_statuses": "200"}, InvalidInputError),
        ({"lookup_url": "https://crm.test/{delivery_id}"}, InvalidInputError),
        ({"contact_facts": "nonsense"}, InvalidInputError),
    )
    for given, error in wrong:
        with pytest.raises(error):
            CHANNEL.configure({**MAPPING, **given}, None)


def test_credentials_stay_with_the_host_they_were_given_for() -> None:
    given = {**MAPPING, "reply_url": "https://crm.test/{ticket_id}", "auth": "bearer", "auth_secret": "t0ken"}
    first = CHANNEL.configure(given, None)
    assert "t0ken" not in repr(first)
    with pytest.raises(InvalidInputError, match="is needed"):
        CHANNEL.configure({"reply_url": "https://evil.test/{ticket_id}"}, first)
    moved = CHANNEL.configure({"reply_url": "https://crm.test/v2/{ticket_id}"}, first)
    assert moved.secrets == first.secrets
