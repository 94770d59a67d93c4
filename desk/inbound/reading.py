"""One inbox row after another: what it says, and what follows from it (design section 3).

A row that cannot be read stays in the state `failed` with the reason, and the next one proceeds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.attachments.kept import AttachmentLimits, keep_files
from desk.db.leases import Claim, database_time, due_in, finish, hold
from desk.db.unit_of_work import Database, announce
from desk.errors import UnreadableMessageError
from desk.inbound.connecting import note_return
from desk.inbound.filing import file_inbound, given_files
from desk.inbound.receiving import details_of, receive
from desk.models import Connection, InboxEntry
from desk.ports import (
    Channel,
    ConnectionDetails,
    CustomerFactsChannel,
    FetchingChannel,
    Ignored,
    Inbound,
    InboundChannel,
    InboundFile,
    InboundMessage,
    ReadAgain,
    RemoteTicketChannel,
    Storage,
)

WAIT_FOR_EARLIER_SECONDS = 0.5
FAILED_OFTEN = 3
"""Tries after which a message holds up the later ones of its order no longer."""
WAIT_TO_BE_KNOWN = timedelta(minutes=5)
"""For what is said of a reply whose sending has not been answered yet."""


class InboxDesk:
    """Reads claimed inbox rows."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Channel],
        *,
        debounce_seconds: float,
        storage: Storage,
        limits: AttachmentLimits,
    ) -> None:
        self._database = database
        self._channels = channels
        self._debounce_seconds = debounce_seconds
        self._storage = storage
        self._limits = limits

    async def work(self, held: Claim) -> None:
        """One claimed row, to a message of a ticket, or to a visible reason why not."""
        prepared = await self._prepare(held)
        if prepared is None:
            return
        channel, raw, connection = prepared
        try:
            inbound = await asyncio.to_thread(channel.parse, raw, connection)
        except UnreadableMessageError as error:
            await self._fail(held, error.detail)
            return
        if isinstance(inbound, ReadAgain):
            await self._look(held, channel, connection, inbound.external_ticket_id)
        fetched = await _fetched_files(channel, connection, inbound)
        files = await keep_files(self._storage, held.tenant_id, given_files(inbound, fetched), self._limits)
        has_facts = isinstance(channel, CustomerFactsChannel)
        async with self._database.transaction(held.scope) as session:
            # Connection and ticket are locked before the row, as everywhere.
            filed = await file_inbound(
                session, connection, inbound, held.row_id, files, self._debounce_seconds, has_facts=has_facts
            )
            entry = await hold(session, InboxEntry, held)
            if filed is None and await database_time(session) - entry.created_at < WAIT_TO_BE_KNOWN:
                entry.attempts -= 1
                await due_in(session, entry, WAIT_FOR_EARLIER_SECONDS * 4)
                return
            finish(entry)
            entry.last_error = None
            filed = filed or Ignored("is about something this connection has not sent")
            if isinstance(filed, Ignored):
                entry.state, entry.last_error = "ignored", filed.reason
                await note_return(session, connection.connection_id, filed.key)
                return
            entry.state, entry.ticket_id, entry.message_id = "processed", filed.ticket_id, filed.message_id

    async def _prepare(self, held: Claim) -> tuple[InboundChannel, bytes, ConnectionDetails] | None:
        async with self._database.transaction(held.scope) as session:
            entry = await hold(session, InboxEntry, held)
            if entry.state != "received":
                finish(entry)
                return None
            if entry.order_key and await _has_earlier(session, entry):
                entry.attempts -= 1
                await due_in(session, entry, WAIT_FOR_EARLIER_SECONDS)
                return None
            connection = await session.get_one(Connection, entry.connection_id)
            channel = self._channels.get(connection.channel)
            if not isinstance(channel, InboundChannel):
                await _record_failure(session, entry, f"messages of the channel '{connection.channel}' are not read")
                return None
            return channel, entry.raw, details_of(connection)

    async def _look(self, held: Claim, channel: Channel, connection: ConnectionDetails, ticket_id: str) -> None:
        """What is new in the ticket becomes inbox rows of its own. Raises ChannelError: it is tried again later."""
        if not isinstance(channel, RemoteTicketChannel):
            return
        found = await channel.look(connection, ticket_id)
        async with self._database.transaction(held.scope) as session:
            await receive(session, connection, found)

    async def _fail(self, held: Claim, reason: str) -> None:
        async with self._database.transaction(held.scope) as session:
            await _record_failure(session, await hold(session, InboxEntry, held), reason)


async def _fetched_files(channel: Channel, connection: ConnectionDetails, inbound: Inbound) -> tuple[InboundFile, ...]:
    """Raises ChannelError: the message is tried again later, with its files."""
    if not isinstance(inbound, InboundMessage) or not isinstance(channel, FetchingChannel):
        return ()
    return tuple([await channel.fetch_file(connection, reference) for reference in inbound.to_fetch])


async def _record_failure(session: AsyncSession, entry: InboxEntry, reason: str) -> None:
    entry.state, entry.last_error = "failed", reason
    finish(entry)
    await announce(session, entry.tenant_id, "inbox", connection=entry.connection_id)


async def _has_earlier(session: AsyncSession, entry: InboxEntry) -> bool:
    """Whether one of the same order waits before it; one that keeps failing holds nobody up.

    A single failure may be the database's or the other side's, and what overtook it would begin a ticket of its own.
    """
    earlier = exists().where(
        InboxEntry.connection_id == entry.connection_id,
        InboxEntry.order_key == entry.order_key,
        InboxEntry.state == "received",
        InboxEntry.last_error.is_(None) | (InboxEntry.attempts < FAILED_OFTEN),
        InboxEntry.id < entry.id,
    )
    return bool((await session.execute(select(earlier))).scalar_one())
