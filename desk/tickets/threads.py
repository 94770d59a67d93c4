"""Joining two tickets of one customer into one thread, and splitting messages off into a ticket of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import case, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.accounts.identity import Actor
from desk.attachments.threads import move_files
from desk.chat.joining import check_visitors, follow_merge, follow_numbers, follow_split
from desk.conversation import lock_ticket
from desk.customers.people import are_one_person
from desk.db.unit_of_work import Database, announce
from desk.drafting.requests import request_draft, retire_current
from desk.errors import ConflictError, InvalidInputError
from desk.escalation import settle_escalation
from desk.intake import LONGEST_SUBJECT, open_ticket
from desk.models import Connection, Customer, Delivery, Draft, Message, RemoteLink, Review, Ticket
from desk.plain_text import clean_line
from desk.quality import renew_quality
from desk.tickets.changes import unanswered_since


async def merge_tickets(database: Database, actor: Actor, ticket_id: UUID, into_id: UUID) -> Ticket:
    """Move everything of `ticket_id` into `into_id`, in order of time, and close what is left. The joined ticket.

    Raises NotFoundError; InvalidInputError for the same ticket twice, tickets of different customers (a reply
    goes to one of them only), or one that a visitor who has proved nothing would then see; ConflictError while a
    reply of either is on its way.
    """
    if ticket_id == into_id:
        msg = "a ticket cannot be merged into itself"
        raise InvalidInputError(msg)
    async with database.transaction(actor.scope) as session:
        locked = {each: await lock_ticket(session, each) for each in sorted((ticket_id, into_id))}
        gone, kept = locked[ticket_id], locked[into_id]
        if not await are_one_person(session, gone.customer_id, kept.customer_id):
            msg = "the tickets are of different customers; only tickets of one customer can be merged"
            raise InvalidInputError(msg)
        await check_visitors(session, gone, kept)
        await join_tickets(session, gone, kept, actor.label)
    return kept


async def join_tickets(session: AsyncSession, gone: Ticket, kept: Ticket, by: str) -> None:
    """The work of `merge_tickets`, on two locked tickets of one customer. Raises ConflictError."""
    for ticket in (gone, kept):
        await _check_nothing_on_its_way(session, ticket)
        await retire_current(session, ticket)
    await _join_threads(session, gone, kept)
    await follow_merge(session, gone, kept)
    await move_files(session, gone.id, kept.id)
    await session.execute(update(RemoteLink).where(RemoteLink.ticket_id == gone.id).values(ticket_id=kept.id))
    kept.tags = list(dict.fromkeys([*kept.tags, *gone.tags]))
    kept.last_message_at = max(kept.last_message_at, gone.last_message_at)
    await settle_escalation(session, gone, by)
    gone.status, gone.waiting_since, gone.level, gone.last_inbound_seq = "closed", None, None, 0
    events.record(session, gone.id, "ticket_merged", by, into=str(kept.id), number=kept.number)
    events.record(session, kept.id, "ticket_merged", by, merged=str(gone.id), number=gone.number)
    gone.quality, gone.quality_parts = None, []
    await _ask_again(session, kept)
    await renew_quality(session, kept)
    for ticket in (gone, kept):
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)


async def split_ticket(
    database: Database, actor: Actor, ticket_id: UUID, message_ids: Sequence[UUID], subject: str | None
) -> Ticket:
    """A new ticket of the same customer from some of this one's messages (the customer's own and notes).

    Raises NotFoundError, InvalidInputError when the choice leaves either ticket without a message of the customer,
    ConflictError while a reply is on its way.
    """
    async with database.transaction(actor.scope) as session:
        ticket = await lock_ticket(session, ticket_id)
        await _check_nothing_on_its_way(session, ticket)
        moved = await _chosen_messages(session, ticket, message_ids)
        await retire_current(session, ticket)
        connection = await session.get_one(Connection, ticket.connection_id)
        customer = await session.get_one(Customer, ticket.customer_id)
        title = clean_line(subject or "")[:LONGEST_SUBJECT] or ticket.subject
        fresh = await open_ticket(session, connection, customer, subject=title, department=ticket.department)
        fresh.tags, fresh.priority = list(ticket.tags), ticket.priority
        for seq, message in enumerate(moved, 1):
            message.ticket_id, message.seq = fresh.id, seq
        await session.flush()
        await move_files(session, ticket.id, fresh.id, [message.id for message in moved])
        fresh.last_seq, fresh.last_message_at = len(moved), moved[-1].sent_at
        fresh.last_inbound_seq = max(message.seq for message in moved if message.author == "customer")
        ticket.last_inbound_seq = await _newest_inbound(session, ticket)
        await follow_split(session, ticket, fresh)
        events.record(session, ticket.id, "ticket_split", actor.label, into=str(fresh.id), number=fresh.number)
        events.record(session, fresh.id, "ticket_split", actor.label, source=str(ticket.id), number=ticket.number)
        for each in (ticket, fresh):
            await _ask_again(session, each)
            await announce(session, each.tenant_id, "ticket", ticket=each.id)
    return fresh


async def _check_nothing_on_its_way(session: AsyncSession, ticket: Ticket) -> None:
    under_way = exists().where(Delivery.ticket_id == ticket.id, Delivery.state.in_(("pending", "sending", "uncertain")))
    if (await session.execute(select(under_way))).scalar_one():
        msg = f"a reply to ticket #{ticket.number} is on its way or undecided; undo it or wait for it first"
        raise ConflictError(msg)


async def _join_threads(session: AsyncSession, gone: Ticket, kept: Ticket) -> None:
    """Number the messages of both by time and let drafts, deliveries and reviews follow their messages."""
    rows = (
        await session.execute(
            select(Message.id, Message.ticket_id, Message.seq, Message.author, Message.external_id)
            .where(Message.ticket_id.in_((gone.id, kept.id)))
            .order_by(Message.sent_at, Message.id)
        )
    ).all()
    seq_of: dict[UUID, int] = {row.id: seq for seq, row in enumerate(rows, 1)}
    both = Message.ticket_id.in_((gone.id, kept.id))
    known = {row.external_id for row in rows if row.ticket_id == kept.id and row.external_id}
    doubles = [row.id for row in rows if row.ticket_id == gone.id and row.external_id in known]
    if doubles:
        await session.execute(update(Message).where(Message.id.in_(doubles)).values(external_id=None))
    # Negative numbers first: a unique number is checked row by row, and the old ones are still taken.
    await session.execute(update(Message).where(both).values(ticket_id=kept.id, seq=-case(seq_of, value=Message.id)))
    await session.execute(update(Message).where(Message.ticket_id == kept.id).values(seq=-Message.seq))
    for ticket in (gone, kept):
        new = {row.seq: seq_of[row.id] for row in rows if row.ticket_id == ticket.id}
        await _follow(session, Draft, Draft.based_on_seq, ticket, new)
        await _follow(session, Delivery, Delivery.inbound_seq, ticket, new)
        await follow_numbers(session, ticket, new)
    for table, column in ((Draft, Draft.based_on_seq), (Delivery, Delivery.inbound_seq)):
        await _turn_positive(session, table, column, gone, kept)
    await session.execute(update(Review).where(Review.ticket_id == gone.id).values(ticket_id=kept.id))
    kept.last_seq = len(rows)
    kept.last_inbound_seq = max((seq_of[row.id] for row in rows if row.author == "customer"), default=0)
    kept.summary, kept.summary_through_seq = "", 0


async def _follow(session: AsyncSession, table: Any, column: Any, ticket: Ticket, new: Mapping[int, int]) -> None:
    if new:
        await session.execute(
            update(table)
            .where(table.ticket_id == ticket.id, column > 0)
            .values({column: -case(dict(new), value=column, else_=column)})
        )


async def _turn_positive(session: AsyncSession, table: Any, column: Any, gone: Ticket, kept: Ticket) -> None:
    await session.execute(
        update(table)
        .where(table.ticket_id.in_((gone.id, kept.id)), column < 0)
        .values({column: -column, table.ticket_id: kept.id})
    )


async def _chosen_messages(session: AsyncSession, ticket: Ticket, message_ids: Sequence[UUID]) -> list[Message]:
    wanted = set(message_ids)
    found = await session.execute(
        select(Message).where(Message.ticket_id == ticket.id, Message.id.in_(wanted)).order_by(Message.seq)
    )
    chosen = list(found.scalars())
    if len(chosen) != len(wanted) or any(message.author not in {"customer", "note"} for message in chosen):
        msg = "message_ids must be messages of the customer, or notes, in this ticket"
        raise InvalidInputError(msg)
    staying = await session.execute(
        select(Message.id)
        .where(Message.ticket_id == ticket.id, Message.author == "customer", Message.id.not_in(wanted))
        .limit(1)
    )
    if not any(message.author == "customer" for message in chosen) or staying.scalar_one_or_none() is None:
        msg = "both tickets need at least one message of the customer"
        raise InvalidInputError(msg)
    return chosen


async def _newest_inbound(session: AsyncSession, ticket: Ticket) -> int:
    newest = select(Message.seq).where(Message.ticket_id == ticket.id, Message.author == "customer")
    return (await session.execute(newest.order_by(Message.seq.desc()).limit(1))).scalar_one()


async def _ask_again(session: AsyncSession, ticket: Ticket) -> None:
    """Who waits for an answer gets a draft for the thread as it is now."""
    ticket.waiting_since = await unanswered_since(session, ticket)
    if ticket.waiting_since is None:
        return
    if ticket.status in {"resolved", "closed"}:
        ticket.status = "open"
    await request_draft(session, ticket)
