"""The outbox of changes: what was changed here, or noted, reaches the other system that keeps the ticket once.

As with replies (`desk.delivery`), `sending` is committed before the channel is called, and a row whose lease has ended
in that state is looked up and not handed over again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.accounts.identity import Actor
from desk.conversation import hold_with_ticket, lock_ticket
from desk.db.leases import Claim, LostLeaseError, database_time, due_in, finish
from desk.db.unit_of_work import Database, announce, wake
from desk.errors import ConflictError, NotFoundError
from desk.handing_over import remote_link
from desk.models import Connection, Message, RemoteChange, Ticket
from desk.ports import ChangeField, ChangeOutcome, Channel, OutgoingChange, RemoteTicketChannel

MOST_ATTEMPTS = 8
LONGEST_WAIT_SECONDS = 3600.0
WAIT_FOR_EARLIER_SECONDS = 1.0


class RemoteChangeDesk:
    """Takes claimed changes to the systems they are for."""

    def __init__(self, database: Database, channels: Mapping[str, Channel]) -> None:
        self._database = database
        self._channels = channels

    async def work(self, held: Claim) -> None:
        """One claimed change, as far as it can go now."""
        step = await self._begin(held)
        if step is None:
            return
        change, channel, must_look_up = step
        outcome = await (channel.reconcile_change(change) if must_look_up else channel.change(change))
        await self._record(held, outcome)

    async def _begin(self, held: Claim) -> tuple[OutgoingChange, RemoteTicketChannel, bool] | None:
        async with self._database.transaction(held.scope) as session:
            row, ticket = await hold_with_ticket(session, RemoteChange, held)
            if row.state not in {"pending", "sending"}:
                finish(row)
                return None
            if row.state == "pending" and await _earlier_is_open(session, row):
                row.attempts -= 1
                await due_in(session, row, WAIT_FOR_EARLIER_SECONDS)
                return None
            link = await remote_link(session, ticket.id)
            connection = await session.get_one(Connection, row.connection_id)
            channel = self._channels.get(connection.channel)
            if link is None or link.gone or not isinstance(channel, RemoteTicketChannel):
                gone = (link.gone if link else "") or "the other system does not keep this ticket any more"
                await _end(session, row, ticket, ChangeOutcome("failed", gone))
                return None
            must_look_up = row.state == "sending"
            row.state = "sending"
            change = OutgoingChange(
                change_id=row.id,
                tenant_id=row.tenant_id,
                connection_id=row.connection_id,
                configuration={**connection.configuration, **json.loads(connection.secrets)},
                external_ticket_id=link.external_id,
                field=cast("ChangeField", row.field),
                value=row.value,
                author=row.decided_by,
                decided_at=row.decided_at,
                attempt=row.attempts,
                known_keys=await _known_notes(session, ticket.id),
            )
        return change, channel, must_look_up

    async def _record(self, held: Claim, outcome: ChangeOutcome) -> None:
        try:
            async with self._database.transaction(held.scope) as session:
                row, ticket = await hold_with_ticket(session, RemoteChange, held)
                if row.state != "sending":
                    return
                if outcome.result == "retry" and row.attempts < MOST_ATTEMPTS:
                    wait = outcome.retry_after_seconds or 5.0 * 2**row.attempts
                    row.state, row.detail = "pending", outcome.detail
                    await due_in(session, row, min(wait, LONGEST_WAIT_SECONDS))
                    return
                await _end(session, row, ticket, outcome)
        except LostLeaseError:
            # Our call outlived the lease: the row was taken over as `sending` and will be looked up.
            return


async def _earlier_is_open(session: AsyncSession, row: RemoteChange) -> bool:
    found = await session.execute(
        select(RemoteChange.id)
        .where(
            RemoteChange.ticket_id == row.ticket_id,
            RemoteChange.field == row.field,
            RemoteChange.id < row.id,
            RemoteChange.state.in_(("pending", "sending")),
        )
        .limit(1)
    )
    return found.scalar_one_or_none() is not None


async def _known_notes(session: AsyncSession, ticket_id: UUID) -> frozenset[str]:
    found = await session.execute(
        select(Message.external_id).where(
            Message.ticket_id == ticket_id, Message.author == "note", Message.external_id.is_not(None)
        )
    )
    return frozenset(str(key) for key in found.scalars())


async def _end(session: AsyncSession, row: RemoteChange, ticket: Ticket, outcome: ChangeOutcome) -> None:
    state = "failed" if outcome.result == "retry" else outcome.result
    row.state, row.detail = state, outcome.detail
    finish(row)
    if state == "sent":
        await _remember(session, row, outcome.there)
    elif state in {"failed", "uncertain"}:
        events.record(session, ticket.id, f"change_{state}", field=row.field, value=row.value, detail=outcome.detail)
    await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)


async def _remember(session: AsyncSession, row: RemoteChange, there: str) -> None:
    """What the other system has now is nothing that changed over there."""
    if row.field == "note":
        note = None if row.message_id is None else await session.get(Message, row.message_id)
        if note is not None and there and note.external_id is None:
            note.external_id = there
        return
    link = await remote_link(session, row.ticket_id)
    if link is not None and there:
        at = (await database_time(session)).isoformat()
        link.known = {**link.known, row.field: {"there": there, "at": at}}


async def settle_change(session: AsyncSession, row: RemoteChange, ticket: Ticket, there: str) -> None:
    """The other system shows that it has it. Ticket and row must be locked."""
    if row.state == "sending":
        await _remember(session, row, there)
    elif row.state in {"uncertain", "failed"}:
        await _end(session, row, ticket, ChangeOutcome("sent", "found over there", there))


async def try_change_again(database: Database, actor: Actor, change_id: UUID) -> RemoteChange:
    """Raises NotFoundError, ConflictError unless it failed or its fate is unknown."""
    async with database.transaction(actor.scope) as session:
        found = await session.get(RemoteChange, change_id)
        if found is None:
            msg = "there is no such change"
            raise NotFoundError(msg)
        ticket = await lock_ticket(session, found.ticket_id)
        row = await session.get_one(RemoteChange, change_id, with_for_update=True, populate_existing=True)
        if row.state not in {"failed", "uncertain"}:
            msg = f"this change is {row.state}; only one that failed can be tried again"
            raise ConflictError(msg)
        row.state, row.attempts, row.detail = "pending", 0, f"tried again by {actor.label}"
        await due_in(session, row, 0)
        wake(session, "remote_changes")
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return row
