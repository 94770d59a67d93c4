"""Files come in: by the desk itself, which has the bytes, or by a visitor's browser, which puts them into the storage.

Bytes are stored before the row that names them, and never while a transaction is open; what is stored and named by no
row is swept away later (`desk.attachments.sweeping`).
"""

from __future__ import annotations

import hashlib
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.identity import Actor
from desk.attachments.kept import LONGEST_NAME, AttachmentLimits, GivenFile, check_size, clean_name, keep_one, row_of
from desk.attachments.sniffing import BINARY, sniff
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.files import FileLinks, UploadGrant, new_key
from desk.models import Attachment
from desk.plain_text import clean_line
from desk.ports import SignedAddress, Storage
from desk.tickets.view import get_ticket

MOST_LOOSE = 20
"""Files that one visitor may have uploaded and not sent; older ones are swept away within a day."""


async def keep_for_ticket(
    database: Database, storage: Storage, actor: Actor, ticket_id: UUID, given: GivenFile, limits: AttachmentLimits
) -> Attachment:
    """A file that a person or a key adds to a ticket, to be sent with a message. Durable when this returns.

    Raises NotFoundError, TooLargeError, InvalidInputError with the reason, ServiceUnavailableError.
    """
    check_size(given.name, len(given.content), limits)
    async with database.transaction(actor.scope) as session:
        await get_ticket(session, ticket_id)
    kept = await keep_one(storage, actor.tenant_id, given, limits)
    if kept.reason:
        msg = f"{kept.name}: {kept.reason}"
        raise InvalidInputError(msg)
    async with database.transaction(actor.scope) as session:
        await get_ticket(session, ticket_id)
        row = row_of(kept)
        row.ticket_id, row.uploaded_by, row.uploaded_by_id = ticket_id, actor.label, actor.user_id
        session.add(row)
    return row


async def announce_upload(
    database: Database,
    links: FileLinks,
    scope: Scope,
    visitor_id: UUID,
    *,
    name: str,
    declared_type: str,
    size: int,
    limits: AttachmentLimits,
) -> tuple[Attachment, SignedAddress]:
    """A visitor's browser is about to put a file. Raises TooLargeError, InvalidInputError."""
    check_size(name, size, limits)
    async with database.transaction(scope) as session:
        loose = select(func.count(Attachment.id)).where(
            Attachment.visitor_id == visitor_id, Attachment.message_id.is_(None)
        )
        if (await session.execute(loose)).scalar_one() >= MOST_LOOSE:
            msg = "too many files wait to be sent; send or remove some first"
            raise InvalidInputError(msg)
        row = Attachment(
            id=uuid7(),
            visitor_id=visitor_id,
            uploaded_by="visitor",
            name=clean_name(name),
            declared_type=clean_line(declared_type)[:LONGEST_NAME],
            size=size,
            storage_key=new_key(scope.tenant_id, "attachment"),
            state="uploading",
        )
        session.add(row)
    # Whatever it is called, it is stored as bytes without a meaning.
    return row, links.upload(UploadGrant(row.storage_key, BINARY, size))


async def complete_upload(
    database: Database, storage: Storage, scope: Scope, visitor_id: UUID, attachment_id: UUID, limits: AttachmentLimits
) -> Attachment:
    """The browser says that the file is there: look for oneself. Done twice it changes nothing.

    Raises NotFoundError for somebody else's, ConflictError while nothing has arrived.
    """
    async with database.transaction(scope) as session:
        row = await visitors_own(session, visitor_id, attachment_id)
    if row.state != "uploading":
        return row
    head = await storage.head(row.storage_key)
    if head is None:
        msg = "the file has not arrived yet; upload it again"
        raise ConflictError(msg)
    content = b"" if head.size > limits.bytes else await storage.get(row.storage_key)
    found = sniff(content)
    reason = found.refusal if head.size == row.size else "another file has arrived than was announced"
    if reason:
        await storage.delete(row.storage_key)
    async with database.transaction(scope) as session:
        row = await session.get_one(Attachment, row.id, with_for_update=True, populate_existing=True)
        if row.state == "uploading":
            row.state, row.reason = ("refused", reason) if reason else ("ready", "")
            row.media_type, row.sha256 = found.media_type, hashlib.sha256(content).hexdigest()
    return row


async def visitors_own(session: AsyncSession, visitor_id: UUID, attachment_id: UUID) -> Attachment:
    """A file this visitor has uploaded. Raises NotFoundError."""
    found = await session.execute(
        select(Attachment).where(Attachment.id == attachment_id, Attachment.visitor_id == visitor_id)
    )
    return _there(found.scalar_one_or_none())


async def get_attachment(session: AsyncSession, attachment_id: UUID) -> Attachment:
    """Raises NotFoundError, which another tenant's id gives as well."""
    found = await session.execute(select(Attachment).where(Attachment.id == attachment_id))
    return _there(found.scalar_one_or_none())


async def withdraw(session: AsyncSession, row: Attachment) -> None:
    """Not to be sent after all; the sweep takes the bytes. Raises ConflictError for one that is in use."""
    locked = await session.get_one(Attachment, row.id, with_for_update=True, populate_existing=True)
    if locked.message_id is not None or locked.delivery_id is not None:
        msg = "this file has been sent already"
        raise ConflictError(msg)
    await session.delete(locked)


def _there(row: Attachment | None) -> Attachment:
    if row is None:
        msg = "there is no such file"
        raise NotFoundError(msg)
    return row
