"""What the chat says with the message itself: no worker runs in these tests unless one is started."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from desk.chat import ground, taking
from desk.installation import Installation
from desk.models import Decision, Delivery, Draft, InboxEntry, Message, TenantSettings, Ticket
from tests.desk.api.world import call
from tests.desk.conftest import Client, Person
from tests.desk.live_chat import ANSWER, HARD, QUESTION, configure, publish_faq, worker
from tests.desk.test_chat import ask, drafted, ticket_of

ROWS = (Ticket, Message, InboxEntry, Draft, Decision, Delivery)


@pytest.fixture(autouse=True)
def _any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first question of a process loads the model, on a busy machine for long."""
    monkeypatch.setattr(ground, "QUICK_SECONDS", 60.0)


async def counted(installation: Installation, person: Person) -> dict[str, int]:
    async with installation.database.transaction(person.actor.scope) as session:
        return {
            str(row.__tablename__): (await session.execute(select(func.count()).select_from(row))).scalar_one()
            for row in ROWS
        }


async def test_a_faq_answer_needs_no_worker_and_leaves_none_any_work(
    client: Client, owner: Person, installation: Installation
) -> None:
    await publish_faq(client, owner)
    answered = await ask(client, owner, QUESTION, user_id="u-1", metadata={"name": "Kim"})
    assert (answered["answer"], answered["escalate"]) == (ANSWER, False)
    ticket = await ticket_of(client, owner, answered)
    assert [(line["from"], line["body"]) for line in ticket["messages"]] == [
        ("customer", QUESTION),
        ("machine", ANSWER),
    ]
    assert (ticket["status"], ticket["waiting_since"]) == ("pending", None)
    assert [event["kind"] for event in ticket["events"]] == [
        "ticket_created",
        "message_received",
        "draft_ready",
        "reply_sent",
    ]
    draft = ticket["current_draft"]
    assert (draft["state"], draft["writer"], draft["policy"]["decision"]) == ("sent", "faq", "send")
    async with installation.database.transaction(owner.actor.scope) as session:
        delivery = (await session.execute(select(Delivery))).scalar_one()
        assert (delivery.state, delivery.is_automatic, delivery.due_at) == ("sent", True, None)
        assert delivery.recipient == {"name": "Kim", "email": None, "external_id": "u-1"}
        due = await session.execute(select(Draft.id).where(Draft.due_at.is_not(None)))
        assert due.all() == []
        record = (await session.execute(select(Decision.record))).scalar_one()
        assert record["faq"]["question"] == QUESTION
        assert record["context"]["customer_name"] == "Kim"
    further = await ask(client, owner, "How do I reset my password please?", session_id=answered["session_id"])
    assert further["ticket_id"] == answered["ticket_id"]


async def test_what_no_policy_lets_out_is_handed_over_without_waiting_and_drafted_all_the_same(
    client: Client, owner: Person, installation: Installation
) -> None:
    await configure(installation, owner, "chat", answer_seconds=3600)
    answered = await asyncio.wait_for(ask(client, owner, HARD), 60)
    assert (answered["escalate"], answered["confidence"]) == (True, 0)
    ticket = await ticket_of(client, owner, answered)
    assert (ticket["escalation_reason"], ticket["current_draft"]["state"]) == ("policy_off", "writing")
    async with worker(installation):
        draft = await drafted(client, owner, answered)
    assert draft["state"] in {"ready", "failed"}


async def test_the_switch_that_stops_sending_is_read_with_the_message(
    client: Client, owner: Person, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thrown after the answer was decided upon and before it is written: it stays a proposal."""
    await publish_faq(client, owner)
    asking = taking.ask_faqs

    async def stopped_meanwhile(*arguments: Any) -> Any:
        found = await asking(*arguments)
        async with installation.database.transaction(owner.actor.scope) as session:
            await session.execute(update(TenantSettings).values(sending_stopped=True))
        return found

    monkeypatch.setattr(taking, "ask_faqs", stopped_meanwhile)
    answered = await ask(client, owner, QUESTION)
    assert answered["escalate"] is True
    ticket = await ticket_of(client, owner, answered)
    assert [line["from"] for line in ticket["messages"]] == ["customer"]
    assert (ticket["current_draft"]["state"], ticket["current_draft"]["policy"]["reasons"]) == ("ready", ["stopped"])


async def test_a_failure_on_the_way_leaves_nothing(
    client: Client, owner: Person, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish_faq(client, owner)

    async def broken(*_: Any, **__: Any) -> None:
        msg = "the database went away"
        raise OSError(msg)

    monkeypatch.setattr(taking, "announce", broken)
    refused = await client.post("/api/v1/chat", headers=owner.headers, json={"message": QUESTION})
    assert refused.status_code >= 500
    assert set((await counted(installation, owner)).values()) == {0}
    monkeypatch.undo()
    assert (await ask(client, owner, QUESTION))["answer"] == ANSWER


async def test_two_first_messages_of_one_session_make_one_ticket_and_both_are_kept(
    client: Client, owner: Person, installation: Installation
) -> None:
    await publish_faq(client, owner)
    session = await call(client, owner, "POST", "/sessions", json={})
    await configure(installation, owner, "chat", answer_seconds=0)
    answers = await asyncio.gather(*(ask(client, owner, QUESTION, session_id=session["id"]) for _ in range(2)))
    assert len({UUID(answer["ticket_id"]) for answer in answers}) == 1
    rows = await counted(installation, owner)
    assert (rows["tickets"], rows["inbox"]) == (1, 2)
    ticket = await ticket_of(client, owner, answers[0])
    said = [line["from"] for line in ticket["messages"]]
    assert said.count("customer") == 2
    assert 1 <= said.count("machine") <= 2
