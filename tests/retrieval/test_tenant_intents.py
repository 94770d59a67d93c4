"""Classifiers of many tenants: those who changed nothing share one, and none of them is read anew for that."""

from __future__ import annotations

import pytest

from desk.db.unit_of_work import Database
from desk.models import Intent
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.intents import IntentClassifier
from retrieval.intents import tenant as tenant_intents
from retrieval.intents.tenant import Learned, TenantIntents
from tests.conftest import new_owner


async def test_more_tenants_than_are_kept_still_share_what_is_in_memory(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant_intents, "MOST_KEPT", 2)
    intents = TenantIntents(database, MiniLMEmbedder())
    actors = [await new_owner(database) for _ in range(5)]
    made: list[IntentClassifier] = []
    for actor in actors:
        async with database.transaction(actor.scope) as session:
            made.append(await intents.classifier(await intents.read(session, actor.tenant_id, 0)))
    for actor in actors:
        async with database.transaction(actor.scope) as session:
            assert await intents.read(session, actor.tenant_id, 0) is made[0]
    async with database.transaction(actors[1].scope) as session:
        session.add(Intent(label="own", title="Our own", keywords={}, base_certainty=0.9, position=1))
        await session.flush()
        learned = await intents.read(session, actors[1].tenant_id, 0)
    assert isinstance(learned, Learned)
    own = await intents.classifier(learned)
    assert own is not made[0]
    async with database.transaction(actors[1].scope) as session:
        assert await intents.read(session, actors[1].tenant_id, 0) is own
