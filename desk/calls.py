"""One HTTP call to another system behind the egress guard, and which of three things has become of it.

It was answered; it surely never arrived; or it went out and nobody knows. Whoever writes over there must tell the
second from the third: only what surely did not arrive may be sent again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import httpx

from desk.egress import Caps, EgressRules, guarded_client, retry_after_seconds
from desk.errors import DeskError
from desk.plain_text import clean_line

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_TAGS = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_INVISIBLE = re.compile(r"[\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
LONGEST_WORDS = 200


class CallError(Exception):
    """Why there is no answer that could be used; `detail` is for people."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class RefusedCallError(CallError):
    """It was surely not done, and the same call would be refused again."""

    def __init__(self, detail: str, *, status: int = 0, code: str = "") -> None:
        super().__init__(detail)
        self.status = status
        """Of the answer; 0 when nothing was sent."""
        self.code = code
        """The other side's own word for the reason."""


class NotReachedError(CallError):
    """It was surely not done, and may be tried again."""

    def __init__(self, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        """Seconds to wait before the next try, where the other side names them."""


class UnclearAnswerError(CallError):
    """It was sent, and nobody knows what became of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: httpx.Headers = field(repr=False)
    content: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def retry_after(self) -> float | None:
        """Seconds, at most an hour."""
        return retry_after_seconds(self.headers.get("retry-after"), datetime.now(UTC))

    def data(self) -> Any:
        """The decoded JSON; None for an empty body. Raises UnclearAnswerError for anything else, such as a page."""
        if not self.content.strip():
            return None
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            msg = f"the answer is no JSON ({self.words()})"
            raise UnclearAnswerError(msg) from error

    def object(self) -> Mapping[str, Any]:
        """The decoded JSON object; an empty one for any other value. Raises UnclearAnswerError as `data` does."""
        return as_object(self.data())

    def words(self) -> str:
        """Status and the beginning of what the body says to a person, without markup (RFC 9457 where it is one)."""
        said = self.content[:20_000].decode("utf-8", errors="replace")
        try:
            problem = as_object(json.loads(self.content))
        except (ValueError, RecursionError):
            problem = as_object(None)
        named = [text(problem, name) for name in ("title", "detail", "error_description", "message", "error")]
        said = ": ".join(dict.fromkeys(filter(None, named))) or said
        line = clean_line(_INVISIBLE.sub("", _TAGS.sub(" ", said)))[:LONGEST_WORDS]
        return f"HTTP {self.status}: {line}" if line else f"HTTP {self.status}"


async def call(rules: EgressRules, caps: Caps, method: str, url: str, **given: Any) -> Answer:
    """`given` as httpx takes it: headers, params, json, data, content, files. Any status is an answer.

    A client for this one call, so that no cookie or connection of a tenant outlives it.
    Raises RefusedCallError, NotReachedError, UnclearAnswerError.
    """
    try:
        async with guarded_client(rules, caps) as client:
            headers = {"user-agent": "draftdesk", "accept": "application/json", **given.pop("headers", {})}
            response = await client.request(method, url, headers=headers, **given)
    except DeskError as error:
        raise RefusedCallError(error.detail) from error
    except _NEVER_SENT as error:
        msg = f"could not connect ({type(error).__name__})"
        raise NotReachedError(msg) from error
    except (httpx.InvalidURL, UnicodeError) as error:
        msg = f"this address cannot be called: {error}"
        raise RefusedCallError(msg) from error
    except httpx.HTTPError as error:
        msg = f"no answer after it was sent ({type(error).__name__})"
        raise UnclearAnswerError(msg) from error
    return Answer(response.status_code, response.headers, response.content)


def as_object(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def objects(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list; anything else holds none."""
    listed = cast("list[Any]", value) if isinstance(value, list) else []
    return [cast("Mapping[str, Any]", each) for each in listed if isinstance(each, dict)]


def text(row: Mapping[str, Any], name: str) -> str:
    """A value as text: ids come as strings and as numbers. "" for what is missing, a list or an object."""
    value = row.get(name)
    if value is None or isinstance(value, dict | list):
        return ""
    return str(value).strip()


__all__ = [
    "Answer",
    "CallError",
    "NotReachedError",
    "RefusedCallError",
    "UnclearAnswerError",
    "as_object",
    "call",
    "objects",
    "text",
]
