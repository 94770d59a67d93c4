"""Moving what has just been made into the past, so that the demo looks like weeks of work."""

from __future__ import annotations

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


async def move_into_past(session: AsyncSession, ticket_id: UUID, moment: datetime) -> None:
    """Everything of the ticket that is dated after `moment` happened at `moment`; what is older stays.

    Called after every step of a ticket with that step's time, so doing it twice changes nothing. Work that is still
    due stays due: only times that tell of the past are touched.
    """
    await session.execute(_STATEMENT, {"ticket": ticket_id, "moment": moment})


def _update(table: str, times: tuple[str, ...], condition: str) -> str:
    earlier = ", ".join(f"{time} = CASE WHEN {time} > :moment THEN :moment ELSE {time} END" for time in times)
    later = " OR ".join(f"{time} > :moment" for time in times)
    return f"UPDATE {table} SET {earlier} WHERE {condition} AND ({later}) RETURNING 1"  # noqa: S608 - names from above


def _statement() -> str:
    """One statement for all tables: every ticket is moved some times, and a round trip each would be felt."""
    ticket = _update("tickets", ("created_at", "last_message_at", "waiting_since", "escalated_at"), "id = :ticket")
    customer = _update(
        "customers", ("created_at",), "id = (SELECT customer_id FROM tickets WHERE tickets.id = :ticket)"
    )
    rows = [
        _update(table, ("created_at", *_FURTHER_TIMES.get(table, ())), "ticket_id = :ticket")
        for table in _ROWS_OF_A_TICKET
    ]
    parts = ", ".join(f"part_{number} AS ({part})" for number, part in enumerate((ticket, customer, *rows)))
    return f"WITH {parts} SELECT 1"


_STATEMENT = text(_statement())
