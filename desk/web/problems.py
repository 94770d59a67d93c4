"""Every error as an answer a person understands: problem+json (RFC 9457) for programs, a page for browsers."""

from __future__ import annotations

import html
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import structlog
from litestar import MediaType, Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.response import Redirect
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from desk.errors import DeskError, ServiceUnavailableError, SignInRequiredError, UncheckedChangeError

PROBLEM = "application/problem+json"
_log = structlog.get_logger(__name__)
_FOR_PROGRAMS = ("/api/", "/widget/", "/hooks/", "/health", "/metrics", "/schema/openapi")
_SECRET_PATHS = ("/hooks/", "/files/")
_TITLES = {
    400: "Check the input",
    401: "Sign in",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    408: "Too slow",
    409: "Changed meanwhile",
    413: "Too large",
    415: "Another content type is needed",
    422: "Check the input",
    429: "Too many tries",
    500: "Something went wrong",
    503: "Try again shortly",
}
_DETAILS = {
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The request is larger than what is taken here.",
    429: "There were too many tries from your address; wait a minute.",
}


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    title: str
    detail: str
    errors: tuple[dict[str, str], ...] = ()
    """Per field: `field` and `message`."""
    incident: str | None = None
    """Names the log line of an unexpected error."""
    comparison: str | None = None
    """The check of a change that is held up until then."""


ErrorPage = Callable[[Request[Any, Any, Any], Problem], Response[Any]]
"""Renders a problem as a page; `ui` gives one, the plain one below is used without."""


ExceptionHandlers = dict[int | type[Exception], Callable[[Request[Any, Any, Any], Any], Response[Any]]]


def plain_error_page(_: Request[Any, Any, Any], problem: Problem) -> Response[Any]:
    title, detail = html.escape(problem.title), html.escape(problem.detail)
    page = f'<!doctype html><html lang="en"><title>{title}</title><h1>{title}</h1><p>{detail}</p></html>'
    return Response(page, media_type=MediaType.HTML, status_code=problem.status)


def exception_handlers(error_page: ErrorPage) -> ExceptionHandlers:
    def answer(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        problem = problem_of(request, error)
        if wants_page(request):
            if problem.status == 401 and isinstance(error, SignInRequiredError):
                return _to_login(request)
            return error_page(request, problem)
        return problem_response(problem, headers=getattr(error, "headers", None))

    return {Exception: answer, HTTPException: answer, DeskError: answer}


def wants_page(request: Request[Any, Any, Any]) -> bool:
    path = request.scope["path"]
    if path.startswith(_FOR_PROGRAMS):
        return False
    return "text/html" in request.headers.get("accept", "") or "hx-request" in request.headers


def problem_response(problem: Problem, headers: dict[str, str] | None = None) -> Response[Any]:
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.errors:
        body["errors"] = list(problem.errors)
    if problem.comparison:
        body["comparison_id"] = problem.comparison
    if problem.incident:
        body["incident"] = problem.incident
    kept = {name: value for name, value in (headers or {}).items() if name.lower() not in {"content-type"}}
    if problem.status == 401:
        kept["WWW-Authenticate"] = "Bearer"
    return Response(body, status_code=problem.status, media_type=PROBLEM, headers=kept)


def problem_of(request: Request[Any, Any, Any], error: Exception) -> Problem:
    if isinstance(error, DeskError):
        if error.status >= 500:
            _log.warning("request_failed", path=_logged_path(request), error=error.detail)
        comparison = str(error.comparison) if isinstance(error, UncheckedChangeError) else None
        return Problem(error.status, error.title, _sentence(error.detail), comparison=comparison)
    if isinstance(error, ValidationException):
        fields = _field_errors(error)
        if fields:
            return Problem(400, _TITLES[400], _sentence(_summary(fields)), fields)
    if isinstance(error, HTTPException) and error.status_code < 500:
        return _from_http(error)
    if isinstance(error, RecursionError):
        return Problem(400, _TITLES[400], "The body is nested too deeply.")
    known = known_problem(error)
    if known is not None:
        _log.warning("request_failed", path=_logged_path(request), error=type(error).__name__)
        return known
    incident = uuid4().hex[:12]
    _log.error("unexpected_error", incident=incident, path=_logged_path(request), exc_info=error)
    detail = f"Something unexpected happened. It is in the log as incident {incident}."
    return Problem(500, _TITLES[500], detail, incident=incident)


def _logged_path(request: Request[Any, Any, Any]) -> str:
    """Of an address whose last part is a secret the log keeps the beginning."""
    path = request.scope["path"]
    return next((f"{start}..." for start in _SECRET_PATHS if path.startswith(start)), path)


def _from_http(error: HTTPException) -> Problem:
    status = error.status_code
    title = _TITLES.get(status, "Not possible")
    detail = _DETAILS.get(status) or error.detail or title
    return Problem(status, title, _sentence(detail))


def known_problem(error: Exception) -> Problem | None:
    """A database that is away is no defect of the desk's, and a text it cannot store is the sender's to change."""
    away = Problem(
        503, ServiceUnavailableError.title, "The database cannot be reached right now; nothing was stored. Try again."
    )
    if isinstance(error, (PoolTimeoutError, ConnectionError, TimeoutError, asyncpg.PostgresError)):
        return away  # raw errors of the driver come from connecting only; those of statements are wrapped
    if isinstance(error, OSError) and _came_from(error, "asyncpg"):
        return away
    if not isinstance(error, DBAPIError):
        return None
    state = str(getattr(error.orig, "sqlstate", None) or "")
    if state.startswith("22") or "DataError" in type(error.orig).__name__ or isinstance(error.orig, UnicodeError):
        return Problem(400, _TITLES[400], "A value has characters or a size that cannot be stored.")
    connecting = error.statement is None and not isinstance(error, IntegrityError)
    transient = state[:2] in {"08", "53", "57", "40"} or state in {"55P03", "25006"}
    return away if transient or connecting or error.connection_invalidated else None


def _came_from(error: Exception, package: str) -> bool:
    """Whether any frame the error passed through belongs to the package."""
    return any(
        str(frame.f_globals.get("__name__", "")).partition(".")[0] == package
        for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def _field_errors(error: ValidationException) -> tuple[dict[str, str], ...]:
    entries: Any = error.extra if isinstance(error.extra, list) else []
    return tuple(
        {"field": str(entry.get("key") or entry.get("source") or "body"), "message": str(entry.get("message", ""))}
        for entry in entries
    )


def _summary(fields: tuple[dict[str, str], ...]) -> str:
    return "; ".join(f"{entry['field']}: {entry['message']}" for entry in fields[:5])


def _sentence(text: str) -> str:
    """Detail sentences begin with a capital letter and end with a full stop."""
    stripped = text.strip()
    if not stripped:
        return stripped
    begun = stripped[0].upper() + stripped[1:]
    return begun if begun[-1] in ".!?" else f"{begun}."


def _to_login(request: Request[Any, Any, Any]) -> Response[Any]:
    """A page goes to the login and comes back; a partial update tells htmx to leave the page."""
    if "hx-request" in request.headers:
        return Response("", status_code=401, headers={"HX-Redirect": "/login"}, media_type=MediaType.HTML)
    wanted = request.scope["path"]
    if request.method != "GET" or not wanted.startswith("/") or wanted.startswith("//"):
        return Redirect("/login", status_code=303)
    query = request.scope["query_string"].decode("latin-1")
    back = quote(f"{wanted}?{query}" if query else wanted, safe="")
    return Redirect("/login" if wanted == "/" else f"/login?next={back}", status_code=303)
