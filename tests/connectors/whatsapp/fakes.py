"""Twilio and Meta on loopback, as their sheets describe them, nastiness included."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.loopback_server import serving


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def form(self) -> dict[str, list[str]]:
        return parse_qs(self.body.decode(), keep_blank_values=True)

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass(frozen=True)
class Told:
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


HANG_UP = Told(-1)
"""The request was taken and done, and the connection is reset before a word of answer."""
SILENCE = Told(-2)
"""Nothing ever comes."""


@asynccontextmanager
async def answering(answer: Callable[[Asked], Told]) -> AsyncGenerator[int]:
    """The port of a server whose every request is answered by `answer`."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        parts = urlsplit(target)
        told = answer(Asked(method, parts.path, parse_qs(parts.query), headers, body))
        if told is SILENCE:
            await asyncio.sleep(30)
        if told.status < 0:
            opened: socket.socket = writer.get_extra_info("socket")
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        content = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
        lines = {"Content-Type": "application/json", "Content-Length": str(len(content)), "Connection": "close"}
        lines.update(told.headers)
        shown = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"HTTP/1.1 {told.status} X\r\n{shown}\r\n".encode() + content)
        await writer.drain()

    async with serving(handle) as port:
        yield port


@dataclass
class FakeMeta:
    """Keeps what it was sent; `next` answers come before the usual ones, and are done all the same where they say."""

    sent: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    uploads: list[bytes] = field(default_factory=list[bytes])
    asked: list[Asked] = field(default_factory=list[Asked])
    next: list[Told] = field(default_factory=list[Told])
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    """By media id: mime type and bytes."""
    templates: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    subscribed: bool = False
    port: int = 0
    token: str = "the-access-token"

    def __call__(self, asked: Asked) -> Told:
        self.asked.append(asked)
        if asked.headers.get("authorization") != f"Bearer {self.token}":
            return error(190, "Error validating access token", status=401)
        if asked.path.endswith("/messages") and asked.method == "POST":
            return self._take(asked)
        return self._usual(asked, asked.path.rpartition("/")[2])

    def _take(self, asked: Asked) -> Told:
        told = self.next.pop(0) if self.next else None
        if told is None or told.status < 0:
            self.sent.append(asked.json)
        if told is not None:
            return told
        name = f"wamid.{len(self.sent)}=="
        return Told(body={"messaging_product": "whatsapp", "messages": [{"id": name, "message_status": "accepted"}]})

    def _usual(self, asked: Asked, last: str) -> Told:
        if last == "media":
            self.uploads.append(asked.body)
            return Told(body={"id": f"up{len(self.uploads)}"})
        if last == "subscribed_apps":
            was, self.subscribed = self.subscribed, self.subscribed or asked.method == "POST"
            return Told(
                body={"data": [{"id": "1"}]} if was else {"data": []} if asked.method == "GET" else {"success": True}
            )
        if last == "message_templates":
            return self._page(asked)
        if last in self.files:
            kind, content = self.files[last]
            url = f"http://127.0.0.1:{self.port}/lookaside/{last}.bin"
            return Told(body={"url": url, "mime_type": kind, "file_size": str(len(content)), "id": last})
        if last.endswith(".bin"):
            return Told(body=self.files[last.removesuffix(".bin")][1])
        return Told(body={"display_phone_number": "+49 30 1", "verified_name": "Acme", "quality_rating": "GREEN"})

    def _page(self, asked: Asked) -> Told:
        """One template a page."""
        at = int(asked.query.get("after", ["0"])[0])
        paging: dict[str, Any] = {"cursors": {"after": str(at + 1)}}
        if at + 1 < len(self.templates):
            paging["next"] = "https://elsewhere.test/"
        return Told(body={"data": self.templates[at : at + 1], "paging": paging})


def error(code: int, details: str, status: int = 400, headers: Mapping[str, str] | None = None) -> Told:
    body = {
        "error": {"message": "(#x) title", "type": "OAuthException", "code": code, "error_data": {"details": details}}
    }
    return Told(status, body, headers or {})


ACCOUNT = "AC" + "0" * 32
AUTH = "the-auth-token"


@dataclass
class FakeTwilio:
    """Messages of one account: made, listed, with their files."""

    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    asked: list[Asked] = field(default_factory=list[Asked])
    next: list[Told] = field(default_factory=list[Told])
    contents: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    port: int = 0

    def __call__(self, asked: Asked) -> Told:  # noqa: PLR0911 - one return a route
        self.asked.append(asked)
        if asked.path.startswith("/cdn/"):
            return Told(body=self.files[asked.path]) if "authorization" not in asked.headers else Told(400, {})
        if "authorization" not in asked.headers:
            return refusal(20003, "Authenticate", 401)
        if asked.path.endswith("/Messages.json"):
            return self._make(asked) if asked.method == "POST" else self._list(asked)
        if asked.path.endswith("/ContentAndApprovals"):
            return Told(body={"contents": self.contents, "meta": {"key": "contents", "next_page_url": None}})
        if "/Media/" in asked.path:
            return Told(307, {}, {"Location": f"http://127.0.0.1:{self.port}/cdn/{asked.path.rpartition('/')[2]}"})
        if asked.path.endswith("/Media.json"):
            uri = asked.path.replace("/Media.json", "/Media/ME1.json")
            return Told(body={"media_list": [{"sid": "ME1", "content_type": "image/png", "uri": uri}]})
        return Told(body={"sid": ACCOUNT, "friendly_name": "Acme", "status": "active"})

    def _make(self, asked: Asked) -> Told:
        told = self.next.pop(0) if self.next else None
        if told is None or told.status < 0:
            form = {name: values[0] for name, values in asked.form.items()}
            self.messages.append(
                {
                    "sid": f"SM{len(self.messages):032d}",
                    "status": "queued",
                    "direction": "outbound-api",
                    "from": form.get("From"),
                    "to": form["To"],
                    "body": form.get("Body", ""),
                    "num_media": "1" if "MediaUrl" in form else "0",
                    "date_created": "Fri, 20 Nov 2026 12:00:00 +0000",
                    "form": form,
                }
            )
        return told or Told(201, self.messages[-1])

    def _list(self, asked: Asked) -> Told:
        wanted = [
            each
            for each in self.messages
            if all(each[name.lower()] == asked.query[name][0] for name in ("To", "From") if name in asked.query)
        ]
        return Told(body={"messages": wanted, "next_page_uri": None})


def refusal(code: int, words: str, status: int = 400, headers: Mapping[str, str] | None = None) -> Told:
    return Told(status, {"code": code, "message": words, "status": status}, headers or {})
