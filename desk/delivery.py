"""The outbox: every approved reply reaches its channel once (design section 3).

`sending` is committed before the channel is called. Whoever finds a row in `sending` whose lease has ended knows
only that it may have been sent: it is looked up, and if that cannot tell, a person decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from time import monotonic
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.accounts.identity import Actor
from desk.attachments.outgoing import outgoing_files
from desk.attachments.threads import add_sent_files
from desk.chat.handover import is_with_person
from desk.chat.unread import expect_reading
from desk.conversation import LIVE_CHANNELS, append_message, hold_with_ticket, lock_ticket
from desk.db.leases import Claim, LostLeaseError, database_time, due_in, finish, was_held_up
from desk.db.unit_of_work import Database, announce, wake
from desk.drafting.requests import has_current
from desk.errors import ConflictError, InvalidInputError, NotFoundError, SettingMissingError
from desk.files import FileLinks
from desk.inbound.hooks import hook_address
from desk.models import (
    ChannelPolicy,
    Connection,
    Delivery,
    DeliveryPart,
    Draft,
    SendingCertificate,
    TenantSettings,
    Ticket,
)
from desk.models.tickets import Message
from desk.parts import HELD_UP, decide_parts, send_parts
from desk.ports import Channel, OutgoingFile, OutgoingReply, PartedChannel, SendOutcome, Storage
from desk.quality import renew_quality
from desk.reachability import hindrance
from desk.tickets.changes import reopen

MOST_ATTEMPTS = 8
SHOWN = "shown in the conversation"
LONGEST_WAIT_SECONDS = 3600.0


class DeliveryDesk:
    """Takes claimed deliveries to their channels."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        storage: Storage,
        files: FileLinks | None = None,
        public_url: str = "",
        *,
        lease_seconds: float,
    ) -> None:
        self._database = database
        self._lease_seconds = lease_seconds
        self._files = files
        self._public_url = public_url
        self._storage = storage
        self._channels = channels

    async def work(self, held: Claim) -> None:
        """One claimed delivery, as far as it can go now."""
        # Before anything is marked as being sent: a storage that fails now leaves a reply that can be tried again.
        files = await outgoing_files(self._database, self._storage, self._files, held)
        begun = monotonic()
        step = await self._begin(held, files)
        if step is None:
            return
        outgoing, channel, must_look_up = step
        if isinstance(channel, PartedChannel):
            try:
                outcome = await send_parts(self._database, held, channel, outgoing, self._lease_seconds)
            except LostLeaseError:
                return
        elif not must_look_up and was_held_up(begun, self._lease_seconds):
            outcome = HELD_UP
        else:
            outcome = await (channel.reconcile(outgoing) if must_look_up else channel.send(outgoing))
        await self._record(held, outcome)

    async def _begin(self, held: Claim, files: tuple[OutgoingFile, ...]) -> tuple[OutgoingReply, Channel, bool] | None:
        async with self._database.transaction(held.scope) as session:
            delivery, ticket = await hold_with_ticket(session, Delivery, held)
            if delivery.state not in {"pending", "sending"}:
                finish(delivery)
                return None
            must_look_up = delivery.state == "sending"
            if delivery.is_automatic and not must_look_up and (why := await _stop_reason(session, delivery, ticket)):
                await _cancel(session, delivery, ticket, why)
                return None
            hindered = None if must_look_up else await hindrance(session, ticket, delivery.recipient)
            if hindered is not None and delivery.is_automatic:
                await _cancel(session, delivery, ticket, hindered.words)
                return None
            if hindered is not None:
                await _end(session, delivery, ticket, "failed", hindered.words)
                return None
            connection = await session.get_one(Connection, delivery.connection_id)
            delivery.state = "sending"
            outgoing = OutgoingReply(
                delivery_id=delivery.id,
                tenant_id=delivery.tenant_id,
                ticket_id=delivery.ticket_id,
                attempt=delivery.attempts,
                recipient=delivery.recipient,
                configuration={**connection.configuration, **json.loads(connection.secrets)},
                subject=delivery.subject,
                body=delivery.body,
                external_ticket_id=ticket.external_id,
                approved_at=delivery.created_at,
                files=files,
                is_automatic=delivery.is_automatic,
                connection_id=connection.id,
                ticket_status="resolved" if delivery.resolve_ticket else "pending",
                known_keys=await _known_replies(session, delivery),
                webhook_address=hook_address(self._public_url, connection),
            )
            channel = self._channels.get(connection.channel)
            if channel is None:
                msg = f"no channel of the kind '{connection.channel}' is installed"
                raise SettingMissingError(msg)
        return outgoing, channel, must_look_up

    async def _record(self, held: Claim, outcome: SendOutcome) -> None:
        try:
            async with self._database.transaction(held.scope) as session:
                delivery, ticket = await hold_with_ticket(session, Delivery, held)
                if delivery.state != "sending":
                    return
                delivery.provider_id = outcome.provider_id or delivery.provider_id
                if outcome.result == "retry" and delivery.attempts < MOST_ATTEMPTS:
                    wait = outcome.retry_after_seconds or min(5.0 * 2**delivery.attempts, LONGEST_WAIT_SECONDS)
                    delivery.state, delivery.detail = "pending", outcome.detail
                    await due_in(session, delivery, min(wait, LONGEST_WAIT_SECONDS))
                    events.record(session, delivery.ticket_id, "reply_delayed", detail=outcome.detail)
                    return
                state = "failed" if outcome.result == "retry" else outcome.result
                await _end(session, delivery, ticket, state, outcome.detail)
        except LostLeaseError:
            # Our call outlived the lease: the row was taken over as `sending` and will be looked up, not resent.
            return


async def _known_replies(session: AsyncSession, delivery: Delivery) -> frozenset[str]:
    """What the other side calls the replies of this ticket that are known, this one left out."""
    sent = await session.execute(
        select(Delivery.provider_id).where(Delivery.ticket_id == delivery.ticket_id, Delivery.id != delivery.id)
    )
    parts = await session.execute(
        select(DeliveryPart.provider_id)
        .join(Delivery, Delivery.id == DeliveryPart.delivery_id)
        .where(Delivery.ticket_id == delivery.ticket_id)
    )
    written = await session.execute(
        select(Message.external_id).where(Message.ticket_id == delivery.ticket_id, Message.author == "agent")
    )
    return frozenset(key for key in (*sent.scalars(), *parts.scalars(), *written.scalars()) if key)


async def show_at_once(session: AsyncSession, delivery: Delivery, draft: Draft, ticket: Ticket) -> None:
    """Deliver a machine's reply on a live channel in the transaction that lets it out.

    There the thread is what the customer looks at, so nobody has to be called and nothing can be lost in between.
    Ticket and draft must be locked or new, and the guards looked at.
    """
    delivery.state, delivery.detail, delivery.provider_id = "sent", SHOWN, str(delivery.id)
    delivery.sent_at = await database_time(session)
    finish(delivery)
    message = await append_message(session, ticket, "machine", delivery.body, name=delivery.approved_by)
    message.delivery_id = delivery.id
    draft.state = "sent"
    events.record(session, ticket.id, "reply_sent", delivery=str(delivery.id), detail=SHOWN)


async def _stop_reason(session: AsyncSession, delivery: Delivery, ticket: Ticket) -> str | None:
    """Why a reply that no person approved must not go out after all; read as late as possible."""
    stopped = (await session.execute(select(TenantSettings.sending_stopped).with_for_update(read=True))).scalar_one()
    ended = "automatic sending is stopped" if stopped else await _permission_ended(session, delivery, ticket)
    if ended is not None:
        return ended
    if ticket.last_inbound_seq != delivery.inbound_seq:
        return "the customer has written again"
    if _is_put_away(ticket):
        return "a person has put this ticket away"
    if await _answered_by_person(session, delivery):
        return "a person has answered already"
    if ticket.channel in LIVE_CHANNELS and await is_with_person(session, ticket):
        return "a person has this conversation"
    return None


async def _permission_ended(session: AsyncSession, delivery: Delivery, ticket: Ticket) -> str | None:
    """A certificate, or the channel's mode, may have gone since the reply was let out."""
    if delivery.certificate_id is not None:
        state = await session.execute(
            select(SendingCertificate.state)
            .where(SendingCertificate.id == delivery.certificate_id)
            .with_for_update(read=True)
        )
        if state.scalar_one() == "revoked":
            return "the certificate it was to be sent under has been revoked"
    mode = await session.execute(select(ChannelPolicy.mode).where(ChannelPolicy.channel == ticket.channel))
    written = await session.execute(select(Draft.writer).where(Draft.id == delivery.draft_id))
    if written.scalar_one_or_none() not in {None, "faq"} and (mode.scalar_one_or_none() or "off") == "off":
        return "automatic sending is off for this channel"
    return None


def _is_put_away(ticket: Ticket) -> bool:
    return ticket.is_spam or ticket.status in {"resolved", "closed"}


async def _answered_by_person(session: AsyncSession, delivery: Delivery) -> bool:
    by_person = exists().where(
        Delivery.ticket_id == delivery.ticket_id,
        Delivery.inbound_seq == delivery.inbound_seq,
        ~Delivery.is_automatic,
        Delivery.state.in_(("pending", "sending", "sent", "uncertain")),
    )
    elsewhere = exists().where(
        Message.ticket_id == delivery.ticket_id,
        Message.seq > delivery.inbound_seq,
        Message.author == "agent",
        Message.delivery_id.is_(None),
    )
    return bool((await session.execute(select(by_person | elsewhere))).scalar_one())


async def _cancel(session: AsyncSession, delivery: Delivery, ticket: Ticket, why: str) -> None:
    """A reply by machine does not go out. What a person did with the ticket meanwhile stays as it is."""
    answered = await _answered_by_person(session, delivery)
    if not answered and not _is_put_away(ticket):
        await reopen(session, ticket)
    if delivery.draft_id is not None:
        draft = await session.get_one(Draft, delivery.draft_id)
        if draft.based_on_seq != ticket.last_inbound_seq:
            draft.state = "stale"
        else:
            draft.state = "superseded" if answered or await has_current(session, ticket) else "ready"
    await _end(session, delivery, ticket, "cancelled", why)


async def _end(session: AsyncSession, delivery: Delivery, ticket: Ticket, state: str, detail: str) -> None:
    """The delivery's fate is known, or known to be unknown."""
    delivery.state, delivery.detail = state, detail
    finish(delivery)
    if state == "sent" and not await _is_in_thread(session, delivery):
        await _add_to_thread(session, delivery, ticket)
    elif state == "failed":
        await reopen(session, ticket)
    elif state == "uncertain":
        ticket.status = "open"
    events.record(session, ticket.id, f"reply_{state}", delivery=str(delivery.id), detail=detail)
    await renew_quality(session, ticket)
    await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)


async def confirm_delivery(session: AsyncSession, delivery: Delivery, ticket: Ticket, detail: str) -> None:
    """The other side says that it arrived: settles what was uncertain. Both rows must be locked."""
    if delivery.state == "uncertain":
        await _end(session, delivery, ticket, "sent", detail)


async def settle_delivery(session: AsyncSession, delivery: Delivery, ticket: Ticket, key: str, detail: str) -> None:
    """The reply was found on the other side, under this key. Both rows must be locked."""
    delivery.provider_id = delivery.provider_id or key
    if delivery.state in {"uncertain", "failed"}:
        await _end(session, delivery, ticket, "sent", detail)
        if ticket.last_inbound_seq == delivery.inbound_seq:
            ticket.status, ticket.waiting_since = "resolved" if delivery.resolve_ticket else "pending", None
            await renew_quality(session, ticket)


async def return_delivery(session: AsyncSession, delivery: Delivery, ticket: Ticket, detail: str) -> None:
    """The other side says, after it had taken it, that it never arrived. Both rows must be locked."""
    if delivery.state not in {"failed", "cancelled"}:
        await _end(session, delivery, ticket, "failed", detail)


async def _is_in_thread(session: AsyncSession, delivery: Delivery) -> bool:
    """It was sent before, came back, and was sent again."""
    known = await session.execute(select(Message.id).where(Message.delivery_id == delivery.id).limit(1))
    return known.scalar_one_or_none() is not None


async def _add_to_thread(session: AsyncSession, delivery: Delivery, ticket: Ticket) -> None:
    delivery.sent_at = await database_time(session)
    author = "machine" if delivery.is_automatic else "agent"
    message = await append_message(session, ticket, author, delivery.body, name=delivery.approved_by)
    message.delivery_id, message.user_id = delivery.id, delivery.approved_by_id
    await add_sent_files(session, delivery, message)
    if ticket.channel == "widget" and not delivery.is_automatic:
        await expect_reading(session, ticket, message.seq)
    if delivery.draft_id is not None:
        draft = await session.get_one(Draft, delivery.draft_id)
        draft.state = "sent"


async def resolve_uncertain(database: Database, actor: Actor, delivery_id: UUID, decision: str) -> Delivery:
    """A person has checked an uncertain reply: it arrived (`sent`), or it did not (`send_again`)."""
    if decision not in {"sent", "send_again"}:
        msg = "`as` must be sent or send_again"
        raise InvalidInputError(msg)
    async with database.transaction(actor.scope) as session:
        found = await session.get(Delivery, delivery_id)
        if found is None:
            msg = "there is no such delivery"
            raise NotFoundError(msg)
        ticket = await lock_ticket(session, found.ticket_id)
        delivery = await session.get_one(Delivery, delivery_id, with_for_update=True, populate_existing=True)
        if delivery.state not in {"uncertain", "failed"}:
            msg = f"this reply is {delivery.state}; only an uncertain or failed one can be decided"
            raise ConflictError(msg)
        if not await decide_parts(session, delivery, decision) and decision == "sent":
            await _end(session, delivery, ticket, "sent", f"marked as sent by {actor.label}")
        else:
            words = "sent again" if decision == "send_again" else "the rest of it sent"
            delivery.state, delivery.detail, delivery.attempts = "pending", f"{words} by {actor.label}", 0
            await due_in(session, delivery, 0)
            wake(session, "deliveries")
        if ticket.last_inbound_seq == delivery.inbound_seq:
            ticket.status = "resolved" if delivery.resolve_ticket else "pending"
            ticket.waiting_since = None
            await renew_quality(session, ticket)
        events.record(session, ticket.id, "delivery_decided", actor.label, decision=decision)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return delivery
