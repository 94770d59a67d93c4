"""What every request meets: sessions, forgery, headers, hosts, wrong or slow bodies, a database that is away."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar, Request, get, post
from litestar.di import NamedDependency
from litestar.enums import MediaType
from litestar.params import FromQuery
from litestar.utils.scope.state import ScopeState
from sqlalchemy import select
from sqlalchemy.ext.asyncio import create_async_engine

from desk.accounts.identity import Actor, Permission
from desk.accounts.sessions import sign_in, sign_out, switch_tenant
from desk.accounts.users import actor_for, end_all_sessions, verify_login
from desk.app import create_app
from desk.db.roles import DatabaseAddress
from desk.db.tenancy import NO_TENANT
from desk.installation import Installation
from desk.models import StoredSession
from desk.web import edge
from desk.web.permissions import PUBLIC, needs
from tests.desk.api.world import QUESTION, call
from tests.desk.conftest import PASSWORD, Client, People, Person, transport

BROWSER = {"Accept": "text/html,application/xhtml+xml"}


@post("/sign-in", opt=PUBLIC, status_code=200)
async def page_sign_in(
    request: Request[Any, Any, Any], installation: NamedDependency[Installation], email: FromQuery[str]
) -> str:
    user_id = await verify_login(installation.database, email, PASSWORD)
    actor, generation = await actor_for(installation.database, user_id)
    sign_in(request, actor, generation)
    return "in"


@post("/sign-out", opt=needs(Permission.SIGNED_IN), status_code=200)
async def page_sign_out(request: Request[Any, Any, Any]) -> str:
    sign_out(request)
    return "out"


@post("/switch", opt=needs(Permission.SIGNED_IN), status_code=200)
async def page_switch(
    request: Request[Any, Any, Any], installation: NamedDependency[Installation], tenant: FromQuery[UUID]
) -> str:
    await switch_tenant(request, installation.database, tenant)
    return "switched"


@get("/page", opt=needs(Permission.SIGNED_IN), media_type=MediaType.HTML)
async def page(request: Request[Any, Any, Any], actor: NamedDependency[Actor]) -> str:
    return f"{actor.label} {actor.tenant_id} token={ScopeState.from_scope(request.scope).csrf_token}"


@get("/broken", opt=PUBLIC, media_type=MediaType.HTML)
async def broken() -> str:
    msg = "the secret is hunter2"
    raise RuntimeError(msg)


@pytest.fixture
def app(installation: Installation) -> Litestar:
    return create_app(installation, pages=[page_sign_in, page_sign_out, page_switch, page, broken])


@pytest.fixture
async def browser(app: Litestar, client: Client, agent: Person) -> AsyncGenerator[Client]:
    """Signed in by cookie."""
    async with httpx.AsyncClient(transport=transport(app), base_url="http://desk.test", headers=BROWSER) as opened:
        signed = await opened.post("/sign-in", params={"email": agent.email})
        assert signed.status_code == 200, signed.text
        yield opened


def token_of(shown: httpx.Response) -> str:
    found = re.search(r"token=(\w+)", shown.text)
    assert found
    return found[1]


async def test_signing_in_never_takes_over_an_id_that_the_browser_brought(
    app: Litestar, browser: Client, agent: Person, installation: Installation
) -> None:
    planted = {"Cookie": f"desk={'a' * 64}"}
    async with httpx.AsyncClient(transport=transport(app), base_url="http://desk.test") as victim:
        answer = await victim.post("/sign-in", params={"email": agent.email}, headers=planted)
    assert "a" * 64 not in answer.headers["set-cookie"]
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    first = browser.cookies["desk"]
    again = await browser.post(
        "/sign-in", params={"email": agent.email}, headers={"X-CSRFToken": token_of(await browser.get("/page"))}
    )
    assert again.status_code == 200
    second = browser.cookies["desk"]
    assert first != second
    old = await httpx.AsyncClient(transport=transport(app), base_url="http://desk.test").get(
        "/page", headers={"Cookie": f"desk={first}", **BROWSER}
    )
    assert old.status_code == 303
    async with installation.database.transaction(NO_TENANT) as session:
        keys = list((await session.execute(select(StoredSession.key))).scalars())
    assert hashlib.sha256(second.encode()).hexdigest() in keys
    assert not {first, second} & set(keys)


async def test_a_session_ends_with_signing_out_and_with_the_persons_generation(
    app: Litestar, browser: Client, agent: Person, installation: Installation
) -> None:
    shown = await browser.get("/page")
    assert agent.email in shown.text
    kept = {"Cookie": f"desk={browser.cookies['desk']}", **BROWSER}
    await end_all_sessions(installation.database, agent.actor.user_id or uuid4())
    assert (await browser.get("/page")).headers["location"] == "/login?next=%2Fpage"
    signed = await browser.post("/sign-in", params={"email": agent.email})
    assert signed.status_code == 200
    kept = {"Cookie": f"desk={browser.cookies['desk']}", **BROWSER}
    left = await browser.post("/sign-out", headers={"X-CSRFToken": token_of(await browser.get("/page"))})
    assert left.status_code == 200
    async with httpx.AsyncClient(transport=transport(app), base_url="http://desk.test") as thief:
        assert (await thief.get("/page", headers=kept)).status_code == 303


async def test_switching_tenant_needs_membership_and_makes_a_new_session(
    browser: Client, people: People, agent: Person
) -> None:
    elsewhere = await people.tenant("Elsewhere")
    token = {"X-CSRFToken": token_of(await browser.get("/page"))}
    before = browser.cookies["desk"]
    refused = await browser.post("/switch", params={"tenant": str(elsewhere)}, headers=token)
    assert refused.status_code == 303
    assert str(agent.actor.tenant_id) in (await browser.get("/page")).text
    done = await browser.post("/switch", params={"tenant": str(agent.actor.tenant_id)}, headers=token)
    assert done.status_code == 200
    assert browser.cookies["desk"] != before


async def test_a_request_on_a_session_needs_the_token_of_that_session_and_an_origin_of_ours(
    app: Litestar, browser: Client, agent: Person, owner: Person
) -> None:
    token = token_of(await browser.get("/page"))
    async with httpx.AsyncClient(transport=transport(app), base_url="http://desk.test", headers=BROWSER) as other:
        await other.post("/sign-in", params={"email": owner.email})
        foreign = token_of(await other.get("/page"))
    path = "/api/v1/tickets"

    async def status(headers: dict[str, str]) -> int:
        return (await browser.post(path, json=QUESTION, headers=headers)).status_code

    assert await status({}) == 403
    assert await status({"X-CSRFToken": foreign}) == 403
    assert await status({"X-CSRFToken": token, "Origin": "https://evil.example"}) == 403
    assert await status({"X-CSRFToken": token, "Origin": "null"}) == 403
    assert await status({"X-CSRFToken": token, "Sec-Fetch-Site": "cross-site"}) == 403
    assert await status({"X-CSRFToken": token, "Sec-Fetch-Site": "same-site"}) == 403
    assert await status({"X-CSRFToken": token, "Origin": "http://desk.test", "Sec-Fetch-Site": "same-origin"}) == 201
    assert await status({**agent.headers, "Origin": "https://elsewhere.example"}) == 201  # no ambient authority
    assert await status({"Authorization": "Bearer nonsense", "X-CSRFToken": token}) == 401  # never back to the cookie
    form = await browser.post("/sign-out", data={"_csrf_token": token})
    assert form.status_code == 200
    login = await browser.post("/sign-in", params={"email": agent.email}, headers={"Origin": "https://evil.example"})
    assert login.status_code == 403


async def test_pages_are_sent_to_the_login_and_programs_get_a_problem(client: Client) -> None:
    shown = await client.get("/page?a=1&b=2", headers=BROWSER)
    assert (shown.status_code, shown.headers["location"]) == (303, "/login?next=%2Fpage%3Fa%3D1%26b%3D2")
    partial = await client.get("/page", headers={"HX-Request": "true"})
    assert (partial.status_code, partial.headers["hx-redirect"]) == (401, "/login")
    called = await client.get("/api/v1/tickets", headers=BROWSER)
    assert called.status_code == 401
    assert called.headers["www-authenticate"] == "Bearer"
    assert called.json().keys() == {"type", "title", "status", "detail"}


async def test_every_answer_carries_the_security_headers(client: Client, agent: Person) -> None:
    paths = ("/api/v1/tickets", "/nowhere", "/health/live", "/schema", "/schema/files/schema.js", "/broken")
    for path in paths:
        headers = (await client.get(path, headers=agent.headers)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert "strict-transport-security" not in headers
    page_text = (await client.get("/schema")).text
    assert not re.findall(r"(?:src|href)=\"(?!/)", page_text)


async def test_an_unexpected_error_tells_nothing_but_its_incident(client: Client) -> None:
    shown = await client.get("/broken", headers=BROWSER)
    assert (shown.status_code, "hunter2" in shown.text) == (500, False)
    called = await client.get("/broken")
    assert "hunter2" not in called.text
    assert called.json()["incident"] in called.json()["detail"]


SENSELESS = (
    (b"{", "application/json"),
    (b"[]", "application/json"),
    (b"\xff\xfe", "application/json"),
    (b"", "application/json"),
    (b'{"subject": "\\ud800", "body": "x", "customer": {}}', "application/json"),
    (b'{"subject": "x", "body": 7, "customer": {}}', "application/json"),
    (b'{"subject": "x", "body": "' + b"x" * 1_000_000 + b'", "customer": {}}', "application/json"),
    (b'{"subject": "x", "body": "x", "customer": {}, "colour": 1}', "application/json"),
    (b"subject=x", "application/x-www-form-urlencoded"),
    (b"<x/>", "application/xml"),
    (b"[" * 100_000, "application/json"),
)


async def test_bodies_that_make_no_sense_are_refused_in_words(client: Client, agent: Person) -> None:
    for content, content_type in SENSELESS:
        headers = {**agent.headers, "Content-Type": content_type}
        answer = await client.post("/api/v1/tickets", content=content, headers=headers)
        assert 400 <= answer.status_code < 500, (content[:40], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


async def test_odd_characters_are_stored_clean_or_refused_everywhere(client: Client, owner: Person) -> None:
    odd = "a\x00b\u202e\u200b"
    made = await call(
        client,
        owner,
        "POST",
        "/tickets",
        json={
            "subject": odd,
            "body": odd,
            "customer": {"name": odd, "email": "k@example.com"},
            "department": odd,
        },
    )
    assert made["messages"][0]["body"] == "ab\u202e\u200b"
    for method, path, body in (
        ("POST", "/tickets", {**QUESTION, "external_id": odd}),
        ("PATCH", f"/tickets/{made['id']}", {"tags": [odd]}),
        ("POST", f"/tickets/{made['id']}/messages", {"from": "note", "body": "\x00"}),
        ("POST", "/escalate", {"ticket_id": made["id"], "reason": odd, "requested_by": odd}),
        ("POST", "/documents", {"title": odd, "text": odd}),
        ("POST", "/keys", {"name": odd}),
        ("PUT", "/policy", {"allowed_links": [odd], "escalation": {"keywords": [odd]}}),
        ("POST", "/auth/login", {"email": odd, "password": odd}),
        ("POST", "/users", {"email": f"{odd}@x.yz", "password": odd * 5, "role": "agent", "name": odd}),
        ("POST", "/model-providers", {"name": odd, "base_url": f"https://{odd}.example", "model": odd, "api_key": odd}),
    ):
        answer = await client.request(method, f"/api/v1{path}", json=body, headers=owner.headers)
        assert answer.status_code < 500, (method, path, answer.text)
    for query in ({"q": odd}, {"tag": odd}, {"intent": odd}, {"channel": odd}, {"assignee": odd}, {"sort": odd}):
        assert (await client.get("/api/v1/tickets", params=query, headers=owner.headers)).status_code < 500


async def test_numbers_and_ids_that_make_no_sense_are_refused(client: Client, owner: Person) -> None:
    for path in (
        "/tickets?limit=0", "/tickets?limit=201", "/tickets?offset=-1", "/tickets?limit=x", "/tickets?view=none",
        "/usage?days=0", "/search?q=", "/search?q=x&k=1000", "/search?q=x&sources=moon", "/tickets?offset=1e30",
    ):  # fmt: skip
        answer = await client.get(f"/api/v1{path}", headers=owner.headers)
        assert answer.status_code == 400, (path, answer.text)
        assert answer.json()["title"] == "Check the input"
    for path in ("/tickets/7", "/tickets/not-an-id", "/drafts/%00"):
        assert (await client.get(f"/api/v1{path}", headers=owner.headers)).status_code == 404
    weights = {"global_kb": 1e308, "tenant_kb": 1e308, "example": 0, "correction": 0}
    assert (await client.put("/api/v1/weights", json=weights, headers=owner.headers)).status_code == 400


async def test_unknown_hosts_are_turned_away(client: Client) -> None:
    assert (await client.get("/health/live", headers={"Host": "evil.example"})).status_code == 421
    assert (await client.get("/health/live", headers={"Host": "desk.test:8000"})).status_code == 200
    assert (await client.get("/health/live", headers={"Host": "localhost"})).status_code == 200


async def test_a_body_that_drips_is_given_up(client: Client, agent: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "SECONDS_FOR_A_PIECE", 0.05)

    async def dripping() -> AsyncGenerator[bytes]:
        yield b"{"
        await asyncio.sleep(5)
        yield b"}"

    async with asyncio.timeout(2):
        answer = await client.post(
            "/api/v1/tickets",
            content=dripping(),
            headers={**agent.headers, "Content-Type": "application/json"},
        )
    assert answer.status_code == 408


async def test_a_body_that_is_too_large_is_refused(client: Client, owner: Person) -> None:
    large = await client.post("/api/v1/tickets", content=b"x" * 3_000_000, headers=owner.headers)
    assert (large.status_code, large.json()["title"]) == (413, "Too large")
    file = {"file": ("notes.txt", b"x" * 3_000_000, "text/plain")}
    assert (await client.post("/api/v1/documents", files=file, headers=owner.headers)).status_code == 202


async def test_without_a_database_nothing_is_acknowledged(
    client: Client, installation: Installation, agent: Person, fresh_address: DatabaseAddress
) -> None:
    async def assert_away() -> None:
        answer = await client.post("/api/v1/tickets", json=QUESTION, headers=agent.headers)
        assert (answer.status_code, answer.json()["title"]) == (503, "Try again shortly")
        assert (await client.get("/health/ready")).status_code == 503
        health = await client.get("/health")
        assert health.status_code == 503
        assert health.json()["checks"]["database"] != "ok"
        assert (await client.get("/health/live")).status_code == 200

    assert (await client.get("/health/ready")).status_code == 200
    assert fresh_address.owner is not None
    name = fresh_address.app.database
    owner_engine = create_async_engine(fresh_address.owner.set(database="postgres"), isolation_level="AUTOCOMMIT")
    async with owner_engine.connect() as connection:
        await connection.exec_driver_sql(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        await connection.exec_driver_sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
    await owner_engine.dispose()
    await assert_away()
    await installation.database.close()
    nowhere = fresh_address.app.set(query={"host": "/nowhere"})
    installation.database.engine = create_async_engine(nowhere)
    await assert_away()


async def test_health_and_metrics_say_what_is_missing(client: Client, people: People, agent: Person) -> None:
    await call(client, agent, "POST", "/tickets", json=QUESTION)
    health = (await client.get("/health")).json()
    assert health["checks"].keys() == {"database", "queue", "worker", "indexes", "disk", "llm"}
    assert (health["checks"]["database"], health["checks"]["queue"], health["checks"]["llm"]) == ("ok", "ok", "off")
    assert "no worker" in health["checks"]["worker"]
    assert health["status"] == "failing"
    shown = await client.get("/metrics")
    assert "desk_request_seconds_bucket" in shown.text
    assert 'desk_work_waiting{kind="drafts"} 1.0' in shown.text
    assert 'desk_made_last_week{kind="drafts",state="writing"} 1.0' in shown.text
    assert (await client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})).status_code == 403
    operator = await people.operator("op@desk.test")
    headers = {"X-Forwarded-For": "10.0.0.1", **operator.headers}
    assert (await client.get("/metrics", headers=headers)).status_code == 200


async def test_behind_https_the_cookie_is_bound_to_the_host(installation: Installation, agent: Person) -> None:
    secure = replace(installation, settings=replace(installation.settings, public_url="https://desk.test"))
    app = create_app(secure, pages=[page_sign_in])
    async with httpx.AsyncClient(transport=transport(app), base_url="https://desk.test") as browser:
        answer = await browser.post("/sign-in", params={"email": agent.email})
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-desk=")
    assert "secure" in cookie.lower()
    assert "domain" not in cookie.lower()
    assert answer.headers["strict-transport-security"].startswith("max-age=")
