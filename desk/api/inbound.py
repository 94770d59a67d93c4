"""Connections that read through the inbox: made here, tried, read at once; and what could not be read."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from desk.accounts.identity import Actor, Permission
from desk.api.connections import ConnectionAnswer, connection_answer
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.inbound.connecting import (
    check_connection,
    configure_connection,
    connection_health,
    create_connection,
    failed_entries,
    get_entry,
    remove_connection,
    send_trial,
    shown_raw,
    try_again,
)
from desk.installation import Installation
from desk.message_templates import fetch_templates
from desk.models import InboxEntry
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs


class NewConnection(Asked):
    kind: str
    """`email`, or another channel that is connected by its settings."""
    name: str = ""
    settings: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    """The channel's own; for e-mail at least `address` and `password`, the rest is filled in from the domain."""

    def __repr__(self) -> str:
        return f"NewConnection(kind={self.kind!r}, name={self.name!r})"


class ConnectionSettings(Asked):
    settings: dict[str, Any]
    """What is left out keeps its value, and an empty secret the stored one."""

    def __repr__(self) -> str:
        return "ConnectionSettings()"


class SyncAnswer(Answer):
    received: int
    already_known: int


class TemplatesAnswer(Answer):
    count: int


class CheckAnswer(Answer):
    name: str
    passed: bool
    detail: str


class TrialAnswer(Answer):
    result: str
    """`sent`, `failed`, `retry` or `uncertain`; its return shows in the connection's health."""
    detail: str


class ProblemAnswer(Answer):
    when: datetime
    words: str
    ticket_id: UUID | None


class HealthAnswer(Answer):
    is_watched: bool
    seen_at: datetime | None
    failures: int
    error_reason: str | None
    last_error: str | None
    waiting: int
    failed: int
    tried: dict[str, Any]
    problems: list[ProblemAnswer]


class FailedEntryAnswer(Answer):
    id: UUID
    external_id: str
    state: str
    reason: str | None
    bytes: int
    created_at: datetime


class RawAnswer(Answer):
    id: UUID
    text: str
    """The beginning of the raw bytes; what is no letter of UTF-8 is replaced."""


class InboundController(Controller):
    path = "/connections"
    tags = ("connections",)
    opt = needs(Permission.TUNING)

    @post("/")
    async def create(
        self,
        data: JSONBody[NewConnection],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ConnectionAnswer:
        """Begins with what comes in from now on."""
        async with installation.database.transaction(actor.scope) as session:
            connection = await create_connection(
                session, installation.channels, kind=data.kind, name=data.name, settings=data.settings
            )
            return connection_answer(connection)

    @put("/{connection_id:uuid}/settings")
    async def configure(
        self,
        connection_id: FromPath[UUID],
        data: JSONBody[ConnectionSettings],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ConnectionAnswer:
        async with installation.database.transaction(actor.scope) as session:
            return connection_answer(
                await configure_connection(session, installation.channels, connection_id, data.settings)
            )

    @delete("/{connection_id:uuid}")
    async def remove(
        self, connection_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> None:
        """Forgets settings and secrets. Tickets that came by it stay, and nothing can be sent from them any more."""
        async with installation.database.transaction(actor.scope) as session:
            await remove_connection(session, connection_id)

    @post("/{connection_id:uuid}/templates", status_code=200)
    async def templates(
        self, connection_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> TemplatesAnswer:
        """Fetch the message templates of a messenger anew."""
        count = await fetch_templates(installation.database, actor, installation.channels, connection_id)
        return TemplatesAnswer(count)

    @post("/{connection_id:uuid}/sync", status_code=200)
    async def sync(
        self, connection_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> SyncAnswer:
        """Fetch now what the other side has."""
        synced = await installation.watches.sync(actor, connection_id)
        return SyncAnswer(synced.received, synced.already_known)

    @post("/{connection_id:uuid}/check", status_code=200)
    async def check(
        self, connection_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> list[CheckAnswer]:
        """Sign in on both ways without sending anything."""
        checks = await check_connection(installation.database, actor, installation.channels, connection_id)
        return [CheckAnswer(each.name, each.passed, each.detail) for each in checks]

    @post("/{connection_id:uuid}/test", status_code=200)
    async def test(
        self, connection_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> TrialAnswer:
        """Send a message from the connection to itself."""
        outcome = await send_trial(installation.database, actor, installation.channels, connection_id)
        return TrialAnswer(outcome.result, outcome.detail)

    @get("/{connection_id:uuid}/health")
    async def health(
        self, connection_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> HealthAnswer:
        async with installation.database.transaction(actor.scope) as session:
            found = await connection_health(session, connection_id)
        return HealthAnswer(
            is_watched=found.is_watched,
            seen_at=found.seen_at,
            failures=found.failures,
            error_reason=found.error_reason,
            last_error=found.last_error,
            waiting=found.waiting,
            failed=found.failed,
            tried=dict(found.tried),
            problems=[ProblemAnswer(each.when, each.words, each.ticket_id) for each in found.problems],
        )

    @get("/{connection_id:uuid}/inbox")
    async def failed(
        self,
        connection_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[FailedEntryAnswer]:
        """What came in and could not be read, newest first."""
        async with installation.database.transaction(actor.scope) as session:
            page = await failed_entries(session, connection_id, limit=limit, offset=offset)
        return Listed([_entry(row) for row in page.items], page.total, page.limit, page.offset)

    @get("/{connection_id:uuid}/inbox/{entry_id:uuid}/raw")
    async def raw(
        self,
        connection_id: FromPath[UUID],
        entry_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> RawAnswer:
        async with installation.database.transaction(actor.scope) as session:
            entry = await get_entry(session, connection_id, entry_id)
        return RawAnswer(entry.id, shown_raw(entry.raw))

    @post("/{connection_id:uuid}/inbox/{entry_id:uuid}/retry", status_code=200)
    async def retry(
        self,
        connection_id: FromPath[UUID],
        entry_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> FailedEntryAnswer:
        """Read it once more."""
        async with installation.database.transaction(actor.scope) as session:
            return _entry(await try_again(session, connection_id, entry_id))


def _entry(row: InboxEntry) -> FailedEntryAnswer:
    return FailedEntryAnswer(row.id, row.external_id, row.state, row.last_error, len(row.raw), row.created_at)
