"""Taking over what happens to tickets in another system that keeps them too.

Nothing that comes from over there is handed back, and what the desk itself had sent there is recognised when it comes
by again. A property counts as changed over there only when its value over there is another than the one the desk knew;
of two who changed the same the later one counts.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import UNSET
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.conversation import append_message, lock_ticket
from desk.db.leases import finish
from desk.db.unit_of_work import announce
from desk.delivery import settle_delivery
from desk.drafting.requests import leave_stale
from desk.escalation import settle_escalation
from desk.handing_over import HANDED_OVER, remote_link
from desk.inbound.texts import body_of, name_of, shown_quote
from desk.intake import LONGEST_SUBJECT
from desk.models import Delivery, Message, RemoteChange, RemoteLink, Ticket
from desk.plain_text import clean_line
from desk.ports import (
    ConnectionDetails,
    Ignored,
    InboundMessage,
    RemoteState,
    RemoteTicket,
    RemoteValue,
    says_the_same,
)
from desk.remote_changes import settle_change
from desk.tickets.changes import TicketChange, take_over_change, unanswered_since
from desk.tickets.threads import join_tickets

_OUT = ("sending", "sent", "uncertain", "failed")


async def link_ticket(
    session: AsyncSession, connection: ConnectionDetails, ticket: Ticket, remote: RemoteTicket
) -> None:
    """Remember, or renew, which ticket over there is the same."""
    link = await _link_of(session, connection, remote.external_id)
    if link is None:
        link = RemoteLink(
            ticket_id=ticket.id, connection_id=connection.connection_id, external_id=remote.external_id, known={}
        )
        session.add(link)
    link.ticket_id, link.number, link.url, link.gone = ticket.id, remote.number, remote.url, ""
    await session.flush()


async def known_from_remote(session: AsyncSession, ticket: Ticket, message: InboundMessage) -> Ignored | None:
    """A reply or a note of the desk that comes back, whose fate is settled by that, or what the ticket has under
    another key, as after a merge over there. The ticket is locked."""
    if message.remote is None:
        return None
    own: Ignored | None = None
    if message.author == "agent":
        own = await _own_reply(session, ticket, message)
    elif message.author == "note":
        own = await _own_note(session, ticket, message)
    if own is None and await _has_same(session, ticket, message):
        own = Ignored("it is in this ticket already, under another key")
    return own


async def _has_same(session: AsyncSession, ticket: Ticket, message: InboundMessage) -> bool:
    if message.sent_at is None:
        return False
    known = await session.execute(
        select(Message.body).where(
            Message.ticket_id == ticket.id, Message.author == message.author, Message.sent_at == message.sent_at
        )
    )
    return any(says_the_same(body, message.body) for body in known.scalars())


async def _own_reply(session: AsyncSession, ticket: Ticket, message: InboundMessage) -> Ignored | None:
    found = await session.execute(
        select(Delivery)
        .where(Delivery.ticket_id == ticket.id, Delivery.state.in_(_OUT))
        .order_by(Delivery.id)
        .with_for_update()
    )
    for delivery in found.scalars().all():
        is_it = delivery.provider_id == message.key
        if is_it or (delivery.provider_id is None and says_the_same(delivery.body, message.body)):
            await settle_delivery(session, delivery, ticket, message.key, "found in the ticket over there")
            return Ignored("a reply of the desk itself", message.key)
    return None


async def _own_note(session: AsyncSession, ticket: Ticket, message: InboundMessage) -> Ignored | None:
    found = await session.execute(
        select(RemoteChange)
        .join(Message, Message.id == RemoteChange.message_id)
        .where(
            RemoteChange.ticket_id == ticket.id,
            RemoteChange.field == "note",
            RemoteChange.state.in_(_OUT),
            Message.external_id.is_(None),
        )
        .order_by(RemoteChange.id)
        .with_for_update(of=RemoteChange)
    )
    for change in found.scalars().all():
        if _is_note(change.value, message.body):
            note = await session.get_one(Message, change.message_id)
            note.external_id = message.key
            await settle_change(session, change, ticket, message.key)
            return Ignored("a note of the desk itself", message.key)
    return None


def _is_note(sent: str, found: str) -> bool:
    """Over there the desk's notes end with who wrote them here."""
    written, _, signature = found.rstrip().rpartition("\n")
    return says_the_same(sent, found) or (signature.startswith("(") and says_the_same(sent, written))


async def add_from_colleague(
    session: AsyncSession, ticket: Ticket, message: InboundMessage, key: str | None, channel_name: str
) -> Message:
    """What somebody wrote over there. After their reply nobody waits here, and the draft that waited is stale."""
    added = await append_message(session, ticket, message.author, body_of(message), name=name_of(message))
    added.external_id, added.html = key, message.html
    added.quoted = shown_quote(message)
    await date_back(session, ticket, added, message.sent_at)
    if message.author == "agent":
        await leave_stale(session, ticket)
        await session.flush()
        ticket.waiting_since = await unanswered_since(session, ticket)
        if ticket.status == "open" and ticket.waiting_since is None:
            ticket.status = "pending"
        await settle_escalation(session, ticket, f"{name_of(message)} in {channel_name}")
        events.record(session, ticket.id, "answered_elsewhere", name_of(message), seq=added.seq, where=channel_name)
    else:
        events.record(session, ticket.id, "note_added", name_of(message), seq=added.seq, where=channel_name)
    await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return added


async def date_back(session: AsyncSession, ticket: Ticket, message: Message, sent_at: datetime | None) -> None:
    """When it was really written, as far as that can be true."""
    if sent_at is None or sent_at >= message.sent_at:
        return
    if ticket.waiting_since == message.sent_at:
        ticket.waiting_since = sent_at
    message.sent_at = sent_at
    await session.flush()


async def take_over(
    session: AsyncSession, connection: ConnectionDetails, state: RemoteState, channel_name: str
) -> Ticket | Ignored:
    """The ticket as it is over there now."""
    link = await _link_of(session, connection, state.external_ticket_id)
    if link is None:
        return Ignored("a ticket that is not here")
    if state.merged_into:
        return await _follow_merge(session, connection, link, state.merged_into, channel_name)
    ticket = await lock_ticket(session, link.ticket_id)
    await session.refresh(link, with_for_update=True)
    if state.ticket is None:
        if link.gone:
            return Ignored("gone, as is known already")
        link.gone = state.gone or "it is not there any more"
        events.record(session, ticket.id, "gone_elsewhere", channel_name, detail=link.gone)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
        return ticket
    await link_ticket(session, connection, ticket, state.ticket)
    main = await remote_link(session, ticket.id)
    if main is None or main.id != link.id:
        return Ignored("the ticket it was merged into here goes by another one over there")
    new: dict[str, str] = {}
    for field in HANDED_OVER:
        value: RemoteValue | None = getattr(state.ticket, field)
        if value is None or not await _changed_there(session, link, ticket, field, value, state.ticket.seen_at):
            continue
        if value.here and (getattr(ticket, field) or "") not in value.here:
            new[field] = value.here[0]
    change = TicketChange(
        status=new.get("status", UNSET),
        priority=new.get("priority", UNSET),
        department=new.get("department", UNSET),
    )
    subject = clean_line(state.ticket.subject)[:LONGEST_SUBJECT]
    if subject and subject != ticket.subject:
        events.record(session, ticket.id, "subject_changed", channel_name, before=ticket.subject, after=subject)
        ticket.subject = subject
    await take_over_change(session, ticket, change, channel_name)
    return ticket


async def _changed_there(
    session: AsyncSession, link: RemoteLink, ticket: Ticket, field: str, value: RemoteValue, seen_at: datetime
) -> bool:
    """Whether this is a change over there that counts; what is known of the other side is brought up to date."""
    known = link.known.get(field)
    if known is not None and known["there"] == value.there:
        return False
    if known is not None and seen_at <= datetime.fromisoformat(known["at"]):
        return False  # looked at before the desk learned, or wrote, what is there now
    found = await session.execute(
        select(RemoteChange)
        .where(
            RemoteChange.ticket_id == ticket.id,
            RemoteChange.field == field,
            RemoteChange.state.in_(("pending", "sending", "uncertain")),
        )
        .order_by(RemoteChange.id.desc())
        .limit(1)
        .with_for_update()
    )
    ours = found.scalar_one_or_none()
    if ours is not None and (ours.decided_at >= seen_at or ours.state == "sending"):
        return False  # ours is the later word, or being said at this moment
    if ours is not None and ours.value in value.here:
        await settle_change(session, ours, ticket, value.there)
    elif ours is not None:
        ours.state, ours.detail = "superseded", "changed over there since"
        finish(ours)
        ours.fence += 1
    link.known = {**link.known, field: {"there": value.there, "at": seen_at.isoformat()}}
    return True


async def _follow_merge(
    session: AsyncSession, connection: ConnectionDetails, link: RemoteLink, into: str, channel_name: str
) -> Ticket | Ignored:
    """Joined over there, joined here. Raises ConflictError while a reply of either is on its way: later, then."""
    other = await _link_of(session, connection, into)
    if other is None:
        ticket = await lock_ticket(session, link.ticket_id)
        link.external_id, ticket.external_id = into, into
        return ticket
    if other.ticket_id == link.ticket_id:
        return Ignored("joined here already")
    first, second = sorted((link.ticket_id, other.ticket_id))
    locked = {first: await lock_ticket(session, first), second: await lock_ticket(session, second)}
    gone, kept = locked[link.ticket_id], locked[other.ticket_id]
    link.gone = f"it was merged into {other.number or into}"
    if gone.customer_id != kept.customer_id:
        # A reply goes to one of them only, so the conversations stay apart and people are told.
        for each in (gone, kept):
            events.record(session, each.id, "merged_elsewhere", channel_name, detail=link.gone)
            await announce(session, each.tenant_id, "ticket", ticket=each.id)
        return gone
    await join_tickets(session, gone, kept, channel_name)
    return kept


async def _link_of(session: AsyncSession, connection: ConnectionDetails, external_id: str) -> RemoteLink | None:
    found = await session.execute(
        select(RemoteLink).where(
            RemoteLink.connection_id == connection.connection_id, RemoteLink.external_id == external_id
        )
    )
    return found.scalar_one_or_none()
