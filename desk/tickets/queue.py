"""The list of tickets: views, filters, search, and what one line of it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, exists, false, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from desk.db.tenancy import session_scope
from desk.drafting.requests import CURRENT
from desk.errors import InvalidInputError
from desk.models import Customer, Delivery, Draft, Message, Ticket, User
from desk.models.tickets import PRIORITIES, TICKET_STATUSES
from desk.paging import STANDARD_PAGE, Page, read_page
from desk.plain_text import clean_line, excerpt
from desk.ports import Level
from desk.quality.scoring import BANDS, FAIR, GOOD

VIEWS = (
    "needs_reply",
    "mine",
    "unassigned",
    "escalated",
    "pending",
    "failed_or_uncertain",
    "resolved",
    "all",
)
SORTS = ("last_message_at", "waiting_since", "created_at", "number", "priority", "quality")
"""Each also with a `-` before it: descending."""
LEVELS: tuple[Level, ...] = ("high", "medium", "low", "very_low")
SHOWN_DRAFT_STATES = (*CURRENT, "failed", "approved", "sent", "rejected")
SNIPPET = 160
_FINISHED = ("resolved", "closed")


@dataclass(frozen=True, slots=True)
class TicketFilter:
    """What to list. Tickets of an imported history are shown by the views `resolved` and `all` only."""

    view: str | None = None
    status: str | None = None
    assignee: UUID | Literal["none"] | None = None
    channel: str | None = None
    tag: str | None = None
    intent: str | None = None
    level: str | None = None
    quality: str | None = None
    """good, fair or poor: how well the conversation went. Tickets that were never finished are none of these."""
    q: str | None = None
    """Searched in subject, number, customer and messages."""
    customer_id: UUID | None = None
    sort: str = "-last_message_at"
    limit: int = STANDARD_PAGE
    offset: int = 0


@dataclass(frozen=True, slots=True)
class TicketLine:
    """One line of the list."""

    ticket: Ticket
    customer_name: str
    customer_email: str | None
    assignee_name: str | None
    snippet: str
    """The beginning of the newest message that is no note."""
    snippet_author: str
    draft_id: UUID | None
    draft_state: str | None
    draft_score: float | None
    """0 to 100; `ticket.level` holds the level of the current draft."""
    delivery_state: str | None
    """Of the newest reply."""


async def list_tickets(session: AsyncSession, wanted: TicketFilter) -> Page[TicketLine]:
    """One page of the session's tenant. `mine` is the scope's user. Raises InvalidInputError."""
    statement = (
        select(Ticket, Customer.name, Customer.email, User.name, User.email)
        .join(Customer, Customer.id == Ticket.customer_id)
        .outerjoin(User, User.id == Ticket.assignee_id)
        .where(*_conditions(wanted, session_scope(session.sync_session).user_id))
    )
    ordered = statement.order_by(*_order(wanted.sort))
    rows, total = await read_page(session, ordered, limit=wanted.limit, offset=wanted.offset)
    ids = [row[0].id for row in rows]
    snippets = await _newest_messages(session, ids)
    drafts = await _newest_drafts(session, ids)
    deliveries = await _newest_deliveries(session, ids)
    lines = [
        TicketLine(
            ticket=ticket,
            customer_name=customer_name,
            customer_email=customer_email,
            assignee_name=assignee_name or assignee_email,
            snippet=snippets.get(ticket.id, ("", ""))[0],
            snippet_author=snippets.get(ticket.id, ("", ""))[1],
            draft_id=drafts[ticket.id][0] if ticket.id in drafts else None,
            draft_state=drafts[ticket.id][1] if ticket.id in drafts else None,
            draft_score=drafts[ticket.id][2] if ticket.id in drafts else None,
            delivery_state=deliveries.get(ticket.id),
        )
        for ticket, customer_name, customer_email, assignee_name, assignee_email in rows
    ]
    return Page(lines, total, wanted.limit, wanted.offset)


async def view_counts(session: AsyncSession, user_id: UUID | None) -> dict[str, int]:
    """How many tickets each view holds for this person, in one statement."""
    counts = [func.count().filter(_view(view, user_id)).label(view) for view in VIEWS]
    row = (await session.execute(select(*counts).select_from(Ticket))).one()
    return {view: int(getattr(row, view)) for view in VIEWS}


def _view(view: str, user_id: UUID | None) -> ColumnElement[bool]:
    unfinished = and_(Ticket.status.not_in(_FINISHED), ~Ticket.is_history, ~Ticket.is_spam)
    awake = or_(Ticket.snoozed_until.is_(None), Ticket.snoozed_until <= func.now())
    conditions: dict[str, ColumnElement[bool]] = {
        "needs_reply": and_(unfinished, Ticket.status == "open", Ticket.waiting_since.is_not(None), awake),
        "mine": and_(unfinished, Ticket.assignee_id == user_id) if user_id else false(),
        "unassigned": and_(unfinished, Ticket.assignee_id.is_(None)),
        "escalated": and_(unfinished, Ticket.escalated_at.is_not(None)),
        "pending": and_(unfinished, Ticket.status.in_(("pending", "on_hold"))),
        "failed_or_uncertain": _has_undecided_delivery(),
        "resolved": Ticket.status.in_(_FINISHED),
        "all": Ticket.id.is_not(None),
    }
    return conditions[view]


def _has_undecided_delivery() -> ColumnElement[bool]:
    """A reply that may have been sent, or one that was not and has no newer one in its place."""
    newer = aliased(Delivery)
    replaced = exists().where(newer.ticket_id == Delivery.ticket_id, newer.id > Delivery.id)
    undecided = or_(Delivery.state == "uncertain", and_(Delivery.state == "failed", ~replaced))
    return exists().where(Delivery.ticket_id == Ticket.id, undecided)


def _conditions(wanted: TicketFilter, user_id: UUID | None) -> list[ColumnElement[bool]]:
    _check("view", wanted.view, VIEWS)
    _check("status", wanted.status, TICKET_STATUSES)
    _check("level", wanted.level, LEVELS)
    conditions: list[ColumnElement[bool]] = []
    if wanted.view is not None:
        conditions.append(_view(wanted.view, user_id))
    else:
        conditions.append(~Ticket.is_history)
    columns: tuple[tuple[Any, Any], ...] = (
        (Ticket.status, wanted.status),
        (Ticket.channel, wanted.channel),
        (Ticket.intent, wanted.intent),
        (Ticket.level, wanted.level),
        (Ticket.customer_id, wanted.customer_id),
    )
    conditions += [column == value for column, value in columns if value is not None]
    _check("quality", wanted.quality, BANDS)
    if wanted.quality is not None:
        conditions.append(_band(wanted.quality))
    if wanted.assignee is not None:
        nobody = Ticket.assignee_id.is_(None)
        conditions.append(nobody if wanted.assignee == "none" else Ticket.assignee_id == wanted.assignee)
    if wanted.tag is not None:
        conditions.append(Ticket.tags.contains([clean_line(wanted.tag)]))
    words = clean_line(wanted.q or "")
    if words:
        conditions.append(_matches(words))
    return conditions


def _band(name: str) -> ColumnElement[bool]:
    bands = {"good": (GOOD, 100), "fair": (FAIR, GOOD - 1), "poor": (0, FAIR - 1)}
    return Ticket.quality.between(*bands[name])


def _matches(words: str) -> ColumnElement[bool]:
    """Case-insensitive substring; `%`, `_` and `/` in the words mean themselves."""
    said = exists().where(
        Message.ticket_id == Ticket.id,
        Message.tenant_id == Ticket.tenant_id,
        Message.body.icontains(words, autoescape=True),
    )
    alternatives: list[ColumnElement[bool]] = [
        Ticket.subject.icontains(words, autoescape=True),
        Customer.name.icontains(words, autoescape=True),
        Customer.email.icontains(words, autoescape=True),
        Ticket.external_id == words,
        said,
    ]
    number = words.removeprefix("#")
    if number.isascii() and number.isdigit() and len(number) < 10:
        alternatives.append(Ticket.number == int(number))
    return or_(*alternatives)


def _order(sort: str) -> list[ColumnElement[Any]]:
    descending, name = sort.startswith("-"), sort.removeprefix("-")
    if name not in SORTS:
        msg = f"sort must be one of {', '.join(SORTS)}, with a - before it for descending"
        raise InvalidInputError(msg)
    columns: dict[str, Any] = {
        "last_message_at": Ticket.last_message_at,
        "waiting_since": Ticket.waiting_since,
        "created_at": Ticket.created_at,
        "number": Ticket.number,
        "quality": Ticket.quality,
        "priority": case({priority: rank for rank, priority in enumerate(PRIORITIES)}, value=Ticket.priority),
    }
    column = columns[name]
    first = column.desc().nulls_last() if descending else column.asc().nulls_last()
    return [first, Ticket.id.desc()]


def _check(name: str, value: str | None, allowed: Sequence[str]) -> None:
    if value is not None and value not in allowed:
        msg = f"{name} must be one of {', '.join(allowed)}"
        raise InvalidInputError(msg)


def _newest(
    columns: Select[*tuple[Any, ...]], parent: Any, order: Any, ids: Sequence[UUID]
) -> Select[*tuple[Any, ...]]:
    return columns.ext(distinct_on(parent)).where(parent.in_(ids)).order_by(parent, *order)


async def _newest_messages(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, tuple[str, str]]:
    if not ids:
        return {}
    columns = select(Message.ticket_id, func.left(Message.body, 4 * SNIPPET).label("start"), Message.author)
    rows = await session.execute(
        _newest(columns.where(Message.author != "note"), Message.ticket_id, [Message.seq.desc()], ids)
    )
    return {row.ticket_id: (excerpt(row.start, SNIPPET), row.author) for row in rows}


async def _newest_drafts(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, tuple[UUID, str, float | None]]:
    if not ids:
        return {}
    columns = select(Draft.ticket_id, Draft.id, Draft.state, Draft.confidence["score"].as_float().label("score"))
    order = [Draft.state.in_(CURRENT).desc(), Draft.id.desc()]
    rows = await session.execute(
        _newest(columns.where(Draft.state.in_(SHOWN_DRAFT_STATES)), Draft.ticket_id, order, ids)
    )
    return {row.ticket_id: (row.id, row.state, row.score) for row in rows}


async def _newest_deliveries(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, str]:
    if not ids:
        return {}
    columns = select(Delivery.ticket_id, Delivery.state)
    rows = await session.execute(_newest(columns, Delivery.ticket_id, [Delivery.id.desc()], ids))
    return {row.ticket_id: row.state for row in rows}
