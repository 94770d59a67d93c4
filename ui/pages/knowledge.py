"""The knowledge base: uploading, reading, replacing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template
from sqlalchemy import select

from desk.accounts.identity import Actor, Permission
from desk.accounts.preferences import load_preferences
from desk.comparing.candidates import Candidate
from desk.document_difference import version_difference
from desk.documents import alike_passages, categories, document_view, list_documents, reading_progress
from desk.errors import DeskError, InvalidInputError
from desk.installation import Installation
from desk.knowledge import Upload, change_document, delete_document, reindex_document, search_again, take_in
from desk.models import DocumentVersion
from desk.paging import STANDARD_PAGE
from desk.plain_text import clean_line, clean_text
from desk.upkeep import rebuild_state
from desk.web.permissions import needs
from ui.pages.asked import asked_offset, asked_span
from ui.pages.comparing import check_first
from ui.pages.shell import leave_for, page_or_content, part_of_page, shell, told, wants_part
from ui.presenting.documents import (
    ACCEPTED,
    STATES,
    document_line,
    shown_difference,
    shown_document,
    shown_progress,
)
from ui.presenting.queue import page_links
from ui.presenting.texts import passage
from ui.presenting.upkeep import shown_rebuild
from ui.presenting.words import counted, query_string

LARGEST_BODY = 256 * 1024 * 1024
"""Bytes of one upload with all its files; DESK_MAXIMUM_UPLOAD_MB is checked on each."""


class TextForm(msgspec.Struct):
    title: str = ""
    category: str = ""
    text: str = ""


class ChangeForm(msgspec.Struct):
    title: str = ""
    category: str = ""


class Knowledge(Controller):
    path = "/knowledge"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """The page; for the page itself, its list."""
        context = await _listing(request, installation, actor)
        if wants_part(request):
            around = await shell(request, installation, actor, area="knowledge")
            return part_of_page("knowledge.html", ["documents"], shell=around, **context)
        return await page_or_content(request, installation, actor, "knowledge.html", area="knowledge", **context)

    @post("/files", status_code=200, opt=needs(Permission.KNOWLEDGE), request_max_body_size=LARGEST_BODY)
    async def upload(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """Each file by itself: what cannot be taken is said beside its name, the others are taken."""
        form = await request.form()
        category = str(form.get("category") or "")
        files = [each for each in form.getall("files", []) if isinstance(each, UploadFile) and each.filename]
        if not files:
            msg = "choose at least one file"
            raise InvalidInputError(msg)
        refused = [why for file in files if (why := await _take_file(installation, actor, file, category))]
        taken = len(files) - len(refused)
        context = await _listing(request, installation, actor)
        around = await shell(request, installation, actor, area="knowledge")
        rendered = part_of_page("knowledge.html", ["content"], shell=around, **{**context, "refused": refused})
        return told(rendered, f"{counted(taken, 'file', 'files')} taken in; reading goes on in the background.")

    @post("/text", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def paste(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[TextForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        title, text = clean_line(data.title), clean_text(data.text)
        if not title or not text.strip():
            msg = "a pasted text needs a title and some words"
            raise InvalidInputError(msg)
        upload = Upload(f"{title}.md", text.encode(), f"text:{title}", title=title, category=data.category)
        await take_in(
            installation.database,
            installation.storage,
            actor.scope,
            upload,
            maximum_bytes=installation.settings.maximum_upload_bytes,
        )
        context = await _listing(request, installation, actor)
        around = await shell(request, installation, actor, area="knowledge")
        return told(part_of_page("knowledge.html", ["content"], shell=around, **context), "Text taken in.")


class OneDocument(Controller):
    path = "/knowledge/{document_id:uuid}"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        document_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """`version`, `from` and `to` in the address mark a cited passage of that version."""
        return await _document_page(request, installation, actor, document_id)

    @get("/difference")
    async def difference(
        self,
        request: Request[Any, Any, Any],
        document_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """`from` and `to` in the address are version numbers."""
        _, before, after = asked_span(request)
        shown, why = None, ""
        async with installation.database.transaction(actor.scope) as session:
            view = await document_view(session, document_id)
            try:
                shown = shown_difference(await version_difference(session, document_id, before, after), view.versions)
            except InvalidInputError as error:
                why = error.detail
        return await page_or_content(
            request,
            installation,
            actor,
            "document_difference.html",
            area="knowledge",
            document=view.document,
            difference=shown,
            why=f"{why[:1].upper()}{why[1:]}.",
        )

    @post("/change", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def change(
        self,
        request: Request[Any, Any, Any],
        document_id: FromPath[UUID],
        data: URLEncodedBody[ChangeForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await change_document(session, document_id, title=data.title, category=data.category)
        return told(await _document_page(request, installation, actor, document_id), "Saved.")

    @post("/replace", status_code=200, opt=needs(Permission.KNOWLEDGE), request_max_body_size=LARGEST_BODY)
    async def replace(
        self,
        request: Request[Any, Any, Any],
        document_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """A new version of the same document; the one before is searched until the new one is read."""
        file = (await request.form()).get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            msg = "choose the file that replaces this one"
            raise InvalidInputError(msg)
        async with installation.database.transaction(actor.scope) as session:
            document = await change_document(session, document_id)
        maximum = installation.settings.maximum_upload_bytes
        upload = Upload(_file_name(file), await file.read(maximum + 1), document.origin, title=document.title)
        await take_in(installation.database, installation.storage, actor.scope, upload, maximum_bytes=maximum)
        return told(await _document_page(request, installation, actor, document_id), "New version taken in.")

    @post("/reindex", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def reindex(
        self,
        request: Request[Any, Any, Any],
        document_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await reindex_document(session, document_id)
        return told(await _document_page(request, installation, actor, document_id), "Being read again.")

    @post("/search-again", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def search_again(
        self,
        request: Request[Any, Any, Any],
        document_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """What was set aside is searched again."""
        async with installation.database.transaction(actor.scope) as session:
            await search_again(session, document_id)
        return told(await _document_page(request, installation, actor, document_id), "Being read again.")

    @post("/delete", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def remove(
        self, document_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Response[str]:
        """Where the tenant wants changes to be checked, what it would break is shown first."""
        async with installation.database.transaction(actor.scope) as session:
            is_checked = (await load_preferences(session)).checks_required
        if is_checked:
            checked = await check_first(installation, actor, Candidate(without_documents=(document_id,)))
            if checked is not None:
                return leave_for(checked)
        async with installation.database.transaction(actor.scope) as session:
            await delete_document(session, document_id)
        return leave_for("/knowledge")


async def _listing(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> dict[str, Any]:
    given = {name: str(request.query_params.get(name) or "") for name in ("q", "category", "state")}
    alike = await alike_passages(installation.retriever, actor.tenant_id, given["q"])
    async with installation.database.transaction(actor.scope) as session:
        page = await list_documents(
            session,
            category=given["category"] or None,
            state=given["state"] or None,
            q=given["q"] or None,
            limit=STANDARD_PAGE,
            offset=asked_offset(request),
            alike=alike,
        )
        known = await categories(session)
        progress = await reading_progress(session)
        rebuilding = shown_rebuild(await rebuild_state(session))
    query = query_string(given)
    return {
        "documents": [document_line(line, actor, given["q"]) for line in page.items],
        "page": page_links(page, "/knowledge", query),
        "total_words": counted(page.total, "document", "documents"),
        "wanted": given,
        "is_filtered": any(given.values()),
        "categories": [(each, each) for each in known],
        "states": STATES,
        "refresh_address": f"/knowledge?{query_string({**given, 'offset': str(page.offset or '')})}",
        "may_change": actor.may(Permission.KNOWLEDGE),
        "maximum_words": f"{installation.settings.maximum_upload_bytes / 1024 / 1024:.0f} MB",
        "accepted": ACCEPTED,
        "progress": shown_progress(progress),
        "rebuilding": rebuilding,
        "refused": [],
    }


async def _take_file(installation: Installation, actor: Actor, file: UploadFile, category: str) -> str | None:
    """None when it was taken, else why not."""
    maximum, name = installation.settings.maximum_upload_bytes, _file_name(file)
    upload = Upload(name, await file.read(maximum + 1), f"upload:{name}", category=category)
    try:
        await take_in(installation.database, installation.storage, actor.scope, upload, maximum_bytes=maximum)
    except DeskError as error:
        return f"{name}: {error.detail}"
    return None


def _file_name(file: UploadFile) -> str:
    return clean_line(file.filename.replace("\\", "/").rpartition("/")[2]) or "file"


async def _document_page(
    request: Request[Any, Any, Any], installation: Installation, actor: Actor, document_id: UUID
) -> Any:
    wanted, start, end = asked_span(request)
    async with installation.database.transaction(actor.scope) as session:
        view = await document_view(session, document_id)
        number = wanted or view.document.current_version or view.versions[0].number
        searched = view.document.current_version
        rows = await session.execute(
            select(DocumentVersion.number, DocumentVersion.text, DocumentVersion.pages).where(
                DocumentVersion.document_id == document_id, DocumentVersion.number.in_({number, searched})
            )
        )
        read = {row.number: (row.text, row.pages) for row in rows}
    words, pages = read.get(number, ("", []))
    return await page_or_content(
        request,
        installation,
        actor,
        "document.html",
        area="knowledge",
        document=shown_document(view, actor, number, read.get(searched, ("", []))[1]),
        text=passage(words, start, end, pages),
        accepted=ACCEPTED,
    )
