"""Whether anything may be sent to a ticket's customer now: messengers have windows, and people may say stop.

A channel with a window writes `window_until` (ISO 8601, UTC, whole seconds) into the recipient of each message it
reads, and a template that may go out after it is `template` in the recipient of a delivery.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.conversation import LIVE_CHANNELS, MESSENGERS
from desk.db.leases import database_time
from desk.errors import ConflictError
from desk.models import Connection, CustomerIdentity, Message, Ticket

TEMPLATE = "template"
WINDOW_UNTIL = "window_until"


@dataclass(frozen=True, slots=True)
class Hindrance:
    code: Literal["connection_deleted", "opted_out", "window_closed"]
    words: str


DELETED = Hindrance("connection_deleted", "the connection this conversation came by was deleted; nothing can be sent")
OPTED_OUT = Hindrance(
    "opted_out", "this person has told the channel to stop; nothing is sent until they write START or UNSTOP"
)
WINDOW_CLOSED = Hindrance(
    "window_closed", "the customer's last message is more than 24 hours old; only an approved template can be sent now"
)


async def window_until(session: AsyncSession, ticket: Ticket) -> datetime | None:
    """When the customer's newest message by this connection, whichever ticket it is in, stops opening the window.

    None on channels without one.
    """
    until = Message.reply_to[WINDOW_UNTIL].astext
    found = await session.execute(
        select(func.max(until))
        .join(Ticket, Ticket.id == Message.ticket_id)
        .where(
            Ticket.connection_id == ticket.connection_id,
            Ticket.customer_id == ticket.customer_id,
            Message.author == "customer",
        )
    )
    newest = found.scalar_one_or_none()
    return datetime.fromisoformat(newest) if newest else None


async def hindrance(
    session: AsyncSession, ticket: Ticket, recipient: Mapping[str, Any] | None = None
) -> Hindrance | None:
    """Why nothing may be sent now; `recipient` is that of the delivery, when there is one already."""
    if ticket.channel in LIVE_CHANNELS:
        return None
    removed = await session.execute(select(Connection.removed_at).where(Connection.id == ticket.connection_id))
    if removed.scalar_one() is not None:
        return DELETED
    if ticket.channel not in MESSENGERS:
        return None
    if await has_opted_out(session, ticket):
        return OPTED_OUT
    if (recipient or {}).get(TEMPLATE):
        return None
    until = await window_until(session, ticket)
    return WINDOW_CLOSED if until is not None and until <= await database_time(session) else None


async def require_reachable(session: AsyncSession, ticket: Ticket, recipient: Mapping[str, Any]) -> None:
    """Raises ConflictError: what was possible when the page was loaded is not any more."""
    found = await hindrance(session, ticket, recipient)
    if found is not None:
        raise ConflictError(found.words)


async def has_opted_out(session: AsyncSession, ticket: Ticket) -> bool:
    found = await session.execute(
        select(CustomerIdentity.id)
        .where(
            CustomerIdentity.customer_id == ticket.customer_id,
            CustomerIdentity.kind == identity_kind(ticket),
            CustomerIdentity.opted_out_at.is_not(None),
        )
        .limit(1)
    )
    return found.scalar_one_or_none() is not None


async def note_consent(session: AsyncSession, ticket: Ticket, *, stops: bool) -> None:
    """The customer has written a word that stops, or starts again, everything this channel sends them."""
    known = await session.execute(
        select(CustomerIdentity)
        .where(CustomerIdentity.customer_id == ticket.customer_id, CustomerIdentity.kind == identity_kind(ticket))
        .with_for_update()
    )
    now = await database_time(session)
    for identity in known.scalars():
        identity.opted_out_at = now if stops else None


def identity_kind(ticket: Ticket) -> str:
    """Under which the ids of this connection's other side are kept (`desk.intake`)."""
    return f"external:{ticket.connection_id.hex[:12]}"
