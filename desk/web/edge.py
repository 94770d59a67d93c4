"""The outermost layer: which hosts the desk answers to, how long a body may take, what is logged and measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import structlog
from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send

from desk.errors import DeskError
from desk.web.metrics import RequestMetrics
from desk.web.problems import PROBLEM

SECONDS_FOR_A_PIECE = 10.0
"""A body that makes no progress for this long is given up (stack trap 13)."""
SLOWEST_BYTES_A_SECOND = 16_000
SECONDS_BEFORE_RATE_COUNTS = 20.0
_log = structlog.get_logger(__name__)


class TooSlowError(DeskError):
    """The body came too slowly; the connection is given up."""

    status = 408
    title = "Too slow"


class Edge:
    """Wraps the whole application, unknown addresses included. Fields of the log line are named here, one by one."""

    def __init__(self, app: ASGIApp, *, allowed_hosts: Iterable[str], metrics: RequestMetrics) -> None:
        self._app = app
        self._allowed_hosts = {host.lower() for host in allowed_hosts}
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def watch_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        request_id = uuid4().hex[:12]
        structlog.contextvars.bind_contextvars(request=request_id)
        try:
            if not self._is_allowed(header_of(scope, b"host")):
                await refuse(watch_status, 421, "Unknown host", "The desk does not answer to this host name.")
                return
            await self._app(scope, _timely(receive), watch_status)
        finally:
            template = str(scope.get("path_template") or "unknown")
            seconds = time.perf_counter() - started
            self._metrics.observe(scope["method"], template, status, seconds)
            if not template.startswith(("/health", "/metrics", "/static")):
                actor: Any = scope.get("user")
                _log.info(
                    "request",
                    method=scope["method"],
                    route=template,
                    status=status,
                    milliseconds=round(1000 * seconds, 1),
                    tenant=str(actor.tenant_id) if actor else None,
                    user=str(actor.user_id) if actor and actor.user_id else None,
                )
            structlog.contextvars.unbind_contextvars("request")

    def _is_allowed(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        return name.strip("[]").lower() in self._allowed_hosts


def _timely(receive: Receive) -> Receive:
    """Every piece of the body must come soon, and the whole at a rate no honest line falls below."""
    started, received, finished = time.monotonic(), 0, False

    async def receive_in_time() -> HTTPReceiveMessage:
        nonlocal received, finished
        if finished:
            message: Any = await receive()
            return message
        allowed = SECONDS_BEFORE_RATE_COUNTS + received / SLOWEST_BYTES_A_SECOND - (time.monotonic() - started)
        try:
            async with asyncio.timeout(max(0.0, min(SECONDS_FOR_A_PIECE, allowed))):
                message = await receive()
        except TimeoutError as error:
            msg = "the request body came too slowly"
            raise TooSlowError(msg) from error
        received += len(message.get("body", b""))
        finished = not message.get("more_body", False)
        return message

    return receive_in_time


async def refuse(send: Any, status: int, title: str, detail: str) -> None:
    body = f'{{"type":"about:blank","title":"{title}","status":{status},"detail":"{detail}"}}'.encode()
    headers = [(b"content-type", PROBLEM.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def header_of(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
