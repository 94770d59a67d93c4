"""Files of large graphs: they save building anew, are never believed unseen, and never stand in the way."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from desk.db.index_log import put_items, remove_items
from desk.db.leases import database_time
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import Example
from desk.ports import Vectors
from retrieval import tenant_index
from retrieval.open_indexes import OpenIndexes
from retrieval.snapshots import Snapshots
from retrieval.vectors import VectorArena, arena
from tests.conftest import new_owner

DIMENSION = 16
MODEL = "test-model"
TENANT = UUID(int=7)


class Named:
    """Stands for an embedder where only its name and dimension are asked for."""

    @property
    def model(self) -> str:
        return MODEL

    @property
    def dimension(self) -> int:
        return DIMENSION

    async def embed(self, texts: Sequence[str]) -> Vectors:
        return vectors(len(texts), 0)


def vectors(count: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def graph_of(count: int, seed: int) -> VectorArena:
    made = VectorArena(DIMENSION, graph_above=1)
    made.upsert_many([UUID(int=number) for number in range(count)], vectors(count, seed))
    made.build_graph()
    return made


def test_what_was_saved_is_loaded_for_the_same_model_only(tmp_path: Path) -> None:
    snapshots, graph = Snapshots(tmp_path), graph_of(300, seed=1)
    assert snapshots.load(TENANT, "example", MODEL, DIMENSION) is None
    assert snapshots.save(TENANT, "example", graph, MODEL, 42)
    loaded = snapshots.load(TENANT, "example", MODEL, DIMENSION)
    assert loaded is not None
    assert (loaded.manifest.sequence, loaded.manifest.count, loaded.manifest.model) == (42, 300, MODEL)
    for asked in vectors(20, seed=2):
        assert loaded.arena.search(asked, 10) == graph.search(asked, 10)
    assert snapshots.load(TENANT, "example", "another", DIMENSION) is None
    assert snapshots.load(TENANT, "example", MODEL, DIMENSION + 1) is None
    assert snapshots.load(TENANT, "correction", MODEL, DIMENSION) is None
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["example.graph"]


def test_none_of_two_hundred_damaged_files_is_loaded(tmp_path: Path) -> None:
    snapshots, chance = Snapshots(tmp_path), random.Random(5)  # noqa: S311 - the same damage every time
    snapshots.save(TENANT, "example", graph_of(200, seed=1), MODEL, 1)
    path = snapshots.path(TENANT, "example")
    whole = path.read_bytes()
    for number in range(200):
        at = chance.randrange(len(whole))
        damaged = bytearray(whole)
        match number % 4:
            case 0:
                damaged[at] ^= 1 << chance.randrange(8)
            case 1:
                del damaged[at:]
            case 2:
                damaged[at:at] = chance.randbytes(chance.randrange(1, 64))
            case _:
                length = chance.randrange(1, 4096)
                damaged[at : at + length] = b"\xff" * len(damaged[at : at + length])
        if bytes(damaged) == whole:
            continue
        path.write_bytes(damaged)
        assert [one.state for one in snapshots.examine()] == ["damaged"]
        assert snapshots.load(TENANT, "example", MODEL, DIMENSION) is None
        assert not path.exists()
    path.write_bytes(whole)
    assert [one.state for one in snapshots.examine()] == ["whole"]
    assert snapshots.load(TENANT, "example", MODEL, DIMENSION) is not None


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_keeps_the_snapshot_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    snapshots = Snapshots(tmp_path)
    snapshots.save(TENANT, "example", graph_of(50, seed=1), MODEL, 1)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(*((os, "fsync", full) if call == "fsync" else (Path, "replace", full)))
        assert not snapshots.save(TENANT, "example", graph_of(60, seed=2), MODEL, 2)
    loaded = snapshots.load(TENANT, "example", MODEL, DIMENSION)
    assert loaded is not None
    assert (loaded.manifest.sequence, len(loaded.arena)) == (1, 50)
    assert len(list(snapshots.path(TENANT, "example").parent.iterdir())) == 1


class Example16:
    """A tenant with examples, and processes that search them with graphs from 30 items on."""

    def __init__(self, database: Database, scope: Scope, folder: Path) -> None:
        self.database, self.scope, self.snapshots = database, scope, Snapshots(folder)
        assert scope.tenant_id is not None
        self.tenant_id = scope.tenant_id

    def process(self) -> OpenIndexes:
        return OpenIndexes(Named(), snapshots=self.snapshots)

    async def put(self, items: list[UUID], rows: Vectors) -> None:
        async with self.database.transaction(self.scope) as session:
            now = await database_time(session)
            session.add_all(
                Example(id=one, question=f"q {one}", answer="a", origin="imported", answered_at=now) for one in items
            )
            await session.flush()
            await put_items(session, "example", items, rows, MODEL)

    async def nearest(self, process: OpenIndexes, vector: Vectors) -> UUID:
        index = process.of(self.tenant_id)
        async with self.database.transaction(self.scope) as session:
            await index.refresh(session)
            (best,) = await index.search(session, "example", "nothing", vector, 1)
        await process.settle()
        return best.item_id


@pytest.fixture
async def grown(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Example16:
    monkeypatch.setattr(arena, "GRAPH_ABOVE", 30)
    monkeypatch.setattr(arena.VectorArena.__init__, "__kwdefaults__", {"quantize_above": 600_000, "graph_above": 30})
    monkeypatch.setattr(tenant_index, "_CHANGES_A_SNAPSHOT", 10)
    owner = await new_owner(database)
    return Example16(database, owner.scope, tmp_path / "indexes")


async def test_another_process_starts_from_the_snapshot_and_follows_the_log_from_there(grown: Example16) -> None:
    items, rows = [uuid7() for _ in range(50)], vectors(50, seed=3)
    first = grown.process()
    await grown.put(items[:40], rows[:40])
    assert await grown.nearest(first, rows[7]) == items[7]
    assert first.of(grown.tenant_id).sources["example"].vectors.is_graph
    (saved,) = grown.snapshots.examine()
    assert (saved.state, saved.manifest and saved.manifest.sequence) == ("whole", 40)
    await grown.put(items[40:45], rows[40:45])
    async with grown.database.transaction(grown.scope) as session:
        await remove_items(session, "example", items[3:5])
        # What the first process saved is taken from its file: the rows hold other vectors now.
        await session.execute(
            text("UPDATE embeddings SET vector = :v WHERE item_id = :i"), {"v": rows[9].tobytes(), "i": items[8]}
        )
    second = grown.process()
    for number in (7, 8, 41):
        assert await grown.nearest(second, rows[number]) == items[number]
    index = second.of(grown.tenant_id).sources["example"]
    assert (len(index), len(index.vectors), items[3] in index) == (43, 43, False)
    await grown.put(items[45:], rows[45:])
    assert await grown.nearest(second, rows[47]) == items[47]
    (saved,) = grown.snapshots.examine()
    assert saved.manifest is not None
    assert (saved.manifest.sequence, saved.manifest.count) == (52, 48)


@pytest.mark.parametrize("how", ["damaged", "missing", "ahead"])
async def test_without_a_usable_snapshot_it_is_made_anew(grown: Example16, how: str) -> None:
    items, rows = [uuid7() for _ in range(40)], vectors(40, seed=4)
    await grown.put(items, rows)
    await grown.nearest(grown.process(), rows[0])
    path = grown.snapshots.path(grown.tenant_id, "example")
    if how == "damaged":
        path.write_bytes(path.read_bytes()[:-5] + b"12345")
    elif how == "missing":
        path.unlink()
    else:
        grown.snapshots.save(grown.tenant_id, "example", graph_of(35, seed=9), MODEL, 400)
    assert await grown.nearest(grown.process(), rows[11]) == items[11]
    (saved,) = grown.snapshots.examine()
    assert saved.manifest is not None
    assert (saved.state, saved.manifest.sequence, saved.manifest.count) == ("whole", 40, 40)


async def test_the_tenants_used_least_are_closed(database: Database, tmp_path: Path) -> None:
    owners = [await new_owner(database) for _ in range(4)]
    process = OpenIndexes(Named(), most_bytes=300_000)
    rows = vectors(200, seed=5)
    for owner in owners:
        tenant = Example16(database, owner.scope, tmp_path)
        await tenant.put([uuid4() for _ in range(200)], rows)
        await tenant.nearest(process, rows[0])
    assert 0 < process.nbytes <= 300_000
    assert len(process) < 4
    last = process.of(owners[-1].tenant_id)
    assert last.sequence == 200
