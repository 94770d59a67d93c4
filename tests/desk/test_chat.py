"""The chat's contract: an answer that the policy lets out, else a person, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from desk.drafting.pipeline import DraftingDesk
from desk.installation import Installation
from desk.models import Ticket
from tests.desk.api.world import call, close_undo_windows, do_due_work
from tests.desk.conftest import Client, Person
from tests.desk.live_chat import ANSWER, HARD, QUESTION, configure, publish_faq, worker

ACTIONS = {"check_faq", "contact_support", "open_ticket", "provide_details", "rate_answer"}


@pytest.fixture
async def working(installation: Installation, client: Client) -> AsyncGenerator[None]:
    async with worker(installation):
        yield


async def ask(client: Client, person: Person, message: str, **more: Any) -> dict[str, Any]:
    answered: dict[str, Any] = await call(client, person, "POST", "/chat", json={"message": message, **more})
    assert set(answered) == {
        "answer",
        "confidence",
        "escalate",
        "suggested_actions",
        "session_id",
        "ticket_id",
        "sources",
    }
    assert set(answered["suggested_actions"]) <= ACTIONS
    return answered


async def ticket_of(client: Client, person: Person, answered: dict[str, Any]) -> dict[str, Any]:
    ticket: dict[str, Any] = await call(client, person, "GET", f"/tickets/{answered['ticket_id']}")
    return ticket


@pytest.mark.usefixtures("working")
async def test_a_published_answer_comes_at_once_and_stands_in_the_ticket(client: Client, owner: Person) -> None:
    await publish_faq(client, owner)
    answered = await ask(client, owner, QUESTION, user_id="u-1", metadata={"name": "Kim", "plan": "Meadow"})
    assert answered["answer"] == ANSWER
    assert answered["escalate"] is False
    assert answered["confidence"] >= 75
    assert answered["suggested_actions"] == ["rate_answer"]
    assert [source["kind"] for source in answered["sources"]] == ["faq"]
    ticket = await ticket_of(client, owner, answered)
    assert (ticket["channel"], ticket["status"], ticket["customer"]["name"]) == ("chat", "pending", "Kim")
    assert [(line["from"], line["body"]) for line in ticket["messages"]] == [
        ("customer", QUESTION),
        ("machine", ANSWER),
    ]
    again = await ask(client, owner, "How can I reset my password?!", session_id=answered["session_id"])
    assert again["ticket_id"] == answered["ticket_id"]
    session = await call(client, owner, "GET", f"/sessions/{answered['session_id']}")
    assert (session["user_id"], session["metadata"]["plan"]) == ("u-1", "Meadow")
    transcript = await call(client, owner, "GET", f"/sessions/{answered['session_id']}/transcript")
    assert [line["from"] for line in transcript["messages"]][:2] == ["customer", "machine"]


@pytest.mark.usefixtures("working")
async def test_a_question_that_is_not_let_out_goes_to_a_person_with_its_draft(client: Client, owner: Person) -> None:
    await publish_faq(client, owner)
    answered = await ask(client, owner, HARD)
    assert answered["escalate"] is True
    assert "person" in answered["answer"]
    assert answered["sources"] == []
    ticket = await ticket_of(client, owner, answered)
    assert ticket["escalated_at"] is not None
    assert [line["from"] for line in ticket["messages"]] == ["customer"]
    waiting = await call(client, owner, "GET", "/tickets", params={"status": "open", "channel": "chat"})
    assert [line["id"] for line in waiting["items"]] == [answered["ticket_id"]]
    handed = await call(client, owner, "GET", "/sessions", params={"status": "with_person"})
    assert [session["id"] for session in handed["items"]] == [answered["session_id"]]


@pytest.mark.usefixtures("working")
@pytest.mark.parametrize("message", ["I want to cancel. How do I reset my password?", "REFUND me: password reset"])
async def test_words_that_escalate_are_never_answered_by_machine(client: Client, owner: Person, message: str) -> None:
    await publish_faq(client, owner, message)
    answered = await ask(client, owner, message)
    assert answered["escalate"] is True
    ticket = await ticket_of(client, owner, answered)
    assert ticket["escalation_reason"] == "keyword"
    assert ticket["current_draft"]["body"] == ANSWER
    assert ticket["current_draft"]["policy"]["decision"] == "suggest"


@pytest.mark.usefixtures("working")
async def test_once_a_person_has_it_the_machine_keeps_quiet_until_the_agent_has_answered_in_the_session(
    client: Client, owner: Person, installation: Installation
) -> None:
    await publish_faq(client, owner)
    first = await ask(client, owner, HARD)
    second = await ask(client, owner, QUESTION, session_id=first["session_id"])
    assert second["escalate"] is True
    assert (await drafted(client, owner, second))["state"] == "ready"
    ticket = await ticket_of(client, owner, first)
    assert [line["from"] for line in ticket["messages"]] == ["customer", "customer"]
    reply = {"from": "agent", "body": "I have restarted the database; it works again."}
    await call(client, owner, "POST", f"/tickets/{first['ticket_id']}/messages", json=reply)
    await close_undo_windows(installation, owner)
    transcript = await call(client, owner, "GET", f"/sessions/{first['session_id']}/transcript")
    assert transcript["messages"][-1]["body"] == reply["body"]
    assert (await call(client, owner, "GET", f"/tickets/{first['ticket_id']}"))["escalated_at"] is None
    third = await ask(client, owner, QUESTION, session_id=first["session_id"])
    assert third["escalate"] is True
    assert (await drafted(client, owner, third))["policy"]["reasons"][0] == "with_person"


async def drafted(client: Client, person: Person, answered: dict[str, Any]) -> dict[str, Any]:
    """The ticket's newest draft, once it is written."""
    for _ in range(600):
        draft: dict[str, Any] | None = (await ticket_of(client, person, answered))["current_draft"]
        if draft is not None and draft["state"] != "writing":
            return draft
        await asyncio.sleep(0.1)
    pytest.fail("no draft was written")


@pytest.mark.usefixtures("working")
async def test_a_conversation_that_somebody_has_taken_is_not_answered_by_machine(client: Client, owner: Person) -> None:
    await publish_faq(client, owner)
    other = "Where are your data centres?"
    await publish_faq(client, owner, other, "They are in Frankfurt and Tallinn.")
    answered = await ask(client, owner, QUESTION)
    assignee = {"assignee": str(owner.actor.user_id)}
    await call(client, owner, "PATCH", f"/tickets/{answered['ticket_id']}", json=assignee)
    again = await ask(client, owner, other, session_id=answered["session_id"])
    assert again["escalate"] is True
    draft = await drafted(client, owner, again)
    assert (draft["state"], draft["policy"]["decision"]) == ("ready", "suggest")


async def test_an_answer_that_still_waits_is_held_back_when_a_person_is_asked_for(
    client: Client, owner: Person, installation: Installation
) -> None:
    """The channel's delay is longer than anybody waits: the person was promised, so the machine keeps quiet."""
    await publish_faq(client, owner)
    policy = {"mode": "off", "threshold": 75, "delay_seconds": 3600, "daily_cap": 100, "ticket_cap": 3}
    await call(client, owner, "PUT", "/policy", json={"channels": [{"channel": "chat", **policy, "faq_send": True}]})
    await configure(installation, owner, "chat", answer_seconds=0)
    answered = await ask(client, owner, QUESTION)
    assert answered["escalate"] is True
    await call(client, owner, "PATCH", f"/tickets/{answered['ticket_id']}", json={"status": "open"})
    async with worker(installation):
        assert (await drafted(client, owner, answered))["state"] == "ready"
    second = await ask(client, owner, QUESTION)
    async with installation.database.transaction(owner.actor.scope) as session:
        await session.execute(
            update(Ticket).where(Ticket.id == UUID(second["ticket_id"])).values(escalated_at=None, priority="normal")
        )
    async with worker(installation):
        assert (await drafted(client, owner, second))["state"] == "approved"
    escalation = {"session_id": second["session_id"], "reason": "agent_asked"}
    await call(client, owner, "POST", "/escalate", json=escalation)
    await close_undo_windows(installation, owner)
    ticket = await ticket_of(client, owner, second)
    assert ticket["current_draft"]["state"] == "ready"
    assert [line["from"] for line in ticket["messages"]] == ["customer"]
    assert ticket["waiting_since"] is not None


@pytest.mark.usefixtures("working")
async def test_each_question_of_a_session_is_answered_for_itself(client: Client, owner: Person) -> None:
    """The title of the ticket is the first question; it must not be read into the second."""
    long = "Which nameservers does my domain need before the website can move to your cluster?"
    await publish_faq(client, owner, long, "Use the nameservers ns1 and ns2.")
    await publish_faq(client, owner)
    first = await ask(client, owner, long)
    second = await ask(client, owner, QUESTION, session_id=first["session_id"])
    assert (first["answer"], second["answer"]) == ("Use the nameservers ns1 and ns2.", ANSWER)


async def let_written_replies_out(client: Client, person: Person, installation: Installation) -> None:
    """Threshold mode with the threshold at nothing, and an article to write from."""
    article = {"title": "Backups", "text": "# Backups\n\nBackups are kept for 14 days. A restore is free of charge."}
    await call(client, person, "POST", "/documents", json=article)
    policy = {"mode": "threshold", "threshold": 0, "delay_seconds": 0, "daily_cap": 100, "ticket_cap": 3}
    none: list[str] = []
    escalation = {"chat_threshold": 0.0, "keywords": none, "topics": none, "minimum_reply_characters": 1}
    change: dict[str, Any] = {"channels": [{"channel": "chat", **policy}], "escalation": escalation}
    await call(client, person, "PUT", "/policy", json=change)
    await do_due_work(installation)


async def test_nobody_waits_longer_than_the_time_and_a_late_draft_is_left_to_the_person(
    client: Client, owner: Person, installation: Installation
) -> None:
    """No worker runs: the hand-off comes all the same, and the draft that is written later is not sent."""
    await let_written_replies_out(client, owner, installation)
    await configure(installation, owner, "chat", answer_seconds=0.3)
    answered = await asyncio.wait_for(ask(client, owner, "How long are backups kept?"), 30)
    assert answered["escalate"] is True
    assert answered["confidence"] == 0
    async with worker(installation):
        draft = await drafted(client, owner, answered)
    assert "14 days" in draft["body"]
    assert draft["policy"]["reasons"][0] == "with_person"
    ticket = await ticket_of(client, owner, answered)
    assert [line["from"] for line in ticket["messages"]] == ["customer"]
    assert ticket["escalation_reason"] == "no_quick_answer"


async def test_a_draft_that_cannot_be_written_is_a_hand_off_and_not_a_silence(
    client: Client, owner: Person, installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        msg = "the writer is broken"
        raise RuntimeError(msg)

    monkeypatch.setattr(DraftingDesk, "compose", broken)
    await configure(installation, owner, "chat", answer_seconds=1)
    async with worker(installation):
        answered = await ask(client, owner, QUESTION)
    assert answered["escalate"] is True


async def test_an_answer_that_is_not_sure_offers_a_person(
    client: Client, owner: Person, installation: Installation
) -> None:
    """In threshold mode with the threshold at nothing, whatever was written goes out, with the disclaimer."""
    await let_written_replies_out(client, owner, installation)
    async with worker(installation):
        answered = await ask(client, owner, "How long are backups kept?")
    assert answered["escalate"] is False, answered
    assert "14 days" in answered["answer"]
    assert answered["answer"].endswith("tell us and a person will help you.")
    assert "contact_support" in answered["suggested_actions"]
    assert "tenant_kb" in {source["kind"] for source in answered["sources"]}


async def test_sessions_are_opened_listed_and_closed_without_losing_a_question(
    client: Client, owner: Person, installation: Installation
) -> None:
    await configure(installation, owner, "chat", answer_seconds=0)
    session = await call(client, owner, "POST", "/sessions", json={"user_id": "u-9"})
    assert (session["status"], session["ticket_id"]) == ("open", None)
    empty = await call(client, owner, "GET", f"/sessions/{session['id']}/transcript")
    assert empty["messages"] == []
    answered = await ask(client, owner, HARD, session_id=session["id"])
    assert answered["session_id"] == session["id"]
    closed = await call(client, owner, "POST", f"/sessions/{session['id']}/close")
    assert closed["status"] == "closed"
    listed = await call(client, owner, "GET", "/sessions", params={"status": "closed"})
    assert [one["id"] for one in listed["items"]] == [session["id"]]
    assert (await ticket_of(client, owner, answered))["status"] == "open"
    late = {"message": "Hello?", "session_id": session["id"]}
    assert (await client.post("/api/v1/chat", headers=owner.headers, json=late)).status_code == 409


async def test_escalating_by_session_and_wrong_input(client: Client, owner: Person, installation: Installation) -> None:
    await configure(installation, owner, "chat", answer_seconds=0)
    answered = await ask(client, owner, HARD, user_id="u-1")
    ticket = await call(
        client, owner, "POST", "/escalate", json={"session_id": answered["session_id"], "reason": "angry"}
    )
    assert ticket["id"] == answered["ticket_id"]
    for path, body, status in (
        ("/chat", {"message": "  "}, 400),
        ("/chat", {"message": "Hi", "session_id": str(uuid4())}, 404),
        ("/chat", {"message": "Hi", "session_id": answered["session_id"], "user_id": "u-2"}, 409),
        ("/escalate", {"reason": "angry"}, 400),
        ("/escalate", {"reason": "angry", "session_id": str(uuid4())}, 404),
    ):
        refused = await client.post(f"/api/v1{path}", headers=owner.headers, json=body)
        assert refused.status_code == status, (path, body, refused.text)
