"""Files of visitors and for visitors, through the widget's own protocol."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from tests.connectors.widget.conftest import SHOP, Visitor
from tests.desk.api.test_attachments import PAGE, PDF, PNG
from tests.desk.api.world import call, close_undo_windows, do_due_work
from tests.desk.conftest import Client, Installation, Person


async def announce(visitor: Visitor, name: str, content: bytes, size: int | None = None) -> httpx.Response:
    asked = {"name": name, "type": "image/png", "size": len(content) if size is None else size}
    return await visitor.call("POST", "/attachments", json=asked)


async def put(visitor: Visitor, given: dict[str, Any], content: bytes, **headers: str) -> httpx.Response:
    path = urlsplit(given["url"]).path
    sent = {**given["headers"], "Origin": SHOP, **headers}
    del sent["Content-Length"]
    return await visitor.client.put(path, content=content, headers=sent)


async def upload(visitor: Visitor, name: str, content: bytes) -> dict[str, Any]:
    given = (await announce(visitor, name, content)).json()
    assert (await put(visitor, given, content)).status_code == 204
    done: dict[str, Any] = (await visitor.call("POST", f"/attachments/{given['id']}/complete")).json()
    return done


async def test_a_visitors_picture_reaches_the_agent_and_the_agents_file_the_visitor(
    client: Client, owner: Person, visitor: Visitor, installation: Installation
) -> None:
    picture = await upload(visitor, "screen.png", PNG)
    assert picture["state"] == "ready"
    written = await visitor.write("Look at this", attachments=[picture["id"]])
    assert written.status_code == 201, written.text
    assert written.json()["message"]["files"] == [
        {"id": picture["id"], "name": "screen.png", "size": len(PNG), "is_picture": True}
    ]
    ticket = (await call(client, owner, "GET", "/tickets", params={"channel": "widget"}))["items"][0]
    seen = (await call(client, owner, "GET", f"/tickets/{ticket['id']}"))["messages"][0]["attachments"]
    assert [(each["id"], each["media_type"]) for each in seen] == [(picture["id"], "image/png")]

    address = f"/api/v1/tickets/{ticket['id']}/attachments"
    form = {"file": ("steps.pdf", PDF, "application/pdf")}
    steps = (await client.post(address, files=form, headers=owner.headers)).json()
    reply = {"from": "agent", "body": "Here are the steps.", "attachments": [steps["id"]]}
    await call(client, owner, "POST", f"/tickets/{ticket['id']}/messages", json=reply)
    assert (await visitor.call("GET", f"/attachments/{steps['id']}")).status_code == 404, "not sent yet"
    await close_undo_windows(installation, owner)
    await do_due_work(installation)
    answered = (await visitor.page())["messages"][-1]
    assert [each["name"] for each in answered["files"]] == ["steps.pdf"]
    where = (await visitor.call("GET", f"/attachments/{steps['id']}")).json()["url"]
    got = await client.get(urlsplit(where).path)
    assert got.content == PDF
    assert got.headers["content-disposition"].startswith("attachment;")
    assert got.headers["content-security-policy"] == "default-src 'none'; sandbox"


async def test_nobody_else_gets_at_a_visitors_files(client: Client, visitor: Visitor) -> None:
    mine = await upload(visitor, "screen.png", PNG)
    await visitor.write("Look at this", attachments=[mine["id"]])
    loose = await upload(visitor, "other.png", PNG)
    other = Visitor(client, visitor.key)
    await other.begin()
    await other.write("Hello, I am somebody else")
    for method, tail, each in (
        ("GET", "", mine),
        ("GET", "", loose),
        ("POST", "/complete", loose),
        ("POST", "/withdraw", loose),
    ):
        answers = [await other.call(method, f"/attachments/{one}{tail}") for one in (each["id"], uuid4())]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].json() == answers[1].json()
    assert (await other.write("Mine now?", attachments=[loose["id"]])).status_code == 404
    assert (await visitor.call("POST", f"/attachments/{loose['id']}/withdraw")).status_code == 204
    assert (await visitor.write("Gone?", attachments=[loose["id"]])).status_code == 404


async def test_what_arrives_is_what_was_announced_and_is_looked_at(visitor: Visitor) -> None:
    given = (await announce(visitor, "screen.png", PNG)).json()
    assert (await visitor.call("POST", f"/attachments/{given['id']}/complete")).status_code == 409, "nothing came"
    assert (await put(visitor, given, PNG + b"more")).status_code == 400
    assert (await put(visitor, given, PNG, **{"Content-Type": "text/html"})).status_code == 400
    assert (await visitor.write("Too soon", attachments=[given["id"]])).status_code == 400
    asked = {"Origin": SHOP, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type"}
    allowed = (await visitor.client.options(urlsplit(given["url"]).path, headers=asked)).headers
    assert allowed["access-control-allow-origin"] == "*"
    assert "PUT" in allowed["access-control-allow-methods"]
    assert allowed["access-control-allow-headers"] == "Content-Type"
    taken = await put(visitor, given, PNG)
    assert (taken.status_code, taken.headers["access-control-allow-origin"]) == (204, "*")
    forged = {**given, "url": given["url"][:-4] + "AAAA"}
    assert (await put(visitor, forged, PNG)).status_code == 404

    page = await upload(visitor, "picture.png", PAGE)
    written = (await visitor.write("A page", attachments=[page["id"]])).json()
    assert written["message"]["files"][0]["is_picture"] is False
    program = await upload(visitor, "tool.png", b"\x7fELF" + bytes(60))
    assert (program["state"], "programs are not taken" in program["reason"]) == ("refused", True)
    assert (await visitor.write("A program", attachments=[program["id"]])).status_code == 400


async def test_a_file_that_is_too_large_is_refused_before_it_is_sent(visitor: Visitor) -> None:
    refused = await announce(visitor, "film.mp4", b"", size=11 * 1024 * 1024)
    assert refused.status_code == 413
    assert "files of up to 10 MB can be sent" in refused.json()["detail"]
