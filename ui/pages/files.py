"""Files an agent adds to a reply or a note: uploaded one by one, kept with the ticket until they are sent."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Controller, Request, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.attachments.kept import AttachmentLimits, GivenFile
from desk.attachments.threads import files_in_composer
from desk.attachments.uploads import get_attachment, keep_for_ticket, withdraw
from desk.errors import InvalidInputError
from desk.installation import Installation
from desk.web.permissions import needs
from ui.pages.shell import part_of_page
from ui.presenting.files import shown_files

LARGEST_BODY = 1024 * 1024 * 1024
"""Bytes; the setting's limit is looked at when the file is here, so that the answer can name it."""


class ComposerFiles(Controller):
    path = "/tickets/{ticket_id:uuid}/files"
    opt = needs(Permission.TICKETS)
    include_in_schema = False

    @post("/", status_code=200, request_max_body_size=LARGEST_BODY)
    async def add(
        self,
        request: Request[Any, Any, Any],
        ticket_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        file = (await request.form()).get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            msg = "choose a file"
            raise InvalidInputError(msg)
        limits = AttachmentLimits.of(installation.settings)
        given = GivenFile(file.filename, file.content_type, await file.read(limits.bytes + 1))
        async with installation.database.transaction(actor.scope) as session:
            waiting = await files_in_composer(session, ticket_id, actor.user_id)
        if len(waiting) >= limits.count:
            msg = f"a message takes at most {limits.count} files"
            raise InvalidInputError(msg)
        await keep_for_ticket(installation.database, installation.storage, actor, ticket_id, given, limits)
        return await _composer_files(installation, actor, ticket_id)

    @post("/{attachment_id:uuid}/remove", status_code=200)
    async def remove(
        self,
        ticket_id: FromPath[UUID],
        attachment_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await withdraw(session, await get_attachment(session, attachment_id))
        return await _composer_files(installation, actor, ticket_id)


async def _composer_files(installation: Installation, actor: Actor, ticket_id: UUID) -> Template:
    async with installation.database.transaction(actor.scope) as session:
        rows = await files_in_composer(session, ticket_id, actor.user_id)
    return part_of_page("ticket.html", ["composer_files"], files=shown_files(rows), files_of=ticket_id)
