"""What a search relies on, the same wherever the vectors are searched: in memory or in the database by pgvector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import select, text
from uuid_utils.compat import uuid7

from desk.db.index_log import put_items, remove_items
from desk.db.leases import database_time
from desk.db.roles import DatabaseAddress
from desk.db.tenancy import OPERATOR_SCOPE, Scope
from desk.db.unit_of_work import Database
from desk.db.vector_table import prepare_vector_table
from desk.errors import SettingMissingError
from desk.models import Embedding, Example
from desk.ports import Vectors
from retrieval import stored_vectors
from retrieval.candidates import Candidate
from retrieval.source_index import fuse
from retrieval.tenant_index import TenantIndex, VectorBackend
from tests.conftest import new_owner
from tests.database import TestServer

DIMENSION = 24
MODEL = "test-model"
WORDS = ("mail", "dns", "ssl", "backup", "invoice", "cron", "php", "domain", "quota", "login")


def vectors(count: int, seed: int, dimension: int = DIMENSION) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@dataclass
class Store:
    """Examples of any number of tenants; two processes look at them."""

    database: Database
    backend: VectorBackend

    def process(self, tenant_id: UUID, model: str = MODEL, dimension: int = DIMENSION) -> TenantIndex:
        return TenantIndex(tenant_id, model, dimension, backend=self.backend)

    async def put(self, scope: Scope, questions: dict[UUID, str], rows: Vectors, model: str = MODEL) -> None:
        async with self.database.transaction(scope) as session:
            now = await database_time(session)
            known = set((await session.execute(select(Example.id).where(Example.id.in_(questions)))).scalars())
            session.add_all(
                Example(id=one, question=words, answer="Yes.", origin="imported", answered_at=now)
                for one, words in questions.items()
                if one not in known
            )
            await session.flush()
            await put_items(session, "example", list(questions), rows, model)

    async def remove(self, scope: Scope, items: list[UUID]) -> None:
        async with self.database.transaction(scope) as session:
            await remove_items(session, "example", items)

    async def search(
        self, scope: Scope, index: TenantIndex, vector: Vectors, words: str = "nothing", k: int = 5
    ) -> list[Candidate]:
        async with self.database.transaction(scope) as session:
            await index.refresh(session)
            return await index.search(session, "example", words, vector, k)


@pytest.fixture(scope="module")
def prepared_address(database_server: TestServer) -> Generator[DatabaseAddress]:
    address = database_server.clone()
    asyncio.run(prepare_vector_table(address, DIMENSION))
    yield address
    database_server.drop(address)


@pytest.fixture(params=["memory", "pgvector"])
async def store(request: pytest.FixtureRequest, prepared_address: DatabaseAddress) -> AsyncGenerator[Store]:
    database = Database.connect(prepared_address.app, pool_size=3)
    yield Store(database, request.param)
    await database.close()


def ids(count: int) -> list[UUID]:
    return [uuid7() for _ in range(count)]


def topics(items: list[UUID]) -> dict[UUID, str]:
    return {item: f"{WORDS[at % 10]} question {at}" for at, item in enumerate(items)}


async def test_the_nearest_come_first_with_their_cosines_and_words(store: Store) -> None:
    owner = await new_owner(store.database)
    items, rows = ids(80), vectors(80, seed=1)
    await store.put(owner.scope, topics(items), rows)
    index = store.process(owner.tenant_id)
    for seed in range(5):
        asked = vectors(1, seed=100 + seed)[0]
        found = await store.search(owner.scope, index, asked)
        expected = sorted(zip((rows @ asked).tolist(), items, strict=True), reverse=True)[:5]
        assert [one.item_id for one in found] == [item for _, item in expected]
        assert [one.dense for one in found] == pytest.approx([cosine for cosine, _ in expected], abs=1e-4)
    asked = vectors(1, seed=200)[0]
    far = int(np.argmin(rows @ asked))
    (worded, *_) = await store.search(owner.scope, index, asked, words=topics(items)[items[far]], k=80)
    assert 1.0 in {one.lexical for one in await store.search(owner.scope, index, asked, topics(items)[items[far]], 80)}
    assert worded.score == pytest.approx(fuse(worded.dense, worded.lexical))


async def test_deleted_items_are_gone_and_come_back_when_they_are_added_again(store: Store) -> None:
    owner = await new_owner(store.database)
    items, rows = ids(12), vectors(12, seed=2)
    await store.put(owner.scope, topics(items), rows)
    first, second = store.process(owner.tenant_id), store.process(owner.tenant_id)
    await store.search(owner.scope, first, rows[3])
    await store.remove(owner.scope, items[2:6])
    for process in (first, second):
        found = await store.search(owner.scope, process, rows[3], k=50)
        assert {one.item_id for one in found} == {*items[:2], *items[6:]}
    await store.put(owner.scope, topics([items[3]]), -rows[3:4])
    for process in (first, second):
        (best, *rest) = await store.search(owner.scope, process, -rows[3], k=50)
        assert (best.item_id, best.dense) == (items[3], pytest.approx(1, abs=1e-4))
        assert len(rest) == 8


async def test_a_vector_that_is_replaced_is_found_where_it_is_now(store: Store) -> None:
    owner = await new_owner(store.database)
    items, rows = ids(5), vectors(5, seed=3)
    await store.put(owner.scope, topics(items), rows)
    index = store.process(owner.tenant_id)
    await store.search(owner.scope, index, rows[0])
    await store.put(owner.scope, topics(items[:1]), -rows[:1])
    found = {one.item_id: one.dense for one in await store.search(owner.scope, index, rows[0], k=5)}
    assert len(found) == 5
    assert found[items[0]] == pytest.approx(-1, abs=1e-4)


async def test_tenants_are_apart_and_see_the_global_items_only_as_global(store: Store) -> None:
    one, other = await new_owner(store.database), await new_owner(store.database)
    (mine,), (theirs,), (shared,) = ids(1), ids(1), ids(1)
    row = vectors(1, seed=4)
    await store.put(one.scope, {mine: "mail"}, row)
    await store.put(other.scope, {theirs: "mail"}, row)
    for owner, item in ((one, mine), (other, theirs)):
        found = await store.search(owner.scope, store.process(owner.tenant_id), row[0], "mail", 9)
        assert [hit.item_id for hit in found] == [item]
        spied = await store.search(owner.scope, store.process(one.tenant_id), row[0], "mail", 9)
        assert [hit.item_id for hit in spied] == ([mine] if owner is one else [])
    await store.put(OPERATOR_SCOPE, {shared: "mail"}, row)
    async with store.database.transaction(one.scope) as session:
        if store.backend == "pgvector":
            rows = (await session.execute(text("SELECT tenant_id FROM desk_vectors.items"))).scalars().all()
            assert set(rows) <= {one.tenant_id, OPERATOR_SCOPE.tenant_id}
    await store.remove(OPERATOR_SCOPE, [shared])


async def test_another_model_with_another_dimension_has_vectors_of_its_own(store: Store) -> None:
    owner = await new_owner(store.database)
    items, rows = ids(6), vectors(6, seed=5)
    wider = vectors(6, seed=6, dimension=40)
    await store.put(owner.scope, topics(items), rows)
    before = store.process(owner.tenant_id)
    after = store.process(owner.tenant_id, "wider-model", 40)
    assert await store.search(owner.scope, after, wider[2]) == []
    await store.put(owner.scope, topics(items[:4]), wider[:4], "wider-model")
    (best, *_) = found = await store.search(owner.scope, after, wider[2], k=9)
    assert (best.item_id, len(found)) == (items[2], 4)
    assert len(await store.search(owner.scope, before, rows[5], k=9)) == 6
    await store.remove(owner.scope, items)
    for index, asked in ((before, rows[0]), (after, wider[0])):
        assert await store.search(owner.scope, index, asked) == []


async def test_an_embedding_that_is_deleted_takes_its_vector_along(store: Store) -> None:
    owner = await new_owner(store.database)
    items = ids(3)
    await store.put(owner.scope, topics(items), vectors(3, seed=7))
    async with store.database.transaction(owner.scope) as session:
        for row in (await session.execute(select(Embedding).where(Embedding.item_id == items[0]))).scalars():
            await session.delete(row)
        await session.flush()
        left = await session.execute(
            text("SELECT count(*) FROM desk_vectors.items WHERE tenant_id = :t"), {"t": owner.tenant_id}
        )
        assert left.scalar_one() == 2


async def test_many_items_are_searched_by_the_graph(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_vectors, "GRAPH_ABOVE", 100)
    owner = await new_owner(store.database)
    items, rows = ids(600), vectors(600, seed=8)
    await store.put(owner.scope, topics(items), rows)
    index = store.process(owner.tenant_id)
    found = 0
    for row in range(0, 600, 30):
        best = {items[int(at)] for at in np.argsort(-(rows @ rows[row]))[:5]}
        found += len(best & {one.item_id for one in await store.search(owner.scope, index, rows[row], k=5)})
    assert found / 100 >= 0.9


async def test_vectors_from_before_the_table_are_copied_into_it(fresh_address: DatabaseAddress) -> None:
    database = Database.connect(fresh_address.app, pool_size=2)
    store = Store(database, "pgvector")
    owner = await new_owner(database)
    items, rows = ids(7), vectors(7, seed=9)
    await store.put(owner.scope, topics(items[:5]), rows[:5])
    await prepare_vector_table(fresh_address, DIMENSION)
    await prepare_vector_table(fresh_address, DIMENSION)
    await store.put(owner.scope, topics(items[5:]), rows[5:])
    found = await store.search(owner.scope, store.process(owner.tenant_id), rows[2], k=9)
    assert ({one.item_id for one in found}, found[0].item_id) == (set(items), items[2])
    await database.close()


async def test_a_server_without_pgvector_is_named_with_the_way_out(
    fresh_address: DatabaseAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desk.db.vector_table.EXTENSION", "no_such_extension")
    with pytest.raises(SettingMissingError, match=r"install it.*DESK_VECTOR_BACKEND to memory"):
        await prepare_vector_table(fresh_address, DIMENSION)
