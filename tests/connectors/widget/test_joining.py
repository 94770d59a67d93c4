"""What agents do to a live conversation does not take it from the visitor: merging, splitting, looking at it."""

from __future__ import annotations

from typing import Any

import pytest
from litestar import Litestar

from desk.chat.presence import note_gone, note_seen
from desk.installation import Installation
from tests.connectors.widget.conftest import Visitor, following
from tests.desk.api.world import call, close_undo_windows
from tests.desk.conftest import Client, Person
from tests.desk.live_chat import ANSWER, QUESTION, publish_faq


async def tickets_of(client: Client, owner: Person) -> list[dict[str, Any]]:
    """Oldest first."""
    items = (await call(client, owner, "GET", "/tickets", params={"channel": "widget"}))["items"]
    return sorted(items, key=lambda ticket: ticket["number"])


async def bodies(visitor: Visitor) -> list[str]:
    return [message["body"] for message in (await visitor.page())["messages"]]


async def test_a_merged_conversation_goes_on_where_it_was_merged_into(
    app: Litestar, visitor: Visitor, client: Client, owner: Person, installation: Installation
) -> None:
    await visitor.write("First conversation, first message")
    first = visitor.conversation
    visitor.conversation = None
    await visitor.write("Second conversation")
    second = visitor.conversation
    visitor.conversation = first
    await visitor.write("First conversation, second message")
    kept, gone = await tickets_of(client, owner)

    async with following(app, visitor, last="0.2") as stream:
        state = (await stream.next("state")).data
        assert state["edition"] == 0
        await call(client, owner, "POST", f"/tickets/{gone['id']}/merge", json={"into": kept["id"]})
        await stream.next("reset")
        assert [message["seq"] for message in await stream.messages(3)] == [1, 2, 3]
    together = ["First conversation, first message", "Second conversation", "First conversation, second message"]
    for conversation in (first, second):
        visitor.conversation = conversation
        page = await visitor.page()
        assert [message["body"] for message in page["messages"]] == together
        assert page["state"]["id"] == first
    listed = (await visitor.call("GET", "/conversations")).json()["conversations"]
    assert [each["id"] for each in listed] == [first]
    visitor.conversation = second
    assert (await visitor.write("Written to the one that is gone")).json()["conversation_id"] == first
    reply = {"from": "agent", "body": "Here you are"}
    await call(client, owner, "POST", f"/tickets/{kept['id']}/messages", json=reply)
    await close_undo_windows(installation, owner)
    assert (await bodies(visitor))[-1] == "Here you are"


async def test_messages_that_were_split_off_are_a_conversation_of_their_own(
    visitor: Visitor, client: Client, owner: Person, installation: Installation
) -> None:
    await visitor.write("About my invoice")
    await visitor.write("And about my domain")
    (ticket,) = await tickets_of(client, owner)
    detail = await call(client, owner, "GET", f"/tickets/{ticket['id']}")
    split = {"message_ids": [detail["messages"][1]["id"]], "subject": "Domain"}
    fresh = await call(client, owner, "POST", f"/tickets/{ticket['id']}/split", json=split)
    assert await bodies(visitor) == ["About my invoice"]
    reply = {"from": "agent", "body": "Your domain is fine."}
    await call(client, owner, "POST", f"/tickets/{fresh['id']}/messages", json=reply)
    await close_undo_windows(installation, owner)
    listed = (await visitor.call("GET", "/conversations")).json()["conversations"]
    other = next(each["id"] for each in listed if each["id"] != visitor.conversation)
    visitor.conversation = other
    assert await bodies(visitor) == ["And about my domain", "Your domain is fine."]


async def test_the_visitor_sees_that_somebody_is_there_and_what_they_have_read(
    app: Litestar, visitor: Visitor, client: Client, owner: Person, installation: Installation
) -> None:
    await visitor.write("Is anybody there?")
    (ticket,) = await tickets_of(client, owner)
    async with following(app, visitor) as stream:
        state = (await stream.next("state")).data
        assert (state["is_person_here"], state["seen_seq"]) == (False, 0)
        await note_seen(installation.database, owner.actor, ticket["id"], 99)
        state = (await stream.next("state")).data
        assert (state["is_person_here"], state["seen_seq"]) == (True, 1)
        await note_gone(installation.database, owner.actor, ticket["id"])
        state = (await stream.next("state")).data
        assert (state["is_person_here"], state["seen_seq"]) == (False, 1)


@pytest.mark.usefixtures("working")
async def test_an_answer_that_was_let_out_appears_word_by_word_to_whoever_looks_on(
    app: Litestar, visitor: Visitor, client: Client, owner: Person
) -> None:
    await publish_faq(client, owner)
    await visitor.write("Hi")
    async with following(app, visitor) as stream:
        while not (state := (await stream.next("state")).data)["details_asked_after"]:
            assert not state["with_person"]
        assert not state["is_waiting"]
        await visitor.write(QUESTION)
        first, second = [(await stream.next("part")).data["text"] for _ in range(2)]
        assert first < second
        assert ANSWER.startswith(second)
        assert second != ANSWER
        whole = await stream.next("message")
        while whole.data["from"] != "machine":
            whole = await stream.next("message")
        assert whole.data["body"] == ANSWER
    async with following(app, visitor) as stream:
        assert (await stream.messages(3))[2]["body"] == ANSWER
        assert "event: part" not in stream.text
    await visitor.write("Hello")
    async with following(app, visitor) as stream:
        while not (await stream.next("state")).data["with_person"]:
            pass
