"""Raw messages become inbox rows. Only when they are committed may anybody be told that they have arrived."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.unit_of_work import wake
from desk.models import Connection, InboxEntry
from desk.ports import ConnectionDetails, RawMessage


def details_of(connection: Connection) -> ConnectionDetails:
    """With the secrets decrypted."""
    settings: dict[str, Any] = {**connection.configuration, **json.loads(connection.secrets)}
    return ConnectionDetails(connection.id, connection.tenant_id, settings)


async def receive(session: AsyncSession, connection: ConnectionDetails, messages: Sequence[RawMessage]) -> int:
    """Store what is not known yet, in this order, for a worker to read. How many were new.

    One statement, its rows sorted by their key: two deliveries of the same batch wait for one another, and never each
    for the other. The order of reading is that of the ids.
    """
    if not messages:
        return 0
    unique: dict[str, RawMessage] = {}
    for message in messages:
        unique.setdefault(message.external_id, message)
    rows = [
        {
            "id": uuid7(),
            "tenant_id": connection.tenant_id,
            "connection_id": connection.connection_id,
            "external_id": message.external_id,
            "raw": message.raw,
            "state": "received",
            "order_key": message.order_key,
            "due_at": func.now(),
        }
        for message in unique.values()
    ]
    rows.sort(key=lambda row: str(row["external_id"]))
    added = await session.execute(
        insert(InboxEntry)
        .values(rows)
        .on_conflict_do_nothing(constraint="uq_inbox_external_id")
        .returning(InboxEntry.id)
    )
    new = len(added.scalars().all())
    if new:
        wake(session, "inbox")
    return new
