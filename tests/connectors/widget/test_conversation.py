"""A visitor's conversation: answered, handed over, followed live, resumed, never told what is internal."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from litestar import Litestar
from sqlalchemy import func, select

from desk.installation import Installation
from desk.models import ChatSession, Connection, Customer, Message, Ticket
from desk.models import Visitor as VisitorRow
from desk.widget import visible
from desk.widget.files import VisibleFile
from tests.connectors.widget.conftest import Visitor, following
from tests.desk.api.world import call, close_undo_windows, do_due_work
from tests.desk.conftest import Client, Person
from tests.desk.live_chat import ANSWER, HARD, QUESTION, configure, publish_faq

PAGE = {"page_url": "https://shop.example/cart?token=secret#x", "page_title": "Your cart"}


async def count(installation: Installation, person: Person, row: Any) -> int:
    async with installation.database.transaction(person.actor.scope) as session:
        return (await session.execute(select(func.count()).select_from(row))).scalar_one()


@pytest.mark.usefixtures("working")
async def test_a_published_answer_appears_on_the_stream_with_its_source(
    app: Litestar, client: Client, owner: Person, visitor: Visitor
) -> None:
    await publish_faq(client, owner)
    written = await visitor.write(QUESTION, **PAGE)
    assert written.status_code == 201
    async with following(app, visitor) as stream:
        asked, answered = await stream.messages(2)
        assert stream.status == 200
        assert stream.response_headers["content-type"].startswith("text/event-stream")
        assert stream.response_headers["access-control-allow-origin"] == "https://shop.example"
        assert "content-encoding" not in stream.response_headers
    assert (asked["from"], asked["body"]) == ("visitor", QUESTION)
    assert (answered["from"], answered["body"], answered["name"]) == ("machine", ANSWER, "")
    listed = (await call(client, owner, "GET", "/tickets", params={"channel": "widget"}))["items"]
    assert [line["subject"] for line in listed] == [QUESTION]
    session = (await call(client, owner, "GET", "/sessions"))["items"][0]
    assert (session["page_url"], session["page_title"]) == ("https://shop.example/cart", "Your cart")


@pytest.mark.usefixtures("working")
async def test_a_hard_question_is_handed_over_at_once_and_the_agents_reply_arrives_live(
    app: Litestar, client: Client, owner: Person, visitor: Visitor, installation: Installation
) -> None:
    await visitor.write(HARD)
    async with following(app, visitor) as stream:
        while not (state := (await stream.next("state")).data)["with_person"]:
            assert state["is_waiting"]
        assert state["handed_over_after"] == [1]
        ticket = (await call(client, owner, "GET", "/tickets", params={"channel": "widget"}))["items"][0]
        note = {"from": "note", "body": "INTERNAL: this one always complains"}
        await call(client, owner, "POST", f"/tickets/{ticket['id']}/messages", json=note)
        reply = {"from": "agent", "body": "We have restarted it."}
        await call(client, owner, "POST", f"/tickets/{ticket['id']}/messages", json=reply)
        await close_undo_windows(installation, owner)
        while (message := (await stream.next("message")).data)["from"] != "person":
            assert message["from"] == "visitor"
        assert (message["body"], message["name"]) == ("We have restarted it.", "")


@pytest.mark.usefixtures("working")
async def test_a_stream_goes_on_where_it_was_left_and_starts_over_when_that_is_unknown(
    app: Litestar, client: Client, owner: Person, visitor: Visitor
) -> None:
    await publish_faq(client, owner)
    await visitor.write(QUESTION)
    async with following(app, visitor) as stream:
        first, second = [await stream.next("message") for _ in range(2)]
    assert (first.id, second.id) == ("0.1", "0.2")
    await visitor.write(HARD)
    async with following(app, visitor, last="0.2") as stream:
        assert (await stream.messages(1))[0]["body"] == HARD
    async with following(app, visitor, last="0.77") as stream:
        await stream.next("reset")
        assert [message["body"] for message in await stream.messages(3)] == [QUESTION, ANSWER, HARD]


async def test_nobody_waits_without_being_told_even_when_no_worker_runs(
    app: Litestar, client: Client, visitor: Visitor, installation: Installation, owner: Person
) -> None:
    """Nothing forbids that an answer goes out, so it is waited for."""
    policy = {"mode": "threshold", "threshold": 0, "delay_seconds": 0, "daily_cap": 100, "ticket_cap": 3}
    await call(client, owner, "PUT", "/policy", json={"channels": [{"channel": "widget", **policy}]})
    await configure(installation, owner, "widget", answer_seconds=0.4)
    await visitor.write(QUESTION)
    async with following(app, visitor) as stream:
        assert (await stream.next("state")).data["is_waiting"]
        assert (await stream.next("state", 5)).data["with_person"]


async def test_the_same_message_sent_again_even_at_once_is_taken_in_once(
    visitor: Visitor, installation: Installation, owner: Person
) -> None:
    asked = {"client_message_id": str(uuid4()), "body": HARD}
    answers = await asyncio.gather(*(visitor.call("POST", "/messages", json=asked) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 201]
    assert len({answer.text for answer in answers}) == 1
    assert await count(installation, owner, Message) == 1
    assert await count(installation, owner, Ticket) == 1


async def test_looking_leaves_nothing_behind(visitor: Visitor, installation: Installation, owner: Person) -> None:
    """Visitors, customers and conversations begin with the first message."""
    for path in ("/configuration", "/conversations", "/suggestions?q=password"):
        assert (await visitor.call("GET", path)).status_code == 200
    await visitor.begin()
    for row in (VisitorRow, Customer, ChatSession, Ticket):
        assert await count(installation, owner, row) == 0


async def test_history_is_paged_and_read_marks_and_ratings_are_kept(
    visitor: Visitor, client: Client, owner: Person, installation: Installation
) -> None:
    for number in range(7):
        assert (await visitor.write(f"Message number {number} about my order")).status_code == 201
    newest = await visitor.page(limit=3)
    assert [message["seq"] for message in newest["messages"]] == [5, 6, 7]
    assert newest["has_earlier"]
    earlier = await visitor.page(limit=3, before=2)
    assert [message["seq"] for message in earlier["messages"]] == [1]
    assert not earlier["has_earlier"]
    ticket = (await call(client, owner, "GET", "/tickets"))["items"][0]
    reply = {"from": "agent", "body": "Thank you, we are on it."}
    await call(client, owner, "POST", f"/tickets/{ticket['id']}/messages", json=reply)
    await close_undo_windows(installation, owner)
    listed = (await visitor.call("GET", "/conversations")).json()["conversations"]
    assert (listed[0]["unread"], listed[0]["preview"]) == (1, "Thank you, we are on it.")
    base = f"/conversations/{visitor.conversation}"
    assert (await visitor.call("POST", f"{base}/read", json={"seq": 99})).status_code == 204
    assert (await visitor.call("GET", "/conversations")).json()["conversations"][0]["unread"] == 0
    assert (await visitor.call("POST", f"{base}/rating", json={"rating": 6})).status_code == 400
    await call(client, owner, "PATCH", f"/tickets/{ticket['id']}", json={"status": "resolved"})
    assert (await visitor.call("POST", f"{base}/rating", json={"rating": 5, "comment": "Quick"})).status_code == 204
    scored = (await call(client, owner, "GET", f"/tickets/{ticket['id']}"))["quality_parts"]
    assert {"name": "rating", "share": 1.0, "points": 15, "reason": "rated 5 of 5"} in scored
    assert (await call(client, owner, "GET", "/sessions"))["items"][0]["rating"] == 5


async def test_a_visitor_may_ask_for_a_person_and_leave_an_address_that_proves_nothing(
    visitor: Visitor, client: Client, owner: Person
) -> None:
    known = {"subject": "Mine", "body": "A body", "customer": {"email": "ada@example.com", "name": "Ada"}}
    theirs = await call(client, owner, "POST", "/tickets", json=known)
    await visitor.write("Something about my order", wants_person=True)
    assert (await visitor.page())["state"]["with_person"]
    base = f"/conversations/{visitor.conversation}"
    assert (await visitor.call("POST", f"{base}/contact", json={"email": "not an address"})).status_code == 400
    assert (await visitor.call("POST", f"{base}/contact", json={"email": "ada@example.com"})).status_code == 204
    state = (await visitor.page())["state"]
    assert state["has_email"]
    tickets = (await call(client, owner, "GET", "/tickets", params={"channel": "widget"}))["items"]
    assert tickets[0]["escalation_reason"] == "customer_asked"
    assert tickets[0]["customer"]["email"] == "ada@example.com"
    assert tickets[0]["customer"]["id"] != theirs["customer"]["id"]
    assert len((await visitor.call("GET", "/conversations")).json()["conversations"]) == 1


async def test_typing_reaches_the_other_side_only(
    app: Litestar, visitor: Visitor, installation: Installation, owner: Person
) -> None:
    await visitor.write(HARD)
    async with installation.live.page(owner.actor.tenant_id) as page:
        typed = await visitor.call("POST", f"/conversations/{visitor.conversation}/typing")
        assert typed.status_code == 204
        while (event := await asyncio.wait_for(page.get(), 5)).kind != "typing":
            continue
        assert event.ids["by"] == "visitor"


@pytest.mark.usefixtures("working")
async def test_published_faqs_are_suggested_while_typing_where_they_may_be_sent(
    visitor: Visitor, client: Client, owner: Person
) -> None:
    await publish_faq(client, owner)
    hidden = {"question": "How do I reset my server?", "answer": "A draft answer.", "state": "draft"}
    await client.post("/api/v1/faqs", headers=owner.headers, json=hidden)
    found = (await visitor.call("GET", "/suggestions", params={"q": "reset my password"})).json()
    assert [one["answer"] for one in found["suggestions"]] == [ANSWER]
    refund = await visitor.call("GET", "/suggestions", params={"q": "refund and reset my password"})
    assert refund.json() == {"suggestions": []}
    policy = {"channel": "widget", "mode": "off", "threshold": 75, "daily_cap": 1, "ticket_cap": 1, "delay_seconds": 0}
    await call(client, owner, "PUT", "/policy", json={"channels": [{**policy, "faq_send": False}]})
    off = await visitor.call("GET", "/suggestions", params={"q": "reset my password"})
    assert off.json() == {"suggestions": []}


def test_the_fields_that_a_visitor_may_see_are_these_and_no_others() -> None:
    """Whoever adds one has to come here and say that strangers may read it."""
    structs = [
        one
        for one in [*vars(visible).values(), VisibleFile]
        if isinstance(one, type) and issubclass(one, msgspec.Struct) and one.__module__.startswith("desk.widget.")
    ]
    fields = {one.__name__: {field.encode_name for field in msgspec.structs.fields(one)} for one in structs}
    assert fields == {
        "VisibleSource": {"title", "url"},
        "VisibleFile": {"id", "name", "size", "is_picture"},
        "VisibleMessage": {"id", "seq", "from", "body", "sent_at", "name", "client_message_id", "sources", "files"},
        "VisibleState": {
            "id",
            "status",
            "with_person",
            "handed_over_after",
            "details_asked_after",
            "is_waiting",
            "is_person_here",
            "seen_seq",
            "edition",
            "is_away",
            "has_email",
            "read_seq",
            "rating",
        },
        "VisibleConversation": {"id", "status", "preview", "last_message_at", "unread"},
        "VisiblePage": {"messages", "has_earlier", "state"},
    }


async def test_nothing_internal_is_ever_on_the_visitors_channel(
    app: Litestar, visitor: Visitor, client: Client, owner: Person, installation: Installation, widget: Connection
) -> None:
    """Draft, note, reasons, tags, score, the agent's address: looked for in every byte a visitor gets."""
    article = {"title": "Ledger", "text": "# Ledger\n\nCANARY-DRAFT: the checkout writes into the ledger table."}
    await call(client, owner, "POST", "/documents", json=article)
    await do_due_work(installation)
    await visitor.write("What does the checkout write into the ledger table?")
    await do_due_work(installation)
    ticket = (await call(client, owner, "GET", "/tickets"))["items"][0]
    detail = await call(client, owner, "GET", f"/tickets/{ticket['id']}")
    assert "CANARY-DRAFT" in detail["current_draft"]["body"]
    await call(client, owner, "PATCH", f"/tickets/{ticket['id']}", json={"tags": ["canary-tag"]})
    note = {"from": "note", "body": "CANARY-NOTE"}
    await call(client, owner, "POST", f"/tickets/{ticket['id']}/messages", json=note)
    reply = {"from": "agent", "body": "Here is a reply."}
    await call(client, owner, "POST", f"/tickets/{ticket['id']}/messages", json=reply)
    await close_undo_windows(installation, owner)
    async with following(app, visitor) as stream:
        await stream.messages(2)
        seen = stream.text
    seen += json.dumps(await visitor.page())
    for path in ("/conversations", "/configuration", "/suggestions?q=ledger"):
        seen += (await visitor.call("GET", path)).text
    secrets = ("CANARY", "canary-tag", owner.email, "policy_off", "low_confidence", str(widget.tenant_id))
    assert not [secret for secret in (*secrets, ticket["id"]) if secret in seen]
