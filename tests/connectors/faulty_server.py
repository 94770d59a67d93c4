"""Somebody's API on loopback, and what goes wrong with it: answers that are lost after the work was done, pages where
data was promised, limits. What it does itself is up to whoever is imitated."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

Mishap = Literal["lost", "lost_before", "html", "html_500", "limit"]
"""`lost`: done, and the connection is closed without an answer. `lost_before`: closed, and nothing was done. `html` and
`html_500`: done, and a page is shown instead of the answer. `limit`: HTTP 429, nothing was done."""


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return {name: values[-1] for name, values in parse_qs(self.body.decode()).items()}


@dataclass(frozen=True)
class Said:
    status: int = 200
    data: Any = None
    """Bytes as they are, everything else as JSON; None for no body."""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


class Imitated(Protocol):
    url: str
    calls: list[Call]
    mishaps: dict[str, list[Mishap | None]]
    """By `METHOD /path/prefix`, used up one a call."""

    def answer(self, call: Call) -> Said: ...


T = TypeVar("T", bound=Imitated)


class _Handler(BaseHTTPRequestHandler):
    imitated: Imitated
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", "0")))
        call = Call(self.command, parts.path, query, headers, body)
        self.imitated.calls.append(call)
        self.close_connection = True
        mishap = self._mishap(call)
        if mishap == "limit":
            self._send(429, b"<html>Slow down</html>", {"retry-after": "7", "content-type": "text/html"})
            return
        said = self.imitated.answer(call) if mishap != "lost_before" else Said()
        if mishap in {"lost", "lost_before"}:
            self.connection.close()
        elif mishap in {"html", "html_500"}:
            page = b"<html><head><title>Sorry</title></head><body><h1>Down for maintenance</h1></body></html>"
            self._send(500 if mishap == "html_500" else 200, page, {"content-type": "text/html"})
        else:
            content = said.data if isinstance(said.data, bytes) else json.dumps(said.data).encode()
            content = b"" if said.data is None else content
            self._send(said.status, content, {"content-type": "application/json", **said.headers})

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - the library's names

    def _mishap(self, call: Call) -> Mishap | None:
        for at, waiting in self.imitated.mishaps.items():
            if waiting and f"{call.method} {call.path}".startswith(at):
                return waiting.pop(0)
        return None

    def _send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        del format, args


@contextmanager
def running(imitated: T) -> Generator[T]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"imitated": imitated}))
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    imitated.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield imitated
    finally:
        server.shutdown()
        server.server_close()
        serving.join(5)
