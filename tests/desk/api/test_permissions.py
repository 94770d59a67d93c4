"""Every route x {no credential, revoked, other role, other tenant's ids}, generated from the application's routes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from litestar import Litestar, get
from litestar.routes import HTTPRoute

from desk.accounts.identity import ROLES, Permission
from desk.app import create_app
from desk.errors import SettingMissingError
from desk.installation import Installation
from tests.desk.api.world import build_world, call
from tests.desk.conftest import Client, People, Person

BODIES: dict[str, Any] = {
    "/api/v1/tickets/{ticket_id}/messages": {"from": "note", "body": "a note"},
    "/api/v1/tickets/{ticket_id}/merge": {"into": str(uuid4())},
    "/api/v1/tickets/{ticket_id}/split": {"message_ids": [str(uuid4())]},
    "/api/v1/drafts/{draft_id}/approve": {"based_on_seq": 1},
    "/api/v1/drafts/{draft_id}/reject": {"reason": "wrong"},
    "/api/v1/deliveries/{delivery_id}/resolve": {"as": "sent"},
    "/api/v1/deliveries/{delivery_id}/judge": {"good": True},
    "/api/v1/connections/{connection_id}/settings": {"settings": {}},
    "/api/v1/tickets/{ticket_id}/intent": {"label": "other"},
    "/api/v1/users/{user_id}": {"role": "agent"},
    "/api/v1/knowledge/gaps/{gap_id}/snooze": {"days": 7},
    "/api/v1/knowledge/gaps/{gap_id}/proposals": {"form": "faq"},
    "/api/v1/customers/{customer_id}/merge": {"into": str(uuid4())},
    "/api/v1/customers/{customer_id}/refuse": {"other": str(uuid4())},
    "/api/v1/webhooks/{endpoint_id}/resend-failed": {"since": "2026-01-01T00:00:00Z"},
    "/api/v1/knowledge/conflicts/{pair_id}/decide": {"keep": "both"},
}
WITHOUT_BODY = ("cancel", "close", "reindex", "duplicate", "activate", "signing-secret", "stop", "/resend")


class Route(NamedTuple):
    method: str
    path: str
    permission: Permission

    def body(self) -> Any:
        without = self.method in {"GET", "DELETE"} or self.path.endswith(WITHOUT_BODY)
        return None if without else BODIES.get(self.path, {})

    def content(self) -> dict[str, Any]:
        """Of a request, as the client takes it."""
        if self.method == "POST" and self.path.endswith("/attachments"):
            return {"files": {"file": ("a.txt", b"words")}}
        return {"json": self.body()}


def api_routes(app: Litestar) -> Iterator[Route]:
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for handler in route.route_handlers:
            permission = handler.opt.get("permission")
            for method in handler.http_methods:
                if method != "OPTIONS" and isinstance(permission, Permission):
                    yield Route(method, route.path_format, permission)


def filled(path: str, ids: dict[str, str]) -> str:
    for name, value in ids.items():
        path = path.replace("{" + name + "}", value)
    return path


def random_ids(path: str) -> dict[str, str]:
    return {part[1:-1]: str(uuid4()) for part in path.split("/") if part.startswith("{")}


async def test_without_a_valid_credential_nothing_but_the_public_routes_answers(
    app: Litestar, client: Client, installation: Installation, people: People, owner: Person
) -> None:
    leaver = await people.person(owner.actor.tenant_id, "owner", "leaver@acme.test")
    await call(client, leaver, "POST", "/auth/logout")
    key = await call(client, owner, "POST", "/keys", json={"name": "old"})
    await call(client, owner, "DELETE", f"/keys/{key['id']}")
    stranger = installation.tokens.issue(owner.actor, generation=99)
    credentials = [
        {},
        leaver.headers,
        {"Authorization": f"Bearer {key['key']}"},
        {"Authorization": f"Bearer {stranger}"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": "Basic b3duZXI6cGFzc3dvcmQ="},
    ]
    guarded = [route for route in api_routes(app) if route.permission is not Permission.PUBLIC]
    assert len(guarded) > 45
    for route in guarded:
        for headers in credentials:
            answer = await client.request(
                route.method, filled(route.path, random_ids(route.path)), headers=headers, json=route.body()
            )
            assert answer.status_code == 401, (route, headers)
            assert answer.headers["content-type"] == "application/problem+json"


async def test_a_role_reaches_its_own_routes_and_no_others(
    app: Litestar, client: Client, people: People, owner: Person
) -> None:
    holders: dict[str, tuple[dict[str, str], frozenset[Permission]]] = {}
    for role in ("agent", "admin"):
        person = await people.person(owner.actor.tenant_id, role, f"{role}2@acme.test")
        holders[role] = (person.headers, ROLES[role])
    for scope in (Permission.TICKETS, Permission.KNOWLEDGE):
        key = await call(client, owner, "POST", "/keys", json={"name": scope, "scopes": [scope]})
        holders[scope] = ({"Authorization": f"Bearer {key['key']}"}, frozenset({scope, Permission.SIGNED_IN}))
    for route in api_routes(app):
        for name, (headers, permissions) in holders.items():
            if route.permission in permissions or route.permission is Permission.PUBLIC:
                continue
            answer = await client.request(
                route.method, filled(route.path, random_ids(route.path)), headers=headers, json=route.body()
            )
            assert answer.status_code == 403, (name, route, answer.text)


async def test_another_tenants_ids_answer_exactly_like_unknown_ones(
    app: Litestar, client: Client, installation: Installation, people: People, owner: Person
) -> None:
    world = await build_world(client, installation, owner)
    elsewhere = await people.tenant("Elsewhere")
    stranger = await people.person(elsewhere, "owner", "owner@elsewhere.test")
    # An intent's label is a word that its tenant chose, not an id: everybody may have the same one.
    with_ids = [route for route in api_routes(app) if "_id}" in route.path and route.path.startswith("/api/")]
    assert len(with_ids) > 25
    told_apart: list[tuple[Route, list[int], str]] = []
    for route in with_ids:
        answers = [
            await client.request(
                route.method,
                filled(route.path, dict(ids)),
                headers=stranger.headers,
                params={"against": str(uuid4())} if route.path.endswith("/diff") else None,
                **route.content(),
            )
            for ids in (world.ids, random_ids(route.path))
        ]
        codes = [answer.status_code for answer in answers]
        if codes != [404, 404] or answers[0].json() != answers[1].json():
            told_apart.append((route, codes, answers[0].text[:200]))
    assert told_apart == [], "\n".join(str(each) for each in told_apart)
    seen = await client.get(f"/api/v1/tickets/{world.ids['ticket_id']}", headers=owner.headers)
    assert seen.json() == world.ticket


def test_a_handler_that_names_no_permission_stops_the_application(installation: Installation) -> None:
    @get("/forgotten", sync_to_thread=False)
    def forgotten() -> str:
        return "open to everyone"

    with pytest.raises(SettingMissingError, match="/forgotten"):
        create_app(installation, pages=[forgotten])
