"""Files in messages: uploading one to a ticket, looking at it, fetching it, taking it back before it is sent."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.datastructures import UploadFile
from litestar.di import NamedDependency
from litestar.enums import RequestEncodingType
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Body, FromPath
from litestar.response import Stream

from desk.accounts.identity import Actor, Permission
from desk.api.ticket_answers import AttachmentAnswer, attachment_answer
from desk.attachments.kept import AttachmentLimits, GivenFile
from desk.attachments.sniffing import served_type
from desk.attachments.uploads import get_attachment, keep_for_ticket, withdraw
from desk.errors import NotFoundError
from desk.files import attachment_disposition
from desk.installation import Installation
from desk.models import Attachment
from desk.web.files import FILE_HEADERS
from desk.web.permissions import needs


class UploadedFile(msgspec.Struct):
    """A form with the field `file`."""

    file: UploadFile


class TicketAttachmentController(Controller):
    path = "/tickets/{ticket_id:uuid}/attachments"
    tags = ("attachments",)
    opt = needs(Permission.TICKETS)

    @post("/")
    async def upload(
        self,
        ticket_id: FromPath[UUID],
        data: Annotated[UploadedFile, Body(media_type=RequestEncodingType.MULTI_PART)],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> AttachmentAnswer:
        """A file for this ticket, to be sent with a message or a reply by its id within a day."""
        limits = AttachmentLimits.of(installation.settings)
        content = await data.file.read(limits.bytes + 1)
        given = GivenFile(data.file.filename, data.file.content_type, content)
        row = await keep_for_ticket(installation.database, installation.storage, actor, ticket_id, given, limits)
        return attachment_answer(row)


class AttachmentController(Controller):
    path = "/attachments"
    tags = ("attachments",)
    opt = needs(Permission.TICKETS)

    @get("/{attachment_id:uuid}")
    async def show(
        self, attachment_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> AttachmentAnswer:
        return attachment_answer(await _find(installation, actor, attachment_id))

    @get(
        "/{attachment_id:uuid}/content",
        opt={**needs(Permission.TICKETS), "uncompressed": True},
        responses={200: ResponseSpec(None, description="The bytes, under the type that they were found to have")},
    )
    async def content(
        self, attachment_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Response[Any]:
        """The bytes, to be saved: whatever the file says it is, a browser never shows it as a page."""
        row = await _find(installation, actor, attachment_id)
        if row.state != "ready" or await installation.storage.head(row.storage_key) is None:
            msg = "this file was not taken in, or is no longer there"
            raise NotFoundError(msg)
        headers = {
            **FILE_HEADERS,
            "Content-Disposition": attachment_disposition(row.name),
            "Content-Length": str(row.size),
            # The bytes under an id never change.
            "Cache-Control": "private, max-age=86400, immutable",
        }
        return Stream(
            installation.storage.stream(row.storage_key), media_type=served_type(row.media_type), headers=headers
        )

    @delete("/{attachment_id:uuid}")
    async def remove(
        self, attachment_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> None:
        """Take back what has not been sent with anything."""
        async with installation.database.transaction(actor.scope) as session:
            await withdraw(session, await get_attachment(session, attachment_id))


async def _find(installation: Installation, actor: Actor, attachment_id: UUID) -> Attachment:
    async with installation.database.transaction(actor.scope) as session:
        return await get_attachment(session, attachment_id)
