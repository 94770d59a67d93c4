"""The knowledge base: uploading, looking, replacing, deleting."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Controller, Request, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from desk.accounts.identity import Actor, Permission
from desk.api.checking import Anyway, check_change
from desk.api.document_bodies import DocumentOperation, GivenDocument, read_document
from desk.api.fields import Answer, Limit, Listed, Offset
from desk.comparing.candidates import Candidate
from desk.document_difference import version_difference
from desk.documents import DocumentLine, VersionLine, alike_passages, document_view, list_documents
from desk.errors import InvalidInputError
from desk.installation import Installation
from desk.knowledge import Upload, change_document, delete_document, get_document, reindex_document, take_in
from desk.models import GLOBAL_TENANT_ID, Chunk, Document, DocumentVersion
from desk.paging import STANDARD_PAGE
from desk.plain_text import clean_line
from desk.web.permissions import needs
from desk.websites.sites import WebsiteChoices, add_website


class VersionAnswer(Answer):
    id: UUID
    number: int
    file_name: str
    bytes: int
    sha256: str
    language: str
    state: str
    """waiting, indexed, or refused."""
    reason: str
    """Why it was refused."""
    remarks: list[str]
    """What was left out of it and why."""
    stage: str
    """Of a waiting one: reading, embedding, or empty before that."""
    progress: int
    """Percent of its passages that are embedded, while it is."""
    created_at: datetime


class ChunkAnswer(Answer):
    id: UUID
    ordinal: int
    text: str
    span: tuple[int, int]
    """Where it stands in the document's text."""
    heading_path: list[str]
    tokens: int


class DocumentAnswer(Answer):
    id: UUID
    title: str
    category: str
    origin: str
    url: str | None
    is_global: bool
    """Of every tenant; read-only here."""
    current_version: int
    """Number of the version that is searched; 0 until one is indexed."""
    part_of_id: UUID | None
    """The archive it came in."""
    created_at: datetime
    updated_at: datetime


class DocumentLineAnswer(DocumentAnswer):
    newest_version: VersionAnswer
    chunks: int


class DocumentDetail(DocumentAnswer):
    versions: list[VersionAnswer]
    chunks: list[ChunkAnswer]


class ChangeAnswer(Answer):
    kind: str
    """removed, added, or replaced."""
    before: str
    after: str
    before_span: tuple[int, int]
    """In the text of the earlier version."""
    after_span: tuple[int, int]


class DifferenceAnswer(Listed[ChangeAnswer]):
    before: int
    """Number of the earlier version."""
    after: int
    lines_removed: int
    lines_added: int


class JobAnswer(Answer):
    id: UUID
    state: str
    """waiting, indexed, or refused: see the document's versions, or the website's pages."""


class DocumentAccepted(DocumentAnswer):
    version: int
    job: JobAnswer


class PageAccepted(Answer):
    """A page that is being fetched: its document is made when it came."""

    url: str
    website_id: UUID
    """Under `/websites` it shows what became of it."""
    job: JobAnswer


class DocumentController(Controller):
    path = "/documents"
    tags = ("documents",)

    @post("/", status_code=202, opt=needs(Permission.KNOWLEDGE), operation_class=DocumentOperation)
    async def upload(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> DocumentAccepted | PageAccepted:
        """Take a document in; it is indexed in the background. A file of the same name is a new version.

        With nothing but a `url` the page is fetched; the same address again fetches it again.
        """
        given = await read_document(request, maximum_bytes=installation.settings.maximum_upload_bytes)
        if given.raw is None and given.url is not None:
            return await _fetch(installation, actor, given.url, given.category)
        if given.raw is None:
            msg = "send a file, a title and a text, or the url of a page"
            raise InvalidInputError(msg)
        title = clean_line(given.title or "")
        is_text = given.file_name is not None and given.file_name == f"{title or 'text'}.md"
        if is_text and not title:
            msg = "a text needs a title"
            raise InvalidInputError(msg)
        origin = f"text:{title}" if is_text else f"upload:{given.file_name}"
        return await _take_in(installation, actor, given, origin)

    @get("/", opt=needs(Permission.SIGNED_IN))
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        category: FromQuery[str | None] = None,
        document_state: FromQuery[str | None] = None,
        q: FromQuery[str | None] = None,
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[DocumentLineAnswer]:
        """By title, the global ones among them; with `q` those whose title or text has it or is about it.
        `document_state` is that of the newest version."""
        alike = await alike_passages(installation.retriever, actor.tenant_id, q or "")
        async with installation.database.transaction(actor.scope) as session:
            page = await list_documents(
                session, category=category, state=document_state, q=q, limit=limit, offset=offset, alike=alike
            )
        return Listed([_line(line) for line in page.items], page.total, page.limit, page.offset)

    @get("/{document_id:uuid}", opt=needs(Permission.SIGNED_IN))
    async def show(
        self, document_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> DocumentDetail:
        """With its versions, newest first, and the chunks of the one that is searched."""
        async with installation.database.transaction(actor.scope) as session:
            view = await document_view(session, document_id)
        return DocumentDetail(
            **_fields(view.document),
            versions=[_version(version) for version in view.versions],
            chunks=[_chunk(chunk) for chunk in view.chunks],
        )

    @get("/{document_id:uuid}/difference", opt=needs(Permission.SIGNED_IN))
    async def difference(
        self,
        document_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        before: FromQuery[int | None] = None,
        after: FromQuery[int | None] = None,
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> DifferenceAnswer:
        """What changed between two versions; without numbers, the newest one that was read and the one before it."""
        async with installation.database.transaction(actor.scope) as session:
            found = await version_difference(session, document_id, before, after)
        changes = [each for each in found.changes if each.kind != "same"]
        return DifferenceAnswer(
            [
                ChangeAnswer(each.kind, each.before, each.after, each.before_span, each.after_span)
                for each in changes[offset : offset + limit]
            ],
            len(changes),
            limit,
            offset,
            before=found.before.number,
            after=found.after.number,
            lines_removed=found.lines_removed,
            lines_added=found.lines_added,
        )

    @put(
        "/{document_id:uuid}",
        status_code=202,
        opt=needs(Permission.KNOWLEDGE),
        operation_class=DocumentOperation,
    )
    async def replace(
        self,
        document_id: FromPath[UUID],
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> DocumentAccepted:
        """Change title or category, and with a file or a text make a new version."""
        given = await read_document(request, maximum_bytes=installation.settings.maximum_upload_bytes)
        async with installation.database.transaction(actor.scope) as session:
            document = await change_document(session, document_id, title=given.title, category=given.category)
            newest = (await document_view(session, document_id)).versions[0]
        if given.raw is None and given.url is not None:
            msg = "a document is replaced by a file or a text; POST the url to fetch its page again"
            raise InvalidInputError(msg)
        if given.raw is None:
            return DocumentAccepted(**_fields(document), version=newest.number, job=JobAnswer(newest.id, newest.state))
        return await _take_in(installation, actor, given, document.origin)

    @delete("/{document_id:uuid}", opt=needs(Permission.KNOWLEDGE))
    async def remove(
        self,
        document_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        anyway: Anyway = False,
    ) -> None:
        """It is found no longer; drafts that cited it keep what they quoted."""
        await check_change(installation, actor, Candidate(without_documents=(document_id,)), anyway=anyway)
        async with installation.database.transaction(actor.scope) as session:
            await delete_document(session, document_id)

    @post("/{document_id:uuid}/reindex", status_code=202, opt=needs(Permission.KNOWLEDGE))
    async def reindex(
        self, document_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> DocumentAccepted:
        """Read the newest upload again."""
        async with installation.database.transaction(actor.scope) as session:
            version = await reindex_document(session, document_id)
            document = await get_document(session, document_id)
        return _accepted(document, version)


async def _fetch(installation: Installation, actor: Actor, url: str, category: str | None) -> PageAccepted:
    async with installation.database.transaction(actor.scope) as session:
        website = await add_website(session, installation.crawls.rules, url, WebsiteChoices(category=category))
    return PageAccepted(url=website.url, website_id=website.id, job=JobAnswer(website.id, "waiting"))


async def _take_in(installation: Installation, actor: Actor, given: GivenDocument, origin: str) -> DocumentAccepted:
    upload = Upload(
        file_name=given.file_name or "text.md",
        raw=given.raw or b"",
        origin=origin,
        title=given.title or "",
        category=given.category or "",
        url=given.url,
    )
    version = await take_in(
        installation.database,
        installation.storage,
        actor.scope,
        upload,
        maximum_bytes=installation.settings.maximum_upload_bytes,
    )
    async with installation.database.transaction(actor.scope) as session:
        document = await get_document(session, version.document_id)
    return _accepted(document, version)


def _accepted(document: Document, version: DocumentVersion) -> DocumentAccepted:
    return DocumentAccepted(**_fields(document), version=version.number, job=JobAnswer(version.id, version.state))


def _fields(document: Document) -> dict[str, Any]:
    return {
        "id": document.id,
        "title": document.title,
        "category": document.category,
        "origin": document.origin,
        "url": document.url,
        "is_global": document.tenant_id == GLOBAL_TENANT_ID,
        "current_version": document.current_version,
        "part_of_id": document.part_of_id,
        "created_at": document.created_at,
        "updated_at": document.updated_at,
    }


def _line(line: DocumentLine) -> DocumentLineAnswer:
    return DocumentLineAnswer(**_fields(line.document), newest_version=_version(line.newest), chunks=line.chunks)


def _version(version: VersionLine) -> VersionAnswer:
    return VersionAnswer(
        id=version.id,
        number=version.number,
        file_name=version.file_name,
        bytes=version.bytes,
        sha256=version.sha256,
        language=version.language,
        state=version.state,
        reason=version.reason,
        remarks=version.remarks.splitlines(),
        stage=version.stage,
        progress=version.progress,
        created_at=version.created_at,
    )


def _chunk(chunk: Chunk) -> ChunkAnswer:
    return ChunkAnswer(
        id=chunk.id,
        ordinal=chunk.ordinal,
        text=chunk.text,
        span=(chunk.span_start, chunk.span_end),
        heading_path=list(chunk.heading_path),
        tokens=chunk.tokens,
    )
