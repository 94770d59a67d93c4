"""A tenant's own system: hands tickets over by the API, and takes replies by a signed POST."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import httpx

from connectors.rest.signature import verify
from desk.clock import SystemClock
from desk.errors import DeskError
from desk.secret import Secret
from tests.faults.counterparts.counterpart import Counterpart, status_of
from tests.faults.desk import LEASE_SECONDS, Desk
from tests.faults.journal import Journal, Mishaps
from tests.faults.plan import CLEAR, PlannedTicket

_HANG_SECONDS = 25.0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: ClassVar[Any]

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["content-length"]))
        owner: Rest = self.owner
        if not owner.is_genuine(dict(self.headers.items()), raw):
            self._answer(401, {"detail": "not signed by the desk"})
            return
        mishap = owner.mishaps.next()
        data = json.loads(raw)["data"]
        if mishap not in CLEAR:
            owner.troubled.add(owner.customer_of(data))
        if mishap in {"refused", "lost_before"}:
            if mishap == "refused":
                self._answer(429, {"detail": "later"}, {"Retry-After": "1"})
            else:
                self._reset()
            return
        if mishap == "error_before":
            self._answer(500, {"detail": "an error of ours"})
            return
        if mishap == "slow":
            time.sleep(2 * LEASE_SECONDS + 1)
        owner.journal.take(owner.kind, owner.customer_of(data), data["body"], data["delivery_id"], mishap)
        if mishap == "lost":
            self._reset()
        elif mishap == "error_after":
            self._answer(500, {"detail": "an error after it was stored"})
        else:
            if mishap == "hang":
                time.sleep(_HANG_SECONDS)
            self._answer(200, {"id": f"r-{data['delivery_id']}"})

    def do_GET(self) -> None:
        delivery = parse_qs(urlsplit(self.path).query).get("delivery_id", [""])[0]
        self._answer(200, {"delivery_id": delivery, "received": self.owner.journal.knows(delivery)})

    def _answer(self, status: int, told: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        body = json.dumps(told).encode()
        try:
            self.send_response(status)
            for name, value in {"content-length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def _reset(self) -> None:
        """The connection is torn off, not closed."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        del format, args


class Rest(Counterpart):
    """`kind` is `rest` with an address where a delivery can be looked up, `rest blind` without one."""

    def __init__(self, desk: Desk, api: httpx.AsyncClient, journal: Journal, mishaps: Mishaps, kind: str) -> None:
        super().__init__(desk, api, journal, mishaps)
        self.kind = kind
        self._secret = Secret("")
        self._ids: dict[int, str] = {}

    async def open(self) -> None:
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        base = f"http://127.0.0.1:{self._server.server_port}"
        listed = (await self.api.get("/api/v1/connections")).json()["items"]
        connection = next(each for each in listed if each["channel"] == "rest")["id"]
        urls = {"callback_url": f"{base}/replies"} | ({"status_url": f"{base}/status"} if self.kind == "rest" else {})
        (await self.api.put(f"/api/v1/connections/{connection}", json=urls)).raise_for_status()
        renewed = await self.api.post(f"/api/v1/connections/{connection}/signing-secret")
        self._secret = Secret(renewed.raise_for_status().json()["signing_secret"])

    async def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def is_genuine(self, headers: dict[str, str], body: bytes) -> bool:
        try:
            verify(headers, body, (self._secret,), SystemClock().now())
        except DeskError:
            return False
        return True

    def customer_of(self, data: dict[str, Any]) -> str:
        return str(data["recipient"].get("email") or "")

    async def deliver(self, ticket: PlannedTicket, position: int) -> int:
        message = ticket.messages[position]
        if position == 0:
            asked: dict[str, Any] = {
                "subject": f"Question {ticket.number}",
                "body": message.body,
                "customer": {"email": ticket.customer, "name": ticket.name, "external_id": f"x-{ticket.number}"},
                "external_id": f"t-{ticket.number}",
            }
            url = f"{self.url()}/api/v1/tickets"
        else:
            asked = {"from": "customer", "body": message.body, "external_id": f"m-{ticket.number}-{position}"}
            url = f"{self.url()}/api/v1/tickets/{self._ids[ticket.number]}/messages"
        status, answer = await status_of(lambda: self.api.post(url, json=asked))
        if position == 0 and answer is not None and answer.is_success:
            self._ids.setdefault(ticket.number, answer.json()["id"])
        return status
