"""Files as visitors see them: their own before they are sent, and those of messages they may read."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.attachments.sniffing import is_picture, served_type
from desk.attachments.threads import files_of_messages
from desk.db.unit_of_work import Database
from desk.errors import NotFoundError
from desk.files import DownloadGrant, FileLinks, attachment_disposition
from desk.models import Attachment, ChatSession, Message
from desk.ports import SignedAddress
from desk.widget.access import VisitorClaim, Widget
from desk.widget.visitors import visitor_of


class VisibleFile(msgspec.Struct, frozen=True):
    id: UUID
    name: str
    size: int
    is_picture: bool
    """May be shown; everything else is only saved."""


def visible_file(row: Attachment) -> VisibleFile:
    return VisibleFile(row.id, row.name, row.size, is_picture(row.media_type))


async def visible_files(session: AsyncSession, message: Message) -> tuple[VisibleFile, ...]:
    rows: Sequence[Attachment] = (await files_of_messages(session, [message.id])).get(message.id, ())
    return tuple(visible_file(row) for row in rows if row.state == "ready")


async def download_address(
    database: Database, links: FileLinks, widget: Widget, claim: VisitorClaim, attachment_id: UUID
) -> SignedAddress:
    """For some minutes. Raises NotFoundError for a file of anybody else's conversation, or of a note."""
    async with database.transaction(widget.scope) as session:
        visitor = await visitor_of(session, widget, claim)
        found = await session.execute(
            select(Attachment)
            .join(Message, Message.id == Attachment.message_id)
            .join(ChatSession, ChatSession.ticket_id == Message.ticket_id)
            .where(
                Attachment.id == attachment_id,
                Attachment.state == "ready",
                Message.author != "note",
                ChatSession.visitor_id == (visitor.id if visitor is not None else None),
            )
        )
        row = found.scalar_one_or_none()
    if row is None:
        msg = "there is no such file"
        raise NotFoundError(msg)
    return links.download(DownloadGrant(row.storage_key, served_type(row.media_type), attachment_disposition(row.name)))
