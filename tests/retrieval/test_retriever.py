"""Search over a real database: found as soon as it is committed, gone as soon as it is deleted, never another's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, text

from connectors.storage.folder import FolderStorage
from desk.accounts.identity import Actor
from desk.db.leases import claim
from desk.db.tenancy import OPERATOR_SCOPE, Scope
from desk.db.unit_of_work import Database
from desk.knowledge import Upload, delete_document, take_in
from desk.models import Chunk, Document, DocumentVersion
from desk.ports import Evidence, Question, Vectors
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.indexer import ChunkIndexer
from retrieval.open_indexes import OpenIndexes
from retrieval.reembedding import embed_again
from retrieval.retriever import FourSourceRetriever
from tests.conftest import new_owner

BACKUPS = b"# Backups\n\nWe make a backup of every account each night and keep it for 14 days. A restore is free."
EMBEDDER = MiniLMEmbedder()


class OtherModel:
    """The same dimension under another name: vectors turned around, so that a mix-up would be seen."""

    model = "other"
    dimension = EMBEDDER.dimension

    async def embed(self, texts: Sequence[str]) -> Vectors:
        return np.ascontiguousarray((await EMBEDDER.embed(texts))[:, ::-1])


class Desk:
    """A retriever and an indexer of one process."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.storage = FolderStorage(folder)
        self.retriever = FourSourceRetriever(database, EMBEDDER, OpenIndexes(EMBEDDER))
        self.indexer = ChunkIndexer(database, self.storage, EMBEDDER, lease_seconds=30)

    async def add(self, scope: Scope, name: str, raw: bytes) -> DocumentVersion:
        version = await take_in(self.database, self.storage, scope, Upload(name, raw, name), maximum_bytes=1_000_000)
        for held in await claim(self.database, "document_versions", 50, 30):
            await self.indexer.index(held.tenant_id, held.row_id, held.fence)
        async with self.database.transaction(scope) as session:
            return await session.get_one(DocumentVersion, version.id)

    async def ask(self, actor: Actor, question: str = "How long are backups kept?") -> Evidence:
        return await self.retriever.gather(Question(actor.tenant_id, "", question))


@pytest.fixture
def desk(fresh_database: Database, tmp_path: Path) -> Desk:
    return Desk(fresh_database, tmp_path)


async def test_a_document_is_found_and_cited_where_it_says_so(desk: Desk) -> None:
    actor = await new_owner(desk.database)
    assert (await desk.ask(actor)).hits == ()
    version = await desk.add(actor.scope, "backups.md", BACKUPS)
    assert version.state == "indexed"
    evidence = await desk.ask(actor)
    best = evidence.hits[0]
    assert (best.kind, best.title, best.version) == ("tenant_kb", "Backups", 1)
    assert best.span is not None
    assert version.text[best.span[0] : best.span[1]] == best.text
    assert "14 days" in best.text
    assert (evidence.language, best.language) == ("en", "en")
    assert (await desk.ask(actor, "Wie lange werden die Backups aufbewahrt?")).language == "de"
    assert evidence.intent.label == "backup"
    assert evidence.confidence.renormalised > evidence.confidence.score


async def test_another_process_finds_what_was_just_committed_and_loses_what_was_deleted(desk: Desk) -> None:
    actor, other_process = await new_owner(desk.database), Desk(desk.database, desk.folder)
    await other_process.ask(actor)
    await desk.add(actor.scope, "backups.md", BACKUPS)
    assert other_process.retriever is not desk.retriever
    assert len((await other_process.ask(actor)).hits) == 1
    await desk.add(actor.scope, "backups.md", BACKUPS.replace(b"14", b"30"))
    (newer,) = (await other_process.ask(actor)).hits
    assert (newer.version, "30 days" in newer.text) == (2, True)
    async with desk.database.transaction(actor.scope) as session:
        assert len((await session.execute(select(Chunk))).scalars().all()) == 2
        document = (await session.execute(select(Document))).scalar_one()
        await delete_document(session, document.id)
    assert (await other_process.ask(actor)).hits == ()


async def test_a_tenant_sees_its_own_and_the_global_knowledge_only(desk: Desk) -> None:
    first, second = await new_owner(desk.database), await new_owner(desk.database)
    await desk.add(first.scope, "ours.md", BACKUPS)
    await desk.add(OPERATOR_SCOPE, "global.md", b"# Backups in general\n\nKeep backups in three places.")
    assert {hit.kind for hit in (await desk.ask(first)).hits} == {"tenant_kb", "global_kb"}
    assert {hit.kind for hit in (await desk.ask(second)).hits} == {"global_kb"}


async def test_a_log_that_was_pruned_or_an_index_that_is_behind_reads_everything_anew(desk: Desk) -> None:
    actor, sleeper = await new_owner(desk.database), Desk(desk.database, desk.folder)
    await sleeper.ask(actor)
    for number in range(4):
        await desk.add(actor.scope, f"{number}.md", BACKUPS + f"\n\nTopic number {number}.".encode())
    async with desk.database.transaction(actor.scope) as session:
        await session.execute(text("DELETE FROM index_log"))
    evidence = await sleeper.ask(actor)
    assert evidence.hits
    assert evidence.index_sequence == 4


async def test_a_file_that_cannot_be_read_is_refused_with_a_reason(desk: Desk) -> None:
    actor = await new_owner(desk.database)
    version = await desk.add(actor.scope, "empty.md", b"---\ntitle: x\n---\n")
    assert (version.state, version.due_at) == ("refused", None)
    assert "text" in version.reason


async def test_changing_the_model_embeds_everything_again_in_the_background(desk: Desk) -> None:
    actor = await new_owner(desk.database)
    await desk.add(actor.scope, "backups.md", BACKUPS)
    other = OtherModel()
    changed = FourSourceRetriever(desk.database, other, OpenIndexes(other))
    assert (await changed.gather(Question(actor.tenant_id, "", "backups"))).hits == ()
    assert await embed_again(desk.database, other, actor.tenant_id) == 1
    assert await embed_again(desk.database, other, actor.tenant_id) == 0
    (hit,) = (await changed.gather(Question(actor.tenant_id, "", "How long are backups kept?"))).hits
    (before,) = (await desk.ask(actor)).hits
    assert hit.dense == pytest.approx(before.dense, abs=0.01)
