"""What becomes of a live conversation when agents merge or split its ticket: the visitor goes on seeing everything."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.errors import InvalidInputError
from desk.models import ChatSession, ReplyNotice, Ticket, Visitor

MOST_JOINS = 20


async def living_session(session: AsyncSession, chat: ChatSession) -> ChatSession:
    """The session that this one was merged into, over as many merges as there were; else itself."""
    for _ in range(MOST_JOINS):
        if chat.joined_into_id is None:
            break
        chat = await session.get_one(ChatSession, chat.joined_into_id)
    return chat


async def follow_numbers(session: AsyncSession, ticket: Ticket, new: Mapping[int, int]) -> None:
    """The ticket's messages are numbered anew (old sequence to new one): so are the marks of who has read what."""
    chat = await _session_of(session, ticket.id)
    if chat is None:
        return
    chat.edition += 1
    chat.read_seq, chat.person_seen_seq = _moved(chat.read_seq, new), _moved(chat.person_seen_seq, new)
    waiting = await session.execute(
        select(ReplyNotice).where(ReplyNotice.session_id == chat.id, ReplyNotice.state == "waiting")
    )
    for notice in waiting.scalars():
        notice.seq = _moved(notice.seq, new)
    await session.flush()


def _moved(seq: int, new: Mapping[int, int]) -> int:
    return max((to for old, to in new.items() if old <= seq), default=0)


async def check_visitors(session: AsyncSession, gone: Ticket, kept: Ticket) -> None:
    """A visitor of the widget sees the whole joined thread: only one whom the host site vouches for may, or one whose
    own conversations both are. Raises InvalidInputError.
    """
    chats = await session.execute(
        select(ChatSession.ticket_id, Visitor.id, Visitor.user_id)
        .join(Visitor, Visitor.id == ChatSession.visitor_id)
        .where(ChatSession.ticket_id.in_((gone.id, kept.id)))
    )
    found = chats.all()
    is_one_visitors = len(found) == 2 and len({visitor_id for _, visitor_id, _ in found}) == 1
    if not is_one_visitors and any(user_id is None for _, _, user_id in found):
        msg = (
            "the visitor of the chat has not proved who they are and would see the other ticket;"
            " they can be merged once the visitor has signed in at your site"
        )
        raise InvalidInputError(msg)


async def follow_merge(session: AsyncSession, gone: Ticket, kept: Ticket) -> None:
    """The conversation of the ticket that is gone goes on in the one that is kept."""
    chat, other = await _session_of(session, gone.id), await _session_of(session, kept.id)
    if chat is None:
        return
    if other is None:
        chat.ticket_id = kept.id
    else:
        chat.joined_into_id = other.id
        await _join_notices(session, chat, other)
    await session.flush()


async def _join_notices(session: AsyncSession, chat: ChatSession, other: ChatSession) -> None:
    waiting = await session.execute(
        select(ReplyNotice).where(ReplyNotice.session_id.in_((chat.id, other.id)), ReplyNotice.state == "waiting")
    )
    notices = sorted(waiting.scalars(), key=lambda notice: notice.seq)
    if not notices:
        return
    await session.execute(delete(ReplyNotice).where(ReplyNotice.id.in_([notice.id for notice in notices[:-1]])))
    await session.execute(update(ReplyNotice).where(ReplyNotice.id == notices[-1].id).values(session_id=other.id))


async def follow_split(session: AsyncSession, ticket: Ticket, fresh: Ticket) -> None:
    """Whoever wrote the messages that became a ticket of their own finds them in a conversation of their own."""
    chat = await _session_of(session, ticket.id)
    if chat is None:
        return
    chat.edition += 1
    session.add(
        ChatSession(
            id=uuid7(),
            connection_id=chat.connection_id,
            ticket_id=fresh.id,
            visitor_id=chat.visitor_id,
            user_id=chat.user_id,
            details=dict(chat.details),
            page_url=chat.page_url,
            page_title=chat.page_title,
            read_seq=fresh.last_seq,
        )
    )
    await session.flush()


async def _session_of(session: AsyncSession, ticket_id: UUID) -> ChatSession | None:
    found = await session.execute(select(ChatSession).where(ChatSession.ticket_id == ticket_id))
    return found.scalar_one_or_none()
