"""Setting up the connections that read through the inbox: their forms, their test, how they are."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.identity import Actor
from desk.connections import LONGEST_NAME, get_connection
from desk.conversation import LIVE_CHANNELS
from desk.db.leases import database_time, due_in
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database, wake
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.inbound.receiving import details_of
from desk.inbound.watches import begin_watch, watch_from_now
from desk.models import Connection, ConnectionWatch, Delivery, InboxEntry, MessageTemplate, Ticket
from desk.paging import Page, read_page
from desk.plain_text import clean_line
from desk.ports import (
    Channel,
    ConfiguredChannel,
    ConnectionDetails,
    ConsentChannel,
    HealthCheck,
    InboundChannel,
    OutgoingReply,
    SendOutcome,
    TriedChannel,
    WatchedChannel,
    WebhookChannel,
)

HOOK_TOKEN_BYTES = 24
LONGEST_RAW_SHOWN = 100_000
LATEST_PROBLEMS = 5
_WHERE = ("imap_host", "imap_port", "username", "folder", "url", "portal", "org", "centre", "domain", "poll_url")
"""Settings that lead somewhere else when they change: what was read there says nothing about the new place."""
TRIAL_SUBJECT = "Test from Draftdesk"
TRIAL_BODY = (
    "This is a test. When it has come back to the desk, messages go out and come in.\n\nNobody has to answer it."
)


@dataclass(frozen=True, slots=True)
class Problem:
    """The newest things that went wrong on one connection, either way."""

    when: datetime
    words: str
    ticket_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ConnectionHealth:
    is_watched: bool
    seen_at: datetime | None
    failures: int
    error_reason: str | None
    last_error: str | None
    waiting: int
    """Inbox rows that are not read yet."""
    failed: int
    """Inbox rows that could not be read."""
    tried: Mapping[str, Any]
    """The last test: `key`, `sent_at`, `detail`, and `arrived_at` once it has come back."""
    problems: tuple[Problem, ...]
    received_at: datetime | None = None
    """When something came in last, whichever way."""


def inbound_channel(channels: Mapping[str, Channel], kind: str) -> InboundChannel:
    """Raises InvalidInputError when connections of this kind are not made by hand."""
    channel = channels.get(kind)
    if not isinstance(channel, InboundChannel):
        known = ", ".join(sorted(name for name, each in channels.items() if isinstance(each, InboundChannel)))
        msg = f"kind must be one of {known}"
        raise InvalidInputError(msg)
    return channel


async def create_connection(
    session: AsyncSession, channels: Mapping[str, Channel], *, kind: str, name: str, settings: Mapping[str, Any]
) -> Connection:
    """Begins to look at the other side at once. Raises InvalidInputError or RefusedAddressError."""
    channel = inbound_channel(channels, kind)
    configured = channel.configure(settings, None)
    connection = Connection(
        id=uuid7(),
        channel=kind,
        name=_name(name or str(configured.configuration.get("address") or kind)),
        configuration=dict(configured.configuration),
        secrets=json.dumps(dict(configured.secrets)),
        is_active=True,
        public_key=secrets.token_urlsafe(HOOK_TOKEN_BYTES) if isinstance(channel, WebhookChannel) else None,
    )
    session.add(connection)
    await session.flush()
    await begin_watch(session, connection)
    if isinstance(channel, WatchedChannel):
        await watch_from_now(session, connection)
    return connection


async def configure_connection(
    session: AsyncSession, channels: Mapping[str, Channel], connection_id: UUID, settings: Mapping[str, Any]
) -> Connection:
    """Change what is given; an empty secret stays as it is. Raises NotFoundError, InvalidInputError."""
    connection = await get_connection(session, connection_id)
    channel = inbound_channel(channels, connection.channel)
    before = ConfiguredChannel(dict(connection.configuration), json.loads(connection.secrets))
    configured = channel.configure(settings, before)
    moved = any(before.configuration.get(name) != configured.configuration.get(name) for name in _WHERE)
    connection.configuration = dict(configured.configuration)
    connection.secrets = json.dumps(dict(configured.secrets))
    await session.flush()
    if isinstance(channel, WatchedChannel):
        await watch_from_now(session, connection, anew=moved)
    return connection


async def remove_connection(session: AsyncSession, connection_id: UUID) -> bool:
    """Forget the connection: whether it is gone for good. Where tickets came by it they stay, as it stays empty beside
    them, and nothing can be sent from them any more. Raises NotFoundError, ConflictError.
    """
    connection = await get_connection(session, connection_id)
    if connection.channel in LIVE_CHANNELS | {"rest", "import"}:
        msg = "this connection belongs to every desk and cannot be deleted; switch it off instead"
        raise ConflictError(msg)
    await session.refresh(connection, with_for_update=True)
    has_tickets = await session.execute(select(Ticket.id).where(Ticket.connection_id == connection_id).limit(1))
    if has_tickets.scalar_one_or_none() is None:
        await session.delete(connection)
        await session.flush()
        return True
    connection.is_active, connection.removed_at = False, await database_time(session)
    connection.secrets, connection.configuration, connection.public_key = "{}", {}, None
    for kept in (ConnectionWatch, MessageTemplate):
        await session.execute(delete(kept).where(kept.connection_id == connection_id))
    # What came and was not read yet can be read no more: how is told by the settings.
    await session.execute(
        update(InboxEntry)
        .where(InboxEntry.connection_id == connection_id, InboxEntry.state.in_(("received", "failed")))
        .values(state="ignored", last_error="the connection was deleted", due_at=None, lease_until=None)
    )
    await session.flush()
    return False


async def check_connection(
    database: Database, actor: Actor, channels: Mapping[str, Channel], connection_id: UUID
) -> tuple[HealthCheck, ...]:
    """Raises NotFoundError."""
    async with database.transaction(actor.scope) as session:
        connection = await get_connection(session, connection_id)
        channel, details = channels[connection.channel], details_of(connection)
    return await channel.check(details)


async def consenting(
    session: AsyncSession, channels: Mapping[str, Channel], connection_id: UUID
) -> tuple[ConsentChannel, ConnectionDetails]:
    """Of a connection that may sign in by OAuth. Raises NotFoundError, InvalidInputError."""
    connection = await get_connection(session, connection_id)
    channel = channels[connection.channel]
    if not isinstance(channel, ConsentChannel):
        msg = f"a connection of the channel '{connection.channel}' is not signed in that way"
        raise InvalidInputError(msg)
    return channel, details_of(connection)


async def send_trial(
    database: Database, actor: Actor, channels: Mapping[str, Channel], connection_id: UUID
) -> SendOutcome:
    """A message from the connection to itself; its return is noted when it is read. Raises InvalidInputError."""
    async with database.transaction(actor.scope) as session:
        connection = await get_connection(session, connection_id)
        channel, details = channels[connection.channel], details_of(connection)
        if not isinstance(channel, TriedChannel):
            msg = f"a connection of the channel '{connection.channel}' cannot send a test to itself"
            raise InvalidInputError(msg)
        now, trial_id = await database_time(session), uuid7()
    reply = OutgoingReply(
        delivery_id=trial_id,
        tenant_id=details.tenant_id,
        ticket_id=trial_id,
        attempt=1,
        recipient=channel.trial(details, trial_id),
        configuration=details.settings,
        subject=TRIAL_SUBJECT,
        body=TRIAL_BODY,
        external_ticket_id=None,
        approved_at=now,
        is_automatic=True,
        connection_id=details.connection_id,
    )
    outcome = await channels[connection.channel].send(reply)
    async with database.transaction(actor.scope) as session:
        tried = {
            "key": outcome.provider_id,
            "sent_at": now.isoformat(),
            "result": outcome.result,
            "detail": outcome.detail,
        }
        await session.execute(
            update(ConnectionWatch).where(ConnectionWatch.connection_id == connection_id).values(tried=tried)
        )
    return outcome


async def note_return(session: AsyncSession, connection_id: UUID, key: str) -> None:
    """A message of the desk has come back to it: when it is the last test, say so."""
    found = await session.execute(
        select(ConnectionWatch).where(ConnectionWatch.connection_id == connection_id).with_for_update()
    )
    watch = found.scalar_one_or_none()
    if watch is not None and key and watch.tried.get("key") == key and "arrived_at" not in watch.tried:
        watch.tried = {**watch.tried, "arrived_at": (await database_time(session)).isoformat()}


async def connection_health(session: AsyncSession, connection_id: UUID) -> ConnectionHealth:
    """Raises NotFoundError."""
    await get_connection(session, connection_id)
    found = await session.execute(select(ConnectionWatch).where(ConnectionWatch.connection_id == connection_id))
    watch = found.scalar_one_or_none()
    counted = await session.execute(
        select(InboxEntry.state, func.count())
        .where(InboxEntry.connection_id == connection_id, InboxEntry.state.in_(("received", "failed")))
        .group_by(InboxEntry.state)
    )
    newest = await session.execute(
        select(InboxEntry.created_at)
        .where(InboxEntry.connection_id == connection_id)
        .order_by(InboxEntry.id.desc())
        .limit(1)
    )
    counts: dict[str, int] = {row[0]: row[1] for row in counted}
    return ConnectionHealth(
        is_watched=watch is not None and bool(watch.due_at or watch.seen_at or watch.failures),
        seen_at=watch.seen_at if watch else None,
        failures=watch.failures if watch else 0,
        error_reason=watch.error_reason if watch else None,
        last_error=watch.last_error if watch else None,
        waiting=counts.get("received", 0),
        failed=counts.get("failed", 0),
        tried=watch.tried if watch else {},
        problems=await _problems(session, connection_id),
        received_at=newest.scalar_one_or_none(),
    )


async def _problems(session: AsyncSession, connection_id: UUID) -> tuple[Problem, ...]:
    unread = await session.execute(
        select(InboxEntry.created_at, InboxEntry.last_error)
        .where(InboxEntry.connection_id == connection_id, InboxEntry.state == "failed")
        .order_by(InboxEntry.id.desc())
        .limit(LATEST_PROBLEMS)
    )
    unsent = await session.execute(
        select(Delivery.updated_at, Delivery.state, Delivery.detail, Delivery.ticket_id)
        .where(Delivery.connection_id == connection_id, Delivery.state.in_(("failed", "uncertain")))
        .order_by(Delivery.id.desc())
        .limit(LATEST_PROBLEMS)
    )
    words = {"failed": "Not sent", "uncertain": "May have been sent"}
    problems = [
        *(Problem(row.created_at, f"Not read: {row.last_error or 'no reason given'}") for row in unread),
        *(Problem(row.updated_at, f"{words[row.state]}: {row.detail}", row.ticket_id) for row in unsent),
    ]
    return tuple(sorted(problems, key=lambda each: each.when, reverse=True)[:LATEST_PROBLEMS])


async def failed_entries(session: AsyncSession, connection_id: UUID, *, limit: int, offset: int) -> Page[InboxEntry]:
    """Inbox rows that could not be read, newest first. Raises NotFoundError."""
    await get_connection(session, connection_id)
    asked = (
        select(InboxEntry)
        .where(InboxEntry.connection_id == connection_id, InboxEntry.state == "failed")
        .order_by(InboxEntry.id.desc())
    )
    rows, total = await read_page(session, asked, limit=limit, offset=offset)
    return Page([row[0] for row in rows], total, limit, offset)


async def get_entry(session: AsyncSession, connection_id: UUID, entry_id: UUID) -> InboxEntry:
    """Raises NotFoundError."""
    found = await session.execute(
        select(InboxEntry).where(InboxEntry.id == entry_id, InboxEntry.connection_id == connection_id)
    )
    entry = found.scalar_one_or_none()
    if entry is None:
        msg = "there is no such message in the inbox of this connection"
        raise NotFoundError(msg)
    return entry


async def try_again(session: AsyncSession, connection_id: UUID, entry_id: UUID) -> InboxEntry:
    """Read a message once more that could not be read. Raises NotFoundError, ConflictError."""
    entry = await get_entry(session, connection_id, entry_id)
    await session.refresh(entry, with_for_update=True)
    if entry.state != "failed":
        msg = f"this message is {entry.state}; only one that could not be read can be tried again"
        raise ConflictError(msg)
    entry.state, entry.last_error, entry.attempts = "received", None, 0
    await due_in(session, entry, 0)
    wake(session, "inbox")
    return entry


def shown_raw(raw: bytes) -> str:
    """The beginning of the bytes as text that can do nothing: letters, and marks for what is none."""
    return raw[:LONGEST_RAW_SHOWN].decode("utf-8", errors="replace").replace("\x00", "\ufffd")


class StoredCredentials:
    """`desk.ports.CredentialStore` over the connections' encrypted secrets."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, connection: ConnectionDetails) -> Mapping[str, Any]:
        async with self._database.transaction(Scope(connection.tenant_id)) as session:
            row = await get_connection(session, connection.connection_id)
            stored: dict[str, Any] = json.loads(row.secrets)
            return stored

    async def write(self, connection: ConnectionDetails, changes: Mapping[str, Any]) -> None:
        async with self._database.transaction(Scope(connection.tenant_id)) as session:
            row = await get_connection(session, connection.connection_id)
            await session.refresh(row, with_for_update=True)
            row.secrets = json.dumps({**json.loads(row.secrets), **changes})


def _name(name: str) -> str:
    cleaned = clean_line(name)
    if not 1 <= len(cleaned) <= LONGEST_NAME:
        msg = f"name must have 1 to {LONGEST_NAME} characters"
        raise InvalidInputError(msg)
    return cleaned
