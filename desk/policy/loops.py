"""What keeps two machines from answering each other for ever, whatever the score says (RFC 3834)."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.conversation import LIVE_CHANNELS
from desk.db.leases import database_time
from desk.models import Customer, Delivery, Message, Ticket
from desk.reachability import hindrance

AUTOMATIC_PER_HOUR = 5
"""Automatic replies to one customer, over all of their tickets: a loop may open a new ticket with every turn."""


async def why_not_answered_by_machine(session: AsyncSession, ticket: Ticket) -> str | None:
    """A reason code of `desk.policy.decide`; None where nothing speaks of a loop."""
    if ticket.channel in LIVE_CHANNELS:
        return None
    hindered = await hindrance(session, ticket)
    if hindered is not None:
        return hindered.code
    machine = await session.execute(
        select(Message.id)
        .where(Message.ticket_id == ticket.id, Message.seq == ticket.last_inbound_seq, Message.automatic != "")
        .limit(1)
    )
    if machine.scalar_one_or_none() is not None:
        return "automatic_mail"
    customer = await session.get_one(Customer, ticket.customer_id)
    to_customer = Ticket.customer_id == customer.id
    if customer.email:
        same_address = func.lower(Delivery.recipient["email"].astext) == customer.email.lower()
        to_customer = or_(to_customer, same_address)
    counted = await session.execute(
        select(func.count(Delivery.id))
        .join(Ticket, Ticket.id == Delivery.ticket_id)
        .where(
            Delivery.is_automatic,
            Delivery.state != "cancelled",
            Delivery.created_at > await database_time(session) - timedelta(hours=1),
            to_customer,
        )
    )
    return "hour_cap" if counted.scalar_one() >= AUTOMATIC_PER_HOUR else None
