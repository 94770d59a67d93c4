"""What a failed call means and what to do next: try again, ask another, or put the provider aside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

import groq
import httpx
import httpx2
import openai

from desk.egress import retry_after_seconds
from desk.errors import RefusedAddressError
from desk.secret import Secret

Outcome = Literal["invalid", "refused", "rate_limited", "timeout", "unreachable", "error"]
Verdict = Literal["again", "next", "aside", "adapted"]
"""Try again later; ask the next provider; leave it alone until a person has looked; try again at once, with
parameters it understands."""

StatusError = openai.APIStatusError | groq.APIStatusError
ConnectionFailure = openai.APIConnectionError | groq.APIConnectionError

CONTEXT_LENGTH = "context_length_exceeded"
_CONTEXT = re.compile(r"context.{0,12}(?:length|window|size)|prompt is too long|too many tokens|input.{0,8}too long")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_NEVER_SENT = (
    RefusedAddressError,
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
)


@dataclass(frozen=True, slots=True)
class Failure:
    outcome: Outcome
    detail: str
    """For people: no key, no control characters, short."""
    verdict: Verdict
    retry_after: float | None = None
    """Seconds, when the provider said so."""
    strike: bool = False
    """Counts towards opening the breaker."""
    may_have_cost: bool = False
    """The request was taken, so tokens may have been billed although nothing came back."""


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """`{error: {...}}` as OpenAI, Groq and OpenRouter write it; empty texts where something else came."""

    code: str
    type: str
    parameter: str
    message: str
    moderated: bool
    """OpenRouter refused the words, not the caller (metadata.reasons)."""


def presentable(text: str, key: Secret) -> str:
    """A provider's words as they may be stored and shown: some echo the key they were given."""
    if key:
        text = text.replace(key.reveal(), "***")
    return _CONTROL.sub(" ", text).strip()[:300]


def read_error(body: object) -> ErrorBody:
    """Accepts what the SDKs hand over: a mapping, with or without the outer `error`, a string or None."""
    mapping: Mapping[str, Any] = cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else {}
    inner: object = mapping.get("error", mapping)
    if not isinstance(inner, Mapping):
        return ErrorBody("", "", "", str(inner), moderated=False)
    error = cast("Mapping[str, Any]", inner)
    metadata = error.get("metadata")
    return ErrorBody(
        code=_text(error.get("code")),
        type=_text(error.get("type")),
        parameter=_text(error.get("param")),
        message=_text(error.get("message")),
        moderated=isinstance(metadata, Mapping) and "reasons" in metadata,
    )


def from_status(status: int, body: ErrorBody, retry_after: float | None, key: Secret) -> Failure:
    """Judge an HTTP error, or an error that came inside a 200 with the status it names."""
    detail = presentable(": ".join(part for part in (f"HTTP {status}", body.code, body.message) if part), key)
    return (
        _about_the_request(status, body, detail)
        or _about_the_account(status, body, detail)
        or _about_the_moment(status, detail, retry_after)
        or Failure("error", detail, "next")
    )


def from_response(error: StatusError, key: Secret, now: datetime) -> Failure:
    """Judge what the SDK raised for an answer of 300 and above."""
    retry_after = retry_after_seconds(error.response.headers.get("retry-after"), now)
    return from_status(error.status_code, read_error(error.body), retry_after, key)


def from_connection(error: ConnectionFailure, key: Secret) -> Failure:
    """Judge a call that brought no answer at all."""
    cause = error.__cause__
    if isinstance(cause, RefusedAddressError):
        return Failure("unreachable", presentable(cause.detail, key), "aside")
    sent = not isinstance(cause, _NEVER_SENT)
    timed_out = isinstance(error, (openai.APITimeoutError, groq.APITimeoutError))
    detail = presentable(f"{type(cause).__name__}: {cause}" if cause else str(error), key)
    outcome: Outcome = "timeout" if timed_out and sent else "unreachable"
    return Failure(outcome, detail, "again", strike=True, may_have_cost=sent)


def _about_the_request(status: int, body: ErrorBody, detail: str) -> Failure | None:
    """These words are the trouble; another provider may see it differently, the same one will not."""
    if status == 413 or (status in (400, 422) and _is_context(body)):
        return Failure("refused", f"{CONTEXT_LENGTH}: {detail}", "next")
    if body.moderated or body.code in ("content_filter", "content_policy_violation"):
        return Failure("refused", detail, "next")
    if body.code == "json_validate_failed":  # Groq: the model's JSON did not fit, and was billed
        return Failure("invalid", detail, "again", may_have_cost=True)
    return None


def _about_the_account(status: int, body: ErrorBody, detail: str) -> Failure | None:
    """Key, credit, model name or address: nothing changes until a person changes it."""
    if status == 429 and "insufficient_quota" in (body.code, body.type):
        return Failure("rate_limited", detail, "aside")
    if status in (401, 402, 403, 404):
        return Failure("error", detail, "aside")
    if 300 <= status < 400:
        return Failure("error", f"{detail} (redirects are not followed)", "aside")
    return None


def _about_the_moment(status: int, detail: str, retry_after: float | None) -> Failure | None:
    """The same call may well succeed a little later. 498 is Groq's 'no flex capacity'."""
    if status == 429:
        return Failure("rate_limited", detail, "again", retry_after, strike=True)
    if status in (408, 409, 425, 498) or status >= 500:
        outcome: Outcome = "timeout" if status in (408, 504) else "error"
        return Failure(outcome, detail, "again", retry_after, strike=True)
    return None


def _is_context(body: ErrorBody) -> bool:
    return body.code == CONTEXT_LENGTH or bool(_CONTEXT.search(body.message.lower()))


def _text(value: object) -> str:
    return str(value) if isinstance(value, (str, int)) else ""
