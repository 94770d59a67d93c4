"""The filter of the list as it comes in an address, shared by the list and the tickets opened from it."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from litestar import Request

from desk.errors import InvalidInputError
from desk.paging import LARGEST_OFFSET
from desk.tickets import TicketFilter
from ui.presenting.queue import VIEW_NAMES

FIRST_VIEW = "needs_reply"


def asked_filter(request: Request[Any, Any, Any], view: str | None = None) -> TicketFilter:
    """Raises InvalidInputError for a view or a number that does not exist."""
    given = request.query_params
    name = view or given.get("view") or FIRST_VIEW
    if name not in VIEW_NAMES:
        msg = "there is no such view"
        raise InvalidInputError(msg)
    return TicketFilter(
        view=name,
        status=given.get("status") or None,
        assignee=_assignee(given.get("assignee") or None),
        channel=given.get("channel") or None,
        tag=given.get("tag") or None,
        level=given.get("level") or None,
        quality=given.get("quality") or None,
        q=given.get("q") or None,
        sort=given.get("sort") or TicketFilter().sort,
        offset=asked_offset(request),
    )


def asked_offset(request: Request[Any, Any, Any]) -> int:
    given = str(request.query_params.get("offset") or "0")
    if not given.isascii() or not given.isdigit() or int(given) > LARGEST_OFFSET:
        msg = "the page must be a number"
        raise InvalidInputError(msg)
    return int(given)


def _assignee(value: str | None) -> UUID | Literal["none"] | None:
    if value is None or value == "none":
        return value
    try:
        return UUID(value)
    except ValueError as error:
        msg = "that person is not known"
        raise InvalidInputError(msg) from error


def asked_span(request: Request[Any, Any, Any]) -> tuple[int | None, int | None, int | None]:
    """`version`, `from` and `to` of a cited passage; what is missing or no number is None."""
    numbers = [str(request.query_params.get(name) or "") for name in ("version", "from", "to")]
    version, start, end = (
        int(each) if each.isascii() and each.isdigit() and len(each) < 10 else None for each in numbers
    )
    return version, start, end
