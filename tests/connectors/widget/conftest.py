"""The application, its people, and a visitor in a page of another site."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from desk.installation import Installation
from desk.models import Connection
from tests.connectors.widget.browsing import api, browser, context, desk, shop
from tests.desk.conftest import (
    Client,
    Person,
    acme,
    agent,
    app,
    client,
    installation,
    owner,
    people,
)
from tests.desk.live_chat import configure, worker

__all__ = [
    "acme",
    "agent",
    "api",
    "app",
    "browser",
    "client",
    "context",
    "desk",
    "installation",
    "owner",
    "people",
    "shop",
]

SHOP = "https://shop.example"


@dataclass
class Visitor:
    """A browser in which the widget is open."""

    client: Client
    key: str
    origin: str | None = SHOP
    token: str = ""
    conversation: str | None = None
    sent: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return {**headers, "Origin": self.origin} if self.origin else headers

    async def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**self.headers, **options.pop("headers", {})}
        return await self.client.request(method, f"/widget/v1/{self.key}{path}", headers=headers, **options)

    async def begin(self) -> None:
        answer = await self.call("POST", "/session")
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["token"]

    async def write(self, body: str, **more: Any) -> httpx.Response:
        """One message in the visitor's conversation."""
        asked = {"client_message_id": str(uuid4()), "body": body, "conversation_id": self.conversation, **more}
        answer = await self.call("POST", "/messages", json=asked)
        if answer.is_success:
            self.conversation = answer.json()["conversation_id"]
        return answer

    async def page(self, **query: Any) -> dict[str, Any]:
        answer = await self.call("GET", f"/conversations/{self.conversation}/messages", params=query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page


@dataclass(frozen=True)
class Event:
    kind: str
    data: Any
    id: str | None


class Following:
    """Reads a visitor's stream while the test goes on; httpx's ASGI transport would wait for its end."""

    def __init__(self, app: Litestar, visitor: Visitor, last: str | None = None) -> None:
        path = f"/widget/v1/{visitor.key}/conversations/{visitor.conversation}/stream"
        headers = {**visitor.headers, "Host": "desk.test", **({"Last-Event-ID": last} if last else {})}
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 50001),
            "server": ("desk.test", 80),
        }
        self._app = app
        self._gone = asyncio.Event()
        self._arrived: asyncio.Queue[Event] = asyncio.Queue()
        self._rest = ""
        self._asked = False
        self.status = 0
        self.response_headers: dict[str, str] = {}
        self.text = ""

    async def run(self) -> None:
        await self._app(self._scope, self._receive, self._send)  # type: ignore[arg-type]

    def leave(self) -> None:
        self._gone.set()

    async def next(self, kind: str, seconds: float = 10) -> Event:
        """The next event of this kind; others are passed over."""
        async with asyncio.timeout(seconds):
            while True:
                event = await self._arrived.get()
                if event.kind == kind:
                    return event

    async def messages(self, number: int) -> list[dict[str, Any]]:
        return [(await self.next("message")).data for _ in range(number)]

    async def _receive(self) -> Any:
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.response_headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.text += message.get("body", b"").decode()
        self._rest += message.get("body", b"").decode().replace("\r\n", "\n")
        *whole, self._rest = self._rest.split("\n\n")
        for block in whole:
            fields = dict(line.partition(": ")[::2] for line in block.split("\n") if not line.startswith(":"))
            if "event" in fields:
                await self._arrived.put(Event(fields["event"], json.loads(fields["data"]), fields.get("id")))


@asynccontextmanager
async def following(app: Litestar, visitor: Visitor, last: str | None = None) -> AsyncIterator[Following]:
    stream = Following(app, visitor, last)
    task = asyncio.create_task(stream.run())
    try:
        yield stream
    finally:
        stream.leave()
        await asyncio.wait_for(task, 10)


@pytest.fixture
async def widget(client: Client, installation: Installation, owner: Person) -> Connection:
    """Acme's, allowed in one shop."""
    return await configure(installation, owner, "widget", allowed_origins=[SHOP])


@pytest.fixture
async def visitor(client: Client, widget: Connection) -> Visitor:
    opened = Visitor(client, widget.public_key or "")
    await opened.begin()
    return opened


@pytest.fixture
async def working(installation: Installation, client: Client) -> AsyncGenerator[None]:
    async with worker(installation):
        yield
