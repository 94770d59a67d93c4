"""The stored score: made when a ticket is finished, made again when that turns out otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.preferences import load_preferences
from desk.models import ChatSession, Message, Review, Ticket, TicketEvent
from desk.quality.scoring import Conversation, EditedDraft, quality_of
from desk.signals.reading import complaint_in, read_signals
from desk.working_hours import WorkingHours, hours_between

FINISHED = ("resolved", "closed")


async def renew_quality(session: AsyncSession, ticket: Ticket) -> None:
    """Of a finished ticket, and of one that has a score already. The ticket must be locked.

    Imported history has none: when its replies were written here is not known.
    """
    if ticket.is_history or (ticket.status not in FINISHED and ticket.quality is None):
        return
    await session.flush()
    quality = quality_of(await _conversation(session, ticket))
    ticket.quality = quality.score
    ticket.quality_parts = [asdict(part) for part in quality.parts]


async def _conversation(session: AsyncSession, ticket: Ticket) -> Conversation:
    found = await session.scalars(
        select(Message).where(Message.ticket_id == ticket.id, Message.author != "note").order_by(Message.seq)
    )
    messages = [message for message in found if not (message.author == "customer" and message.automatic)]
    chat = (await session.scalars(select(ChatSession).where(ChatSession.ticket_id == ticket.id))).one_or_none()
    reviews = await session.scalars(
        select(Review).where(Review.ticket_id == ticket.id, Review.state != "cancelled", Review.action != "authored")
    )
    hours = (await load_preferences(session)).working_hours
    said = [message.body for message in messages if message.author == "customer"]
    return Conversation(
        is_solved=ticket.status in FINISHED,
        is_escalated=ticket.escalated_at is not None,
        replies=sum(message.author != "customer" for message in messages),
        waits=_waits(messages, None if chat is not None else hours),
        is_live=chat is not None,
        edits=[EditedDraft(row.action, row.similarity or 0.0, row.meaning_changed) for row in reviews],
        rating=None if chat is None else chat.rating,
        moods=[read_signals(body).sentiment for body in said],
        times_reopened=await _times_reopened(session, ticket),
        complaint=next((found for body in said if (found := complaint_in(body))), ""),
    )


def _waits(messages: Sequence[Message], hours: WorkingHours | None) -> list[float]:
    """Who chats waits by the clock on the wall, whatever the hours are."""
    waits: list[float] = []
    since: Message | None = None
    for message in messages:
        if message.author == "customer":
            since = since or message
        elif since is not None:
            waits.append(hours_between(hours, since.sent_at, message.sent_at))
            since = None
    return waits


async def _times_reopened(session: AsyncSession, ticket: Ticket) -> int:
    """By the customer's writing again, and by hand."""
    change = TicketEvent.detail["status"]
    by_hand = change["from"].as_string().in_(FINISHED) & change["to"].as_string().not_in(FINISHED)
    found = await session.execute(
        select(func.count()).where(
            TicketEvent.ticket_id == ticket.id,
            or_(TicketEvent.kind == "ticket_reopened", (TicketEvent.kind == "ticket_changed") & by_hand),
        )
    )
    return found.scalar_one()
