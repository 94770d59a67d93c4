"""Tells a visitor by e-mail that there is a reply which was not read in the widget.

The notice is its own outbox: `sending` is committed before the mail is handed over, so one whose fate is unknown is
looked up and never sent again by itself. An address that nobody has proved to be the visitor's gets no content, only
the news and a signed link (specification of the widget, "Email fallback").
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.conversation import lock_ticket
from desk.db.leases import Claim, LostLeaseError, due_in, finish, hold
from desk.db.unit_of_work import Database, announce
from desk.models import ChatSession, Connection, Customer, Message, ReplyNotice, Ticket, Visitor
from desk.ports import Channel, OutgoingReply, SendOutcome
from desk.widget.access import VisitorTokens, Widget, widget_of
from desk.widget.configuration import texts_for

EMAIL = "email"
MOST_ATTEMPTS = 8
FIRST_WAIT_SECONDS = 30.0
LINK_MARK = "#draftdesk="
"""A fragment: browsers send it to nobody, and the widget's script takes it out of the address at once."""


class ReplyMail:
    def __init__(self, database: Database, channels: Mapping[str, Channel], tokens: VisitorTokens) -> None:
        self._database = database
        self._channels = channels
        self._tokens = tokens

    async def work(self, held: Claim) -> None:
        """One notice that is due, as far as it can go now."""
        step = await self._begin(held)
        if step is None:
            return
        channel, outgoing, must_look_up = step
        outcome = await (channel.reconcile(outgoing) if must_look_up else channel.send(outgoing))
        await self._record(held, outcome)

    async def _begin(self, held: Claim) -> tuple[Channel, OutgoingReply, bool] | None:
        async with self._database.transaction(held.scope) as session:
            notice, chat, ticket = await _hold(session, held)
            if notice.state not in {"waiting", "sending"}:
                finish(notice)
                return None
            must_look_up = notice.state == "sending"
            if not must_look_up and chat.read_seq >= notice.seq:
                notice.state = "read"
                finish(notice)
                return None
            found = await session.execute(
                select(Connection)
                .where(Connection.channel == EMAIL, Connection.is_active)
                .order_by(Connection.id)
                .limit(1)
            )
            connection, channel = found.scalar_one_or_none(), self._channels.get(EMAIL)
            if connection is None or channel is None:
                await _end(session, notice, ticket, "uncertain" if must_look_up else "no_connection")
                return None
            if not must_look_up:
                await self._write(session, notice, chat, ticket)
                if not notice.address:
                    await _end(session, notice, ticket, "no_address")
                    return None
                notice.state = "sending"
            return channel, await _outgoing(session, notice, chat, ticket, connection), must_look_up

    async def _write(self, session: AsyncSession, notice: ReplyNotice, chat: ChatSession, ticket: Ticket) -> None:
        """Address and text, frozen from here on. Without an address nothing is written."""
        customer = await session.get_one(Customer, ticket.customer_id)
        visitor = await session.get(Visitor, chat.visitor_id) if chat.visitor_id is not None else None
        verified = visitor.verified_email if visitor is not None else ""
        notice.address = verified or customer.email or ""
        if visitor is None or not notice.address:
            return
        widget = widget_of(await session.get_one(Connection, chat.connection_id))
        texts = texts_for(widget.configuration, widget.configuration.default_language)[1]
        link = self._link(widget, visitor, chat, notice.address)
        notice.subject = texts["mail_subject"]
        unread = await _unread(session, ticket, chat) if verified else ()
        parts = [*(message.body for message in unread), texts["mail_continue"]] if verified else [texts["mail_unread"]]
        notice.body = "\n\n".join([*parts, link])

    def _link(self, widget: Widget, visitor: Visitor, chat: ChatSession, address: str) -> str:
        """To the page where the conversation began. A signed-in user signs in there; nobody else may in their name."""
        page = _allowed_page(widget, chat.page_url)
        is_bare = visitor.user_id is not None or not page
        return page if is_bare else page + LINK_MARK + self._tokens.issue_link(widget, visitor.id, chat.id, address)

    async def _record(self, held: Claim, outcome: SendOutcome) -> None:
        try:
            async with self._database.transaction(held.scope) as session:
                notice, _, ticket = await _hold(session, held)
                if notice.state != "sending":
                    return
                may_retry = outcome.result == "retry" and notice.attempts < MOST_ATTEMPTS
                if may_retry and not await _has_newer(session, notice):
                    notice.state, notice.detail = "waiting", outcome.detail
                    await due_in(
                        session, notice, outcome.retry_after_seconds or FIRST_WAIT_SECONDS * 2**notice.attempts
                    )
                    return
                state = "failed" if outcome.result == "retry" else outcome.result
                await _end(session, notice, ticket, state, outcome.detail)
        except LostLeaseError:
            # Our call outlived the lease: the row was taken over as `sending` and is looked up, not sent again.
            return


def _allowed_page(widget: Widget, address: str) -> str:
    """What a visitor gave as the page's address is a claim: only the widget's own origins are linked to."""
    parts = urlsplit(address)
    origins = widget.configuration.allowed_origins
    if address and f"{parts.scheme}://{parts.netloc}" in origins:
        return address
    return f"{origins[0]}/" if origins else ""


async def _hold(session: AsyncSession, held: Claim) -> tuple[ReplyNotice, ChatSession, Ticket]:
    """Ticket first, notice second, as everyone locks. Raises LostLeaseError."""
    found = await session.get(ReplyNotice, held.row_id)
    if found is None:
        raise LostLeaseError(f"{held.kind} {held.row_id} is gone")
    chat = await session.get_one(ChatSession, found.session_id)
    if chat.ticket_id is None:
        raise LostLeaseError(f"{held.kind} {held.row_id} has no ticket")
    ticket = await lock_ticket(session, chat.ticket_id)
    return await hold(session, ReplyNotice, held), chat, ticket


async def _unread(session: AsyncSession, ticket: Ticket, chat: ChatSession) -> Sequence[Message]:
    found = await session.execute(
        select(Message)
        .where(Message.ticket_id == ticket.id, Message.author == "agent", Message.seq > chat.read_seq)
        .order_by(Message.seq)
    )
    return found.scalars().all()


async def _outgoing(
    session: AsyncSession, notice: ReplyNotice, chat: ChatSession, ticket: Ticket, connection: Connection
) -> OutgoingReply:
    """A name that somebody made up is not written to an address that may be a stranger's."""
    customer = await session.get_one(Customer, ticket.customer_id)
    visitor = await session.get(Visitor, chat.visitor_id) if chat.visitor_id is not None else None
    is_verified = visitor is not None and visitor.verified_email == notice.address
    secrets: dict[str, Any] = json.loads(connection.secrets)
    return OutgoingReply(
        delivery_id=notice.id,
        tenant_id=notice.tenant_id,
        ticket_id=ticket.id,
        attempt=notice.attempts,
        recipient={"name": customer.name if is_verified else "", "email": notice.address, "external_id": None},
        configuration={**connection.configuration, **secrets},
        subject=notice.subject,
        body=notice.body,
        external_ticket_id=None,
        approved_at=notice.created_at,
        is_automatic=True,
        connection_id=connection.id,
    )


async def _has_newer(session: AsyncSession, notice: ReplyNotice) -> bool:
    """A later reply has made a notice of its own meanwhile, which speaks of this one as well."""
    found = await session.execute(
        select(ReplyNotice.id).where(ReplyNotice.session_id == notice.session_id, ReplyNotice.state == "waiting")
    )
    return found.scalar_one_or_none() is not None


async def _end(session: AsyncSession, notice: ReplyNotice, ticket: Ticket, state: str, detail: str = "") -> None:
    notice.state, notice.detail = state, detail
    finish(notice)
    events.record(session, ticket.id, "reply_unread", detail=NOTICE_WORDS[state], why=detail)
    await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)


NOTICE_WORDS = {
    "waiting": "reply not read yet",
    "sending": "reply not read; the visitor is being told by e-mail",
    "sent": "reply not read; the visitor was told by e-mail",
    "read": "reply read",
    "failed": "reply not read; the e-mail could not be sent",
    "uncertain": "reply not read; the e-mail may have been sent",
    "no_connection": "reply not read; no e-mail connection",
    "no_address": "reply not read; no e-mail address is known",
}
"""The state of a notice in words, for the ticket."""
