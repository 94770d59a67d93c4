"""Files of messages and replies: attached once, frozen with the approval, in the thread when the reply was sent.

Callers hold the ticket's lock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from desk.attachments.kept import AttachmentLimits, KeptFile, row_of
from desk.attachments.pictures import wish_for_descriptions
from desk.errors import InvalidInputError, NotFoundError
from desk.models import Attachment, Delivery, Message


def checked_ids(ids: Sequence[UUID], limits: AttachmentLimits) -> Sequence[UUID]:
    """Raises InvalidInputError for more files than a message takes."""
    if len(ids) > limits.count:
        msg = f"a message takes at most {limits.count} files"
        raise InvalidInputError(msg)
    return ids


async def add_kept_files(session: AsyncSession, message: Message, files: Sequence[KeptFile]) -> None:
    """Of a message that came with files, refused ones among them so that people see them."""
    for kept in files:
        row = row_of(kept)
        row.ticket_id, row.message_id = message.ticket_id, message.id
        session.add(row)
    await session.flush()


async def attach_to_message(session: AsyncSession, message: Message, ids: Sequence[UUID]) -> None:
    """What was uploaded to this ticket before. Raises NotFoundError, InvalidInputError."""
    rows = await _usable(session, ids)
    for row in rows:
        if row.ticket_id != message.ticket_id or row.visitor_id is not None:
            raise _missing()
        row.message_id = message.id
    await session.flush()
    await wish_for_descriptions(session, message, rows)


async def attach_visitors_files(session: AsyncSession, message: Message, visitor_id: UUID, ids: Sequence[UUID]) -> None:
    """What this visitor has uploaded and not sent yet. Raises NotFoundError, InvalidInputError."""
    rows = await _usable(session, ids)
    for row in rows:
        if row.visitor_id != visitor_id:
            raise _missing()
        row.ticket_id, row.message_id = message.ticket_id, message.id
    await session.flush()
    await wish_for_descriptions(session, message, rows)


async def freeze(session: AsyncSession, delivery: Delivery, ids: Sequence[UUID]) -> None:
    """With the approval: exactly these files go out with the reply. Raises NotFoundError, InvalidInputError."""
    for row in await _usable(session, ids):
        if row.ticket_id != delivery.ticket_id or row.visitor_id is not None:
            raise _missing()
        row.delivery_id = delivery.id
    await session.flush()


async def release(session: AsyncSession, delivery: Delivery) -> None:
    """The reply was undone: its files wait in the composer again."""
    await session.execute(
        update(Attachment)
        .where(Attachment.delivery_id == delivery.id, Attachment.message_id.is_(None))
        .values(delivery_id=None)
    )


async def add_sent_files(session: AsyncSession, delivery: Delivery, message: Message) -> None:
    await session.execute(update(Attachment).where(Attachment.delivery_id == delivery.id).values(message_id=message.id))


async def move_files(session: AsyncSession, from_ticket: UUID, to_ticket: UUID, messages: Sequence[UUID] = ()) -> None:
    """Files follow their messages into another ticket; without a choice of messages everything does."""
    statement = update(Attachment).where(Attachment.ticket_id == from_ticket).values(ticket_id=to_ticket)
    await session.execute(statement.where(Attachment.message_id.in_(messages)) if messages else statement)


async def files_of_messages(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Attachment]]:
    """Refused ones as well, with their reasons; in the order in which they came."""
    found: dict[UUID, list[Attachment]] = defaultdict(list)
    if ids:
        rows = await session.execute(select(Attachment).where(Attachment.message_id.in_(ids)).order_by(Attachment.id))
        for row in rows.scalars():
            if row.message_id is not None:
                found[row.message_id].append(row)
    return found


async def files_of_deliveries(session: AsyncSession, ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Attachment]]:
    found: dict[UUID, list[Attachment]] = defaultdict(list)
    if ids:
        rows = await session.execute(select(Attachment).where(Attachment.delivery_id.in_(ids)).order_by(Attachment.id))
        for row in rows.scalars():
            if row.delivery_id is not None:
                found[row.delivery_id].append(row)
    return found


async def files_in_composer(session: AsyncSession, ticket_id: UUID, user_id: UUID | None) -> Sequence[Attachment]:
    """What this person has uploaded to the ticket and not sent yet."""
    rows = await session.execute(
        select(Attachment)
        .where(
            Attachment.ticket_id == ticket_id,
            Attachment.message_id.is_(None),
            Attachment.delivery_id.is_(None),
            Attachment.visitor_id.is_(None),
            Attachment.uploaded_by_id == user_id,
            Attachment.state == "ready",
        )
        .order_by(Attachment.id)
    )
    return rows.scalars().all()


async def _usable(session: AsyncSession, ids: Sequence[UUID]) -> Sequence[Attachment]:
    """Locked, ready and not sent with anything yet."""
    wanted = list(dict.fromkeys(ids))
    if not wanted:
        return ()
    found = await session.execute(
        select(Attachment).where(Attachment.id.in_(wanted)).order_by(Attachment.id).with_for_update()
    )
    rows = found.scalars().all()
    if len(rows) != len(wanted):
        raise _missing()
    for row in rows:
        if row.state != "ready" or row.message_id is not None or row.delivery_id is not None:
            msg = f"{row.name} cannot be sent: it " + (
                "is part of another message" if row.state == "ready" else "has not been taken in"
            )
            raise InvalidInputError(msg)
    return rows


def _missing() -> NotFoundError:
    return NotFoundError("there is no such file")
