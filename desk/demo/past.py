"""Moving what has just been made into the past, so that the demo looks like weeks of work."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_ROWS_OF_A_TICKET = ("messages", "drafts", "reviews", "deliveries", "ticket_events", "examples", "corrections", "inbox")
_FURTHER_TIMES = {
    "messages": ("sent_at",),
    "deliveries": ("sent_at", "undo_until"),
    "examples": ("answered_at",),
}


async def move_into_past(session: AsyncSession, moments: Mapping[UUID, datetime]) -> None:
    """Everything of a ticket that is dated after its moment happened at that moment; what is older stays.

    Called after every step of a ticket with that step's time, so doing it twice changes nothing. Work that is still
    due stays due: only times that tell of the past are touched.
    """
    await session.execute(_STATEMENT, {"tickets": list(moments), "moments": list(moments.values())})


def _update(table: str, key: str, times: tuple[str, ...]) -> str:
    earlier = ", ".join(f"{time} = CASE WHEN {time} > moment THEN moment ELSE {time} END" for time in times)
    later = " OR ".join(f"{time} > moment" for time in times)
    return f"UPDATE {table} SET {earlier} FROM moments WHERE {key} = ticket AND ({later}) RETURNING 1"  # noqa: S608 - names from above


def _statement() -> str:
    """One statement for all tables: tickets are moved often, and a round trip each would be felt."""
    parts = [
        _update("tickets", "tickets.id", ("created_at", "last_message_at", "waiting_since", "escalated_at")),
        *(
            _update(table, f"{table}.ticket_id", ("created_at", *_FURTHER_TIMES.get(table, ())))
            for table in _ROWS_OF_A_TICKET
        ),
    ]
    moved = ", ".join(f"part_{number} AS ({part})" for number, part in enumerate(parts))
    given = "SELECT * FROM unnest(cast(:tickets AS uuid[]), cast(:moments AS timestamptz[])) AS given (ticket, moment)"
    return f"WITH moments AS ({given}), {moved} SELECT 1"


_STATEMENT = text(_statement())
