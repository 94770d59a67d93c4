"""Looking for tickets that have changed.

WHMCS can be asked neither for what has changed since nor for an order, so what it lists is compared with what it listed
before. Pages overlap, because tickets move between two of them while they are read.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Mapping
from typing import Any

from connectors.whmcs.api import RefusedCallError, WhmcsApi, WhmcsError, as_channel_error, number, rows, text
from connectors.whmcs.reading import gone_message, raw_messages
from connectors.whmcs.settings import WhmcsSettings
from desk.errors import ChannelError
from desk.ports import Batch, Clock, RawMessage

PAGE, STEP = 50, 45
MOST_PAGES = 200
TICKETS_A_BATCH = 10
ACTIVE, WAITING, CLOSED = "All Active Tickets", "Awaiting Reply", "Closed"


async def look_at(api: WhmcsApi, settings: WhmcsSettings, ticket_id: str, clock: Clock) -> tuple[RawMessage, ...]:
    """Raises ChannelError."""
    seen_at = clock.now()
    try:
        ticket = await api.call(settings, "GetTicket", ticketid=ticket_id, repliessort="ASC")
    except RefusedCallError as error:
        if error.kind == "missing":
            return (gone_message(ticket_id, "it was deleted, or merged into another one", seen_at),)
        raise as_channel_error(error) from error
    except WhmcsError as error:
        raise as_channel_error(error) from error
    if settings.departments and text(ticket, "deptname").casefold() not in settings.departments:
        return ()
    return raw_messages(ticket, seen_at)


class TicketFeed:
    """`desk.ports.Feed` over one installation. Cursor: `seen`, by ticket id what it looked like."""

    def __init__(self, api: WhmcsApi, settings: WhmcsSettings, clock: Clock) -> None:
        self._api = api
        self._settings = settings
        self._clock = clock

    async def fetch(self, cursor: Mapping[str, Any]) -> Batch:
        try:
            active = await self._listed(ACTIVE)
            # What was opened and closed between two looks is in the first page of the closed ones only.
            closed = await self._listed(CLOSED, most_pages=1)
            if "seen" not in cursor:
                return await self._begin({**closed, **active})
        except WhmcsError as error:
            raise as_channel_error(error) from error
        seen: dict[str, str] = dict(cursor["seen"])
        now = {**closed, **active}
        changed = [ticket_id for ticket_id, looks in now.items() if seen.get(ticket_id) != looks]
        changed += [ticket_id for ticket_id in seen if ticket_id not in now]
        messages: list[RawMessage] = []
        for ticket_id in changed[:TICKETS_A_BATCH]:
            messages += await look_at(self._api, self._settings, ticket_id, self._clock)
            if ticket_id in now:
                seen[ticket_id] = now[ticket_id]
            else:
                del seen[ticket_id]
        return Batch(tuple(messages), {"seen": seen}, more=len(changed) > TICKETS_A_BATCH)

    async def wait(self, seconds: float) -> None:
        jitter = random.uniform(0, self._settings.poll_seconds / 10)  # noqa: S311 - spreads load, hides nothing
        await asyncio.sleep(max(0.0, min(seconds, self._settings.poll_seconds + jitter)))

    async def _begin(self, now: Mapping[str, str]) -> Batch:
        """What there is counts as known, except what waits for a reply if that was asked for."""
        if not self._settings.begins_with_waiting:
            return Batch((), {"seen": dict(now)})
        waiting = await self._listed(WAITING)
        seen = {ticket_id: looks for ticket_id, looks in now.items() if ticket_id not in waiting}
        return Batch((), {"seen": seen}, more=bool(waiting))

    async def _listed(self, status: str, most_pages: int = MOST_PAGES) -> dict[str, str]:
        """What the tickets of a status look like, by id."""
        found: dict[str, str] = {}
        for page in range(most_pages):
            answer = await self._api.call(
                self._settings,
                "GetTickets",
                status=status,
                limitstart=page * STEP,
                limitnum=PAGE,
                ignore_dept_assignments="true",
            )
            listed = rows(answer, "tickets", "ticket")
            for ticket in listed:
                ticket_id = number(ticket, "id") or number(ticket, "ticketid")
                if ticket_id:
                    found[str(ticket_id)] = _looks(ticket)
            if not listed or page * STEP + len(listed) >= number(answer, "totalresults"):
                return found
        msg = f"WHMCS lists more than {MOST_PAGES * STEP:,} tickets as {status}; close what is finished"
        raise ChannelError("settings", msg)


def _looks(ticket: Mapping[str, Any]) -> str:
    """Compared as it is written: the zone of the times does not matter here."""
    told = "\n".join(text(ticket, name) for name in ("lastreply", "status", "deptid", "priority", "subject", "userid"))
    return hashlib.sha256(told.encode()).hexdigest()[:16]
