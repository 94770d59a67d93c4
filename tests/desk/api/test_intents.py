"""A tenant's own intents, and the intents that people set on tickets and the classifier learns from."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from desk.drafting.context import load_context
from desk.installation import Installation
from desk.models import Draft, Ticket
from desk.ports import Question
from tests.desk.api.test_tenant import refused
from tests.desk.api.world import call
from tests.desk.conftest import Client, People, Person
from tests.desk.conversations import new_ticket, reload

PARKING = {
    "title": "Parking spaces",
    "keywords": {"parking": 1.0, "garage*": 0.5},
    "examples": ["Where can I park my car?", "Is there a parking space for visitors?"],
}


@pytest.fixture
async def colleague(people: People, owner: Person) -> Person:
    return await people.person(owner.actor.tenant_id, "agent", "intent-agent@example.com")


async def test_the_first_change_makes_a_copy_and_reset_goes_back(
    client: Client, owner: Person, colleague: Person
) -> None:
    before = await call(client, colleague, "GET", "/intents")
    assert before["total"] == 12
    await refused(client, colleague, "POST", "/intents", 403, json=PARKING)
    made = await call(client, owner, "POST", "/intents", json=PARKING)
    assert (made["label"], made["keyword_weights"]) == ("parking_spaces", {"parking": 1.0, "garage*": 0.5})
    assert (await call(client, owner, "GET", "/intents"))["total"] == 13
    renamed = await call(client, owner, "PUT", "/intents/parking_spaces", json={**PARKING, "title": "Cars"})
    assert (renamed["label"], renamed["title"]) == ("parking_spaces", "Cars")
    await refused(client, owner, "POST", "/intents", 409, json={**PARKING, "title": "CARS"})
    await refused(client, owner, "PUT", "/intents/nothing", 404, json=PARKING)
    assert "weight" in await refused(
        client, owner, "PUT", "/intents/parking_spaces", 400, json={**PARKING, "keywords": {"car": 0}}
    )
    await call(client, owner, "DELETE", "/intents/dns")
    assert "dns" not in {one["label"] for one in (await call(client, owner, "GET", "/intents"))["items"]}
    await call(client, owner, "POST", "/intents/reset")
    assert await call(client, owner, "GET", "/intents") == before


async def test_a_tenants_intents_are_its_own(
    client: Client, owner: Person, people: People, installation: Installation
) -> None:
    await call(client, owner, "POST", "/intents", json=PARKING)
    other = await people.person(await people.tenant("Elsewhere"), "owner", "elsewhere@example.com")
    assert (await call(client, other, "GET", "/intents"))["total"] == 12
    asked = "Where do I park when I visit you?"
    mine = await installation.retriever.gather(Question(owner.actor.tenant_id, "", asked))
    theirs = await installation.retriever.gather(Question(other.actor.tenant_id, "", asked))
    assert (mine.intent.label, theirs.intent.label) == ("parking_spaces", "other")


async def test_what_an_agent_says_a_ticket_is_about_stays_and_is_learned_from(
    client: Client, owner: Person, colleague: Person, installation: Installation
) -> None:
    asked = "The turtle in the garden has not come out since Tuesday."
    ticket = await new_ticket(installation.database, owner.actor, asked)
    question = Question(owner.actor.tenant_id, "Backups", "The turtle in the garden still hides since Tuesday.")
    assert (await installation.retriever.gather(question)).intent.label != "billing"
    path = f"/tickets/{ticket.id}/intent"
    assert "no intent" in await refused(client, colleague, "PUT", path, 400, json={"label": "weather"})
    assert await call(client, colleague, "PUT", path, json={"label": "billing"}) == {"intent": "billing"}
    assert (await installation.retriever.gather(question)).intent.label == "billing", "the next guess knows it"

    (billing,) = [one for one in (await call(client, owner, "GET", "/intents"))["items"] if one["label"] == "billing"]
    assert (billing["tickets"], billing["labelled"]) == (1, 1)
    async with installation.database.transaction(owner.actor.scope) as session:
        draft = (await session.execute(select(Draft).where(Draft.ticket_id == ticket.id))).scalar_one()
        context = await load_context(session, draft)
    assert context.intent == "billing"
    said = await installation.retriever.gather(
        Question(owner.actor.tenant_id, "", "My mailbox is full", intent=context.intent)
    )
    assert said.intent.label == "billing", "what a person said is not guessed again"

    assert await call(client, colleague, "PUT", path, json={"label": "other"}) == {"intent": "other"}
    assert (await installation.retriever.gather(question)).intent.label == "other"
    assert (await reload(installation.database, owner.actor, Ticket, ticket.id)).intent == "other"
