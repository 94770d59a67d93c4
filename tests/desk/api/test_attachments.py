"""Files in messages, as an integration and the desk's own pages use them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from desk.accounts.identity import Actor
from desk.attachments.kept import AttachmentLimits, GivenFile, keep_files
from desk.attachments.sniffing import SHOWN_TYPES, served_type, sniff
from desk.attachments.sweeping import forget_loose_files, sweep_orphans
from desk.attachments.threads import add_kept_files
from desk.conversation import append_message, lock_ticket
from desk.db.leases import claim
from desk.delivery import DeliveryDesk
from desk.installation import Installation
from desk.models import Delivery
from desk.ports import ConnectionDetails, HealthCheck, OutgoingReply, SendOutcome
from tests.desk.conftest import Client, People, Person
from tests.memory_storage import MemoryStorage

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj << >> endobj\n%%EOF"
PAGE = b"<!DOCTYPE html><script>alert(1)</script>"
DRAWING = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'


async def opened(client: Client, person: Person) -> dict[str, Any]:
    body = {"subject": "Backup", "body": "How do I restore it?", "customer": {"email": "ann@example.org"}}
    answer = await client.post("/api/v1/tickets", json=body, headers=person.headers)
    ticket: dict[str, Any] = answer.json()
    return ticket


async def upload(
    client: Client, person: Person, ticket_id: str, name: str, content: bytes, media_type: str = "image/png"
) -> Any:
    address = f"/api/v1/tickets/{ticket_id}/attachments"
    return await client.post(address, files={"file": (name, content, media_type)}, headers=person.headers)


async def test_a_file_is_uploaded_sent_with_a_reply_and_had_again(
    client: Client, agent: Person, installation: Installation
) -> None:
    ticket = await opened(client, agent)
    uploaded = await upload(client, agent, ticket["id"], "steps.pdf", PDF, "application/pdf")
    assert uploaded.status_code == 201
    file = uploaded.json()
    assert (file["name"], file["media_type"], file["size"], file["state"]) == (
        "steps.pdf",
        "application/pdf",
        len(PDF),
        "ready",
    )
    asked = {"from": "agent", "body": "Please follow the steps.", "attachments": [file["id"]]}
    posted = await client.post(f"/api/v1/tickets/{ticket['id']}/messages", json=asked, headers=agent.headers)
    assert [each["id"] for each in posted.json()["delivery"]["attachments"]] == [file["id"]]
    again = await client.post(f"/api/v1/tickets/{ticket['id']}/messages", json=asked, headers=agent.headers)
    assert again.status_code == 400
    assert "part of another message" in again.json()["detail"]

    channel = KeepingChannel()
    await deliver(installation, channel, agent.actor)
    assert [(each.name, each.content) for each in channel.sent[0].files] == [("steps.pdf", PDF)]
    seen = (await client.get(f"/api/v1/tickets/{ticket['id']}", headers=agent.headers)).json()
    assert [each["id"] for each in seen["messages"][-1]["attachments"]] == [file["id"]]
    got = await client.get(f"/api/v1/attachments/{file['id']}/content", headers=agent.headers)
    assert got.content == PDF
    assert got.headers["content-type"] == "application/pdf"
    removed = await client.delete(f"/api/v1/attachments/{file['id']}", headers=agent.headers)
    assert removed.status_code == 409


async def test_undo_gives_the_files_back_to_the_composer(client: Client, agent: Person) -> None:
    ticket = await opened(client, agent)
    file = (await upload(client, agent, ticket["id"], "a.png", PNG)).json()
    asked = {"from": "agent", "body": "See the picture.", "attachments": [file["id"]]}
    address = f"/api/v1/tickets/{ticket['id']}/messages"
    delivery = (await client.post(address, json=asked, headers=agent.headers)).json()["delivery"]
    undone = await client.post(f"/api/v1/deliveries/{delivery['id']}/cancel", headers=agent.headers)
    assert undone.json()["attachments"] == []
    assert (await client.post(address, json=asked, headers=agent.headers)).status_code == 201


async def test_customers_messages_and_notes_carry_files_too(client: Client, agent: Person) -> None:
    ticket = await opened(client, agent)
    for author in ("customer", "note"):
        file = (await upload(client, agent, ticket["id"], f"{author}.png", PNG)).json()
        asked = {"from": author, "body": "Look.", "attachments": [file["id"]]}
        posted = await client.post(f"/api/v1/tickets/{ticket['id']}/messages", json=asked, headers=agent.headers)
        assert [each["name"] for each in posted.json()["message"]["attachments"]] == [f"{author}.png"]


async def test_a_file_of_another_ticket_is_like_one_that_does_not_exist(client: Client, agent: Person) -> None:
    ticket, other = await opened(client, agent), await opened(client, agent)
    foreign = (await upload(client, agent, other["id"], "b.png", PNG)).json()
    answers: list[Any] = []
    for wrong in (str(uuid4()), foreign["id"]):
        asked = {"from": "agent", "body": "See the picture.", "attachments": [wrong]}
        refused = await client.post(f"/api/v1/tickets/{ticket['id']}/messages", json=asked, headers=agent.headers)
        answers.append((refused.status_code, refused.json()))
    assert answers[0] == answers[1]
    assert answers[0][0] == 404


async def test_another_tenants_file_is_like_one_that_does_not_exist(
    client: Client, agent: Person, people: People
) -> None:
    stranger = await people.person(await people.tenant("Other"), "owner", "owner@other.test")
    ticket = await opened(client, agent)
    file = (await upload(client, agent, ticket["id"], "a.png", PNG)).json()
    for method, tail in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        answers = [
            await client.request(method, f"/api/v1/attachments/{each}{tail}", headers=stranger.headers)
            for each in (file["id"], uuid4())
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].json() == answers[1].json()
    assert (await upload(client, stranger, ticket["id"], "a.png", PNG)).status_code == 404
    assert (await client.get(f"/api/v1/attachments/{file['id']}/content")).status_code == 401


@pytest.mark.parametrize(
    ("name", "content"), [("picture.png", PAGE), ("picture.svg", DRAWING), ("a.png", b"\xef\xbb\xbf  <html>")]
)
async def test_a_page_that_calls_itself_a_picture_is_only_ever_saved(
    client: Client, agent: Person, name: str, content: bytes
) -> None:
    ticket = await opened(client, agent)
    file = (await upload(client, agent, ticket["id"], name, content)).json()
    assert file["media_type"] not in SHOWN_TYPES
    got = await client.get(f"/api/v1/attachments/{file['id']}/content", headers=agent.headers)
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith("attachment;")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"] == "default-src 'none'; sandbox"


async def test_a_file_that_is_too_large_is_refused_with_its_size_and_the_limit(
    client: Client, agent: Person, installation: Installation
) -> None:
    ticket = await opened(client, agent)
    largest = installation.settings.maximum_attachment_bytes
    refused = await upload(client, agent, ticket["id"], "film.bin", bytes(largest + 1))
    assert refused.status_code == 413
    assert "10.5 MB" in refused.json()["detail"] and "up to 10 MB" in refused.json()["detail"]  # noqa: PT018
    empty = await upload(client, agent, ticket["id"], "nothing.txt", b"")
    assert (empty.status_code, "is empty" in empty.json()["detail"]) == (400, True)
    program = await upload(client, agent, ticket["id"], "tool.png", b"\x7fELF" + bytes(60))
    assert (program.status_code, "programs are not taken" in program.json()["detail"]) == (400, True)


async def test_what_came_in_by_mail_is_shown_with_why_it_was_refused(
    client: Client, agent: Person, installation: Installation
) -> None:
    ticket = await opened(client, agent)
    came = [GivenFile("a.png", "image/png", PNG), GivenFile("b.exe", "image/png", b"\x7fELF" + bytes(60))]
    limits = AttachmentLimits(1_000, 2)
    kept = await keep_files(installation.storage, agent.actor.tenant_id, [*came, *came], limits)
    assert [bool(each.reason) for each in kept] == [False, True, True, True]
    async with installation.database.transaction(agent.actor.scope) as session:
        locked = await lock_ticket(session, UUID(ticket["id"]))
        await add_kept_files(session, await append_message(session, locked, "customer", "See.", name="Ann"), kept)
    seen = (await client.get(f"/api/v1/tickets/{ticket['id']}", headers=agent.headers)).json()
    files = seen["messages"][-1]["attachments"]
    assert [each["state"] for each in files] == ["ready", "refused", "refused", "refused"]
    content = await client.get(f"/api/v1/attachments/{files[1]['id']}/content", headers=agent.headers)
    assert content.status_code == 404


async def test_nothing_is_sent_while_a_file_cannot_be_read_and_nothing_without_it(
    client: Client, agent: Person, installation: Installation
) -> None:
    ticket = await opened(client, agent)
    file = (await upload(client, agent, ticket["id"], "a.png", PNG)).json()
    asked = {"from": "agent", "body": "See the picture.", "attachments": [file["id"]]}
    await client.post(f"/api/v1/tickets/{ticket['id']}/messages", json=asked, headers=agent.headers)
    channel, empty = KeepingChannel(), MemoryStorage()
    empty.is_down = True
    with pytest.raises(Exception, match="cannot be used now"):
        await deliver(installation, channel, agent.actor, empty)
    assert channel.sent == []
    async with installation.database.transaction(agent.actor.scope) as session:
        found = await session.get_one(Delivery, channel.last)
        assert found.state == "pending"


async def test_housekeeping_takes_what_was_never_sent_and_nothing_else(
    client: Client, agent: Person, installation: Installation
) -> None:
    ticket, store = await opened(client, agent), MemoryStorage()
    kept, tenant = (await upload(client, agent, ticket["id"], "kept.png", PNG)).json(), agent.actor.tenant_id
    note = {"from": "note", "body": "Look.", "attachments": [kept["id"]]}
    await client.post(f"/api/v1/tickets/{ticket['id']}/messages", json=note, headers=agent.headers)
    loose = (await upload(client, agent, ticket["id"], "loose.png", PNG)).json()
    async for key in installation.storage.keys(tenant.hex):
        await store.put(key, await installation.storage.get(key))
    await store.put(f"{tenant.hex}/attachment/orphan", b"x")
    await store.put(f"{uuid4().hex}/attachment/of-another", b"x")
    await forget_loose_files(installation.database, tenant)
    assert await sweep_orphans(installation.database, store, tenant, installation.clock.now()) == 0, "too young"
    async with installation.database.transaction(agent.actor.scope) as session:
        await session.execute(text("UPDATE attachments SET created_at = now() - interval '25 hours'"))
    await forget_loose_files(installation.database, tenant)
    store.age = timedelta(hours=25)
    assert await sweep_orphans(installation.database, store, tenant, installation.clock.now()) == 2
    assert len(store.objects) == 2
    assert (await client.get(f"/api/v1/attachments/{loose['id']}", headers=agent.headers)).status_code == 404
    assert (await client.get(f"/api/v1/attachments/{kept['id']}", headers=agent.headers)).status_code == 200


@given(st.binary(max_size=300), st.sampled_from([b"", PNG[:8], PDF, PAGE, DRAWING, b"GIF89a", b"\xff\xd8\xff"]))
def test_nothing_is_ever_handed_out_as_something_that_runs(tail: bytes, head: bytes) -> None:
    found = sniff(head + tail)
    assert served_type(found.media_type) in SHOWN_TYPES | {
        "application/octet-stream",
        "application/pdf",
        "application/zip",
        "text/plain",
    }
    if head in {PAGE, DRAWING}:
        assert found.media_type not in SHOWN_TYPES


class KeepingChannel:
    """Takes everything."""

    kind = "rest"

    def __init__(self) -> None:
        self.sent: list[OutgoingReply] = []
        self.last = uuid4()

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        self.sent.append(reply)
        return SendOutcome("sent")

    async def reconcile(self, reply: OutgoingReply) -> SendOutcome:
        del reply
        return SendOutcome("uncertain")

    async def check(self, connection: ConnectionDetails) -> tuple[HealthCheck, ...]:
        del connection
        return ()


async def deliver(
    installation: Installation, channel: KeepingChannel, actor: Actor, storage: MemoryStorage | None = None
) -> None:
    """Without waiting for the end of the undo window."""
    async with installation.database.transaction(actor.scope) as session:
        await session.execute(text("UPDATE deliveries SET due_at = now() WHERE due_at IS NOT NULL"))
    desk = DeliveryDesk(installation.database, {"rest": channel}, storage or installation.storage, lease_seconds=30)
    for held in await claim(installation.database, "deliveries", 10, 30):
        channel.last = held.row_id
        await desk.work(held)
