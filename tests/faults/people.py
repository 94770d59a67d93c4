"""The people of the desk: they send the drafts that wait for them, often two at once, and write where there is none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.faults.desk import Desk
from tests.faults.plan import PlannedTicket

_WITHOUT_DRAFT_SECONDS = 4.0


@dataclass
class People:
    """Of one tenant."""

    desk: Desk
    api: httpx.AsyncClient
    tickets: Mapping[str, PlannedTicket]
    """By the customer's address."""
    both_won: list[str] = field(default_factory=list[str])
    """Drafts that two approvals were told to have been sent by them."""
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    _busy: set[str] = field(default_factory=set[str])
    _bare: dict[str, float] = field(default_factory=dict[str, float])

    async def work(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            while not stopping.is_set():
                try:
                    found = await self.api.get("/api/v1/tickets", params={"view": "needs_reply", "limit": 100})
                    lines: list[dict[str, Any]] = found.json()["items"] if found.is_success else []
                except httpx.HTTPError:
                    lines = []
                for line in lines:
                    if line["id"] not in self._busy and len(self._busy) < 12:
                        self._busy.add(line["id"])
                        group.create_task(self._look(line))
                await asyncio.sleep(0.4)

    async def _look(self, line: Mapping[str, Any]) -> None:
        try:
            if line["draft_state"] == "ready":
                await self._approve(line)
            elif line["draft_state"] != "writing" and self._is_left_alone(line):
                await self._write(line)
        except httpx.HTTPError:
            await asyncio.sleep(0.2)
        finally:
            self._busy.discard(line["id"])

    def _is_left_alone(self, line: Mapping[str, Any]) -> bool:
        """For a while there has been no draft for what the customer wrote last."""
        key = f"{line['id']}:{line['last_inbound_seq']}"
        return time.monotonic() - self._bare.setdefault(key, time.monotonic()) > _WITHOUT_DRAFT_SECONDS

    async def _approve(self, line: Mapping[str, Any]) -> None:
        shown = await self.api.get(f"/api/v1/drafts/{line['draft_id']}")
        if not shown.is_success:
            return
        draft = shown.json()
        planned = self.tickets.get(line["customer"]["email"] or "")
        await asyncio.sleep(planned.agent_hesitates if planned else 0)
        asked: dict[str, Any] = {"based_on_seq": draft["based_on_seq"]}
        if line["number"] % 2 or not draft["body"].strip():
            asked["body"] = f"Hello, this is about your message {draft['based_on_seq']}: we have put it right."
        paths = [f"{url}/api/v1/drafts/{draft['id']}/approve" for url in self.desk.urls]
        answers = await asyncio.gather(*(self.api.post(path, json=asked) for path in paths), return_exceptions=True)
        codes = [each.status_code for each in answers if isinstance(each, httpx.Response)]
        for code in codes:
            self.statuses[code] = self.statuses.get(code, 0) + 1
        if codes == [200, 200]:
            self.both_won.append(draft["id"])

    async def _write(self, line: Mapping[str, Any]) -> None:
        asked = {
            "from": "agent",
            "body": f"Hello, we look into your message {line['last_inbound_seq']} and write again soon.",
            "based_on_seq": line["last_inbound_seq"],
        }
        answer = await self.api.post(f"/api/v1/tickets/{line['id']}/messages", json=asked)
        self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
