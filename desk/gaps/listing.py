"""Gaps by how often and how lately they were asked, with what people replied."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Float, Subquery, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import Actor
from desk.db.leases import database_time
from desk.db.unit_of_work import Database, announce
from desk.errors import InvalidInputError, NotFoundError
from desk.models import Customer, Delivery, GapQuestion, KnowledgeGap, KnowledgeProposal, Review, Ticket
from desk.models.upkeep import GAP_STATES
from desk.paging import Page, check_page, read_page

HALF_LIFE_DAYS = 14.0
"""A question counts half as much for every two weeks since it was asked."""
LONGEST_SNOOZE_DAYS = 365
_MOST_QUESTIONS = 200
_MOST_REPLIES = 50


@dataclass(frozen=True, slots=True)
class GapLine:
    gap: KnowledgeGap
    state: str
    """A snoozed gap whose time is over is open again."""
    tickets: int
    answered: int
    """Tickets of them that a person has replied to."""
    rank: float
    """Tickets, each counting half as much for every two weeks since."""
    last_at: datetime
    signals: dict[str, int]
    """How it was noticed, by how many questions."""
    proposal: str
    """State of the newest proposal; empty without one."""


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    question: str
    ticket_id: UUID
    ticket_number: int
    signals: tuple[str, ...]
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class HumanReply:
    """What a person answered to one of the questions."""

    ticket_id: UUID
    ticket_number: int
    customer_id: UUID
    customer_name: str
    question: str
    text: str
    author: str
    answered_at: datetime


@dataclass(frozen=True, slots=True)
class GapView:
    line: GapLine
    questions: Sequence[AskedQuestion]
    """Newest first."""
    replies: Sequence[HumanReply]
    """Newest first."""
    proposals: Sequence[KnowledgeProposal]
    """Newest first."""


async def list_gaps(session: AsyncSession, *, state: str, limit: int, offset: int) -> Page[GapLine]:
    """The highest rank first. Raises InvalidInputError."""
    if state not in GAP_STATES:
        msg = f"state must be one of {', '.join(GAP_STATES)}"
        raise InvalidInputError(msg)
    check_page(limit, offset)
    ranked = _ranked()
    wanted = (
        select(KnowledgeGap, ranked.c.tickets, ranked.c.rank, ranked.c.last_at)
        .join(ranked, ranked.c.gap_id == KnowledgeGap.id)
        .where(_in_state(state))
        .order_by(ranked.c.rank.desc(), ranked.c.last_at.desc(), KnowledgeGap.id)
    )
    rows, total = await read_page(session, wanted, limit=limit, offset=offset)
    return Page(
        await _lines(session, [(gap, tickets, rank, last_at) for gap, tickets, rank, last_at in rows]),
        total,
        limit,
        offset,
    )


async def count_gaps(session: AsyncSession) -> int:
    """Open ones."""
    return (await session.execute(select(func.count()).select_from(KnowledgeGap).where(_in_state("open")))).scalar_one()


async def gap_view(session: AsyncSession, gap_id: UUID) -> GapView:
    """Raises NotFoundError."""
    ranked = _ranked()
    found = await session.execute(
        select(KnowledgeGap, ranked.c.tickets, ranked.c.rank, ranked.c.last_at)
        .join(ranked, ranked.c.gap_id == KnowledgeGap.id)
        .where(KnowledgeGap.id == gap_id)
    )
    row = found.one_or_none()
    if row is None:
        msg = "there is no such gap, or its questions are gone"
        raise NotFoundError(msg)
    gap, tickets, rank, last_at = row
    (line,) = await _lines(session, [(gap, tickets, rank, last_at)])
    questions = await session.execute(
        select(GapQuestion, Ticket.number)
        .join(Ticket, Ticket.id == GapQuestion.ticket_id)
        .where(GapQuestion.gap_id == gap_id)
        .order_by(GapQuestion.asked_at.desc(), GapQuestion.id)
        .limit(_MOST_QUESTIONS)
    )
    proposals = await session.execute(
        select(KnowledgeProposal).where(KnowledgeProposal.gap_id == gap_id).order_by(KnowledgeProposal.id.desc())
    )
    return GapView(
        line=line,
        questions=[
            AskedQuestion(one.question, one.ticket_id, number, tuple(one.signals), one.asked_at)
            for one, number in questions
        ],
        replies=await human_replies(session, gap_id),
        proposals=proposals.scalars().all(),
    )


async def human_replies(session: AsyncSession, gap_id: UUID) -> list[HumanReply]:
    """The first reply of a person to each question that was sent, and what people said should have been said instead
    of a draft they rejected; newest first, one a ticket."""
    sent = (
        select(
            GapQuestion.ticket_id,
            GapQuestion.question,
            Delivery.body,
            Delivery.approved_by,
            Delivery.sent_at,
            Delivery.created_at,
        )
        .join(
            Delivery,
            and_(
                Delivery.ticket_id == GapQuestion.ticket_id,
                Delivery.inbound_seq >= GapQuestion.seq,
                ~Delivery.is_automatic,
                Delivery.state == "sent",
            ),
        )
        .where(GapQuestion.gap_id == gap_id)
        .order_by(GapQuestion.ticket_id, Delivery.inbound_seq, Delivery.id)
    )
    instead = (
        select(GapQuestion.ticket_id, GapQuestion.question, Review.sent_body, Review.reviewer, Review.created_at)
        .join(Review, Review.ticket_id == GapQuestion.ticket_id)
        .where(
            GapQuestion.gap_id == gap_id,
            Review.action == "rejected",
            Review.state != "cancelled",
            Review.sent_body != "",
        )
        .order_by(Review.id)
    )
    by_ticket: dict[UUID, tuple[str, str, str, datetime]] = {}
    for ticket_id, question, body, author, sent_at, created_at in await session.execute(sent):
        by_ticket.setdefault(ticket_id, (question, body, author, sent_at or created_at))
    for ticket_id, question, body, author, created_at in await session.execute(instead):
        by_ticket.setdefault(ticket_id, (question, body, author, created_at))
    people = await session.execute(
        select(Ticket.id, Ticket.number, Customer.id, Customer.name)
        .join(Customer, Customer.id == Ticket.customer_id)
        .where(Ticket.id.in_(by_ticket))
    )
    replies = [
        HumanReply(ticket_id, number, customer_id, name, *by_ticket[ticket_id])
        for ticket_id, number, customer_id, name in people
    ]
    return sorted(replies, key=lambda one: (one.answered_at, one.ticket_id), reverse=True)[:_MOST_REPLIES]


async def dismiss_gap(database: Database, actor: Actor, gap_id: UUID) -> None:
    """It is not shown any more, whoever asks again. Raises NotFoundError."""
    await _decide(database, actor, gap_id, "dismissed", None)


async def snooze_gap(database: Database, actor: Actor, gap_id: UUID, days: int) -> None:
    """Raises NotFoundError, InvalidInputError."""
    if not 1 <= days <= LONGEST_SNOOZE_DAYS:
        msg = f"snooze for 1 to {LONGEST_SNOOZE_DAYS} days"
        raise InvalidInputError(msg)
    await _decide(database, actor, gap_id, "snoozed", timedelta(days=days))


async def reopen_gap(database: Database, actor: Actor, gap_id: UUID) -> None:
    """Raises NotFoundError."""
    await _decide(database, actor, gap_id, "open", None)


async def _decide(database: Database, actor: Actor, gap_id: UUID, state: str, rest: timedelta | None) -> None:
    async with database.transaction(actor.scope) as session:
        gap = await session.get(KnowledgeGap, gap_id, with_for_update=True)
        if gap is None:
            msg = "there is no such gap"
            raise NotFoundError(msg)
        now = await database_time(session)
        gap.state, gap.snoozed_until = state, None if rest is None else now + rest
        gap.decided_at, gap.decided_by = now, actor.label
        await announce(session, actor.tenant_id, "document", gap=gap_id)


def _ranked() -> Subquery:
    """How often and how lately each gap was asked; a ticket counts once, by its newest question."""
    tickets = (
        select(GapQuestion.gap_id, GapQuestion.ticket_id, func.max(GapQuestion.asked_at).label("asked_at"))
        .group_by(GapQuestion.gap_id, GapQuestion.ticket_id)
        .subquery()
    )
    days = func.extract("epoch", func.now() - tickets.c.asked_at) / 86_400.0
    weight: ColumnElement[float] = func.exp(-math.log(2) / HALF_LIFE_DAYS * func.greatest(days, 0), type_=Float)
    return (
        select(
            tickets.c.gap_id,
            func.count().label("tickets"),
            func.sum(weight).label("rank"),
            func.max(tickets.c.asked_at).label("last_at"),
        )
        .group_by(tickets.c.gap_id)
        .subquery()
    )


def _in_state(state: str) -> ColumnElement[bool]:
    is_over = and_(KnowledgeGap.state == "snoozed", KnowledgeGap.snoozed_until <= func.now())
    if state == "open":
        return or_(KnowledgeGap.state == "open", is_over)
    return and_(KnowledgeGap.state == state, ~is_over) if state == "snoozed" else KnowledgeGap.state == state


async def _lines(session: AsyncSession, rows: Sequence[tuple[KnowledgeGap, int, float, datetime]]) -> list[GapLine]:
    ids = [gap.id for gap, *_ in rows]
    now = await database_time(session)
    signals: dict[UUID, Counter[str]] = {gap_id: Counter() for gap_id in ids}
    told = await session.execute(select(GapQuestion.gap_id, GapQuestion.signals).where(GapQuestion.gap_id.in_(ids)))
    for gap_id, names in told:
        signals[gap_id].update(names)
    answered = await session.execute(
        select(GapQuestion.gap_id, func.count(GapQuestion.ticket_id.distinct()))
        .join(Delivery, and_(Delivery.ticket_id == GapQuestion.ticket_id, Delivery.inbound_seq >= GapQuestion.seq))
        .where(GapQuestion.gap_id.in_(ids), ~Delivery.is_automatic, Delivery.state == "sent")
        .group_by(GapQuestion.gap_id)
    )
    replied = dict(answered.all())
    made = await session.execute(
        select(KnowledgeProposal.gap_id, KnowledgeProposal.state)
        .where(KnowledgeProposal.gap_id.in_(ids))
        .order_by(KnowledgeProposal.id)
    )
    proposals = dict(made.all())
    return [
        GapLine(
            gap=gap,
            state="open" if _is_awake(gap, now) else gap.state,
            tickets=tickets,
            answered=replied.get(gap.id, 0),
            rank=round(float(rank), 3),
            last_at=last_at,
            signals=dict(signals[gap.id].most_common()),
            proposal=proposals.get(gap.id, ""),
        )
        for gap, tickets, rank, last_at in rows
    ]


def _is_awake(gap: KnowledgeGap, now: datetime) -> bool:
    return gap.state == "snoozed" and gap.snoozed_until is not None and gap.snoozed_until <= now
