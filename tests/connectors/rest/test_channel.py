"""The REST channel against real sockets: what each behaviour of a receiver means for a reply."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from connectors.rest.channel import RestChannel, body_of
from connectors.rest.signature import verify
from desk.egress import EgressRules
from desk.ports import OutgoingReply
from desk.secret import Secret
from tests.loopback_server import serving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RULES = EgressRules(allowed_hosts=frozenset({"127.0.0.1"}))
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DELIVERY = "01890a5d-ac96-774b-bcce-b302099a8057"


class Now:
    def now(self) -> datetime:
        return NOW


def reply(**configuration: Any) -> OutgoingReply:
    return OutgoingReply(
        delivery_id=UUID(DELIVERY),
        tenant_id=UUID(int=1),
        ticket_id=UUID(int=2),
        attempt=1,
        recipient={"customer": "c-17"},
        configuration={"signing_secret": SECRET} | configuration,
        subject="Re: invoice",
        body="Dear Ms Ångström,\nit is due on Friday.",
        external_ticket_id="T-9",
        approved_at=datetime(2026, 3, 1, 11, 59, tzinfo=UTC),
    )


@asynccontextmanager
async def receiver(*answers: bytes | str) -> AsyncIterator[tuple[str, list[tuple[str, dict[str, str], bytes]]]]:
    """Answers in turn: raw bytes, or "reset", "close" or "hang" after the request has been read."""
    received: list[tuple[str, dict[str, str], bytes]] = []
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        received.append((head[0], headers, body))
        answer = left.pop(0)
        if answer == "hang":
            await reader.read()
        elif answer == "reset":
            connection: socket.socket = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        elif isinstance(answer, bytes):
            writer.write(answer)

    async with serving(serve) as port:
        yield f"http://127.0.0.1:{port}", received


def answer(status: int, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", "connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def channel(rules: EgressRules = RULES) -> RestChannel:
    return RestChannel(rules, Now(), timeout_seconds=2)


async def test_a_reply_arrives_signed_and_whole_and_the_same_on_every_attempt() -> None:
    async with receiver(answer(202, b'{"id": "r-1"}'), answer(200)) as (url, received):
        first = await channel().send(reply(callback_url=f"{url}/hook?tenant=7"))
        second = await channel().send(replace(reply(callback_url=f"{url}/hook?tenant=7"), attempt=2))
    assert (first.result, first.provider_id) == ("sent", "r-1")
    assert (second.result, second.provider_id) == ("sent", None)
    (line, headers, body), (_, again, same_body) = received
    assert line == "POST /hook?tenant=7 HTTP/1.1"
    verified = verify(headers, body, [Secret(SECRET)], NOW)
    assert verified.webhook_id == again["webhook-id"] == DELIVERY
    assert body == same_body
    assert json.loads(body) == {
        "type": "reply.sent",
        "timestamp": "2026-03-01T11:59:00+00:00",
        "data": {
            "ticket_id": str(UUID(int=2)),
            "external_ticket_id": "T-9",
            "delivery_id": DELIVERY,
            "subject": "Re: invoice",
            "body": "Dear Ms Ångström,\nit is due on Friday.",
            "recipient": {"customer": "c-17"},
            "version": 1772366340000,
            "attachments": [],
        },
    }


async def test_while_a_secret_is_replaced_either_one_verifies() -> None:
    previous = "whsec_" + "QUJD" * 8
    async with receiver(answer(204)) as (url, received):
        await channel().send(reply(callback_url=url, previous_signing_secret=Secret(previous)))
    for secret in (SECRET, previous):
        verify(received[0][1], received[0][2], [Secret(secret)], NOW)


GZIPPED = answer(200, b"\x1f\x8b rubbish", "content-encoding: gzip")


@pytest.mark.parametrize(
    ("given", "result", "detail"),
    [
        (answer(200, b"x" * 200_000), "sent", "200"),
        (GZIPPED, "sent", "200"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\ncut", "sent", "200"),
        (answer(410), "failed", "switch this connection off"),
        (answer(404, b"<h1>no\x00such\x1b[31m hook</h1>"), "failed", "no such"),
        (
            answer(422, b'{"title": "Unknown ticket", "detail": "T-9 is closed"}'),
            "failed",
            "Unknown ticket: T-9 is closed",
        ),
        (answer(401), "failed", "401"),
        (answer(302, b"", "location: http://169.254.169.254/"), "failed", "redirects"),
        (answer(429), "retry", "429"),
        (answer(425), "retry", "425"),
        (answer(503), "uncertain", "503"),
        (answer(500), "uncertain", "500"),
        (answer(502, b"bad gateway"), "uncertain", "bad gateway"),
        ("hang", "uncertain", "ReadTimeout"),
        ("reset", "uncertain", "after it was sent"),
        ("close", "uncertain", "after it was sent"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "uncertain", "after it was sent"),
    ],
)
async def test_what_an_answer_means(given: bytes | str, result: str, detail: str) -> None:
    async with receiver(given) as (url, received):
        outcome = await channel().send(reply(callback_url=url))
    assert outcome.result == result
    assert detail in outcome.detail
    assert "\x00" not in outcome.detail
    assert len(received) == 1


@pytest.mark.parametrize(
    ("status", "value", "seconds"),
    [(503, "120", 120.0), (429, "Sun, 01 Mar 2026 12:01:30 GMT", 90.0), (429, "864000", 3600.0), (429, "soon", None)],
)
async def test_retry_after_as_seconds_or_date_capped_at_an_hour(status: int, value: str, seconds: float | None) -> None:
    async with receiver(answer(status, b"", f"retry-after: {value}")) as (url, _):
        outcome = await channel().send(reply(callback_url=url))
    assert (outcome.result, outcome.retry_after_seconds) == ("retry", seconds)


async def test_what_was_surely_not_sent_may_be_tried_again() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert (await channel().send(reply(callback_url=f"http://127.0.0.1:{port}/"))).result == "retry"

    async def nobody(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    unknown = EgressRules(resolver=nobody)
    assert (await channel(unknown).send(reply(callback_url="https://nowhere.example/"))).result == "retry"


async def test_an_inside_address_is_failed_with_its_reason() -> None:
    async def inside(_host: str, _port: int) -> Sequence[str]:
        return ["93.184.216.34", "192.168.0.10"]

    outcome = await channel(EgressRules(resolver=inside)).send(reply(callback_url="https://crm.example/"))
    assert outcome.result == "failed"
    assert "192.168.0.10" in outcome.detail
    outcome = await channel(EgressRules()).send(reply(callback_url="http://127.0.0.1:8000/"))
    assert outcome.result == "failed"


async def test_without_a_callback_the_reply_waits_in_the_ticket() -> None:
    outcome = await channel().send(reply(callback_url=""))
    assert outcome.result == "sent"
    assert "no callback URL" in outcome.detail


@pytest.mark.parametrize(
    ("configuration", "named"),
    [
        ({"callback_url": "https://crm.example/", "signing_secret": ""}, "signing_secret"),
        ({"callback_url": "https://crm.example/", "signing_secret": "whsec_c2hvcnQ="}, "24 to 64 bytes"),
        ({"callback_url": "https://crm.example/", "status_url": "ftp://crm.example/"}, "https"),
    ],
)
async def test_a_configuration_that_cannot_work_fails_with_words(configuration: dict[str, Any], named: str) -> None:
    outcome = await channel().send(reply(**configuration))
    assert outcome.result == "failed"
    assert named in outcome.detail
    assert (await channel().reconcile(reply(**configuration))).result == "uncertain"


def told(**members: Any) -> bytes:
    return answer(200, json.dumps(members).encode())


@pytest.mark.parametrize(
    ("given", "result"),
    [
        (told(delivery_id=DELIVERY, received=True), "sent"),
        (told(delivery_id=DELIVERY, received=False), "retry"),
        (told(delivery_id="another", received=True), "uncertain"),
        (told(delivery_id=DELIVERY, received="no"), "uncertain"),
        (told(), "uncertain"),
        (answer(200, b"[]"), "uncertain"),
        (answer(200, b"<html>ok</html>"), "uncertain"),
        (answer(404), "uncertain"),
        (answer(500), "uncertain"),
        ("reset", "uncertain"),
        ("hang", "uncertain"),
    ],
)
async def test_only_a_clear_yes_or_no_settles_an_uncertain_reply(given: bytes | str, result: str) -> None:
    async with receiver(given) as (url, received):
        outcome = await channel().reconcile(reply(callback_url=url, status_url=f"{url}/status?tenant=7"))
    assert outcome.result == result
    line, headers, body = received[0]
    assert line == f"GET /status?tenant=7&delivery_id={DELIVERY} HTTP/1.1"
    assert verify(headers, body, [Secret(SECRET)], NOW).webhook_id == DELIVERY


async def test_without_a_status_url_it_stays_uncertain_and_nobody_is_asked() -> None:
    async with receiver() as (url, received):
        assert (await channel().reconcile(reply(callback_url=url))).result == "uncertain"
    assert received == []


async def test_neither_the_secret_nor_the_query_reaches_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with receiver(answer(200), "reset") as (url, _):
        for _attempt in range(2):
            outcome = await channel().send(reply(callback_url=f"{url}/hook?token=hidden-token"))
            assert "hidden-token" not in outcome.detail
    seen = caplog.text + "".join(str(record.__dict__) for record in caplog.records)
    assert "hidden-token" not in seen
    assert SECRET.removeprefix("whsec_") not in seen


def test_the_kind_is_what_connections_are_stored_under() -> None:
    assert channel().kind == "rest"
    assert b"reply.sent" in body_of(reply())


async def test_before_a_second_try_it_is_asked_whether_the_first_has_arrived_meanwhile() -> None:
    known = json.dumps({"delivery_id": DELIVERY, "received": True}).encode()
    async with receiver(answer(200, known)) as (url, received):
        again = replace(reply(callback_url=url, status_url=f"{url}/status"), attempt=2)
        assert (await channel().send(again)).result == "sent"
    assert [line.split()[0] for line, _, _ in received] == ["GET"]


@pytest.mark.parametrize(("is_known", "result"), [(True, "sent"), (False, "retry")])
async def test_a_lost_answer_is_settled_by_asking_where_that_can_be_asked(is_known: bool, result: str) -> None:
    known = json.dumps({"delivery_id": DELIVERY, "received": is_known}).encode()
    async with receiver("reset", answer(200, known)) as (url, received):
        sending = RestChannel(RULES, Now(), timeout_seconds=2, look_up_after_seconds=0)
        outcome = await sending.send(reply(callback_url=url, status_url=f"{url}/status"))
    assert outcome.result == result
    assert [line.split()[0] for line, _, _ in received] == ["POST", "GET"]
