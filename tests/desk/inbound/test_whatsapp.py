"""WhatsApp through the whole desk: calls come in over HTTP, replies go out to a server on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import update

from desk.app import create_app
from desk.delivery import resolve_uncertain
from desk.errors import ConflictError
from desk.inbound.connecting import create_connection
from desk.inbound.hooks import hook_address
from desk.installation import Installation
from desk.models import Attachment, CustomerIdentity, Delivery, DeliveryPart, Ticket, TicketEvent
from desk.models.drafts import Draft
from desk.review import reply
from tests.conftest import new_owner
from tests.connectors.whatsapp.fakes import HANG_UP, FakeMeta, Told, answering, error
from tests.desk.conftest import serving
from tests.desk.inbound.conftest import mail_installation  # noqa: F401 - the fixture
from tests.desk.inbound.mail_desk import MailDesk, at_work, until

NUMBER, SECRET, MARTA = "106540352242922", "the-app-secret", "16505551234"


@dataclass
class WhatsAppDesk(MailDesk):
    """A mail desk's helpers over a connection to Meta."""

    http: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)
    hook: str = ""
    meta: FakeMeta = field(default_factory=FakeMeta)

    async def call(self, *values: dict[str, Any]) -> None:
        around = {"metadata": {"phone_number_id": NUMBER}}
        changes = [{"field": "messages", "value": {**around, **value}} for value in values]
        body = json.dumps({"entry": [{"changes": changes}]}).encode()
        signature = f"sha256={hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()}"
        answer = await self.http.post(self.hook, content=body, headers={"X-Hub-Signature-256": signature})
        assert answer.status_code == 200, answer.text

    async def says(self, name: str, words: str, *, hours_ago: float = 0, **more: Any) -> None:
        await self.call(said(name, words, hours_ago=hours_ago, **more))
        await until(lambda: self._all_read(0))

    async def told(self, key: str, status: str, **more: Any) -> None:
        await self.call({"statuses": [{"id": key, "status": status, "timestamp": "1749416383", **more}]})
        await until(lambda: self._all_read(0))

    async def parts(self) -> list[DeliveryPart]:
        return await self.rows(DeliveryPart)


def said(name: str, words: str, *, hours_ago: float = 0, **more: Any) -> dict[str, Any]:
    moment = str(int(time.time() - hours_ago * 3600))
    message = {"from": MARTA, "id": name, "timestamp": moment, "type": "text", "text": {"body": words}, **more}
    return {"contacts": [{"profile": {"name": "Marta"}, "wa_id": MARTA}], "messages": [message]}


@pytest.fixture
async def desk(mail_installation: Installation) -> AsyncGenerator[WhatsAppDesk]:  # noqa: F811 - the fixture of that name
    actor, fake = await new_owner(mail_installation.database), FakeMeta()
    async with answering(fake) as port, serving(create_app(mail_installation)) as client:
        fake.port = port
        given = {"phone_number_id": NUMBER, "business_account_id": "102290129340398", "app_secret": SECRET,
                 "access_token": fake.token, "api_address": f"http://127.0.0.1:{port}"}  # fmt: skip
        async with mail_installation.database.transaction(actor.scope) as session:
            made = await create_connection(
                session, mail_installation.channels, kind="whatsapp_meta", name="WhatsApp", settings=given
            )
        hook = hook_address("http://desk.test", made)
        none: Any = None
        found = WhatsAppDesk(mail_installation, actor, none, none, "", made.id, client, hook, fake)
        async with at_work(mail_installation, "inbox", "deliveries"):
            yield found


async def test_messages_of_a_person_make_one_conversation_once_each_and_in_order(desk: WhatsAppDesk) -> None:
    first, second = said("wamid.1", "My site is down."), said("wamid.2", "Since this morning.")
    await asyncio.gather(*(desk.call(first, second) for _ in range(5)))
    await until(lambda: desk._all_read(0))
    (ticket,) = await desk.tickets()
    assert [each.body for each in await desk.messages(ticket)] == ["My site is down.", "Since this morning."]
    desk.meta.files["m1"] = ("image/png", PIXEL)
    await desk.says("wamid.3", "", type="image", image={"id": "m1", "mime_type": "image/png", "caption": "See"})
    (file,) = await desk.rows(Attachment)
    assert (file.state, file.media_type, file.ticket_id) == ("ready", "image/png", ticket.id)
    async with desk.installation.database.transaction(desk.actor.scope) as session:
        await session.execute(update(Ticket).values(status="closed"))
    await desk.says("wamid.4", "Something else now")
    assert len(await desk.tickets()) == 2
    assert len({each.customer_id for each in await desk.tickets()}) == 1


async def test_what_is_said_of_a_reply_is_ranked_and_shown(desk: WhatsAppDesk) -> None:
    await desk.says("wamid.1", "Hello")
    (ticket,) = await desk.tickets()
    delivery = await desk.answer(ticket, "A sentence of the reply. " * 250)
    assert (delivery.state, len(desk.meta.sent)) == ("sent", 2)
    await desk.told("wamid.1==", "read")
    await desk.told("wamid.1==", "sent")
    await desk.told("wamid.1==", "delivered")
    await desk.told("wamid.2==", "delivered")
    assert [part.mark for part in await desk.parts()] == ["read", "delivered"]
    await desk.told("wamid.1==", "failed", errors=[{"code": 131026, "title": "x"}])
    assert [part.mark for part in await desk.parts()] == ["read", "delivered"]
    await desk.call({"messages": [{"from": MARTA, "id": "wamid.9", "timestamp": "1", "type": "reaction",
                                   "reaction": {"message_id": "wamid.2==", "emoji": "👍"}}]})  # fmt: skip
    await until(lambda: desk._all_read(0))
    assert [each.reactions for each in await desk.messages(ticket)] == [{}, {MARTA: "👍"}]


async def test_a_failure_that_comes_later_brings_the_ticket_back_with_the_reason(desk: WhatsAppDesk) -> None:
    await desk.says("wamid.1", "Hello")
    (ticket,) = await desk.tickets()
    await desk.answer(ticket, "An answer.")
    await desk.told("wamid.1==", "failed", errors=[{"code": 131026, "error_data": {"details": "Undeliverable"}}])
    (delivery,) = await desk.rows(Delivery)
    (ticket,) = await desk.tickets()
    assert (delivery.state, ticket.status) == ("failed", "open")
    assert "cannot deliver to this number" in delivery.detail


async def test_a_part_whose_answer_is_lost_is_never_sent_again_and_its_status_settles_it(desk: WhatsAppDesk) -> None:
    await desk.says("wamid.1", "Hello")
    (ticket,) = await desk.tickets()
    desk.meta.next.append(HANG_UP)
    delivery = await desk.answer(ticket, "A sentence of the reply. " * 250)
    assert (delivery.state, len(desk.meta.sent)) == ("uncertain", 1)
    assert delivery.detail.startswith("part 1 of 2")
    name = desk.meta.sent[0]["biz_opaque_callback_data"]
    await desk.told("wamid.LATE", "delivered", biz_opaque_callback_data=name)
    settled = await until(lambda: _sent(desk, delivery.id))
    assert len(desk.meta.sent) == 2
    assert settled.provider_id == "wamid.LATE"
    assert [part.provider_id for part in await desk.parts()] == ["wamid.LATE", "wamid.2=="]
    assert [each.author for each in await desk.messages(ticket)] == ["customer", "agent"]


async def test_after_a_refused_part_only_what_is_missing_is_sent_again(desk: WhatsAppDesk) -> None:
    await desk.says("wamid.1", "Hello")
    (ticket,) = await desk.tickets()
    desk.meta.next += [
        Told(body={"messages": [{"id": "wamid.ok"}]}),
        error(131056, "pair", headers={"Retry-After": "1"}),
    ]
    delivery = await desk.answer(ticket, "A sentence of the reply. " * 250)
    assert delivery.state in {"pending", "sent"}
    await until(lambda: _sent(desk, delivery.id))
    assert [each["biz_opaque_callback_data"][-2:] for each in desk.meta.sent] == [":1"]
    desk.meta.next += [error(131026, "no")]
    failed = await desk.answer(ticket, "Again.")
    assert failed.state == "failed"
    await resolve_uncertain(desk.installation.database, desk.actor, failed.id, "send_again")
    await until(lambda: _sent(desk, failed.id))


async def test_the_window_closes_and_only_a_template_goes_out(desk: WhatsAppDesk) -> None:
    await desk.says("wamid.1", "Hello", hours_ago=25)
    (ticket,) = await desk.tickets()
    with pytest.raises(ConflictError) as refused:
        await desk.answer(ticket, "Too late.")
    assert "approved template" in refused.value.detail
    assert not desk.meta.sent
    await desk.says("wamid.2", "Are you there?")
    assert (await desk.answer(ticket, "Yes.")).state == "sent"


async def test_whoever_says_stop_is_sent_nothing_until_they_say_start(desk: WhatsAppDesk) -> None:
    await desk.says("wamid.1", "Hello")
    (ticket,) = await desk.tickets()
    held = await reply(
        desk.installation.database, desk.actor, ticket.id, "On its way.",
        based_on_seq=None, resolve=False, undo_seconds=2,
    )  # fmt: skip
    await desk.says("wamid.2", "STOP")
    assert (await desk.settled(held.id)).state == "failed"
    assert not desk.meta.sent
    drafts = await desk.rows(Draft, Draft.state.in_(("writing", "ready")))
    assert not drafts
    with pytest.raises(ConflictError):
        await desk.answer(ticket, "But...")
    (identity,) = await desk.rows(CustomerIdentity)
    assert identity.opted_out_at is not None
    await desk.says("wamid.3", "Start")
    assert (await desk.answer(ticket, "Welcome back.")).state == "sent"
    kinds = {event.kind for event in await desk.rows(TicketEvent)}
    assert {"opted_out", "opted_in"} <= kinds


async def _sent(desk: WhatsAppDesk, delivery_id: UUID) -> Delivery | None:
    (row,) = await desk.rows(Delivery, Delivery.id == delivery_id)
    return row if row.state == "sent" else None


PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)
