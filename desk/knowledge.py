"""Documents: taken in durably, indexed afterwards by a worker, versioned, deleted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.index_log import remove_items
from desk.db.leases import due_in
from desk.db.tenancy import Scope, session_scope
from desk.db.unit_of_work import Database, announce, wake
from desk.errors import InvalidInputError, NotAllowedError, NotFoundError, TooLargeError
from desk.files import new_key
from desk.models import Chunk, Document, DocumentVersion
from desk.plain_text import clean_line
from desk.ports import Storage
from desk.set_aside import set_aside_outdated

LONGEST_TITLE = 300


@dataclass(frozen=True, slots=True)
class Upload:
    file_name: str
    raw: bytes
    origin: str
    """Path, URL or `text:<title>`: the same origin again is a new version of the same document."""
    title: str = ""
    category: str = ""
    url: str | None = None
    part_of_id: UUID | None = None
    """The document of the archive it came in."""


async def take_in(
    database: Database, storage: Storage, scope: Scope, upload: Upload, *, maximum_bytes: int
) -> DocumentVersion:
    """Store the upload; when this returns it is durable and a worker will index it.

    The same bytes again as the newest version change nothing. Raises TooLargeError, InvalidInputError,
    ServiceUnavailableError when the storage cannot take it.
    """
    if len(upload.raw) > maximum_bytes:
        msg = f"{upload.file_name} has {len(upload.raw) / 1e6:.1f} MB; at most {maximum_bytes / 1e6:.0f} MB are taken"
        raise TooLargeError(msg)
    if not upload.raw:
        msg = f"{upload.file_name} is empty"
        raise InvalidInputError(msg)
    digest = hashlib.sha256(upload.raw).hexdigest()
    async with database.transaction(scope) as session:
        known = await _newest_version(session, Document.origin == upload.origin)
    if _is_same(known, digest):
        return known
    # The bytes come before the row that names them; without the row they are swept away later.
    key = new_key(scope.tenant_id, "document")
    await storage.put(key, upload.raw)
    async with database.transaction(scope) as session:
        document = await _document(session, upload)
        known = await _newest_version(session, Document.id == document.id)
        if _is_same(known, digest):
            return known
        document.set_aside = ""
        version = DocumentVersion(
            id=uuid7(),
            document_id=document.id,
            number=(known.number if known else 0) + 1,
            file_name=clean_line(upload.file_name)[:LONGEST_TITLE],
            storage_key=key,
            size=len(upload.raw),
            sha256=digest,
            state="waiting",
        )
        await due_in(session, version, 0)
        session.add(version)
        await session.flush()
        wake(session, "document_versions")
        await announce(session, document.tenant_id, "document", document=document.id)
    return version


async def _newest_version(session: AsyncSession, wanted: ColumnElement[bool]) -> DocumentVersion | None:
    """Of the transaction's own document that is wanted."""
    newest = await session.execute(
        select(DocumentVersion)
        .join(Document, Document.id == DocumentVersion.document_id)
        .where(wanted, Document.tenant_id == session_scope(session.sync_session).tenant_id, ~Document.is_deleted)
        .order_by(DocumentVersion.number.desc())
        .limit(1)
    )
    return newest.scalar_one_or_none()


def _is_same(known: DocumentVersion | None, digest: str) -> TypeGuard[DocumentVersion]:
    return known is not None and known.sha256 == digest and known.state != "refused"


async def read_original(storage: Storage, version: DocumentVersion) -> bytes:
    """As it was uploaded. No transaction may be open. Raises NotFoundError when the storage has lost it."""
    if version.storage_key is None:
        return version.raw or b""
    return await storage.get(version.storage_key)


async def _document(session: AsyncSession, upload: Upload) -> Document:
    """The document of this origin, locked, or a new one."""
    tenant_id = session_scope(session.sync_session).tenant_id
    new = {"id": uuid7(), "tenant_id": tenant_id, "origin": upload.origin, "title": "", "category": ""}
    await session.execute(
        insert(Document)
        .values(**new, current_version=0, is_deleted=False)
        .on_conflict_do_nothing(index_elements=["tenant_id", "origin"], index_where=~Document.is_deleted)
    )
    found = await session.execute(
        select(Document)
        .where(Document.origin == upload.origin, Document.tenant_id == tenant_id, ~Document.is_deleted)
        .with_for_update()
    )
    document = found.scalar_one()
    title = clean_line(upload.title)[:LONGEST_TITLE] or document.title or clean_line(upload.file_name)[:LONGEST_TITLE]
    document.title = title
    document.category = clean_line(upload.category)[:LONGEST_TITLE] or document.category
    document.url = upload.url or document.url
    document.part_of_id = upload.part_of_id or document.part_of_id
    await session.flush()
    return document


async def get_document(session: AsyncSession, document_id: UUID) -> Document:
    found = await session.execute(select(Document).where(Document.id == document_id, ~Document.is_deleted))
    document = found.scalar_one_or_none()
    if document is None:
        msg = "there is no such document"
        raise NotFoundError(msg)
    return document


async def change_document(
    session: AsyncSession, document_id: UUID, *, title: str | None = None, category: str | None = None
) -> Document:
    """Raises NotAllowedError for a global document inside a tenant."""
    document = _own(session, await get_document(session, document_id))
    if title is not None:
        document.title = clean_line(title)[:LONGEST_TITLE] or document.title
    if category is not None:
        document.category = clean_line(category)[:LONGEST_TITLE]
    return document


async def delete_document(session: AsyncSession, document_id: UUID) -> None:
    """It is no longer found from now on, nor is what came in it; drafts that cited it keep what they quoted."""
    document = _own(session, await get_document(session, document_id))
    parts = await session.execute(select(Document).where(Document.part_of_id == document.id, ~Document.is_deleted))
    gone = [document, *parts.scalars()]
    for each in gone:
        each.is_deleted = True
    await _search_no_longer(session, gone)


async def _search_no_longer(session: AsyncSession, documents: Sequence[Document]) -> None:
    for each in documents:
        each.current_version = 0
    chunks = await session.execute(select(Chunk.id).where(Chunk.document_id.in_([each.id for each in documents])))
    await remove_items(session, "knowledge", list(chunks.scalars()))
    await session.flush()
    await set_aside_outdated(session)


async def set_aside_document(session: AsyncSession, document_id: UUID, reason: str) -> None:
    """It stays with all its versions, but is no longer searched until `search_again` or a new version of it."""
    document = _own(session, await get_document(session, document_id))
    if not document.set_aside:
        document.set_aside = reason
        await _search_no_longer(session, [document])
        await announce(session, document.tenant_id, "document", document=document.id)


async def search_again(session: AsyncSession, document_id: UUID) -> None:
    """Read anew what was set aside; anything else stays as it is."""
    document = _own(session, await get_document(session, document_id))
    if document.set_aside:
        document.set_aside = ""
        await reindex_document(session, document_id)
        await announce(session, document.tenant_id, "document", document=document.id)


async def reindex_document(session: AsyncSession, document_id: UUID) -> DocumentVersion:
    """Read the newest upload again, as if it had just come."""
    document = _own(session, await get_document(session, document_id))
    newest = await session.execute(
        select(DocumentVersion)
        .where(DocumentVersion.document_id == document.id)
        .order_by(DocumentVersion.number.desc())
        .limit(1)
        .with_for_update()
    )
    version = newest.scalar_one()
    version.state, version.attempts, version.stage, version.progress = "waiting", 0, "", 0
    await due_in(session, version, 0)
    wake(session, "document_versions")
    return version


def _own(session: AsyncSession, document: Document) -> Document:
    if document.tenant_id != session_scope(session.sync_session).tenant_id:
        msg = "global knowledge is read-only here; an operator changes it"
        raise NotAllowedError(msg)
    return document
