"""Tickets through the API."""

from __future__ import annotations

from tests.desk.conftest import Client, Person

NEW = {"subject": "Cannot log in", "body": "My password does not work.", "customer": {"email": "kim@example.com"}}


async def test_a_ticket_comes_in_and_can_be_found(client: Client, agent: Person) -> None:
    made = await client.post("/api/v1/tickets", json=NEW, headers=agent.headers)
    assert made.status_code == 201, made.text
    ticket = made.json()
    found = await client.get("/api/v1/tickets", params={"q": "PASSWORD does"}, headers=agent.headers)
    assert [item["id"] for item in found.json()["items"]] == [ticket["id"]]
    assert found.json()["total"] == 1
    assert (await client.get("/api/v1/tickets/counts", headers=agent.headers)).json()["needs_reply"] == 1
