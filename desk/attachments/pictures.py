"""Pictures that customers send: which of them are to be described, and what was said of them.

A description is words of a machine about something a stranger sent: shown under the picture, and given to the draft as
material that nobody vouches for.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.preferences import load_preferences
from desk.db.leases import due_in
from desk.db.unit_of_work import wake
from desk.models import Attachment, Message, PictureDescription

DUTY = "picture_descriptions"
DESCRIBED_TYPES = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
LARGEST_BYTES = 5_000_000
MOST_OF_A_MESSAGE = 4


async def wish_for_descriptions(session: AsyncSession, message: Message, files: Sequence[Attachment]) -> None:
    """Of the pictures of a customer's message, where the tenant wants them; in the transaction that attaches them."""
    if message.author != "customer":
        return
    pictures = [
        row for row in files if row.state == "ready" and row.media_type in DESCRIBED_TYPES and row.size <= LARGEST_BYTES
    ]
    if not pictures or not (await load_preferences(session)).describe_pictures:
        return
    await session.flush()
    for picture in pictures[:MOST_OF_A_MESSAGE]:
        row = PictureDescription(id=uuid7(), attachment_id=picture.id, sha256=picture.sha256)
        await due_in(session, row, 0)
        session.add(row)
    await session.flush()
    wake(session, DUTY)


async def descriptions_of(session: AsyncSession, attachments: Sequence[UUID]) -> dict[UUID, PictureDescription]:
    """By attachment, those that there are."""
    if not attachments:
        return {}
    found = await session.scalars(select(PictureDescription).where(PictureDescription.attachment_id.in_(attachments)))
    return {row.attachment_id: row for row in found}


async def described_pictures(session: AsyncSession, ticket_id: UUID, through_seq: int) -> tuple[str, ...]:
    """Of the customer's messages since the last reply, oldest first."""
    replied = (
        select(func.coalesce(func.max(Message.seq), 0))
        .where(Message.ticket_id == ticket_id, Message.author.in_(("agent", "machine")), Message.seq < through_seq)
        .scalar_subquery()
    )
    found = await session.execute(
        select(Attachment.name, PictureDescription.text)
        .join(PictureDescription, PictureDescription.attachment_id == Attachment.id)
        .join(Message, Message.id == Attachment.message_id)
        .where(
            Message.ticket_id == ticket_id,
            Message.author == "customer",
            Message.seq > replied,
            Message.seq <= through_seq,
            PictureDescription.state == "done",
        )
        .order_by(Attachment.id)
    )
    return tuple(f"{name}: {text}" for name, text in found)
