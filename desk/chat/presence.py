"""Who in the desk looks at a live conversation, and how far they have read."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import Actor
from desk.db.leases import database_time
from desk.db.unit_of_work import Database, announce
from desk.models import ChatSession, Ticket

HERE = timedelta(seconds=50)
"""A page that shows the conversation says so every 20 seconds; one that was closed stops saying it."""


def is_here(chat: ChatSession, now: datetime) -> bool:
    return chat.person_seen_at is not None and now - chat.person_seen_at < HERE


async def note_seen(database: Database, actor: Actor, ticket_id: UUID, seq: int) -> None:
    """Somebody looks at the conversation and has seen everything up to this message. Nothing for other tickets."""
    async with database.transaction(actor.scope) as session:
        chat = await _session_of(session, ticket_id)
        if chat is None:
            return
        last_seq = (await session.execute(select(Ticket.last_seq).where(Ticket.id == ticket_id))).scalar_one()
        now = await database_time(session)
        is_news = not is_here(chat, now) or chat.person_seen_seq < min(seq, last_seq)
        # In one statement, so that two colleagues who look at once cannot take each other's mark back.
        await session.execute(
            update(ChatSession)
            .where(ChatSession.id == chat.id)
            .values(person_seen_at=now, person_seen_seq=func.greatest(ChatSession.person_seen_seq, min(seq, last_seq)))
        )
        if is_news:
            await announce(session, actor.tenant_id, "seen", ticket=ticket_id)


async def note_gone(database: Database, actor: Actor, ticket_id: UUID) -> None:
    """The page that showed the conversation was left."""
    async with database.transaction(actor.scope) as session:
        gone = await session.execute(
            update(ChatSession)
            .where(ChatSession.ticket_id == ticket_id, ChatSession.person_seen_at.is_not(None))
            .values(person_seen_at=None)
            .returning(ChatSession.id)
        )
        if gone.scalar_one_or_none() is not None:
            await announce(session, actor.tenant_id, "seen", ticket=ticket_id)


async def _session_of(session: AsyncSession, ticket_id: UUID) -> ChatSession | None:
    return (await session.execute(select(ChatSession).where(ChatSession.ticket_id == ticket_id))).scalar_one_or_none()
