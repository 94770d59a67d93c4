"""Which customer messages no source answered, read from what happened to their tickets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from desk.conversation import customer_words
from desk.drafting.pipeline import NO_EVIDENCE
from desk.greetings import is_only_greeting
from desk.models import Delivery, Draft, Message, Review, Ticket, TicketEvent
from desk.upkeep import GAP_EVENTS
from retrieval.query import question_text

EVENTS_AT_ONCE = 500
_OVERLAP = timedelta(minutes=2)
"""Events are read again from so long before the last one: one that was written earlier may be committed later."""
NOT_ABOUT_KNOWLEDGE = frozenset(
    {"keyword", "topic", "customer_asked", "agent_asked", "stopped", "quiet_hours", "daily_cap", "ticket_cap",
     "hour_cap", "automatic_mail", "answered", "with_person", "policy_off", "faq_off", "not_certified"}
)  # fmt: skip
"""Reasons of a hand-over that say nothing of what the sources hold."""
_Signals = dict[tuple[UUID, int], set[str]]
"""By ticket and sequence of the customer message."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A stretch of the tenant's history."""

    ticket_ids: list[UUID]
    reached: UUID | None
    """The last event of it; None when there is none."""
    is_all: bool


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    ticket_id: UUID
    seq: int
    question: str
    """Cleaned as it is searched for; empty when the customer only said hello."""
    signals: tuple[str, ...]
    asked_at: datetime


async def touched_tickets(session: AsyncSession, after: UUID | None) -> Touched:
    """Tickets to which something happened after the event `after` that may make or end a gap."""
    wanted = select(TicketEvent.id, TicketEvent.ticket_id).where(TicketEvent.kind.in_(GAP_EVENTS))
    if after is not None:
        wanted = wanted.where(TicketEvent.id > _earlier(after))
    rows = (await session.execute(wanted.order_by(TicketEvent.id).limit(EVENTS_AT_ONCE))).all()
    reached = max([row.id for row in rows] + ([after] if after else []), default=None)
    return Touched(list(dict.fromkeys(row.ticket_id for row in rows)), reached, len(rows) < EVENTS_AT_ONCE)


def _earlier(event: UUID) -> UUID:
    """The smallest id of version 7 that could have been made `_OVERLAP` before this one."""
    milliseconds = max(0, (event.int >> 80) - round(_OVERLAP.total_seconds() * 1000))
    return UUID(int=milliseconds << 80)


async def open_questions(session: AsyncSession, ticket_ids: Sequence[UUID]) -> list[OpenQuestion]:
    """Of these tickets, oldest first; imported ones ask nothing."""
    signals: _Signals = {}
    for found in (
        await _of_drafts(session, ticket_ids),
        await _of_people(session, ticket_ids),
        await _of_chats(session, ticket_ids),
    ):
        for key, names in found.items():
            signals.setdefault(key, set()).update(names)
    tickets = await session.execute(
        select(Ticket).where(Ticket.id.in_(ticket_ids), ~Ticket.is_history, ~Ticket.is_spam)
    )
    by_id = {ticket.id: ticket for ticket in tickets.scalars()}
    sent = await _sent_at(session, ticket_ids)
    questions: list[OpenQuestion] = []
    for (ticket_id, seq), names in signals.items():
        if ticket_id not in by_id or (ticket_id, seq) not in sent:
            continue
        words = await customer_words(session, by_id[ticket_id], seq)
        cleaned = "" if is_only_greeting(words) else question_text(words)
        questions.append(OpenQuestion(ticket_id, seq, cleaned, tuple(sorted(names)), sent[ticket_id, seq]))
    return sorted(questions, key=lambda one: (one.asked_at, one.ticket_id, one.seq))


async def _of_drafts(session: AsyncSession, ticket_ids: Sequence[UUID]) -> _Signals:
    """By what became of the newest draft for each message. A model that did not answer is no gap."""
    newest = (
        select(Draft)
        .where(Draft.ticket_id.in_(ticket_ids), Draft.state != "writing")
        .ext(distinct_on(Draft.ticket_id, Draft.based_on_seq))
        .order_by(Draft.ticket_id, Draft.based_on_seq, Draft.id.desc())
    )
    found: _Signals = {}
    for draft in (await session.execute(newest)).scalars():
        names: set[str] = set()
        if draft.state == "failed" and draft.last_error == NO_EVIDENCE:
            names.add("failed")
        if (draft.confidence or {}).get("level") == "very_low":
            names.add("very_low")
        elif draft.presentation == "notes":
            names.add("kept_back")
        if names:
            found[draft.ticket_id, draft.based_on_seq] = names
    return found


async def _of_people(session: AsyncSession, ticket_ids: Sequence[UUID]) -> _Signals:
    """Replies written without a draft, and drafts that were rejected."""
    counts = Review.ticket_id.in_(ticket_ids) & (Review.state != "cancelled")
    authored = await session.execute(
        select(Review.ticket_id, Delivery.inbound_seq)
        .join(Delivery, Delivery.id == Review.delivery_id)
        .where(counts, Review.action == "authored")
    )
    rejected = await session.execute(
        select(Review.ticket_id, Draft.based_on_seq)
        .join(Draft, Draft.id == Review.draft_id)
        .where(counts, Review.action == "rejected")
    )
    found: _Signals = {}
    for name, rows in (("authored", authored.all()), ("rejected", rejected.all())):
        for ticket_id, seq in rows:
            found.setdefault((ticket_id, seq), set()).add(name)
    return found


async def _of_chats(session: AsyncSession, ticket_ids: Sequence[UUID]) -> _Signals:
    """Conversations that were handed over because there was no answer to let out."""
    rows = await session.execute(
        select(TicketEvent.ticket_id, TicketEvent.detail).where(
            TicketEvent.ticket_id.in_(ticket_ids), TicketEvent.kind == "handed_over"
        )
    )
    return {
        (ticket_id, int(detail["seq"])): {"handed_over"}
        for ticket_id, detail in rows
        if detail.get("reason") not in NOT_ABOUT_KNOWLEDGE
    }


async def _sent_at(session: AsyncSession, ticket_ids: Sequence[UUID]) -> dict[tuple[UUID, int], datetime]:
    rows = await session.execute(
        select(Message.ticket_id, Message.seq, Message.sent_at).where(
            Message.ticket_id.in_(ticket_ids), Message.author == "customer"
        )
    )
    return {(row.ticket_id, row.seq): row.sent_at for row in rows}
