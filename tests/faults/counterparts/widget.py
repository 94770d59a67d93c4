"""Visitors of a website: they write by the widget, repeat what was not confirmed, and look at the thread itself."""

from __future__ import annotations

from typing import Any
from uuid import NAMESPACE_URL, uuid5

import httpx

from tests.faults.counterparts.counterpart import Counterpart, status_of
from tests.faults.desk import Desk
from tests.faults.journal import Journal, Mishaps
from tests.faults.plan import PlannedTicket

_SHOP = "https://shop.example"


class Widget(Counterpart):
    kind = "widget"
    journal_is_full = False

    def __init__(self, desk: Desk, api: httpx.AsyncClient, journal: Journal, mishaps: Mishaps) -> None:
        super().__init__(desk, api, journal, mishaps)
        self._tokens: dict[int, str] = {}
        self._conversations: dict[int, str] = {}

    async def open(self) -> None:
        listed = (await self.api.get("/api/v1/connections")).json()["items"]
        widget = next(each for each in listed if each["channel"] == "widget")
        self._path = f"/widget/v1/{widget['public_key']}"
        settings = {"allowed_origins": [_SHOP], "messages_per_minute": 1000}
        (await self.api.put(f"/api/v1/connections/{widget['id']}", json={"widget": settings})).raise_for_status()
        self._client = httpx.AsyncClient(timeout=40, limits=httpx.Limits(max_connections=40))

    async def close(self) -> None:
        await self._client.aclose()

    async def deliver(self, ticket: PlannedTicket, position: int) -> int:
        headers = {"Origin": _SHOP, "X-Forwarded-For": f"10.{ticket.number // 250}.{ticket.number % 250}.7"}
        if ticket.number not in self._tokens:
            status, begun = await status_of(lambda: self._post("/session", headers, {}))
            if begun is None or not begun.is_success:
                return 0 if status < 400 else status
            # Two copies at once may both begin; the visitor is whoever was first.
            self._tokens.setdefault(ticket.number, begun.json()["token"])
        asked: dict[str, Any] = {
            "client_message_id": str(uuid5(NAMESPACE_URL, f"{ticket.number}-{position}")),
            "body": ticket.messages[position].body,
            "conversation_id": self._conversations.get(ticket.number) if position else None,
            "name": ticket.name,
            "email": ticket.customer,
        }
        headers |= {"Authorization": f"Bearer {self._tokens[ticket.number]}"}
        status, answer = await status_of(lambda: self._post("/messages", headers, asked))
        if answer is not None and answer.is_success:
            self._conversations.setdefault(ticket.number, answer.json()["conversation_id"])
        return status

    async def _post(self, path: str, headers: dict[str, str], asked: dict[str, Any]) -> httpx.Response:
        return await self._client.post(f"{self.url()}{self._path}{path}", headers=headers, json=asked)
