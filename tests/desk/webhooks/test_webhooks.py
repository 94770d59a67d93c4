"""What a tenant's own systems are told: everything that happened, signed, at least once, and nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update
from standardwebhooks import Webhook, WebhookVerificationError

from desk.accounts.identity import Actor
from desk.db.leases import claim
from desk.db.unit_of_work import Database
from desk.installation import Installation
from desk.intake import CustomerDetails, NewTicket, accept_ticket
from desk.models import Ticket, WebhookDelivery, WebhookEndpoint, WebhookEvent
from desk.webhooks.log import KEPT_DAYS, forget_old_events
from desk.webhooks.payloads import EVENTS, sample_data
from desk.webhooks.sending import RETRY_SECONDS, SWITCHED_OFF_AFTER
from tests.desk.api.world import ARTICLE, QUESTION, call, close_undo_windows, do_due_work, drafted_ticket
from tests.desk.conftest import Client, People, Person
from tests.desk.webhooks.conftest import Receiver


async def webhook(client: Client, owner: Person, receiver: Receiver, *events: str) -> dict[str, Any]:
    asked = {"url": f"{receiver.url}?token=hidden", "events": list(events or EVENTS)}
    made: dict[str, Any] = await call(client, owner, "POST", "/webhooks", json=asked)
    return made


async def due_now(installation: Installation, owner: Person) -> None:
    """As if every wait were over."""
    async with installation.database.transaction(owner.actor.scope) as session:
        await session.execute(
            update(WebhookDelivery).where(WebhookDelivery.state == "pending").values(due_at=func.now())
        )
        await session.execute(update(WebhookEndpoint).values(resting_until=None))


async def deliver(installation: Installation, owner: Person) -> None:
    await due_now(installation, owner)
    for held in await claim(installation.database, "webhook_deliveries", 50, 30):
        await installation.webhooks.work(held)


def types(receiver: Receiver) -> list[str]:
    return [json.loads(body)["type"] for _, body in receiver.received]


async def test_what_happens_to_a_ticket_arrives_signed_and_verifies(
    client: Client, installation: Installation, owner: Person, receiver: Receiver
) -> None:
    made = await webhook(client, owner, receiver)
    verifier = Webhook(made["secret"])
    await call(client, owner, "POST", "/documents", json={"title": "Passwords", "text": ARTICLE})
    await do_due_work(installation)
    ticket = await drafted_ticket(client, installation, owner)
    await call(client, owner, "POST", "/escalate", json={"ticket_id": ticket["id"], "reason": "customer_asked"})
    approval = {"based_on_seq": ticket["last_inbound_seq"], "resolve": True}
    await call(client, owner, "POST", f"/drafts/{ticket['current_draft']['id']}/approve", json=approval)
    await close_undo_windows(installation, owner)
    told: dict[str, Any] = {}
    for headers, body in receiver.received:
        payload = verifier.verify(body, headers)
        assert len(body) < 20_000
        told[payload["type"]] = payload
        datetime.fromisoformat(payload["timestamp"])
    assert set(told) == {
        "document.indexed", "ticket.created", "message.received", "draft.ready", "ticket.escalated", "ticket.resolved",
        "reply.sent",
    }  # fmt: skip
    assert told["ticket.created"]["data"]["ticket"]["id"] == ticket["id"]
    assert told["message.received"]["data"]["message"]["excerpt"] == QUESTION["body"]
    assert told["ticket.escalated"]["data"]["reason"] == "customer_asked"
    assert told["ticket.resolved"]["data"]["ticket"]["status"] == "resolved"
    # A draft is announced, and what it says is not: nobody has read it.
    assert ticket["current_draft"]["body"][:30] not in json.dumps(told["draft.ready"])
    versions = [told[name]["data"]["version"] for name in ("ticket.created", "draft.ready", "reply.sent")]
    assert versions == sorted(versions)
    # The signing secret was shown once, the receiver's token is not in the log.
    assert "secret" not in await call(client, owner, "GET", f"/webhooks/{made['id']}")
    log = await call(client, owner, "GET", f"/webhooks/{made['id']}/deliveries")
    assert {line["state"] for line in log["items"]} == {"delivered"}
    whole = await call(client, owner, "GET", f"/webhooks/{made['id']}/deliveries/{log['items'][0]['id']}")
    assert "hidden" not in json.dumps(whole)
    assert whole["attempts"][0]["status"] == 204
    sample_shapes(told)


def sample_shapes(told: dict[str, Any]) -> None:
    """What an editor shows has the fields of the real thing."""
    for name, payload in told.items():
        real = payload["data"]
        assert set(real) == {*sample_data(name), "version"}, name
        for part, value in sample_data(name).items():
            fields: Any = value
            if isinstance(value, dict):
                assert set(real[part]) == set(fields), (name, part)


async def test_a_change_that_is_rolled_back_tells_nobody_and_a_committed_one_does(
    client: Client, installation: Installation, owner: Person, people: People, receiver: Receiver
) -> None:
    await webhook(client, owner, receiver, "ticket.created", "ticket.resolved")
    stranger = await people.person(await people.tenant("Elsewhere"), "owner", "o@elsewhere.test")
    await call(client, stranger, "POST", "/tickets", json=QUESTION)

    class BrokenError(Exception):
        pass

    made = await call(client, owner, "POST", "/tickets", json=QUESTION)

    async def resolve_and_fail() -> None:
        async with installation.database.transaction(owner.actor.scope) as session:
            ticket = await session.get_one(Ticket, UUID(made["id"]))
            ticket.status = "resolved"
            await session.flush()
            raise BrokenError

    with pytest.raises(BrokenError):
        await resolve_and_fail()
    async with installation.database.transaction(owner.actor.scope) as session:
        events = (await session.execute(select(WebhookEvent.type))).scalars().all()
    assert events == ["ticket.created"]
    await deliver(installation, owner)
    assert types(receiver) == ["ticket.created"]
    # The same message again is no new ticket, and nobody else's tickets are told of.
    again = {**QUESTION, "external_id": "x-1"}
    await call(client, owner, "POST", "/tickets", json=again)
    await call(client, owner, "POST", "/tickets", json=again)
    await deliver(installation, owner)
    assert types(receiver) == ["ticket.created", "ticket.created"]


async def test_what_fails_comes_again_with_the_same_id_until_the_schedule_ends_and_can_be_asked_for_again(
    client: Client, installation: Installation, owner: Person, receiver: Receiver
) -> None:
    receiver.statuses = [500, 302, 500]
    made = await webhook(client, owner, receiver, "ticket.created")
    before = datetime.now(UTC) - timedelta(seconds=5)
    await call(client, owner, "POST", "/tickets", json=QUESTION)
    waits: list[float] = []
    line: dict[str, Any] = {}
    for _ in range(len(RETRY_SECONDS) + 3):
        await deliver(installation, owner)
        (line,) = (await call(client, owner, "GET", f"/webhooks/{made['id']}/deliveries"))["items"]
        if line["next_attempt_at"]:
            waits.append((datetime.fromisoformat(line["next_attempt_at"]) - datetime.now(UTC)).total_seconds())
    assert len(receiver.received) == len(RETRY_SECONDS) + 1
    for wait, planned in zip(waits, RETRY_SECONDS, strict=True):
        assert planned - 30 <= wait <= planned * 1.2
    assert line["state"] == "failed"
    assert "what came of it" in line["detail"]
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
    assert len({body for _, body in receiver.received}) == 1
    receiver.statuses = [200]
    path = f"/webhooks/{made['id']}/resend-failed"
    later = {"since": (datetime.now(UTC) + timedelta(minutes=1)).isoformat()}
    assert (await call(client, owner, "POST", path, json=later))["resent"] == 0
    assert (await call(client, owner, "POST", path, json={"since": before.isoformat()}))["resent"] == 1
    await deliver(installation, owner)
    (line,) = (await call(client, owner, "GET", f"/webhooks/{made['id']}/deliveries"))["items"]
    assert line["state"] == "delivered"
    await call(client, owner, "POST", f"/webhooks/{made['id']}/deliveries/{line['id']}/resend")
    await deliver(installation, owner)
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
    assert len(receiver.received) == len(RETRY_SECONDS) + 3


async def test_a_worker_that_dies_after_sending_sends_it_again_under_the_same_id(
    client: Client, installation: Installation, owner: Person, receiver: Receiver
) -> None:
    await webhook(client, owner, receiver, "ticket.created")
    await call(client, owner, "POST", "/tickets", json=QUESTION)
    (dead,) = await claim(installation.database, "webhook_deliveries", 5, 30)
    attempt = await installation.webhooks._begin(dead)  # pyright: ignore[reportPrivateUsage] - as far as it came
    assert attempt is not None
    await installation.webhook_poster.post(attempt)
    async with installation.database.transaction(owner.actor.scope) as session:
        await session.execute(update(WebhookDelivery).values(lease_until=func.now() - timedelta(seconds=1)))
    await deliver(installation, owner)
    assert len(receiver.received) == 2
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1


async def test_an_endpoint_that_is_gone_or_fails_for_days_is_switched_off_and_says_so(
    client: Client, installation: Installation, owner: Person, receiver: Receiver
) -> None:
    receiver.statuses = [410]
    made = await webhook(client, owner, receiver, "ticket.created")
    await call(client, owner, "POST", "/tickets", json=QUESTION)
    await deliver(installation, owner)
    shown = await call(client, owner, "GET", f"/webhooks/{made['id']}")
    assert (shown["active"], shown["state"], shown["state_reason"]) == (False, "switched_off", "it answered 410 Gone")
    await call(client, owner, "POST", "/tickets", json=QUESTION)
    await deliver(installation, owner)
    assert len(receiver.received) == 1
    refused = await client.post(f"/api/v1/webhooks/{made['id']}/test", headers=owner.headers, json={})
    assert refused.status_code == 409

    receiver.statuses = [503]
    receiver.headers = ["retry-after: 1800"]
    await call(client, owner, "PATCH", f"/webhooks/{made['id']}", json={"active": True})
    await call(client, owner, "POST", "/tickets", json=QUESTION)
    await deliver(installation, owner)
    waiting = (await call(client, owner, "GET", f"/webhooks/{made['id']}/deliveries"))["items"][0]
    assert datetime.fromisoformat(waiting["next_attempt_at"]) > datetime.now(UTC) + timedelta(minutes=25)
    async with installation.database.transaction(owner.actor.scope) as session:
        await session.execute(update(WebhookEndpoint).values(failing_since=func.now() - SWITCHED_OFF_AFTER))
    await deliver(installation, owner)
    shown = await call(client, owner, "GET", f"/webhooks/{made['id']}")
    assert shown["state"] == "switched_off"
    assert "5 days" in shown["state_reason"]


async def test_an_endpoint_that_keeps_failing_rests_and_waiting_is_no_failure(
    client: Client, installation: Installation, owner: Person, receiver: Receiver
) -> None:
    receiver.statuses = [500]
    made = await webhook(client, owner, receiver, "ticket.created")
    for _ in range(6):
        await call(client, owner, "POST", "/tickets", json=QUESTION)
    for held in await claim(installation.database, "webhook_deliveries", 50, 30):
        await installation.webhooks.work(held)
    assert len(receiver.received) == 3
    lines = (await call(client, owner, "GET", f"/webhooks/{made['id']}/deliveries"))["items"]
    assert sorted(line["tries"] for line in lines) == [0, 0, 0, 1, 1, 1]
    assert {line["state"] for line in lines} == {"pending"}
    receiver.statuses = [200]
    await deliver(installation, owner)
    lines = (await call(client, owner, "GET", f"/webhooks/{made['id']}/deliveries"))["items"]
    assert {line["state"] for line in lines} == {"delivered"}


async def test_while_a_secret_is_replaced_both_verify_and_afterwards_only_the_new_one(
    client: Client, installation: Installation, owner: Person, receiver: Receiver
) -> None:
    made = await webhook(client, owner, receiver, "ticket.created")
    renewed = await call(client, owner, "POST", f"/webhooks/{made['id']}/rotate-secret", json={"hours": 2})
    assert renewed["secret"] != made["secret"]
    await call(client, owner, "POST", f"/webhooks/{made['id']}/test", json={})
    await deliver(installation, owner)
    headers, body = receiver.received[-1]
    for secret in (made["secret"], renewed["secret"]):
        assert Webhook(secret).verify(body, headers)["data"]["test"] is True
    async with installation.database.transaction(owner.actor.scope) as session:
        await session.execute(update(WebhookEndpoint).values(previous_until=func.now() - timedelta(seconds=1)))
    await call(client, owner, "POST", f"/webhooks/{made['id']}/test", json={"event": "reply.failed"})
    await deliver(installation, owner)
    headers, body = receiver.received[-1]
    assert Webhook(renewed["secret"]).verify(body, headers)["type"] == "reply.failed"
    with pytest.raises(WebhookVerificationError):
        Webhook(made["secret"]).verify(body, headers)


async def test_addresses_that_must_not_be_reached_and_events_that_do_not_exist_are_refused(
    client: Client, owner: Person
) -> None:
    refused: list[tuple[str, list[str]]] = [
        ("https://10.0.0.1/x", ["ticket.created"]),
        ("http://example.com/x", ["ticket.created"]),
        ("https://user:pass@example.com/x", ["ticket.created"]),
        ("https://example.com/x", ["ticket.exploded"]),
        ("https://example.com/x", []),
        ("", ["ticket.created"]),
    ]
    for url, events in refused:
        answer = await client.post("/api/v1/webhooks", headers=owner.headers, json={"url": url, "events": events})
        assert answer.status_code == 400, url
        assert answer.json()["detail"]


async def test_a_tool_subscribes_sees_samples_gets_events_and_unsubscribes(
    client: Client, installation: Installation, owner: Person, receiver: Receiver
) -> None:
    key = (await call(client, owner, "POST", "/keys", json={"name": "zapier", "scopes": ["tuning", "tickets"]}))["key"]
    headers = {"Authorization": f"Bearer {key}"}
    samples = "/api/v1/hooks/events/ticket.created/samples"
    made_up = (await client.get(samples, headers=headers)).json()
    assert made_up[0]["data"]["ticket"]["number"] == 1042
    asked = {"hookUrl": receiver.url, "event": "ticket.created"}
    subscribed = await client.post("/api/v1/hooks", headers=headers, json=asked)
    assert subscribed.status_code == 201
    hook = subscribed.json()
    await client.post("/api/v1/tickets", headers=headers, json=QUESTION)
    await deliver(installation, owner)
    sent_headers, body = receiver.received[0]
    payload = Webhook(hook["secret"]).verify(body, sent_headers)
    (real,) = (await client.get(samples, headers=headers)).json()
    assert {**payload, "id": sent_headers["webhook-id"]} == real
    assert (await client.delete(f"/api/v1/hooks/{hook['id']}", headers=headers)).status_code == 204
    assert (await client.delete(f"/api/v1/hooks/{hook['id']}", headers=headers)).status_code == 404
    await client.post("/api/v1/tickets", headers=headers, json=QUESTION)
    await deliver(installation, owner)
    assert len(receiver.received) == 1


async def test_the_log_is_forgotten_after_its_time_but_not_what_still_waits(
    database: Database, actor: Actor, installation: Installation
) -> None:
    del installation  # which installs the noticing of events
    async with database.transaction(actor.scope) as session:
        endpoint = WebhookEndpoint(url="https://example.com", events=["ticket.created"], secret="whsec_x")
        session.add(endpoint)
        await session.flush()
    for number in range(3):
        details = CustomerDetails(external_id=f"c-{number}")
        await accept_ticket(database, actor, NewTicket("S", "Hello?", details), debounce_seconds=0)
    async with database.transaction(actor.scope) as session:
        first, second, _ = (await session.execute(select(WebhookEvent.id).order_by(WebhookEvent.id))).scalars().all()
        old = func.now() - timedelta(days=KEPT_DAYS + 1)
        await session.execute(update(WebhookEvent).where(WebhookEvent.id.in_((first, second))).values(created_at=old))
        await session.execute(
            update(WebhookDelivery).where(WebhookDelivery.event_id != second).values(state="delivered", due_at=None)
        )
        await forget_old_events(session)
        left = (await session.execute(select(WebhookEvent.id).order_by(WebhookEvent.id))).scalars().all()
    assert first not in left
    assert second in left
    assert len(left) == 2
