"""The contract of tickets, drafts and replies: from the first message to what was learned."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from desk.installation import Installation
from tests.desk.api.world import ARTICLE, QUESTION, call, close_undo_windows, do_due_work, drafted_ticket
from tests.desk.conftest import Client, People, Person

DRAFT_FIELDS = {
    "id", "ticket_id", "state", "body", "language", "based_on_seq", "writer", "model", "prompt_version", "confidence",
    "intent", "sources", "checks", "policy", "cost", "timings_ms",
}  # fmt: skip


async def test_from_a_question_to_a_learned_answer(
    client: Client, installation: Installation, owner: Person, agent: Person
) -> None:
    await call(client, owner, "POST", "/documents", json={"title": "Passwords", "text": ARTICLE, "category": "Login"})
    await do_due_work(installation)
    ticket = await drafted_ticket(client, installation, agent)
    draft = ticket["current_draft"]
    assert draft.keys() >= DRAFT_FIELDS
    assert draft["state"] == "ready"
    assert "choose Forgot password" in draft["body"]
    cited = next(source for source in draft["sources"] if source["used"])
    assert (cited["kind"], cited["title"], cited["version"]) == ("tenant_kb", "Passwords", 1)
    assert draft["confidence"].keys() >= {"score", "level", "calibrated", "parts"}
    decision = await call(client, agent, "GET", f"/drafts/{draft['id']}/decision")
    assert decision["hits"]

    edited = draft["body"].replace("choose Forgot password", "do not choose Forgot password")
    approval = {"body": edited, "based_on_seq": ticket["last_inbound_seq"], "resolve": True}
    approved = await call(client, agent, "POST", f"/drafts/{draft['id']}/approve", json=approval)
    assert approved["delivery"]["state"] == "pending"
    assert approved["analysis"]["learned"] == "correction"
    assert [(change["before"], change["after"]) for change in approved["analysis"]["changes"]]
    second = await client.post(f"/api/v1/drafts/{draft['id']}/approve", json=approval, headers=owner.headers)
    assert second.status_code == 409
    assert second.json()["title"] == "Changed meanwhile"

    undone = await call(client, agent, "POST", f"/deliveries/{approved['delivery']['id']}/cancel")
    assert undone["state"] == "cancelled"
    again = await call(client, agent, "POST", f"/drafts/{draft['id']}/approve", json=approval)
    await close_undo_windows(installation, agent)
    late = await client.post(f"/api/v1/deliveries/{again['delivery']['id']}/cancel", headers=agent.headers)
    assert late.status_code == 409

    learned = (await call(client, agent, "GET", "/corrections"))["items"]
    assert [entry["provenance"]["ticket_id"] for entry in learned] == [ticket["id"]]
    found = await call(client, agent, "GET", "/search", params={"q": QUESTION["body"], "sources": "correction"})
    assert [hit["id"] for hit in found["items"]] == [learned[0]["id"]]
    await call(client, owner, "DELETE", f"/corrections/{learned[0]['id']}")
    found = await call(client, agent, "GET", "/search", params={"q": QUESTION["body"], "sources": "correction"})
    assert found["items"] == []


async def test_the_same_external_id_makes_one_ticket_and_one_message_however_often_it_comes(
    client: Client, agent: Person
) -> None:
    body = {**QUESTION, "external_id": "order-1"}
    answers = await asyncio.gather(
        *(client.post("/api/v1/tickets", json=body, headers=agent.headers) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    ticket_id = answers[0].json()["id"]
    message = {"from": "customer", "body": "Still no luck.", "external_id": "m-2"}
    codes = [
        (await client.post(f"/api/v1/tickets/{ticket_id}/messages", json=message, headers=agent.headers)).status_code
        for _ in range(2)
    ]
    assert codes == [201, 200]
    ticket = await call(client, agent, "GET", f"/tickets/{ticket_id}")
    assert [entry["body"] for entry in ticket["messages"]] == [QUESTION["body"], "Still no luck."]


async def test_a_newer_message_refuses_the_approval_of_an_older_draft(
    client: Client, installation: Installation, owner: Person
) -> None:
    await call(client, owner, "POST", "/documents", json={"title": "Passwords", "text": ARTICLE})
    await do_due_work(installation)
    ticket = await drafted_ticket(client, installation, owner)
    news = {"from": "customer", "body": "Never mind, it is about my invoice."}
    await call(client, owner, "POST", f"/tickets/{ticket['id']}/messages", json=news)
    stale = await client.post(
        f"/api/v1/drafts/{ticket['current_draft']['id']}/approve",
        json={"based_on_seq": ticket["last_inbound_seq"]},
        headers=owner.headers,
    )
    assert stale.status_code == 409
    fresh = await call(client, owner, "POST", f"/tickets/{ticket['id']}/drafts", json={"tone": "formal"})
    assert (fresh["state"], fresh["based_on_seq"]) == ("writing", 2)


async def test_views_filters_search_and_sorting(
    client: Client, installation: Installation, agent: Person, owner: Person
) -> None:
    first = await call(client, agent, "POST", "/tickets", json={**QUESTION, "subject": "100% sure_thing"})
    second = await call(client, agent, "POST", "/tickets", json=QUESTION)
    third = await call(client, agent, "POST", "/tickets", json={**QUESTION, "customer": {"name": "Robin"}})
    await call(
        client,
        agent,
        "PATCH",
        f"/tickets/{first['id']}",
        json={"assignee": str(agent.actor.user_id), "tags": ["vip", " vip "], "priority": "urgent"},
    )
    await call(client, agent, "POST", "/escalate", json={"ticket_id": second["id"], "reason": "angry"})
    await call(client, agent, "PATCH", f"/tickets/{third['id']}", json={"status": "resolved"})

    async def listed(**wanted: Any) -> list[str]:
        answer = await call(client, agent, "GET", "/tickets", params=wanted)
        assert answer["total"] == len(answer["items"])
        return [item["id"] for item in answer["items"]]

    assert await listed(view="mine") == [first["id"]]
    assert await listed(assignee="me") == [first["id"]]
    assert await listed(view="unassigned") == [second["id"]]
    assert await listed(view="escalated") == [second["id"]]
    assert await listed(view="resolved") == [third["id"]]
    assert await listed(tag="vip") == [first["id"]]
    assert await listed(q="100% SURE_") == [first["id"]]
    assert await listed(q="%") == [first["id"]]
    assert await listed(q="_") == [first["id"]]
    assert await listed(q="robin") == [third["id"]]
    assert await listed(q=f"#{second['number']}") == [second["id"]]
    assert await listed(sort="-priority") == [first["id"], second["id"], third["id"]]
    assert await listed(sort="number") == [first["id"], second["id"], third["id"]]
    counts = await call(client, agent, "GET", "/tickets/counts")
    assert counts == {
        "needs_reply": 2, "mine": 1, "unassigned": 1, "escalated": 1, "pending": 0, "failed_or_uncertain": 0,
        "resolved": 1, "all": 3,
    }  # fmt: skip
    page = await call(client, agent, "GET", "/tickets", params={"limit": 1, "offset": 1, "sort": "number"})
    assert ([item["id"] for item in page["items"]], page["total"], page["offset"]) == ([second["id"]], 3, 1)


async def test_changes_are_checked_recorded_and_undone_by_reopening(
    client: Client, people: People, agent: Person
) -> None:
    stranger = await people.person(await people.tenant("Elsewhere"), "agent", "a@elsewhere.test")
    ticket = await call(client, agent, "POST", "/tickets", json=QUESTION)
    past = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    for change in (
        {"assignee": str(stranger.actor.user_id)},
        {"status": "lost"},
        {"priority": "now"},
        {"snoozed_until": past},
        {"tags": ["x" * 200]},
        {"colour": "red"},
        {"status": None},
    ):
        refused = await client.patch(f"/api/v1/tickets/{ticket['id']}", json=change, headers=agent.headers)
        assert refused.status_code == 400, (change, refused.text)
    closed = await call(client, agent, "PATCH", f"/tickets/{ticket['id']}", json={"status": "closed"})
    assert closed["waiting_since"] is None
    assert closed["current_draft"] is None  # nobody is to write into a ticket that was put away
    opened = await call(client, agent, "PATCH", f"/tickets/{ticket['id']}", json={"status": "open"})
    assert opened["waiting_since"] == ticket["waiting_since"]
    kinds = [event["kind"] for event in opened["events"]]
    assert kinds == ["ticket_created", "ticket_changed", "ticket_changed"]
    assert opened["events"][-1]["detail"] == {"status": {"from": "closed", "to": "open"}}


async def test_merging_joins_threads_by_time_and_splitting_takes_them_apart(
    client: Client, installation: Installation, agent: Person
) -> None:
    old = await call(client, agent, "POST", "/tickets", json={**QUESTION, "body": "one"})
    new = await call(client, agent, "POST", "/tickets", json={**QUESTION, "body": "two"})
    await call(client, agent, "POST", f"/tickets/{old['id']}/messages", json={"from": "agent", "body": "an answer"})
    busy = await client.post(f"/api/v1/tickets/{new['id']}/merge", json={"into": old["id"]}, headers=agent.headers)
    assert busy.status_code == 409
    await close_undo_windows(installation, agent)
    await call(client, agent, "POST", f"/tickets/{old['id']}/messages", json={"from": "customer", "body": "three"})

    merged = await call(client, agent, "POST", f"/tickets/{new['id']}/merge", json={"into": old["id"]})
    assert [(entry["seq"], entry["body"]) for entry in merged["messages"]] == [
        (1, "one"), (2, "two"), (3, "an answer"), (4, "three"),
    ]  # fmt: skip
    assert (merged["last_seq"], merged["last_inbound_seq"]) == (4, 4)
    assert merged["current_draft"]["based_on_seq"] == 4
    left = await call(client, agent, "GET", f"/tickets/{new['id']}")
    assert (left["status"], left["messages"]) == ("closed", [])

    chosen = [merged["messages"][3]["id"]]
    apart = await call(
        client, agent, "POST", f"/tickets/{old['id']}/split", json={"message_ids": chosen, "subject": "Apart"}
    )
    assert (apart["subject"], [entry["body"] for entry in apart["messages"]]) == ("Apart", ["three"])
    assert apart["current_draft"]["based_on_seq"] == 1
    rest = await call(client, agent, "GET", f"/tickets/{old['id']}")
    assert [entry["body"] for entry in rest["messages"]] == ["one", "two", "an answer"]
    assert rest["waiting_since"] is None
    other = {**QUESTION, "customer": {"external_id": "someone else"}}
    foreign = await call(client, agent, "POST", "/tickets", json=other)
    refused = await client.post(
        f"/api/v1/tickets/{foreign['id']}/merge", json={"into": old["id"]}, headers=agent.headers
    )
    assert refused.status_code == 400


async def test_trying_a_question_or_a_replay_stores_nothing(
    client: Client, installation: Installation, owner: Person
) -> None:
    await call(client, owner, "POST", "/documents", json={"title": "Passwords", "text": ARTICLE})
    await do_due_work(installation)
    ticket = await drafted_ticket(client, installation, owner)
    before = await call(client, owner, "GET", "/usage")
    asked = {"subject": QUESTION["subject"], "body": QUESTION["body"]}
    tried = await call(client, owner, "POST", "/playground", json=asked)
    assert (tried["id"], tried["ticket_id"]) == (None, None)
    assert "choose Forgot password" in tried["body"]
    weights = {"global_kb": 1, "tenant_kb": 3, "example": 0, "correction": 0}
    replayed = await call(
        client, owner, "POST", f"/drafts/{ticket['current_draft']['id']}/replay", json={"weights": weights}
    )
    assert replayed["ticket_id"] == ticket["id"]
    best = replayed["sources"][0]
    assert best["weighted_score"] == pytest.approx(0.75 * best["score"], abs=0.001)
    assert await call(client, owner, "GET", "/usage") == before
    assert await call(client, owner, "GET", f"/tickets/{ticket['id']}") == ticket
    unknown = await client.post("/api/v1/playground", json={**asked, "prompt_id": str(uuid4())}, headers=owner.headers)
    assert unknown.status_code == 404
