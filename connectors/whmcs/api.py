"""Calls of the classic WHMCS API: `POST <url>/includes/api.php`, form-encoded.

Neither the HTTP status nor the type of what comes back can be relied on: errors come with 200 and with 403, bodies can
be HTML, numbers can be strings, lists can be wrapped, empty or missing. What matters to whoever calls is told apart by
three exceptions: it was refused, it surely did not arrive, or nobody knows.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

import httpx

from connectors.whmcs.settings import WhmcsSettings
from desk.egress import Caps, EgressRules, guarded_client, retry_after_seconds
from desk.errors import ChannelError, DeskError

ANSWER_SECONDS = 25.0
ANSWER_BYTES = 8_000_000
FILE_BYTES = 48_000_000
"""Base64 in JSON: four bytes for three, and the whole file at once."""
MOST_AT_ONCE = 2
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_TAGS = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_INVALID_IP = re.compile(r"Invalid IP\s*:?\s*([0-9a-fA-F.:]+)", re.IGNORECASE)
_SIGN_IN = ("authentication failed", "invalid or missing credentials", "access denied")
_PERMISSION = ("permission", "not allowed", "not permitted", "api access")
_MISSING = ("ticket id not found", "ticket not found", "invalid ticket id")

Kind = Literal["sign_in", "address", "permission", "missing", "other"]


class RefusedCallError(Exception):
    """WHMCS, or something before it, has surely not done it."""

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind: Kind = kind
        self.detail = detail


class NotReachedError(Exception):
    """It surely did not arrive: may be tried again."""

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after


class UnclearAnswerError(Exception):
    """It was sent, and nobody knows what became of it."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


WhmcsError = (RefusedCallError, NotReachedError, UnclearAnswerError)


class WhmcsApi:
    """Calls for any connection; never more than two at once to one installation."""

    def __init__(self, rules: EgressRules, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._rules = rules
        self._answer_seconds = answer_seconds
        self._turns: dict[str, asyncio.Semaphore] = {}

    async def call(self, settings: WhmcsSettings, action: str, **given: str | int) -> Mapping[str, Any]:
        """The answer of a success. Raises RefusedCallError, NotReachedError, UnclearAnswerError."""
        largest = FILE_BYTES if action == "GetTicketAttachment" else ANSWER_BYTES
        form = {name: str(value) for name, value in given.items()}
        form |= {"action": action, "responsetype": "json"}
        form |= {"identifier": settings.identifier, "secret": settings.secret.reveal()}
        if settings.access_key:
            form["accesskey"] = settings.access_key.reveal()
        turn = self._turns.setdefault(settings.url, asyncio.Semaphore(MOST_AT_ONCE))
        async with turn, guarded_client(self._rules, Caps(self._answer_seconds, largest)) as client:
            try:
                response = await client.post(
                    f"{settings.url}/includes/api.php", data=form, headers={"user-agent": "draftdesk"}
                )
            except DeskError as error:
                raise RefusedCallError("other", error.detail) from error
            except _NEVER_SENT as error:
                msg = f"could not connect to WHMCS ({type(error).__name__})"
                raise NotReachedError(msg) from error
            except httpx.HTTPError as error:
                msg = f"WHMCS gave no answer ({type(error).__name__})"
                raise UnclearAnswerError(msg) from error
        return _read(response)


def _read(response: httpx.Response) -> Mapping[str, Any]:
    try:
        found: Any = json.loads(response.content)
    except (ValueError, RecursionError):
        found = None
    status = response.status_code
    if isinstance(found, dict) and "result" in found:
        answer = cast("Mapping[str, Any]", found)
        if text(answer, "result").casefold() == "success":
            return answer
        message = text(answer, "message") or f"HTTP {status} without a reason"
        raise RefusedCallError(_kind(message), explained(message))
    words = _words(response.content)
    described = f"HTTP {status}: {words}" if words else f"HTTP {status} without a body"
    if 300 <= status < 400:
        msg = f"HTTP {status}: WHMCS sends the desk to another address; enter the final one"
        raise RefusedCallError("other", msg)
    if invalid := _INVALID_IP.search(words):
        raise RefusedCallError("address", explained(invalid.group()))
    if status == 429:
        msg = f"{described}: too many calls"
        raise NotReachedError(msg, retry_after_seconds(response.headers.get("retry-after"), datetime.now(UTC)))
    if status in (401, 403, 404, 405, 406):
        raise RefusedCallError("other", described)
    msg = f"WHMCS answered with a page instead of data ({described})"
    raise UnclearAnswerError(msg)


def _kind(message: str) -> Kind:
    said = message.casefold()
    if _INVALID_IP.search(message):
        return "address"
    if any(words in said for words in _SIGN_IN):
        return "sign_in"
    if any(words in said for words in _MISSING):
        return "missing"
    return "permission" if any(words in said for words in _PERMISSION) else "other"


def explained(message: str) -> str:
    """What to do about it, where that is known."""
    if invalid := _INVALID_IP.search(message):
        return (
            f"WHMCS takes no calls from {invalid.group(1)}: add this address under General Settings > Security > "
            "API IP Access Restriction"
        )
    if _kind(message) == "sign_in":
        return f"WHMCS says '{_short(message)}': check API identifier and secret, and that its admin has API Access"
    if _kind(message) == "permission":
        return f"WHMCS says '{_short(message)}': allow the action in the API role"
    return f"WHMCS says '{_short(message)}'"


def as_channel_error(error: BaseException) -> ChannelError:
    """For whoever only reads. `address` and `permission` need somebody, as a wrong secret does."""
    if isinstance(error, RefusedCallError):
        reason = "sign_in" if error.kind == "sign_in" else "settings" if error.kind != "other" else "protocol"
        return ChannelError(reason, error.detail)
    if isinstance(error, NotReachedError | UnclearAnswerError):
        return ChannelError("network" if isinstance(error, NotReachedError) else "protocol", error.detail)
    return ChannelError("protocol", str(error))


def _words(body: bytes) -> str:
    """What a page says, short and without its markup; never credentials, which stand in the request only."""
    return _short(_TAGS.sub(" ", body[:20_000].decode("utf-8", errors="replace")))


def _short(message: str) -> str:
    line = " ".join(html.unescape(message).split())
    return line if len(line) <= 200 else line[:199] + "…"


# Reading answers ---------------------------------------------------------------------------------------------


def text(row: Mapping[str, Any], name: str) -> str:
    """As text, with the entities WHMCS stores undone; "" for what is missing."""
    value = row.get(name)
    if value is None or isinstance(value, dict | list):
        return ""
    return html.unescape(str(value)).strip()


def number(row: Mapping[str, Any], name: str) -> int:
    """0 for what is missing or none."""
    try:
        return int(str(row.get(name) or 0))
    except ValueError:
        return 0


def rows(answer: Mapping[str, Any], wrapper: str, name: str) -> list[Mapping[str, Any]]:
    """A wrapped list: `{"tickets": {"ticket": [...]}}`; missing, empty and single ones are lists too."""
    wrapped: Any = answer.get(wrapper)
    listed: Any = cast("Mapping[str, Any]", wrapped).get(name) if isinstance(wrapped, dict) else wrapped
    single: list[Any] = [listed]
    return list_of(single if isinstance(listed, dict) else listed)


def inner(answer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object in an object; empty when it is none."""
    value: Any = answer.get(name)
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def list_of(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list; `[[]]`, "" and None hold none."""
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, Any]", each) for each in listed if isinstance(each, dict) and each]
