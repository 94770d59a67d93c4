"""From an upload to its end: every file is indexed or refused with the reason, whatever it holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import select

from connectors.storage.folder import FolderStorage
from desk.accounts.identity import Actor
from desk.db.leases import claim
from desk.db.unit_of_work import Database
from desk.document_difference import version_difference
from desk.documents import document_view, reading_progress
from desk.errors import InvalidInputError
from desk.knowledge import Upload, delete_document, take_in
from desk.models import Chunk, Document, DocumentVersion, Faq
from desk.ports import Vectors
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.indexer import ChunkIndexer
from tests.retrieval.ingestion.made_files import encrypted_pdf, text_pdf, zipped

EMBEDDER = MiniLMEmbedder()
TWO_PAGES = text_pdf("Backups are kept for 14 days.", "A restore is free of charge.")


class Watching:
    """The local model, which remembers what the page showed while it worked."""

    model = EMBEDDER.model
    dimension = EMBEDDER.dimension

    def __init__(self, database: Database, actor: Actor) -> None:
        self._database, self._actor = database, actor
        self.seen: list[tuple[str, str]] = []

    async def embed(self, texts: Sequence[str]) -> Vectors:
        async with self._database.transaction(self._actor.scope) as session:
            rows = await session.execute(select(DocumentVersion.state, DocumentVersion.stage))
            self.seen += [(row.state, row.stage) for row in rows]
        return await EMBEDDER.embed(texts)


class Desk:
    def __init__(self, database: Database, actor: Actor, folder: Path) -> None:
        self.database, self.actor = database, actor
        self.embedder = Watching(database, actor)
        self.storage = FolderStorage(folder)
        self.indexer = ChunkIndexer(database, self.storage, self.embedder, lease_seconds=30)

    async def add(self, name: str, raw: bytes, origin: str = "") -> DocumentVersion:
        """Taken in and read, with all that came in it."""
        upload = Upload(name, raw, origin or name, category="Guides")
        version = await take_in(self.database, self.storage, self.actor.scope, upload, maximum_bytes=10_000_000)
        while held := await claim(self.database, "document_versions", 50, 30):
            for one in held:
                await self.indexer.index(one.tenant_id, one.row_id, one.fence)
        async with self.database.transaction(self.actor.scope) as session:
            return await session.get_one(DocumentVersion, version.id)

    async def titles(self) -> set[str]:
        async with self.database.transaction(self.actor.scope) as session:
            return set((await session.execute(select(Document.title).where(~Document.is_deleted))).scalars())


@pytest.fixture
def desk(database: Database, actor: Actor, tmp_path: Path) -> Desk:
    return Desk(database, actor, tmp_path)


async def test_a_pdf_is_indexed_with_its_pages(desk: Desk) -> None:
    version = await desk.add("terms.pdf", TWO_PAGES)
    assert (version.state, version.reason, version.remarks) == ("indexed", "", "")
    assert [version.text[start : start + 9] for start in version.pages] == ["Backups a", "A restore"]
    assert ("waiting", "reading") in desk.embedder.seen
    assert (version.stage, version.progress) == ("", 0)
    async with desk.database.transaction(desk.actor.scope) as session:
        chunks = (await session.execute(select(Chunk).where(Chunk.version_id == version.id))).scalars().all()
    assert all(version.text[chunk.span_start : chunk.span_end] == chunk.text for chunk in chunks)


async def test_a_file_that_cannot_be_read_ends_refused_and_the_version_before_stays(desk: Desk) -> None:
    first = await desk.add("terms.pdf", TWO_PAGES)
    second = await desk.add("terms.pdf", encrypted_pdf("secret"))
    assert second.number == 2
    assert (second.state, "needs a password" in second.reason) == ("refused", True)
    async with desk.database.transaction(desk.actor.scope) as session:
        view = await document_view(session, first.document_id)
    assert view.document.current_version == 1
    assert view.chunks


async def test_what_comes_in_an_archive_becomes_documents_and_goes_with_it(desk: Desk) -> None:
    archive = {"guides/terms.pdf": TWO_PAGES, "notes.md": b"# Notes\n\nWords", "logo.png": b"\x89PNG"}
    version = await desk.add("all.zip", zipped(archive))
    assert version.state == "indexed"
    assert "guides/terms.pdf" in version.text
    assert version.remarks == "Left out: logo.png (files ending in .png cannot be read)."
    assert await desk.titles() == {"all.zip", "Terms", "Notes"}
    changed = await desk.add("all.zip", zipped({**archive, "notes.md": b"# Notes\n\nOther words"}))
    async with desk.database.transaction(desk.actor.scope) as session:
        view = await document_view(session, changed.document_id)
        rows = await session.execute(
            select(Document.origin, DocumentVersion.number)
            .join(DocumentVersion, DocumentVersion.document_id == Document.id)
            .where(Document.part_of_id == changed.document_id)
            .order_by(Document.origin, DocumentVersion.number)
        )
        numbers = [(row.origin.partition("!/")[2], row.number) for row in rows]
    assert numbers == [("guides/terms.pdf", 1), ("notes.md", 1), ("notes.md", 2)]
    assert view.parts_total == 2
    assert {part.category for part in view.parts} == {"Guides"}
    async with desk.database.transaction(desk.actor.scope) as session:
        await delete_document(session, changed.document_id)
    assert await desk.titles() == set()


async def test_a_csv_becomes_faqs(desk: Desk) -> None:
    raw = b"question,answer\nHow long are backups kept?,14 days.\n,no question\n"
    version = await desk.add("faqs.csv", raw)
    assert version.state == "indexed"
    assert "1 new" in version.text
    assert version.remarks.startswith("Line 3 was left out")
    async with desk.database.transaction(desk.actor.scope) as session:
        assert (await session.execute(select(Faq.answer))).scalars().all() == ["14 days."]


async def test_a_csv_that_holds_no_faqs_is_refused(desk: Desk) -> None:
    version = await desk.add("prices.csv", b"plan,price\nsmall,5\n")
    assert version.state == "refused"
    assert "question" in version.reason


async def test_progress_counts_what_waits_and_what_has_ended_since(desk: Desk) -> None:
    scope = desk.actor.scope
    async with desk.database.transaction(scope) as session:
        assert (await reading_progress(session)).waiting == 0
    for name in ("a.md", "b.md"):
        await take_in(desk.database, desk.storage, scope, Upload(name, b"# A", name), maximum_bytes=1_000)
    (held,) = await claim(desk.database, "document_versions", 1, 30)
    await desk.indexer.index(held.tenant_id, held.row_id, held.fence)
    async with desk.database.transaction(scope) as session:
        progress = await reading_progress(session)
    assert progress.waiting == 1
    assert progress.done <= 1


async def test_a_new_version_shows_what_changed(desk: Desk) -> None:
    lines = [f"Rule {at} of the house." for at in range(20)]
    first = await desk.add("rules.txt", "\n\n".join(lines).encode())
    with pytest.raises(InvalidInputError):
        async with desk.database.transaction(desk.actor.scope) as session:
            await version_difference(session, first.document_id)
    lines[10] = "Rule 10 has changed."
    second = await desk.add("rules.txt", "\n\n".join([*lines[:15], *lines[16:], "One more."]).encode())
    async with desk.database.transaction(desk.actor.scope) as session:
        found = await version_difference(session, first.document_id)
    assert (found.before.number, found.after.number) == (1, 2)
    changes = [(each.kind, each.before, each.after) for each in found.changes if each.kind != "same"]
    assert changes == [
        ("replaced", "Rule 10 of the house.", "Rule 10 has changed."),
        ("removed", "Rule 15 of the house.", ""),
        ("added", "", "One more."),
    ]
    assert (found.lines_removed, found.lines_added) == (2, 2)
    for each in found.changes:
        if each.kind != "same":
            assert first.text[slice(*each.before_span)] == each.before
            assert second.text[slice(*each.after_span)] == each.after
