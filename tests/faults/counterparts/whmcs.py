"""A WHMCS installation: its hook file says which ticket has changed; the desk reads, and writes without key or id."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import httpx

from connectors.whmcs.hook import signature_of
from tests.connectors.whmcs.installation import Mishap as WhmcsMishap
from tests.connectors.whmcs.installation import Whmcs as Installed
from tests.connectors.whmcs.installation import form_for, whmcs_server
from tests.faults.counterparts.counterpart import Counterpart, Key, status_of
from tests.faults.counterparts.mail import seen
from tests.faults.desk import LEASE_SECONDS, Desk
from tests.faults.journal import Journal, Mishaps
from tests.faults.plan import CLEAR, Mishap, PlannedTicket

_AS_WHMCS: dict[Mishap, WhmcsMishap | None] = {
    "refused": "rate_limit", "lost_before": "lost_before", "error_before": "rate_limit", "error_after": "html_500",
    "lost": "lost", "hang": "warning",
}  # fmt: skip


class Whmcs(Counterpart):
    kind = "whmcs"

    def __init__(self, desk: Desk, api: httpx.AsyncClient, journal: Journal, mishaps: Mishaps) -> None:
        super().__init__(desk, api, journal, mishaps)
        self._closing = ExitStack()
        self._tickets: dict[int, int] = {}
        self._customers: dict[int, str] = {}
        self._replies: dict[Key, int] = {}
        self.drawn = threading.local()

    async def open(self) -> None:
        self._installed: Installed = self._closing.enter_context(whmcs_server())
        self._add = self._installed.answer
        self._installed.answer = self._answer
        self._installed.mishaps = {"AddTicketReply": _Drawn(self)}
        self._client = httpx.AsyncClient(timeout=40)
        asked = {"kind": "whmcs", "settings": form_for(self._installed)}
        made = (await self.api.post("/api/v1/connections", json=asked)).raise_for_status().json()
        self._token = made["public_key"]
        self._secret = (await self.desk.secrets(made["id"]))["hook_secret"]
        await seen(self.api, made["id"])

    async def close(self) -> None:
        await self._client.aclose()
        await asyncio.to_thread(self._closing.close)

    def _answer(self, form: Mapping[str, str]) -> dict[str, Any]:
        """In the thread of the call, whose mishap was drawn in it before."""
        is_reply = form.get("action") == "AddTicketReply"
        mishap: Mishap = getattr(self.drawn, "mishap", "") if is_reply else ""
        if is_reply and mishap == "slow":
            time.sleep(2 * LEASE_SECONDS + 1)
        told = self._add(form)
        if is_reply and told.get("result") == "success":
            self.journal.take(self.kind, self._customers[int(form["ticketid"])], form["message"], "", mishap)
        return told

    def note_trouble(self) -> None:
        """The reply that is being handed over right now."""
        form = next(form for action, form in reversed(self._installed.calls) if action == "AddTicketReply")
        self.troubled.add(self._customers[int(form["ticketid"])])

    async def write(self, ticket: PlannedTicket, position: int) -> None:
        body = ticket.messages[position].body
        if position == 0:
            opened = self._installed.open(body, f"Question {ticket.number}", userid=0)
            self._installed.set(opened, name=ticket.name, email=ticket.customer)
            entry = self._installed.tickets[opened]["replies"][0]
            entry |= {"requestor_name": ticket.name, "requestor_email": ticket.customer}
            self._tickets[ticket.number], self._customers[opened] = opened, ticket.customer
            self._replies[ticket.number, 0] = 0
        else:
            self._replies[ticket.number, position] = self._installed.customer_writes(self._tickets[ticket.number], body)

    async def deliver(self, ticket: PlannedTicket, position: int) -> int:
        told: dict[str, Any] = {"event": "TicketUserReply" if position else "TicketOpen"}
        told["ticketid"] = self._tickets[ticket.number]
        if position:
            told["replyid"] = self._replies[ticket.number, position]
        body, at = json.dumps(told).encode(), str(int(time.time()))
        headers = {"X-Desk-Timestamp": at, "X-Desk-Signature": signature_of(self._secret, at, body)}
        url = f"{self.url()}/hooks/in/{self._token}"
        status, _ = await status_of(lambda: self._client.post(url, content=body, headers=headers))
        return status

    async def kept(self, keys: Mapping[Key, float]) -> dict[Key, datetime] | None:
        rows = await self.desk.rows("SELECT external_id, created_at FROM inbox WHERE external_id LIKE 'hook:%%'")
        by_name = {row.external_id: row.created_at for row in rows}
        found: dict[Key, datetime] = {}
        for number, position in keys:
            ticket = self._tickets[number]
            reply = f"TicketUserReply:{self._replies[number, position]}" if position else "TicketOpen:"
            name = f"hook:{reply}:{ticket}"
            if name in by_name:
                found[number, position] = by_name[name]
        return found


class _Drawn(list[Any]):
    """The installation's list of mishaps, drawn as they are asked for."""

    def __init__(self, owner: Whmcs) -> None:
        super().__init__()
        self._owner = owner

    def __bool__(self) -> bool:
        return True

    def pop(self, _: Any = 0) -> WhmcsMishap | None:
        self._owner.drawn.mishap = mishap = self._owner.mishaps.next()
        if mishap not in CLEAR:
            self._owner.note_trouble()
        return _AS_WHMCS.get(mishap)
