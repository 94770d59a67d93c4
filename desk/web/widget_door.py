"""The widget's own door: which page may talk to which widget (CORS, Fetch standard), decided before anything else.

Pages of other sites reach the desk here and nowhere else. The origin of a page is no authentication: it keeps other
people's pages from using a tenant's widget, and what a visitor may see is decided by the visitor's token.
"""

from __future__ import annotations

from typing import Any

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from desk.db.unit_of_work import Database
from desk.errors import DeskError
from desk.web.edge import header_of, refuse
from desk.web.problems import known_problem
from desk.widget.access import Widget, find_widget

PREFIX = "/widget/v1/"
WIDGET = "desk.widget"
"""Scope key of the Widget that the request is for."""
_PUBLIC_FILES = frozenset({"embed.js"})
_PREFLIGHT_SECONDS = b"600"
_OTHER_SITES = frozenset({"cross-site", "same-site"})


class WidgetDoor:
    """Wraps the application; leaves everything outside of the widget's addresses alone."""

    def __init__(self, app: ASGIApp, database: Database) -> None:
        self._app = app
        self._database = database

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = _key_of(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        try:
            widget = await find_widget(self._database, key)
        except DeskError as error:
            await refuse(send, error.status, error.title, "There is no such widget.")
            return
        except Exception as error:
            problem = known_problem(error)
            if problem is None:
                raise
            await refuse(send, problem.status, problem.title, problem.detail)
            return
        origin = header_of(scope, b"origin")
        if not _may_enter(scope, widget, origin):
            await refuse(send, 403, "Not allowed", "This widget may not be used on this page.")
            return
        answer = _with_headers(send, origin)
        if scope["type"] == "http" and scope["method"] == "OPTIONS":
            await _answer_preflight(answer)
            return
        values: Any = scope
        values[WIDGET] = widget
        await self._app(scope, receive, answer)


def _key_of(scope: Scope) -> str | None:
    path = scope["path"]
    if scope["type"] != "http" or not path.startswith(PREFIX):
        return None
    key = path[len(PREFIX) :].partition("/")[0]
    return None if key in _PUBLIC_FILES else key


def _may_enter(scope: Scope, widget: Widget, origin: str) -> bool:
    """A page of the desk's own sends no origin when it reads; a page of another site always does."""
    if origin:
        return widget.allows(origin)
    return header_of(scope, b"sec-fetch-site") not in _OTHER_SITES


def _with_headers(send: Send, origin: str) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            replaced = {b"cross-origin-resource-policy", b"access-control-allow-origin"}
            kept = [(name, value) for name, value in message["headers"] if name.lower() not in replaced]
            given = [(b"vary", b"Origin"), (b"cross-origin-resource-policy", b"cross-origin")]
            if origin:
                given.append((b"access-control-allow-origin", origin.encode("latin-1")))
                given.append((b"access-control-expose-headers", b"Retry-After"))
            message["headers"] = [*kept, *given]
        await send(message)

    return send_with_headers


async def _answer_preflight(send: Send) -> None:
    headers = [
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", b"Authorization, Content-Type, Last-Event-ID"),
        (b"access-control-max-age", _PREFLIGHT_SECONDS),
        (b"content-length", b"0"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
