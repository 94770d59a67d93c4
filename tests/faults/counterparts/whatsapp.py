"""WhatsApp by Twilio and by Meta: signed calls, replies taken as planned, and statuses that come late, twice and in
any order."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import random
import time
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx
from twilio.request_validator import RequestValidator

from tests.connectors.whatsapp.fakes import (
    ACCOUNT,
    AUTH,
    HANG_UP,
    SILENCE,
    Asked,
    FakeMeta,
    FakeTwilio,
    Told,
    answering,
    error,
    refusal,
)
from tests.faults.counterparts.counterpart import Counterpart, Key, status_of
from tests.faults.desk import Desk
from tests.faults.journal import Journal, Mishaps
from tests.faults.plan import CLEAR, PlannedTicket

_ID = 36
"""Characters of a delivery's id, with which the desk's own name for a part begins."""
_STATUSES = ("sent", "delivered", "read")
_NUMBER, _SECRET = "106540352242922", "the-app-secret"


class WhatsApp(Counterpart):
    """What both have in common."""

    def __init__(self, desk: Desk, api: httpx.AsyncClient, journal: Journal, mishaps: Mishaps) -> None:
        super().__init__(desk, api, journal, mishaps)
        self._closing = AsyncExitStack()
        self._telling: set[asyncio.Task[None]] = set()
        self._chosen = random.Random(self.kind)  # noqa: S311 - repeatable is what it must be
        self.marks: dict[str, str] = {}
        """By the other side's name of a message: the furthest status it was told of."""

    async def open(self) -> None:
        port = await self._closing.enter_async_context(answering(self._answer))
        asked = {"kind": self.kind, "settings": self.form(port)}
        made = (await self.api.post("/api/v1/connections", json=asked)).raise_for_status().json()
        self.path = f"/hooks/in/{made['public_key']}"
        self._client = httpx.AsyncClient(timeout=40)

    async def close(self) -> None:
        for task in self._telling:
            task.cancel()
        await asyncio.gather(*self._telling, return_exceptions=True)
        await self._client.aclose()
        await self._closing.aclose()

    async def settled(self) -> None:
        """All statuses have been told."""
        await asyncio.gather(*self._telling)

    def _answer(self, asked: Asked) -> Told:
        if not self.hands_over(asked):
            return self.usual(asked)
        mishap = self.mishaps.next()
        customer, delivery, body = self.handed_over(asked)
        if mishap not in CLEAR:
            self.troubled.add(customer)
        if mishap == "refused":
            return self.refused()
        if mishap == "lost_before":
            return HANG_UP
        if mishap == "error_before":
            return self.broken()
        told = self.usual(asked)
        self.journal.take(self.kind, customer, body, delivery, mishap)
        self._tell_statuses(asked, told)
        if mishap == "error_after":
            return self.broken()
        return {"lost": HANG_UP, "hang": SILENCE}.get(mishap, told)

    def _tell_statuses(self, asked: Asked, told: Told) -> None:
        """Each twice, in any order, the first perhaps before the call itself is answered."""
        name = self.name_of(told)
        self.marks[name] = _STATUSES[-1]
        for status in (*_STATUSES, *_STATUSES):
            later = self._chosen.choice((0.0, 0.3, 2.0, 6.0))
            task = asyncio.get_running_loop().create_task(self._tell(asked, name, status, later))
            self._telling.add(task)

    async def _tell(self, asked: Asked, name: str, status: str, later: float) -> None:
        await asyncio.sleep(later)
        for _ in range(200):
            code, _answer = await status_of(lambda: self.tell_status(asked, name, status))
            if 200 <= code < 300:
                return
            await asyncio.sleep(0.5)

    async def deliver(self, ticket: PlannedTicket, position: int) -> int:
        status, _ = await status_of(lambda: self.tell_message(ticket, position))
        return status

    async def kept(self, keys: Mapping[Key, float]) -> dict[Key, datetime] | None:
        rows = await self.desk.rows("SELECT external_id, created_at FROM inbox")
        by_name = {row.external_id: row.created_at for row in rows}
        names = {(number, position): self.message_name(number, position) for number, position in keys}
        return {key: by_name[name] for key, name in names.items() if name in by_name}

    async def untold(self) -> list[str]:
        """Messages whose furthest status the desk does not know."""
        rows = await self.desk.rows("SELECT provider_id, mark FROM delivery_parts WHERE provider_id IS NOT NULL")
        known = {row.provider_id: row.mark for row in rows}
        return [f"{name}: {known.get(name, 'unknown')}" for name, mark in self.marks.items() if known.get(name) != mark]

    def phone(self, ticket: int) -> str:
        return f"1650555{ticket:05d}"

    @abstractmethod
    def form(self, port: int) -> dict[str, str]: ...

    @abstractmethod
    def hands_over(self, asked: Asked) -> bool: ...

    @abstractmethod
    def handed_over(self, asked: Asked) -> tuple[str, str, str]:
        """Customer, delivery and words."""

    @abstractmethod
    def usual(self, asked: Asked) -> Told: ...

    @abstractmethod
    def refused(self) -> Told: ...

    @abstractmethod
    def broken(self) -> Told: ...

    @abstractmethod
    def name_of(self, told: Told) -> str: ...

    @abstractmethod
    def message_name(self, number: int, position: int) -> str: ...

    @abstractmethod
    async def tell_message(self, ticket: PlannedTicket, position: int) -> httpx.Response: ...

    @abstractmethod
    async def tell_status(self, asked: Asked, name: str, status: str) -> httpx.Response: ...


class Twilio(WhatsApp):
    kind = "whatsapp_twilio"

    def __init__(self, desk: Desk, api: httpx.AsyncClient, journal: Journal, mishaps: Mishaps) -> None:
        super().__init__(desk, api, journal, mishaps)
        self._fake = FakeTwilio()

    def form(self, port: int) -> dict[str, str]:
        address = f"http://127.0.0.1:{port}"
        return {
            "account_sid": ACCOUNT,
            "auth_token": AUTH,
            "number": "+14155238886",
            "api_address": address,
            "content_address": address,
        }

    def hands_over(self, asked: Asked) -> bool:
        return asked.method == "POST" and asked.path.endswith("/Messages.json")

    def handed_over(self, asked: Asked) -> tuple[str, str, str]:
        form = {name: values[0] for name, values in asked.form.items()}
        return _customer(form["To"]), form["StatusCallback"].rpartition("part=")[2][:_ID], form["Body"]

    def usual(self, asked: Asked) -> Told:
        return self._fake(asked)

    def refused(self) -> Told:
        return refusal(20429, "Too Many Requests", 429)

    def broken(self) -> Told:
        return refusal(20500, "Internal Server Error", 500)

    def name_of(self, told: Told) -> str:
        return str(told.body["sid"])

    def message_name(self, number: int, position: int) -> str:
        return f"SM{number:016x}{position:016x}"

    async def tell_message(self, ticket: PlannedTicket, position: int) -> httpx.Response:
        return await self._post(
            "",
            {
                "MessageSid": self.message_name(ticket.number, position),
                "SmsStatus": "received",
                "AccountSid": ACCOUNT,
                "From": f"whatsapp:+{self.phone(ticket.number)}",
                "To": "whatsapp:+14155238886",
                "Body": ticket.messages[position].body,
                "NumMedia": "0",
                "ProfileName": ticket.name,
                "WaId": self.phone(ticket.number),
            },
        )

    async def tell_status(self, asked: Asked, name: str, status: str) -> httpx.Response:
        form = {each: values[0] for each, values in asked.form.items()}
        query = f"?{form['StatusCallback'].partition('?')[2]}"
        fields = {"MessageSid": name, "MessageStatus": status, "AccountSid": ACCOUNT}
        return await self._post(query, {**fields, "From": form["From"], "To": form["To"]})

    async def _post(self, query: str, fields: dict[str, str]) -> httpx.Response:
        """Signed for the address the desk is known by, whichever process it reaches."""
        validator: Any = RequestValidator(AUTH)
        signature = validator.compute_signature(f"{self.desk.urls[0]}{self.path}{query}", fields)
        headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        return await self._client.post(
            f"{self.url()}{self.path}{query}", content=urlencode(fields).encode(), headers=headers
        )


class Meta(WhatsApp):
    kind = "whatsapp_meta"

    def __init__(self, desk: Desk, api: httpx.AsyncClient, journal: Journal, mishaps: Mishaps) -> None:
        super().__init__(desk, api, journal, mishaps)
        self._fake = FakeMeta()
        self._written: dict[Key, str] = {}
        """When, in Unix seconds: the same in each delivery."""

    def form(self, port: int) -> dict[str, str]:
        return {
            "phone_number_id": _NUMBER,
            "business_account_id": "102290129340398",
            "access_token": self._fake.token,
            "app_secret": _SECRET,
            "api_address": f"http://127.0.0.1:{port}",
        }

    def hands_over(self, asked: Asked) -> bool:
        return asked.method == "POST" and asked.path.endswith("/messages")

    def handed_over(self, asked: Asked) -> tuple[str, str, str]:
        told = asked.json
        return _customer(told["to"]), told["biz_opaque_callback_data"][:_ID], told["text"]["body"]

    def usual(self, asked: Asked) -> Told:
        return self._fake(asked)

    def refused(self) -> Told:
        return error(131056, "(Business Account, Consumer Account) pair rate limit hit")

    def broken(self) -> Told:
        return error(131000, "Something went wrong", status=500)

    def name_of(self, told: Told) -> str:
        return str(told.body["messages"][0]["id"])

    def message_name(self, number: int, position: int) -> str:
        return f"wamid.in{number}x{position}=="

    async def tell_message(self, ticket: PlannedTicket, position: int) -> httpx.Response:
        phone = self.phone(ticket.number)
        message = {
            "from": phone,
            "id": self.message_name(ticket.number, position),
            "timestamp": self._written.setdefault((ticket.number, position), str(int(time.time()))),
            "type": "text",
            "text": {"body": ticket.messages[position].body},
        }
        contact = {"profile": {"name": ticket.name}, "wa_id": phone}
        return await self._post({"contacts": [contact], "messages": [message]})

    async def tell_status(self, asked: Asked, name: str, status: str) -> httpx.Response:
        told = asked.json
        named = {"id": name, "status": status, "timestamp": "1790000100", "recipient_id": told["to"]}
        return await self._post({"statuses": [{**named, "biz_opaque_callback_data": told["biz_opaque_callback_data"]}]})

    async def _post(self, value: dict[str, Any]) -> httpx.Response:
        around = {"messaging_product": "whatsapp", "metadata": {"phone_number_id": _NUMBER}}
        change = {"field": "messages", "value": {**around, **value}}
        entry = {"id": "102290129340398", "changes": [change]}
        body = json.dumps({"object": "whatsapp_business_account", "entry": [entry]}).encode()
        digest = hmac.new(_SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}
        return await self._client.post(f"{self.url()}{self.path}", content=body, headers=headers)


def _customer(address: str) -> str:
    return f"c{int(address[-5:]):05d}@customer.test"
