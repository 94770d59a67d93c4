"""A reply that nobody reads in the widget is told by e-mail after some minutes: one notice for a conversation, and none
once it was read. Here the notice is made and taken back; `desk.widget.reply_mail` sends it."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.leases import due_in
from desk.models import ChatSession, Connection, ReplyNotice, Ticket

EMAIL_AFTER_MINUTES = 10
"""Unless the widget's `email_after_minutes` says otherwise; 0 is never."""


async def expect_reading(session: AsyncSession, ticket: Ticket, seq: int) -> None:
    """A person's reply was added to the locked ticket. A notice that waits already speaks of this one as well."""
    found = await session.execute(select(ChatSession).where(ChatSession.ticket_id == ticket.id))
    chat = found.scalar_one_or_none()
    if chat is None:
        return
    connection = await session.get_one(Connection, chat.connection_id)
    minutes = float(connection.configuration.get("email_after_minutes", EMAIL_AFTER_MINUTES))
    if minutes <= 0:
        return
    waiting = await session.execute(
        select(ReplyNotice).where(ReplyNotice.session_id == chat.id, ReplyNotice.state == "waiting").with_for_update()
    )
    notice = waiting.scalar_one_or_none()
    if notice is None:
        notice = ReplyNotice(id=uuid7(), session_id=chat.id, state="waiting", seq=seq)
        await due_in(session, notice, 60 * minutes)
        session.add(notice)
    notice.seq = seq
    await session.flush()


async def note_read(session: AsyncSession, chat: ChatSession, seq: int) -> None:
    """The visitor has read up to here: nobody has to be told of that any more."""
    await session.execute(
        update(ReplyNotice)
        .where(ReplyNotice.session_id == chat.id, ReplyNotice.state == "waiting", ReplyNotice.seq <= seq)
        .values(state="read", due_at=None, lease_until=None, fence=ReplyNotice.fence + 1)
    )


async def newest_notice(session: AsyncSession, chat: ChatSession) -> ReplyNotice | None:
    found = await session.execute(
        select(ReplyNotice).where(ReplyNotice.session_id == chat.id).order_by(ReplyNotice.id.desc()).limit(1)
    )
    return found.scalar_one_or_none()
