"""The outbox: every reply once, what nobody can know is never sent again by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import select, text, update

from desk import review
from desk.accounts.identity import Actor
from desk.db.leases import Claim, LostLeaseError, claim, hold
from desk.db.unit_of_work import Database
from desk.delivery import DeliveryDesk, resolve_uncertain
from desk.errors import ConflictError
from desk.intake import NewMessage, accept_message
from desk.models import Delivery, Draft, Message, Ticket
from desk.policy.rules import stop_sending
from desk.ports import ConnectionDetails, HealthCheck, OutgoingReply, SendOutcome
from tests.conftest import new_owner
from tests.desk.conversations import new_ticket, ready_draft, reload
from tests.memory_storage import MemoryStorage


class ScriptedChannel:
    """Answers what it is told and counts what reached it; the real channels have tests of their own."""

    kind = "rest"

    def __init__(self, *outcomes: SendOutcome, looked_up: SendOutcome | None = None) -> None:
        self.outcomes = list(outcomes)
        self.looked_up = looked_up or SendOutcome("uncertain", "cannot be looked up")
        self.sent: list[OutgoingReply] = []
        self.before_answer: Callable[[], None] = lambda: None

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        self.sent.append(reply)
        self.before_answer()
        return self.outcomes.pop(0) if self.outcomes else SendOutcome("sent", provider_id="p-1")

    async def reconcile(self, _: OutgoingReply) -> SendOutcome:
        return self.looked_up

    async def check(self, _: ConnectionDetails) -> tuple[HealthCheck, ...]:
        return ()


async def queued_delivery(database: Database, actor: Actor, body: str = "Hello") -> tuple[Ticket, UUID]:
    ticket = await new_ticket(database, actor)
    delivery = await review.reply(database, actor, ticket.id, body, based_on_seq=1, resolve=False, undo_seconds=0)
    return ticket, delivery.id


async def work_all(database: Database, channel: ScriptedChannel, lease_seconds: float = 30) -> int:
    desk = DeliveryDesk(database, {"rest": channel}, MemoryStorage(), lease_seconds=lease_seconds)
    claims = await claim(database, "deliveries", 50, lease_seconds)
    for held in claims:
        await desk.work(held)
    return len(claims)


async def _make_due(database: Database, actor: Actor, delivery_id: UUID) -> None:
    async with database.transaction(actor.scope) as session:
        await session.execute(
            update(Delivery)
            .where(Delivery.id == delivery_id)
            .values(due_at=text("now() - interval '1 second'"), lease_until=None)
        )


async def test_a_reply_is_sent_once_and_then_stands_in_the_thread(fresh_database: Database) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    ticket, delivery_id = await queued_delivery(database, actor)
    channel = ScriptedChannel()
    assert await work_all(database, channel) == 1
    assert await work_all(database, channel) == 0
    delivery = await reload(database, actor, Delivery, delivery_id)
    assert (delivery.state, delivery.provider_id, len(channel.sent)) == ("sent", "p-1", 1)
    assert channel.sent[0].configuration["signing_secret"].startswith("whsec_")
    async with database.transaction(actor.scope) as session:
        bodies = list((await session.execute(select(Message.body).order_by(Message.seq))).scalars())
    assert bodies == ["How long are my backups kept?", "Hello"]
    assert (await reload(database, actor, Ticket, ticket.id)).status == "pending"


async def test_two_workers_never_get_the_same_row(fresh_database: Database) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    for _ in range(8):
        await queued_delivery(database, actor)
    rounds = await asyncio.gather(*[claim(database, "deliveries", 3, 30) for _ in range(6)])
    claimed = [held.row_id for held_rows in rounds for held in held_rows]
    assert len(claimed) == len(set(claimed)) == 8


async def test_only_what_was_surely_not_accepted_is_tried_again(fresh_database: Database) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    _, delivery_id = await queued_delivery(database, actor)
    channel = ScriptedChannel(SendOutcome("retry", "connection refused"), SendOutcome("failed", "410 Gone"))
    await work_all(database, channel)
    waiting = await reload(database, actor, Delivery, delivery_id)
    assert (waiting.state, waiting.detail) == ("pending", "connection refused")
    assert waiting.due_at is not None
    assert waiting.due_at > waiting.updated_at
    assert await work_all(database, channel) == 0
    await _make_due(database, actor, delivery_id)
    await work_all(database, channel)
    assert (await reload(database, actor, Delivery, delivery_id)).state == "failed"
    assert len(channel.sent) == 2


async def test_a_worker_that_died_while_sending_leaves_an_uncertain_reply_that_a_person_decides(
    fresh_database: Database,
) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    ticket, delivery_id = await queued_delivery(database, actor)
    died = ScriptedChannel()
    died.before_answer = lambda: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        await work_all(database, died)
    assert (await reload(database, actor, Delivery, delivery_id)).state == "sending"

    await _make_due(database, actor, delivery_id)
    channel = ScriptedChannel()
    await work_all(database, channel)
    uncertain = await reload(database, actor, Delivery, delivery_id)
    assert (uncertain.state, uncertain.due_at, channel.sent) == ("uncertain", None, [])
    assert (await reload(database, actor, Ticket, ticket.id)).status == "open"

    await resolve_uncertain(database, actor, delivery_id, "send_again")
    await work_all(database, channel)
    assert (await reload(database, actor, Delivery, delivery_id)).state == "sent"
    assert len(channel.sent) == 1
    with pytest.raises(ConflictError):
        await resolve_uncertain(database, actor, delivery_id, "send_again")


async def test_an_uncertain_reply_that_can_be_looked_up_is_settled_by_itself(fresh_database: Database) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    _, delivery_id = await queued_delivery(database, actor)
    async with database.transaction(actor.scope) as session:
        await session.execute(update(Delivery).values(state="sending"))
    channel = ScriptedChannel(looked_up=SendOutcome("sent", provider_id="p-9"))
    await work_all(database, channel)
    assert (await reload(database, actor, Delivery, delivery_id)).provider_id == "p-9"
    assert channel.sent == []


async def test_a_worker_that_slept_through_its_lease_changes_nothing(fresh_database: Database) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    _, delivery_id = await queued_delivery(database, actor)
    (slept,) = await claim(database, "deliveries", 1, 0.01)
    await asyncio.sleep(0.05)
    (awake,) = await claim(database, "deliveries", 1, 30)
    assert (awake.row_id, awake.fence) == (slept.row_id, slept.fence + 1)
    channel = ScriptedChannel()
    with pytest.raises(LostLeaseError):
        await DeliveryDesk(database, {"rest": channel}, MemoryStorage(), lease_seconds=30).work(slept)
    assert channel.sent == []
    with pytest.raises(LostLeaseError):
        async with database.transaction(actor.scope) as session:
            await hold(session, Delivery, Claim("deliveries", delivery_id, slept.tenant_id, slept.fence))


async def test_a_worker_held_up_right_before_the_call_does_not_make_it_late(fresh_database: Database) -> None:
    """Whoever has taken over meanwhile may have looked already whether the call was made."""
    database, actor = fresh_database, await new_owner(fresh_database)
    _, delivery_id = await queued_delivery(database, actor)
    (held,) = await claim(database, "deliveries", 1, 30)
    channel = ScriptedChannel()
    # Half a lease passes within any transaction when it is this short.
    await DeliveryDesk(database, {"rest": channel}, MemoryStorage(), lease_seconds=0.0001).work(held)
    assert channel.sent == []
    delivery = await reload(database, actor, Delivery, delivery_id)
    assert (delivery.state, delivery.provider_id) == ("pending", None)
    assert "held up" in delivery.detail


async def automatic_delivery(database: Database, actor: Actor) -> tuple[Ticket, Draft, UUID]:
    ticket = await new_ticket(database, actor)
    draft = await ready_draft(database, actor, ticket)
    async with database.transaction(actor.scope) as session:
        held = await session.get_one(Ticket, ticket.id)
        mine = await session.get_one(Draft, draft.id)
        delivery = await review.queue_delivery(
            session, held, draft.body, draft=mine, actor=None, undo_seconds=0, resolve=False
        )
        mine.state = "approved"
    return ticket, draft, delivery.id


async def test_the_kill_switch_stops_a_reply_that_no_person_approved(fresh_database: Database) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    _, draft, delivery_id = await automatic_delivery(database, actor)
    async with database.transaction(actor.scope) as session:
        await stop_sending(session, stopped=True)
    channel = ScriptedChannel()
    await work_all(database, channel)
    delivery = await reload(database, actor, Delivery, delivery_id)
    assert (delivery.state, delivery.detail, channel.sent) == ("cancelled", "automatic sending is stopped", [])
    assert (await reload(database, actor, Draft, draft.id)).state == "ready"

    _, approved_by_person = await queued_delivery(database, actor)
    await work_all(database, channel)
    assert (await reload(database, actor, Delivery, approved_by_person)).state == "sent"


async def test_an_automatic_reply_is_not_sent_when_the_customer_has_written_again(fresh_database: Database) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    ticket, draft, delivery_id = await automatic_delivery(database, actor)
    await accept_message(database, actor, ticket.id, NewMessage("Never mind, solved"), debounce_seconds=0)
    channel = ScriptedChannel()
    await work_all(database, channel)
    assert (await reload(database, actor, Delivery, delivery_id)).state == "cancelled"
    assert channel.sent == []
    assert (await reload(database, actor, Draft, draft.id)).state == "stale"
