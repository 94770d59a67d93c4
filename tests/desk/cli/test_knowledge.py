"""Documents by the folder: every file ends indexed or refused, whoever does the work."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import psycopg
import pytest
from sqlalchemy import select, text

from desk.db.leases import claim
from desk.db.roles import DatabaseAddress
from desk.db.tenancy import NO_TENANT, Scope
from desk.errors import InvalidInputError
from desk.ingest import Ingestion, IngestResult
from desk.installation import Installation
from desk.models import Chunk, Embedding
from desk.settings import load_settings
from desk.wiring import build
from retrieval.ingestion.chunking import embedding_text
from tests.conftest import new_owner
from tests.database import ENCRYPTION_KEY, SECRET_KEY
from tests.desk.cli.conftest import Command

DEAD_LEASE_SECONDS = 0.5
ARTICLE = "# Renewing a certificate\n\nOpen SSL in the panel and press Renew. It takes two minutes.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    kb = tmp_path / "kb"
    (kb / "ssl").mkdir(parents=True)
    (kb / "ssl" / "renew.md").write_text(ARTICLE, encoding="utf-8")
    (kb / "menu.md").write_text("---\ntitle: Menu\n---\n", encoding="utf-8")
    (kb / "scan.tiff").write_bytes(b"II*\0")
    (kb / ".draft.md").write_text("not yet", encoding="utf-8")
    return kb


def test_a_folder_gives_one_result_per_file_with_the_reason_of_each_refusal(desk: Command, folder: Path) -> None:
    report = desk.json("ingest", str(folder), "--tenant", desk.new_tenant())
    results = {Path(one["path"]).name: one for one in report["results"]}
    assert (report["indexed"], report["refused"]) == (1, 2)
    assert results["renew.md"]["result"] == "indexed"
    assert results["renew.md"]["chunks"] == report["chunks"] == 1
    assert "No text" in results["menu.md"]["reason"]
    assert ".tiff" in results["scan.tiff"]["reason"]


def test_only_a_changed_file_becomes_a_new_version(desk: Command, folder: Path) -> None:
    slug, article = desk.new_tenant(), folder / "ssl" / "renew.md"
    first = _result_of(desk, folder, slug)
    assert _result_of(desk, article, slug) == first
    article.write_text(ARTICLE.replace("two", "five"), encoding="utf-8")
    changed = _result_of(desk, folder, slug)
    assert changed["document_id"] == first["document_id"]
    assert (first["version"], changed["version"]) == (1, 2)


def _result_of(desk: Command, path: Path, slug: str):
    results = desk.json("ingest", str(path), "--tenant", slug)["results"]
    return next(one for one in results if one["path"].endswith("renew.md"))


def test_what_cannot_be_started_is_an_error_and_not_a_refusal(desk: Command, folder: Path) -> None:
    slug = desk.new_tenant()
    with pytest.raises(InvalidInputError, match="no file or folder"):
        desk.run("ingest", str(folder), str(folder / "nowhere"), "--tenant", slug)
    assert desk.run("ingest", str(folder)).exit_code == 2
    assert desk.run("ingest", str(folder), "--tenant", slug, "--global").exit_code == 2


def test_global_knowledge_is_for_every_tenant(fresh_desk: Command, folder: Path) -> None:
    report = fresh_desk.json("ingest", str(folder), "--global")
    assert report["indexed"] == 1
    assert "1 items can be found" in fresh_desk.run("doctor").stdout


@pytest.fixture
async def installation(fresh_address: DatabaseAddress, tmp_path: Path) -> AsyncGenerator[Installation]:
    environment = {
        "DESK_DATA_DIR": str(tmp_path / "data"),
        "DESK_SECRET_KEY": SECRET_KEY.reveal(),
        "DESK_ENCRYPTION_KEYS": ENCRYPTION_KEY.reveal(),
    }
    built = build(load_settings(environment), fresh_address)
    await built.queue.connect()
    yield built
    await built.queue.disconnect()
    await built.database.close()


async def test_a_document_whose_worker_died_is_indexed_when_its_lease_ends(
    installation: Installation, folder: Path
) -> None:
    tenant_id = (await new_owner(installation.database)).tenant_id
    thief = _TakesOver(installation)
    results = await _ingested(replace(installation, indexer=thief), tenant_id, folder / "ssl" / "renew.md")
    assert [one.result for one in results] == ["indexed"]
    assert len(thief.calls) == 2
    assert thief.calls[1] - thief.calls[0] >= DEAD_LEASE_SECONDS


class _TakesOver:
    """On the first document another worker claims it and dies; the indexer's own write is then too late."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self.calls: list[float] = []

    async def index(self, tenant_id: UUID, version_id: UUID, fence: int) -> None:
        await self.index_many(tenant_id, {version_id: fence})

    async def index_many(self, tenant_id: UUID, fences: Mapping[UUID, int]) -> None:
        self.calls.append(time.monotonic())
        if len(self.calls) == 1:
            async with self._installation.database.transaction(Scope(tenant_id)) as session:
                await session.execute(text("UPDATE document_versions SET lease_until = now() - interval '1 second'"))
            assert await claim(self._installation.database, "document_versions", 5, DEAD_LEASE_SECONDS)
        await self._installation.indexer.index_many(tenant_id, fences)


async def test_a_file_that_breaks_the_reader_is_refused_and_the_others_are_indexed(
    installation: Installation, folder: Path
) -> None:
    tenant_id = (await new_owner(installation.database)).tenant_id
    broken = folder / "broken.md"
    broken.write_text("# Broken\n\nText.\n", encoding="utf-8")
    results = await _ingested(
        replace(installation, indexer=_Breaks(installation, "broken.md")),
        tenant_id,
        folder / "ssl" / "renew.md",
        broken,
    )
    assert {Path(one.name).name: one.result for one in results} == {"renew.md": "indexed", "broken.md": "refused"}
    async with installation.database.transaction(NO_TENANT) as session:
        assert (await session.execute(text("SELECT sum(waiting) FROM desk_work_waiting()"))).scalar_one() == 0


class _Breaks:
    """A reader with a defect that one file brings out."""

    def __init__(self, installation: Installation, name: str) -> None:
        self._installation = installation
        self._name = name

    async def index(self, tenant_id: UUID, version_id: UUID, fence: int) -> None:
        await self.index_many(tenant_id, {version_id: fence})

    async def index_many(self, tenant_id: UUID, fences: Mapping[UUID, int]) -> None:
        async with self._installation.database.transaction(Scope(tenant_id)) as session:
            named = await session.execute(
                text("SELECT id FROM document_versions WHERE file_name = :name"), {"name": self._name}
            )
            broken = named.scalar_one()
        if broken in fences:
            msg = "list index out of range"
            raise IndexError(msg)
        await self._installation.indexer.index_many(tenant_id, fences)


async def _ingested(installation: Installation, tenant_id: UUID, *files: Path) -> list[IngestResult]:
    results: list[IngestResult] = []
    await Ingestion(installation, Scope(tenant_id), results.append).add_files(files)
    return results


async def test_documents_indexed_together_keep_their_own_vectors(installation: Installation, folder: Path) -> None:
    tenant_id = (await new_owner(installation.database)).tenant_id
    other = folder / "mail.md"
    other.write_text("# Mail quota\n\n" + "A mailbox holds ten gigabytes. " * 60 + "\n\n## Raising it\n\nAsk us.\n")
    await _ingested(installation, tenant_id, folder / "ssl" / "renew.md", folder / "menu.md", other)
    async with installation.database.transaction(Scope(tenant_id)) as session:
        rows = await session.execute(
            select(Chunk.context, Chunk.text, Embedding.vector).join(Embedding, Embedding.item_id == Chunk.id)
        )
        stored = {embedding_text(context, words): vector for context, words, vector in rows}
    expected = await installation.embedder.embed(list(stored))
    held = np.stack([np.frombuffer(vector, dtype="<f4") for vector in stored.values()])
    assert len(stored) >= 3
    assert (held * expected).sum(axis=1) == pytest.approx(1.0, abs=1e-4)


def test_reindex_brings_back_what_was_lost(fresh_desk: Command, folder: Path, fresh_address: DatabaseAddress) -> None:
    slug = fresh_desk.new_tenant()
    fresh_desk.json("ingest", str(folder), "--tenant", slug)
    _lose_vectors(fresh_address)
    broken = fresh_desk.run("doctor")
    assert broken.exit_code == 1
    assert "1 of 1 knowledge items have no vector" in broken.stdout
    report = fresh_desk.json("reindex", "--tenant", slug)
    assert (report["documents"], report["items"], report["problems"]) == (1, 1, [])
    mended = fresh_desk.run("doctor")
    assert mended.exit_code == 0, mended.stdout


def _lose_vectors(address: DatabaseAddress) -> None:
    assert address.owner is not None
    with psycopg.connect(
        address.owner.set(drivername="postgresql").render_as_string(hide_password=False)
    ) as connection:
        connection.execute("DELETE FROM embeddings")
