"""What the other side says has become of a part of a reply: ranked, because it comes late, twice and out of order."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.conversation import lock_ticket
from desk.db.leases import database_time, due_in
from desk.db.unit_of_work import announce, wake
from desk.delivery import confirm_delivery, return_delivery
from desk.models import ConnectionWatch, Delivery, DeliveryPart, Message, Ticket
from desk.parts import RANKS, parts_of
from desk.ports import ConnectionDetails, DeliveryMark, Ignored, Reaction


async def file_mark(session: AsyncSession, connection: ConnectionDetails, mark: DeliveryMark) -> Ignored | None:
    """None while no part is known to be meant: the call that sends it may not have been answered yet."""
    found = await _find(session, connection, mark)
    if found is None:
        return await _of_trial(session, connection, mark)
    part_id, ticket_id, delivery_id = found
    ticket = await lock_ticket(session, ticket_id)
    delivery = await session.get_one(Delivery, delivery_id, with_for_update=True, populate_existing=True)
    part = await session.get_one(DeliveryPart, part_id, with_for_update=True, populate_existing=True)
    if part.provider_id and mark.provider_id and part.provider_id != mark.provider_id:
        return Ignored("is about an earlier try of this part")
    if not _counts(part.mark, mark.mark):
        return Ignored(f"says '{mark.mark}' after '{part.mark}'")
    part.mark, part.marked_at = mark.mark, mark.at or await database_time(session)
    part.provider_id = part.provider_id or mark.provider_id or None
    if mark.mark == "failed":
        await _fail(session, delivery, ticket, part, mark)
    elif part.state == "uncertain":
        part.state = "sent"
        await _settle(session, delivery, ticket, part)
    await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return Ignored(f"says that a part of a reply is {mark.mark}")


def _counts(before: str, now: str) -> bool:
    """What was delivered stays delivered, and what failed stays failed."""
    if before == "failed":
        return False
    if now == "failed":
        return RANKS[before] < RANKS["delivered"]
    return RANKS[now] > RANKS[before]


async def _find(
    session: AsyncSession, connection: ConnectionDetails, mark: DeliveryMark
) -> tuple[UUID, UUID, UUID] | None:
    """By our own name for the part, which came back, else by the other side's."""
    asked = (
        select(DeliveryPart.id, Delivery.ticket_id, Delivery.id)
        .join(Delivery, Delivery.id == DeliveryPart.delivery_id)
        .where(Delivery.connection_id == connection.connection_id)
    )
    if mark.part is not None:
        delivery_id, position = mark.part
        asked = asked.where(DeliveryPart.delivery_id == delivery_id, DeliveryPart.position == position)
    else:
        asked = asked.where(DeliveryPart.provider_id == mark.provider_id)
    row = (await session.execute(asked.limit(1))).one_or_none()
    return (row[0], row[1], row[2]) if row is not None else None


async def _of_trial(session: AsyncSession, connection: ConnectionDetails, mark: DeliveryMark) -> Ignored | None:
    found = await session.execute(
        select(ConnectionWatch.tried["key"].astext).where(ConnectionWatch.connection_id == connection.connection_id)
    )
    if not mark.provider_id or found.scalar_one_or_none() != mark.provider_id:
        return None
    arrived = mark.mark in {"delivered", "read"}
    return Ignored(f"says that the test is {mark.mark}", key=mark.provider_id if arrived else "")


async def _fail(
    session: AsyncSession, delivery: Delivery, ticket: Ticket, part: DeliveryPart, mark: DeliveryMark
) -> None:
    """While the call still waits for its answer the sender itself finds the mark and ends the delivery."""
    part.detail = mark.detail
    if part.state == "sending":
        return
    part.state = "failed"
    await return_delivery(session, delivery, ticket, mark.detail)


async def _settle(session: AsyncSession, delivery: Delivery, ticket: Ticket, part: DeliveryPart) -> None:
    """What was uncertain has arrived: the reply is sent, or goes on with its next part."""
    rows = await parts_of(session, delivery.id)
    delivery.provider_id = delivery.provider_id or rows[0].provider_id
    if all(row.state == "sent" for row in rows):
        await confirm_delivery(session, delivery, ticket, f"the other side says that it is {part.mark}")
    elif delivery.state == "uncertain" and any(row.state == "pending" for row in rows):
        delivery.state, delivery.detail, delivery.attempts = "pending", "", 0
        await due_in(session, delivery, 0)
        wake(session, "deliveries")


async def file_reaction(session: AsyncSession, connection: ConnectionDetails, reaction: Reaction) -> Ignored | None:
    """A sign put to a message is shown at it; it asks for nothing. None while the message is not known."""
    sent = (
        select(Delivery.id)
        .join(DeliveryPart, DeliveryPart.delivery_id == Delivery.id)
        .where(DeliveryPart.provider_id == reaction.key)
        .scalar_subquery()
    )
    found = await session.execute(
        select(Message)
        .join(Ticket, Ticket.id == Message.ticket_id)
        .where(
            Ticket.connection_id == connection.connection_id,
            (Message.external_id == reaction.key) | (Message.delivery_id == sent),
        )
        .limit(1)
        .with_for_update(of=Message)
    )
    message = found.scalar_one_or_none()
    if message is None:
        return None
    others = {who: sign for who, sign in message.reactions.items() if who != reaction.sender}
    message.reactions = {**others, reaction.sender: reaction.sign} if reaction.sign else others
    await announce(session, connection.tenant_id, "ticket", ticket=message.ticket_id)
    return Ignored("puts a sign to a message" if reaction.sign else "takes its sign back")
