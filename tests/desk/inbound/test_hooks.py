"""What outside systems may rely on when they call the desk, and what others may not."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from sqlalchemy import select

from connectors.widget.channel import LiveChannel
from desk.app import create_app
from desk.connections import ConnectionChange, change_connection
from desk.egress import EgressRules
from desk.errors import FalseSignatureError, InvalidInputError
from desk.inbound.connecting import create_connection
from desk.inbound.hooks import hook_address
from desk.installation import Installation
from desk.models import Connection, InboxEntry
from desk.ports import (
    ConfiguredChannel,
    ConnectionDetails,
    Ignored,
    Inbound,
    RawMessage,
    WebhookAnswer,
    WebhookRequest,
)
from tests.desk.conftest import Client, Person


class SignedChannel(LiveChannel):
    """Takes `{"messages": [{"id", "from"}]}`, signed over the address and the raw body."""

    def configure(self, given: Mapping[str, Any], before: ConfiguredChannel | None) -> ConfiguredChannel:
        del before
        return ConfiguredChannel({}, {"secret": given["secret"]})

    def parse(self, raw: bytes, connection: ConnectionDetails) -> Inbound:
        del raw, connection
        return Ignored("only a test")

    def accept(self, request: WebhookRequest, connection: ConnectionDetails) -> WebhookAnswer:
        secret = connection.settings["secret"]
        if request.method == "GET":
            return WebhookAnswer(body=request.query["challenge"].encode(), headers={"X-Said": "yes"})
        if not hmac.compare_digest(signature(secret, request.url, request.body), request.headers.get("x-signed", "")):
            msg = "the signature is not this connection's"
            raise FalseSignatureError(msg)
        try:
            told: list[dict[str, str]] = json.loads(request.body)["messages"]
        except ValueError as error:
            msg = "the body is no JSON"
            raise InvalidInputError(msg) from error
        return WebhookAnswer(tuple(RawMessage(each["id"], json.dumps(each).encode(), each["from"]) for each in told))


def signature(secret: str, url: str, body: bytes) -> str:
    return hmac.new(secret.encode(), url.encode() + body, hashlib.sha256).hexdigest()


@pytest.fixture
def app(installation: Installation) -> Litestar:
    channels = {**installation.channels, "signed": SignedChannel("signed")}
    return create_app(replace(installation, channels=channels))


@pytest.fixture
async def address(installation: Installation, owner: Person) -> str:
    async with installation.database.transaction(owner.actor.scope) as session:
        made = await create_connection(
            session, {"signed": SignedChannel("signed")}, kind="signed", name="Signed", settings={"secret": "s3cret"}
        )
    return hook_address(installation.settings.public_url, made)


def call(*ids: str) -> bytes:
    return json.dumps({"messages": [{"id": each, "from": "marta"} for each in ids]}).encode()


async def post(client: Client, address: str, body: bytes, query: str = "", secret: str = "s3cret") -> Any:
    url = f"{address}{query}"
    return await client.post(url, content=body, headers={"X-Signed": signature(secret, url, body)})


async def entries(installation: Installation, owner: Person) -> list[InboxEntry]:
    async with installation.database.transaction(owner.actor.scope) as session:
        return list((await session.execute(select(InboxEntry).order_by(InboxEntry.id))).scalars())


async def test_what_is_answered_is_kept_once_and_in_its_order(
    client: Client, installation: Installation, owner: Person, address: str
) -> None:
    batch, reverse = call(*"dacb"), call(*"bcad")
    answers = await asyncio.gather(*(post(client, address, each) for each in [batch] * 5))
    assert [answer.status_code for answer in answers] == [200] * 5
    rows = await entries(installation, owner)
    assert [row.external_id for row in rows] == list("dacb")
    assert {row.order_key for row in rows} == {"marta"}
    assert all(row.due_at is not None and row.state == "received" for row in rows)
    # Batches that hold the same messages in another order do not wait for one another in a circle.
    many = [call(*(f"{name}{at}" for at in order)) for name in "xyz" for order in (range(40), range(39, -1, -1))]
    answers = await asyncio.gather(*(post(client, address, each) for each in [*many, reverse]))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await entries(installation, owner)) == 4 + 3 * 40


async def test_nothing_is_taken_without_the_signature_over_the_very_bytes(
    client: Client, installation: Installation, owner: Person, address: str
) -> None:
    body = b'{"messages": [{"id": "caf\\u00e9 \xf0\x9f\x98\x80", "from": "a"}]}'
    for refused in (
        await client.post(address, content=body),
        await post(client, address, body, secret="other"),
        await client.post(f"{address}?a=1", content=body, headers={"X-Signed": signature("s3cret", address, body)}),
        await client.post(address, content=body + b" ", headers={"X-Signed": signature("s3cret", address, body)}),
    ):
        assert refused.status_code == 403
        assert refused.headers["content-type"] == "application/problem+json"
    assert not await entries(installation, owner)
    # The query counts byte for byte: signatures cover it as it was sent.
    assert (await post(client, address, body, "?b=%20+x&a=%C3%A4&b=")).status_code == 200
    assert (await entries(installation, owner))[0].external_id == "café 😀"


async def test_what_cannot_be_an_id_is_kept_under_a_digest(
    client: Client, installation: Installation, owner: Person, address: str
) -> None:
    assert (await post(client, address, call("nul\0", "x" * 5_000, "\ud800"))).status_code == 200
    rows = await entries(installation, owner)
    assert len(rows) == 3
    assert all(row.external_id.startswith("sha256:") for row in rows)


async def test_an_unknown_address_answers_alike_whatever_it_is(
    client: Client, installation: Installation, owner: Person, address: str
) -> None:
    async with installation.database.transaction(owner.actor.scope) as session:
        widget = (await session.execute(select(Connection.public_key).where(Connection.channel == "widget"))).scalar()
    base = "http://desk.test/hooks/in/"
    answers = [
        await client.request(method, url, content=b"{}" if method == "POST" else None)
        for url in (f"{base}{uuid4().hex}", f"{base}{widget}", f"{base}{'a' * 300}", f"{base}%00%ff", f"{address}x")
        for method in ("GET", "POST")
    ]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.content for answer in answers}) == 1


async def test_the_other_sides_questions_are_answered_in_its_own_words(client: Client, address: str) -> None:
    answer = await client.get(address, params={"challenge": "1158201444"})
    assert (answer.status_code, answer.text, answer.headers["x-said"]) == (200, "1158201444", "yes")
    assert answer.headers["content-type"].startswith("text/plain")
    assert (await post(client, address, b"not json")).status_code == 400
    assert (await client.post(address, content=b"x" * 5_000_000)).status_code == 413


async def test_a_connection_that_is_switched_off_sends_them_away_for_later(
    client: Client, installation: Installation, owner: Person, address: str
) -> None:
    async with installation.database.transaction(owner.actor.scope) as session:
        found = await session.execute(select(Connection.id).where(Connection.channel == "signed"))
        connection_id: UUID = found.scalar_one()
    for active, status in ((False, 503), (True, 200)):
        async with installation.database.transaction(owner.actor.scope) as session:
            await change_connection(session, connection_id, ConnectionChange(active=active), EgressRules())
        assert (await post(client, address, call("a"))).status_code == status
    assert len(await entries(installation, owner)) == 1
