"""What a draft is written from: the ticket, the last messages, the rolling summary, the customer's other tickets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.conversation import customer_words, written_subject
from desk.models import Customer, Draft, Message, Ticket
from desk.plain_text import excerpt

LAST_MESSAGES = 6
EARLIER_TICKETS = 3


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    author: str
    body: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class EarlierTicket:
    number: int
    subject: str
    status: str


@dataclass(frozen=True, slots=True)
class DraftContext:
    """Read in one short transaction; nothing in it is looked up again while the draft is written."""

    tenant_id: UUID
    ticket_id: UUID
    draft_id: UUID
    based_on_seq: int
    subject: str
    department: str
    channel: str
    customer_id: UUID
    customer_name: str
    customer_email: str
    question: str
    """The customer's words since the last reply, subject first."""
    messages: tuple[ThreadMessage, ...]
    """The last six, oldest first, notes left out."""
    summary: str
    earlier_tickets: tuple[EarlierTicket, ...]
    instruction: str
    tone: str


async def load_context(session: AsyncSession, draft: Draft) -> DraftContext:
    ticket = await session.get_one(Ticket, draft.ticket_id)
    customer = await session.get_one(Customer, ticket.customer_id)
    newest = await session.execute(
        select(Message)
        .where(Message.ticket_id == ticket.id, Message.author != "note", Message.seq <= draft.based_on_seq)
        .order_by(Message.seq.desc())
        .limit(LAST_MESSAGES)
    )
    earlier = await session.execute(
        select(Ticket.number, Ticket.subject, Ticket.status)
        .where(Ticket.customer_id == customer.id, Ticket.id != ticket.id)
        .order_by(Ticket.last_message_at.desc())
        .limit(EARLIER_TICKETS)
    )
    return DraftContext(
        tenant_id=ticket.tenant_id,
        ticket_id=ticket.id,
        draft_id=draft.id,
        based_on_seq=draft.based_on_seq,
        subject=written_subject(ticket),
        department=ticket.department or "",
        channel=ticket.channel,
        customer_id=customer.id,
        customer_name=customer.name,
        customer_email=customer.email or "",
        question=await customer_words(session, ticket, draft.based_on_seq),
        messages=tuple(
            ThreadMessage(message.author, message.body, message.sent_at) for message in reversed(newest.scalars().all())
        ),
        summary=ticket.summary,
        earlier_tickets=tuple(EarlierTicket(row.number, excerpt(row.subject, 120), row.status) for row in earlier),
        instruction=draft.instruction,
        tone=draft.tone,
    )
