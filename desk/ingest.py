"""Files into the knowledge base at once: taken in durably first, then indexed here, or by a worker that was faster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from desk.db.leases import Claim, LostLeaseError, claim_these
from desk.db.tenancy import Scope
from desk.errors import DeskError, InvalidInputError, TooLargeError
from desk.giving_up import note_failure
from desk.installation import Installation
from desk.jobs import Duty, WorkLoop
from desk.knowledge import Upload, reindex_document, take_in
from desk.models import Chunk, Document, DocumentVersion, Website
from desk.paging import LARGEST_PAGE
from desk.websites.rounds import KEPT
from desk.websites.sites import WebsiteChoices, add_website, list_pages

_TOGETHER = 16
"""Documents indexed in one pass."""
_WAIT_SECONDS = 0.3
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What became of one file, or of one stored document that was indexed again."""

    name: str
    result: str
    """`indexed` or `refused`."""
    chunks: int = 0
    reason: str = ""
    document_id: UUID | None = None
    version: int = 0
    remarks: tuple[str, ...] = ()
    """What was left out of it and why."""


Told = Callable[[IngestResult], None]


class Ingestion:
    """Works for one tenant, or as the operator for the global knowledge."""

    def __init__(self, installation: Installation, scope: Scope, told: Told) -> None:
        self._installation = installation
        self._database = installation.database
        self._scope = scope
        self._told = told

    async def add_files(self, files: Iterable[Path], category: str = "") -> None:
        """Tells what became of each file. The same file again is a new version of its document."""
        names: dict[UUID, str] = {}
        for path in files:
            try:
                version = await self._take_in(path, category)
            except (TooLargeError, InvalidInputError) as error:
                self._told(IngestResult(str(path), "refused", reason=error.detail))
                continue
            names[version.id] = str(path)
            if len(names) >= _TOGETHER:
                await self._finish(names)
                names = {}
        await self._finish(names)

    async def add_website(self, address: str, choices: WebsiteChoices) -> None:
        """Crawl it now, here or in a worker that is faster, and tell what became of each page.

        Raises RefusedAddressError, InvalidInputError.
        """
        async with self._database.transaction(self._scope) as session:
            website = await add_website(session, self._installation.crawls.rules, address, choices)
        settings = self._installation.settings
        duty = Duty("websites", self._installation.crawls.work, 1, most_attempts=3)
        loop = WorkLoop(
            self._database, (duty,), lease_seconds=settings.lease_seconds, poll_seconds=settings.poll_seconds
        )
        while not await self._is_crawled(website.id):
            async with self._database.transaction(self._scope) as session:
                claims = await claim_these(session, Website, [website.id], settings.lease_seconds)
            for held in claims:
                await loop.do(duty, held)
            if not claims:
                await asyncio.sleep(_WAIT_SECONDS)
        await self._finish(await self._pages(website.id))

    async def _is_crawled(self, website_id: UUID) -> bool:
        async with self._database.transaction(self._scope) as session:
            now_or_later = (Website.due_at <= func.now()) | (Website.lease_until >= func.now())
            at_work = (Website.phase == "crawling") & ~Website.is_paused
            found = await session.execute(select(Website.id).where(Website.id == website_id, now_or_later | at_work))
            return found.scalar_one_or_none() is None

    async def _pages(self, website_id: UUID) -> dict[UUID, str]:
        """Newest versions of the pages that are kept, with their addresses; why the others are not is told."""
        names: dict[UUID, str] = {}
        offset = 0
        while True:
            async with self._database.transaction(self._scope) as session:
                page = await list_pages(session, website_id, state=None, q=None, limit=LARGEST_PAGE, offset=offset)
            for line in page.items:
                if line.page.state in KEPT and line.version_id is not None:
                    names[line.version_id] = line.page.url
                else:
                    self._told(IngestResult(line.page.url, "refused", reason=line.page.reason))
            offset += LARGEST_PAGE
            if offset >= page.total:
                return names

    async def index_again(self) -> None:
        """Read the newest upload of every document anew."""
        async with self._database.transaction(self._scope) as session:
            documents = select(Document.id, Document.title).where(
                Document.tenant_id == self._scope.tenant_id, ~Document.is_deleted, Document.set_aside == ""
            )
            rows = (await session.execute(documents.order_by(Document.id))).all()
        for start in range(0, len(rows), _TOGETHER):
            names: dict[UUID, str] = {}
            async with self._database.transaction(self._scope) as session:
                for document_id, title in rows[start : start + _TOGETHER]:
                    version = await reindex_document(session, document_id)
                    names[version.id] = title
            await self._finish(names, with_parts=False)

    async def _take_in(self, path: Path, category: str) -> DocumentVersion:
        most = self._installation.settings.maximum_upload_bytes
        upload = await asyncio.to_thread(_read, path, category, most)
        return await take_in(self._database, self._installation.storage, self._scope, upload, maximum_bytes=most)

    async def _finish(self, names: dict[UUID, str], *, with_parts: bool = True) -> None:
        """Index what nobody else indexes, wait for the rest, and tell how each ended; then what came in archives."""
        waiting = set(names)
        while waiting:
            claims = await self._claim(sorted(waiting)[:_TOGETHER])
            await self._index(claims)
            ended = [one for one in await self._ended(list(waiting)) if one[0] in waiting]
            for version_id, outcome in ended:
                waiting.discard(version_id)
                self._told(_named(outcome, names[version_id]))
                if with_parts and outcome.document_id is not None:
                    parts = await self._parts(outcome.document_id, names[version_id])
                    names |= parts
                    waiting |= parts.keys()
            if waiting and not claims:
                await asyncio.sleep(_WAIT_SECONDS)

    async def _parts(self, document_id: UUID, name: str) -> dict[UUID, str]:
        """The newest versions of what came in an archive, by the paths they had in it."""
        newest = (
            select(func.max(DocumentVersion.number))
            .where(DocumentVersion.document_id == Document.id)
            .correlate(Document)
            .scalar_subquery()
        )
        async with self._database.transaction(self._scope) as session:
            rows = await session.execute(
                select(DocumentVersion.id, Document.origin)
                .join(Document, Document.id == DocumentVersion.document_id)
                .where(Document.part_of_id == document_id, ~Document.is_deleted, DocumentVersion.number == newest)
                .order_by(Document.origin)
            )
            return {version_id: f"{name}!/{origin.partition('!/')[2]}" for version_id, origin in rows}

    async def _claim(self, version_ids: Sequence[UUID]) -> list[Claim]:
        async with self._database.transaction(self._scope) as session:
            return await claim_these(session, DocumentVersion, version_ids, self._installation.settings.lease_seconds)

    async def _index(self, claims: Sequence[Claim]) -> None:
        """A document that breaks the reader is tried once more by itself and then refused; the others are indexed.

        Raises DeskError when texts cannot be embedded now: the documents stay waiting, and a worker tries again.
        """
        if not claims:
            return
        try:
            await self._installation.indexer.index_many(
                claims[0].tenant_id, {held.row_id: held.fence for held in claims}
            )
        except (DeskError, SQLAlchemyError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - a defect of a reader must not keep the other files out
            _log.exception("indexing_failed", documents=len(claims))
            if len(claims) == 1:
                await self._give_up(claims[0], f"an unexpected error: {type(error).__name__}")
                return
            for held in claims:
                await self._index([held])

    async def _give_up(self, held: Claim, reason: str) -> None:
        try:
            await note_failure(self._database, held, reason, most_attempts=1)
        except LostLeaseError:
            _log.info("lease_lost", kind=held.kind, row=str(held.row_id))

    async def _ended(self, version_ids: Sequence[UUID]) -> list[tuple[UUID, IngestResult]]:
        chunks = (
            (select(func.count()).where(Chunk.version_id == DocumentVersion.id).correlate(DocumentVersion))
            .scalar_subquery()
            .label("chunks")
        )
        async with self._database.transaction(self._scope) as session:
            rows = await session.execute(
                select(
                    DocumentVersion.id,
                    DocumentVersion.document_id,
                    DocumentVersion.number,
                    DocumentVersion.state,
                    DocumentVersion.reason,
                    DocumentVersion.remarks,
                    chunks,
                ).where(DocumentVersion.id.in_(version_ids), DocumentVersion.state != "waiting")
            )
            return [
                (
                    row.id,
                    IngestResult(
                        "",
                        row.state,
                        row.chunks if row.state == "indexed" else 0,
                        row.reason,
                        row.document_id,
                        row.number,
                        tuple(row.remarks.splitlines()),
                    ),
                )
                for row in rows
            ]


def _read(path: Path, category: str, maximum_bytes: int) -> Upload:
    """Raises TooLargeError before anything is read, and InvalidInputError for an unreadable file."""
    try:
        size = path.stat().st_size
        if size > maximum_bytes:
            msg = f"{path.name} has {size / 1e6:.1f} MB; at most {maximum_bytes / 1e6:.0f} MB are taken"
            raise TooLargeError(msg)
        raw = path.read_bytes()
    except OSError as error:
        msg = f"{path.name} cannot be read: {error.strerror}"
        raise InvalidInputError(msg) from error
    return Upload(file_name=path.name, raw=raw, origin=path.resolve().as_posix(), category=category)


def _named(outcome: IngestResult, name: str) -> IngestResult:
    return replace(outcome, name=name)
