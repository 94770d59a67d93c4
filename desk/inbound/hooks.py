"""Calls of outside systems to the desk: checked, kept, and only then answered (design section 3).

Two statements for a call whose token this process has met before: the connection with its secrets is read, and the
inbox rows are written. Nothing of the call is understood here; a worker reads it afterwards.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select, text

from desk.db.tenancy import NO_TENANT, Scope
from desk.db.unit_of_work import Database
from desk.errors import DeskError, NotFoundError, ServiceUnavailableError
from desk.inbound.receiving import details_of, receive
from desk.models import Connection
from desk.ports import Channel, RawMessage, WebhookAnswer, WebhookChannel, WebhookRequest

PREFIX = "/hooks/in/"
LARGEST_CALL = 4 * 1024 * 1024
"""Bytes. Meta's batches are the largest there are, 3 MB."""
CALLS_PER_SECOND = 300.0
"""Of one connection in one process; a burst may be ten seconds' worth. The other side repeats what was turned away."""
BURST = 3_000.0
_LONGEST_TOKEN = 40
_LONGEST_NAME = 500
_MOST_REMEMBERED = 10_000


class TooManyCallsError(DeskError):
    """Repeat the call later."""

    status = 429
    title = "Too many calls"
    headers: Mapping[str, str] = {"Retry-After": "5"}


class Hooks:
    """What comes to `/hooks/in/{token}`."""

    def __init__(self, database: Database, channels: Mapping[str, Channel]) -> None:
        self._database = database
        self._channels = channels
        self._known: dict[str, tuple[UUID, UUID]] = {}
        self._left: dict[UUID, tuple[float, float]] = {}

    async def take_in(self, token: str, request: WebhookRequest) -> WebhookAnswer:
        """What to answer; everything it brought is committed by then.

        Raises NotFoundError for an unknown token, FalseSignatureError, InvalidInputError, TooManyCallsError, and
        ServiceUnavailableError for a connection that is switched off.
        """
        connection_id, tenant_id = await self._find(token)
        self._count(connection_id)
        async with self._database.transaction(Scope(tenant_id)) as session:
            found = await session.execute(select(Connection).where(Connection.id == connection_id))
            row = found.scalar_one_or_none()
            channel = self._channels.get(row.channel) if row is not None else None
            if row is None or row.public_key != token or not isinstance(channel, WebhookChannel):
                self._known.pop(token, None)
                raise _unknown()
            connection = details_of(row)
            answer = channel.accept(request, connection)
            if answer.messages and not row.is_active:
                msg = "this connection is switched off in the desk; what is sent to it is taken when it is on again"
                raise ServiceUnavailableError(msg)
            await receive(session, connection, [_storable(each) for each in answer.messages])
        return answer

    async def _find(self, token: str) -> tuple[UUID, UUID]:
        """A token never moves to another connection, so that it is looked up over all tenants only once."""
        known = self._known.get(token)
        if known is not None:
            return known
        if not 0 < len(token) <= _LONGEST_TOKEN or not token.isascii() or not token.isprintable():
            raise _unknown()
        async with self._database.transaction(NO_TENANT) as session:
            found = await session.execute(text("SELECT id, tenant_id FROM desk_find_hook(:key)"), {"key": token})
            row = found.one_or_none()
        if row is None:
            raise _unknown()
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[token] = row.id, row.tenant_id
        return row.id, row.tenant_id

    def _count(self, connection_id: UUID) -> None:
        """A bucket that fills at `CALLS_PER_SECOND`. Raises TooManyCallsError."""
        now = time.monotonic()
        left, since = self._left.get(connection_id, (BURST, now))
        left = min(BURST, left + (now - since) * CALLS_PER_SECOND)
        if left < 1:
            msg = "this connection is called more often than the desk takes in; repeat it in a moment"
            raise TooManyCallsError(msg)
        self._left[connection_id] = left - 1, now


def hook_address(public_url: str, connection: Connection) -> str:
    """Where the other side calls this connection; "" for one that is not called."""
    return f"{public_url}{PREFIX}{connection.public_key}" if connection.public_key else ""


def _storable(message: RawMessage) -> RawMessage:
    """Ids are the other side's words: what the column or its index cannot take becomes a digest of itself."""
    return replace(message, external_id=_name(message.external_id), order_key=_name(message.order_key))


def _name(given: str) -> str:
    if len(given) <= _LONGEST_NAME and given.isprintable():
        return given
    return f"sha256:{hashlib.sha256(given.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _unknown() -> NotFoundError:
    return NotFoundError("nothing is connected here")
