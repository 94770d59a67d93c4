"""Which ticket an inbound message belongs to.

A token that the desk signed proves it. What a message merely refers to counts only when its sender takes part in that
ticket already: anybody can write a header.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.conversation import lock_ticket
from desk.customers.people import family_of
from desk.models import Customer, CustomerIdentity, Delivery, DeliveryPart, Message, Ticket, TicketEvent
from desk.ports import ConnectionDetails, InboundMessage, Sender

MOST_REFERENCES = 50
RESOLVED_STAYS_OPEN = timedelta(hours=24)


async def find_ticket(session: AsyncSession, connection: ConnectionDetails, message: InboundMessage) -> Ticket | None:
    """Locked; None when the message begins a ticket of its own."""
    if message.ticket_id is not None and (ticket := await _open_to_join(session, message.ticket_id)) is not None:
        return ticket
    if message.external_ticket_id:
        found = await session.execute(
            select(Ticket.id)
            .where(Ticket.connection_id == connection.connection_id, Ticket.external_id == message.external_ticket_id)
            .limit(1)
        )
        ticket_id = found.scalar_one_or_none()
        return await _open_to_join(session, ticket_id) if ticket_id is not None else None
    for ticket_id in await _referred_to(session, message.answers[:MOST_REFERENCES]):
        ticket = await _open_to_join(session, ticket_id)
        if ticket is not None and await takes_part(session, ticket, message.sender):
            return ticket
    return await _newest_of_sender(session, connection, message.sender) if message.joins_newest else None


async def _newest_of_sender(session: AsyncSession, connection: ConnectionDetails, sender: Sender) -> Ticket | None:
    """A conversation that is over stays over; thanks for an answer still belong to it for a day."""
    known_as = (sender.external_id, *sender.also)
    found = await session.execute(
        select(Ticket.id)
        .join(CustomerIdentity, CustomerIdentity.customer_id == Ticket.customer_id)
        .where(
            CustomerIdentity.kind == f"external:{connection.connection_id.hex[:12]}",
            CustomerIdentity.value.in_([value for value in known_as if value]),
            Ticket.connection_id == connection.connection_id,
            ~Ticket.is_spam,
            Ticket.status.in_(("open", "pending", "on_hold"))
            | ((Ticket.status == "resolved") & (Ticket.last_message_at > func.now() - RESOLVED_STAYS_OPEN)),
        )
        .order_by(Ticket.last_message_at.desc())
        .limit(1)
    )
    ticket_id = found.scalar_one_or_none()
    return await _open_to_join(session, ticket_id) if ticket_id is not None else None


async def takes_part(session: AsyncSession, ticket: Ticket, sender: Sender) -> bool:
    """Whether the sender is the ticket's customer, or somebody who has been answered in it."""
    if sender.verified is False or not (sender.address or sender.external_id):
        return False
    address = sender.address.casefold()
    customer = await session.get_one(Customer, ticket.customer_id)
    if address and (customer.email or "").casefold() == address:
        return True
    values = [value for value in (address, sender.external_id) if value]
    # Whoever has only written an address is held against the ticket's own customer alone.
    mine = await family_of(session, customer.id) if sender.verified is True else [customer.id]
    known = await session.execute(
        select(CustomerIdentity.id)
        .where(CustomerIdentity.customer_id.in_(mine), CustomerIdentity.value.in_(values))
        .limit(1)
    )
    if known.scalar_one_or_none() is not None:
        return True
    answered = await session.execute(
        select(Message.id)
        .where(Message.ticket_id == ticket.id, func.lower(Message.reply_to["email"].astext) == address)
        .limit(1)
    )
    return bool(address) and answered.scalar_one_or_none() is not None


async def _referred_to(session: AsyncSession, keys: tuple[str, ...]) -> list[UUID]:
    """The tickets of the messages and replies with these keys, in the order of the keys."""
    if not keys:
        return []
    messages = await session.execute(
        select(Message.external_id, Message.ticket_id).where(Message.external_id.in_(keys))
    )
    replies = await session.execute(
        select(Delivery.provider_id, Delivery.ticket_id).where(Delivery.provider_id.in_(keys))
    )
    parts = await session.execute(
        select(DeliveryPart.provider_id, Delivery.ticket_id)
        .join(Delivery, Delivery.id == DeliveryPart.delivery_id)
        .where(DeliveryPart.provider_id.in_(keys))
    )
    by_key: dict[str, list[UUID]] = {}
    for key, ticket_id in [*messages.all(), *replies.all(), *parts.all()]:
        if key is not None:
            by_key.setdefault(key, []).append(ticket_id)
    return list(dict.fromkeys(ticket_id for key in keys for ticket_id in by_key.get(key, ())))


async def _open_to_join(session: AsyncSession, ticket_id: UUID) -> Ticket | None:
    """The ticket, or the one it was merged into; None when there is none, or it is only history."""
    for _ in range(10):
        known = await session.execute(select(Ticket.is_history).where(Ticket.id == ticket_id))
        if known.scalar_one_or_none() is not False:
            return None
        ticket = await lock_ticket(session, ticket_id)
        merged = await session.execute(
            select(TicketEvent.detail["into"].astext)
            .where(
                TicketEvent.ticket_id == ticket_id,
                TicketEvent.kind == "ticket_merged",
                TicketEvent.detail["into"].astext.is_not(None),
            )
            .order_by(TicketEvent.id.desc())
            .limit(1)
        )
        into = merged.scalar_one_or_none()
        if into is None or ticket.last_inbound_seq > 0:
            return ticket
        ticket_id = UUID(into)
    return None
