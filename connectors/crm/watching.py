"""Looking for tickets that have changed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from connectors.crm.account import Account, as_channel_error
from connectors.crm.tickets import raw_messages
from desk.calls import CallError
from desk.ports import Batch, Clock, RawMessage

TICKETS_A_BATCH = 10
_NOTHING: Mapping[str, Any] = {}


class TicketFeed:
    """`desk.ports.Feed`. Cursor: `state` as the CRM gave it, and `left`, changed tickets that are still to be read."""

    def __init__(self, account: Account, clock: Clock) -> None:
        self._account = account
        self._clock = clock

    async def fetch(self, cursor: Mapping[str, Any]) -> Batch:
        left: list[str] = list(cursor.get("left", ()))
        state: Mapping[str, Any] = cursor.get("state", _NOTHING)
        more = False
        try:
            if not left:
                changed = await self._account.changed(state)
                left, state, more = list(dict.fromkeys(changed.ticket_ids)), changed.state, changed.more
            messages: list[RawMessage] = []
            for ticket_id in left[:TICKETS_A_BATCH]:
                messages += await look_at(self._account, ticket_id, self._clock)
        except CallError as error:
            raise as_channel_error(error) from error
        left = left[TICKETS_A_BATCH:]
        return Batch(tuple(messages), {"state": dict(state), "left": left}, more=more or bool(left))

    async def wait(self, seconds: float) -> None:
        every = self._account.poll_seconds
        jitter = random.uniform(0, every / 10)  # noqa: S311 - spreads load, hides nothing
        await asyncio.sleep(max(0.0, min(seconds, every + jitter)))


async def look_at(account: Account, ticket_id: str, clock: Clock) -> tuple[RawMessage, ...]:
    """Raises CallError."""
    seen_at = clock.now()
    return raw_messages(ticket_id, await account.ticket(ticket_id), seen_at)
