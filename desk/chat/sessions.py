"""Chat sessions: a session is the ticket as the chat sees it. It exists before its ticket, which the first message
makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk import events
from desk.accounts.identity import Actor
from desk.chat.joining import living_session
from desk.conversation import lock_ticket
from desk.db.leases import database_time
from desk.db.unit_of_work import Database, announce
from desk.errors import InvalidInputError, NotFoundError
from desk.models import ChatSession, Connection, Message, Ticket
from desk.paging import Page, read_page
from desk.plain_text import clean_line
from desk.quality import renew_quality

SessionStatus = Literal["open", "with_person", "closed"]
STATUSES: tuple[SessionStatus, ...] = ("open", "with_person", "closed")
_FINISHED = ("resolved", "closed")


@dataclass(frozen=True, slots=True)
class SessionView:
    session: ChatSession
    ticket: Ticket | None
    """None until the first message."""

    @property
    def status(self) -> SessionStatus:
        """`with_person` from the hand-over until a person has answered or taken the ticket's mark away."""
        if self.session.closed_at is not None or (self.ticket is not None and self.ticket.status == "closed"):
            return "closed"
        return "with_person" if self.ticket is not None and self.ticket.escalated_at is not None else "open"


async def live_connection(session: AsyncSession, channel: str) -> Connection:
    """Raises InvalidInputError when the channel is switched off."""
    found = await session.execute(
        select(Connection).where(Connection.channel == channel, Connection.is_active).order_by(Connection.id).limit(1)
    )
    connection = found.scalar_one_or_none()
    if connection is None:
        msg = f"the channel '{channel}' of this tenant is switched off; switch it on under Channels"
        raise InvalidInputError(msg)
    return connection


def new_session(connection: Connection, *, user_id: str | None, details: Mapping[str, Any]) -> ChatSession:
    return ChatSession(
        id=uuid7(),
        connection_id=connection.id,
        user_id=clean_line(user_id) if user_id else None,
        details=dict(details),
    )


async def get_session(session: AsyncSession, session_id: UUID) -> SessionView:
    """Of one whose ticket was merged, the one it was merged into. Raises NotFoundError."""
    found = await session.execute(
        select(ChatSession, Ticket)
        .outerjoin(Ticket, Ticket.id == ChatSession.ticket_id)
        .where(ChatSession.id == session_id)
    )
    row = found.one_or_none()
    if row is None:
        msg = "there is no such session"
        raise NotFoundError(msg)
    chat = await living_session(session, row[0])
    if chat is row[0]:
        return SessionView(chat, row[1])
    return SessionView(chat, await session.get(Ticket, chat.ticket_id))


async def list_sessions(session: AsyncSession, *, status: str | None, limit: int, offset: int) -> Page[SessionView]:
    """Newest first. Raises InvalidInputError for a status there is not."""
    statement = select(ChatSession, Ticket).outerjoin(Ticket, Ticket.id == ChatSession.ticket_id)
    if status is not None:
        statement = statement.where(_has_status(status))
    rows, total = await read_page(session, statement.order_by(ChatSession.id.desc()), limit=limit, offset=offset)
    return Page([SessionView(row[0], row[1]) for row in rows], total, limit, offset)


def _has_status(status: str) -> ColumnElement[bool]:
    closed = or_(ChatSession.closed_at.is_not(None), Ticket.status.is_not_distinct_from("closed"))
    conditions: dict[str, ColumnElement[bool]] = {
        "closed": closed,
        "with_person": and_(~closed, Ticket.escalated_at.is_not(None)),
        "open": and_(~closed, Ticket.escalated_at.is_(None)),
    }
    if status not in conditions:
        msg = f"status must be one of {', '.join(STATUSES)}"
        raise InvalidInputError(msg)
    return conditions[status]


async def public_messages(
    session: AsyncSession, ticket_id: UUID, *, after: int = 0, before: int | None = None, limit: int | None = None
) -> Sequence[Message]:
    """What both sides see, oldest first; with a limit the newest of them. Notes are never among them."""
    conditions = [Message.ticket_id == ticket_id, Message.author.in_(("customer", "agent", "machine"))]
    if after:
        conditions.append(Message.seq > after)
    if before is not None:
        conditions.append(Message.seq < before)
    statement = select(Message).where(*conditions).order_by(Message.seq.desc())
    found = await session.execute(statement if limit is None else statement.limit(limit))
    return found.scalars().all()[::-1]


async def close_session(database: Database, actor: Actor, session_id: UUID) -> SessionView:
    """End it. A question that nobody has answered stays in the queue. Raises NotFoundError."""
    async with database.transaction(actor.scope) as session:
        view = await get_session(session, session_id)
        if view.session.closed_at is None:
            view.session.closed_at = await database_time(session)
            if view.session.ticket_id is not None:
                await _end_ticket(session, view.session.ticket_id, actor.label)
        await session.flush()
        return await get_session(session, session_id)


async def _end_ticket(session: AsyncSession, ticket_id: UUID, actor: str) -> None:
    ticket = await lock_ticket(session, ticket_id)
    events.record(session, ticket.id, "chat_closed", actor)
    if ticket.waiting_since is None and ticket.escalated_at is None and ticket.status not in _FINISHED:
        ticket.status = "resolved"
        await renew_quality(session, ticket)
    await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
