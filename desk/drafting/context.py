"""What a draft is written from: the ticket, the last messages, the rolling summary, the customer's other tickets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.attachments.pictures import described_pictures
from desk.conversation import customer_words, words_of, written_subject
from desk.customer_facts import fact_sheets
from desk.intents import set_intent
from desk.models import Customer, Draft, Message, Ticket
from desk.plain_text import excerpt
from desk.ports import CustomerFact

LAST_MESSAGES = 6
EARLIER_TICKETS = 3
MOST_FACTS = 60


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
    intent: str = ""
    """What a person said the ticket is about; empty when nobody did."""
    pictures: tuple[str, ...] = ()
    """What a machine says of the pictures in the unanswered messages: material, like the customer's own words."""
    facts: tuple[CustomerFact, ...] = ()
    """What connected systems know of this customer and a draft may use."""


@dataclass(frozen=True, slots=True)
class SaidMessage:
    """A message of a thread as it is read for a draft."""

    seq: int
    author: str
    body: str
    sent_at: datetime


async def read_thread(session: AsyncSession, ticket: Ticket) -> list[SaidMessage]:
    """What is not yet in the ticket's summary, notes left out, oldest first."""
    found = await session.execute(
        select(Message.seq, Message.author, Message.body, Message.sent_at)
        .where(Message.ticket_id == ticket.id, Message.author != "note", Message.seq > ticket.summary_through_seq)
        .order_by(Message.seq)
    )
    return [SaidMessage(*row) for row in found]


async def load_context(session: AsyncSession, draft: Draft, thread: Sequence[SaidMessage] = ()) -> DraftContext:
    """`thread`: what `read_thread` gave in this transaction, where it was read already."""
    ticket = await session.get_one(Ticket, draft.ticket_id)
    customer = await session.get_one(Customer, ticket.customer_id)
    known = [message for message in thread if message.seq <= draft.based_on_seq]
    earlier = await session.execute(
        select(Ticket.number, Ticket.subject, Ticket.status)
        .where(Ticket.customer_id == customer.id, Ticket.id != ticket.id)
        .order_by(Ticket.last_message_at.desc())
        .limit(EARLIER_TICKETS)
    )
    pictures = await described_pictures(session, ticket.id, draft.based_on_seq)
    question = _question(ticket, known, draft.based_on_seq) or await customer_words(session, ticket, draft.based_on_seq)
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
        question="\n\n".join((question, *pictures)),
        messages=await _last_messages(session, ticket, known, draft.based_on_seq),
        summary=ticket.summary,
        earlier_tickets=tuple(EarlierTicket(row.number, excerpt(row.subject, 120), row.status) for row in earlier),
        instruction=draft.instruction,
        tone=draft.tone,
        intent=await set_intent(session, ticket.id),
        pictures=pictures,
        facts=await _facts(session, customer.id),
    )


async def _facts(session: AsyncSession, customer_id: UUID) -> tuple[CustomerFact, ...]:
    sheets = await fact_sheets(session, customer_id)
    usable = (fact for sheet in sheets for section in sheet.sections for fact in section.facts if fact.slot)
    return tuple(islice(usable, MOST_FACTS))


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """A message of a live conversation that is not taken in yet."""

    tenant_id: UUID
    ticket_id: UUID
    draft_id: UUID
    channel: str
    customer_id: UUID
    customer_name: str
    customer_email: str
    body: str
    asked_at: datetime


def context_of_question(
    asked: QuestionAsked, ticket: Ticket | None, thread: Sequence[SaidMessage], intent: str
) -> DraftContext | None:
    """As `load_context` would give it once the message is the newest, but for the customer's other tickets.

    `thread`: what `read_thread` gave, empty where `ticket` is None. None where more would have to be read.
    """
    seq = thread[-1].seq + 1 if thread else 1
    known = [*thread, SaidMessage(seq, "customer", asked.body, asked.asked_at)]
    question = asked.body.strip() if ticket is None else _question(ticket, known, seq)
    if not question:
        return None
    return DraftContext(
        tenant_id=asked.tenant_id,
        ticket_id=asked.ticket_id,
        draft_id=asked.draft_id,
        based_on_seq=seq,
        subject="",
        department=(ticket.department or "") if ticket is not None else "",
        channel=asked.channel,
        customer_id=asked.customer_id,
        customer_name=asked.customer_name,
        customer_email=asked.customer_email,
        question=question,
        messages=tuple(ThreadMessage(one.author, one.body, one.sent_at) for one in known[-LAST_MESSAGES:]),
        summary=ticket.summary if ticket is not None else "",
        earlier_tickets=(),
        instruction="",
        tone="",
        intent=intent,
    )


def _question(ticket: Ticket, known: Sequence[SaidMessage], through_seq: int) -> str:
    """The customer's words since the last reply; "" where that reply may have been before what is known."""
    replies = [at for at, one in enumerate(known) if one.author in {"agent", "machine"} and one.seq < through_seq]
    if not known or not (replies or known[0].seq == 1):
        return ""
    since = known[replies[-1] + 1 :] if replies else known
    return words_of(ticket, [one.body for one in since if one.author == "customer"])


async def _last_messages(
    session: AsyncSession, ticket: Ticket, known: Sequence[SaidMessage], through_seq: int
) -> tuple[ThreadMessage, ...]:
    if len(known) >= LAST_MESSAGES or (known and known[0].seq == 1):
        return tuple(ThreadMessage(one.author, one.body, one.sent_at) for one in known[-LAST_MESSAGES:])
    newest = await session.execute(
        select(Message.author, Message.body, Message.sent_at)
        .where(Message.ticket_id == ticket.id, Message.author != "note", Message.seq <= through_seq)
        .order_by(Message.seq.desc())
        .limit(LAST_MESSAGES)
    )
    return tuple(ThreadMessage(*row) for row in reversed(newest.all()))
