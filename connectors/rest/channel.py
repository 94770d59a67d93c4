"""Delivers an approved reply to a tenant's own system by a signed POST (Standard Webhooks).

The receiver gets `webhook-id` = the delivery's id, the same on every attempt, and must drop what it has seen:
that is the contract. The desk does not lean on it: an outcome nobody can know stays `uncertain` until the
receiver is asked (`status_url`) or a person decides, because a reply is words to a customer and not an event
that may arrive twice. A person's "send again" is then safe with every receiver that keeps the contract.

The body of the POST:

    {"type": "reply.sent", "timestamp": "<when it was approved, ISO 8601>",
     "data": {"ticket_id", "external_ticket_id", "delivery_id", "subject", "body", "recipient",
              "attachments": [{"id", "name", "media_type", "size", "sha256"}], "version"}}

A file is fetched by `GET /api/v1/attachments/{id}/content` with an API key of the tenant. `version` grows with every
reply, so a receiver can tell the newer of two. A 2xx accepts it and may carry `{"id": "..."}`, the receiver's own name
for it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import httpx
import msgspec

from connectors.rest.signature import decode_secret, sign
from desk.egress import Caps, EgressRules, guarded_client, retry_after_seconds
from desk.errors import DeskError, InvalidInputError, RefusedAddressError
from desk.ports import Clock, ConnectionDetails, HealthCheck, OutgoingReply, SendOutcome
from desk.secret import Secret

TIMEOUT_SECONDS = 20.0
LOOK_UP_AFTER_SECONDS = 3.0
"""A receiver that took a reply and lost the connection needs a moment to know it."""
_ANSWER_BYTES = 64_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class RestConfiguration:
    """What a connection of kind `rest` is configured with."""

    callback_url: str
    secrets: tuple[Secret, ...]
    """Active signing secrets, newest first; two while one is being replaced."""
    status_url: str | None = None
    """GET with `delivery_id` and the same signature headers, answering
    `{"delivery_id": "...", "received": true | false}`."""


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    retry_after: float | None
    body: bytes
    """Empty when it could not be read; the status counts all the same."""


def read_configuration(settings: Mapping[str, Any], rules: EgressRules) -> RestConfiguration:
    """Keys `callback_url`, `signing_secret`, and optionally `previous_signing_secret` and `status_url`.

    Also what checks a form before it is saved. Raises InvalidInputError or RefusedAddressError.
    """
    callback_url = _text(settings, "callback_url")
    current = _secret(settings, "signing_secret")
    if not callback_url or current is None:
        absent = "signing_secret" if callback_url else "callback_url"
        msg = f"{absent} is missing in this connection."
        raise InvalidInputError(msg)
    previous = _secret(settings, "previous_signing_secret")
    secrets = (current,) if previous is None else (current, previous)
    for secret in secrets:
        decode_secret(secret)
    status_url = _text(settings, "status_url") or None
    for url in (callback_url, status_url):
        if url is not None:
            rules.check_url(url)
    return RestConfiguration(callback_url, secrets, status_url)


class RestChannel:
    """`desk.ports.Channel` of kind `rest`."""

    def __init__(
        self,
        rules: EgressRules,
        clock: Clock,
        timeout_seconds: float = TIMEOUT_SECONDS,
        look_up_after_seconds: float = LOOK_UP_AFTER_SECONDS,
    ) -> None:
        self._rules = rules
        self._look_up_after_seconds = look_up_after_seconds
        self._clock = clock
        self._caps = Caps(timeout_seconds, _ANSWER_BYTES)

    @property
    def kind(self) -> str:
        return "rest"

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        if not reply.configuration.get("callback_url"):
            return SendOutcome(
                "sent", "no callback URL is set: the reply waits in the ticket for your system to fetch it"
            )
        try:
            configuration = read_configuration(reply.configuration, self._rules)
            if reply.attempt > 1 and configuration.status_url is not None:
                # A receiver that has said no may have been at work on it still.
                known = await self.reconcile(reply)
                if known.result != "retry":
                    return known
            outcome = await self._post(reply, configuration)
        except DeskError as error:
            return SendOutcome("failed", error.detail)
        if outcome.result != "uncertain" or configuration.status_url is None:
            return outcome
        await asyncio.sleep(self._look_up_after_seconds)
        known = await self.reconcile(reply)
        return replace(known, detail=f"{outcome.detail}; {known.detail}")

    async def _post(self, reply: OutgoingReply, configuration: RestConfiguration) -> SendOutcome:
        body = body_of(reply)
        headers = self._headers(reply, body, configuration.secrets)
        try:
            async with self._exchange("POST", configuration.callback_url, headers, body) as answer:
                return _outcome(answer)
        except _NEVER_SENT as error:
            return SendOutcome("retry", f"could not connect ({type(error).__name__})")
        except httpx.HTTPError as error:
            return SendOutcome("uncertain", f"no answer after it was sent ({type(error).__name__})")

    async def reconcile(self, reply: OutgoingReply) -> SendOutcome:
        """Ask `status_url` whether the delivery arrived. Only a clear yes or no for this very id counts."""
        try:
            configuration = read_configuration(reply.configuration, self._rules)
            if configuration.status_url is None:
                return SendOutcome("uncertain", "this connection has no status_url to look it up")
            url = httpx.URL(configuration.status_url).copy_merge_params({"delivery_id": str(reply.delivery_id)})
            headers = self._headers(reply, b"", configuration.secrets)
            async with self._exchange("GET", str(url), headers, b"") as answer:
                return _looked_up(answer, str(reply.delivery_id))
        except (InvalidInputError, RefusedAddressError) as error:
            return SendOutcome("uncertain", f"could not be looked up: {error.detail}")
        except httpx.HTTPError as error:
            return SendOutcome("uncertain", f"could not be looked up ({type(error).__name__})")

    async def check(self, connection: ConnectionDetails) -> tuple[HealthCheck, ...]:
        """Whether the callback may be reached at all; nothing is posted to it."""
        if not connection.settings.get("callback_url"):
            return (HealthCheck("callback", passed=True, detail="none is set: replies wait in the ticket"),)
        try:
            configuration = read_configuration(connection.settings, self._rules)
            await self._rules.addresses(self._rules.check_url(configuration.callback_url))
        except DeskError as error:
            return (HealthCheck("callback", passed=False, detail=error.detail),)
        except OSError:
            return (HealthCheck("callback", passed=False, detail="the host name has no address"),)
        return (HealthCheck("callback", passed=True),)

    def _headers(self, reply: OutgoingReply, body: bytes, secrets: Sequence[Secret]) -> dict[str, str]:
        webhook_id = str(reply.delivery_id)
        timestamp = int(self._clock.now().timestamp())
        return {
            "content-type": "application/json",
            "user-agent": "draftdesk",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(webhook_id, timestamp, body, secrets),
        }

    @asynccontextmanager
    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> AsyncGenerator[Answered]:
        """A client for this one exchange, so that no cookie or connection of a tenant outlives it."""
        async with (
            guarded_client(self._rules, self._caps) as client,
            client.stream(method, url, headers=dict(headers), content=body) as response,
        ):
            retry_after = retry_after_seconds(response.headers.get("retry-after"), self._clock.now())
            try:
                content = await response.aread()
            except httpx.HTTPError:
                content = b""
            yield Answered(response.status_code, retry_after, content)


def body_of(reply: OutgoingReply) -> bytes:
    """The same bytes on every attempt."""
    data = {
        "ticket_id": str(reply.ticket_id),
        "external_ticket_id": reply.external_ticket_id,
        "delivery_id": str(reply.delivery_id),
        "subject": reply.subject,
        "body": reply.body,
        "recipient": dict(reply.recipient),
        "attachments": [
            {
                "id": str(file.attachment_id),
                "name": file.name,
                "media_type": file.media_type,
                "size": len(file.content),
                "sha256": file.sha256,
            }
            for file in reply.files
        ],
        "version": int(reply.approved_at.timestamp() * 1000),
    }
    return msgspec.json.encode({"type": "reply.sent", "timestamp": reply.approved_at.isoformat(), "data": data})


def _outcome(answer: Answered) -> SendOutcome:
    """`retry` only for statuses that say it was not taken; a 5xx may come after it was stored."""
    status = answer.status
    detail = described(answer)
    if 200 <= status < 300:
        return SendOutcome("sent", detail, _text(_json_object(answer.body), "id")[:200] or None)
    if status == 410:
        return SendOutcome("failed", f"{detail}: the receiver is gone; switch this connection off")
    if 300 <= status < 400:
        return SendOutcome("failed", f"{detail}: redirects are not followed; enter the final address")
    if status in (408, 425, 429) or (status == 503 and answer.retry_after is not None):
        return SendOutcome("retry", detail, retry_after_seconds=answer.retry_after)
    if status >= 500:
        return SendOutcome("uncertain", detail)
    return SendOutcome("failed", detail)


def _looked_up(answer: Answered, delivery_id: str) -> SendOutcome:
    told = _json_object(answer.body)
    if answer.status == 200 and told.get("delivery_id") == delivery_id:
        if told.get("received") is True:
            return SendOutcome("sent", "the receiver has it", _text(told, "id")[:200] or None)
        if told.get("received") is False:
            return SendOutcome("retry", "the receiver does not have it")
    return SendOutcome("uncertain", f"the look-up gave no clear answer ({described(answer)})")


def described(answer: Answered) -> str:
    """Status, and what the receiver said about a failure (RFC 9457 title and detail, else its first words)."""
    if answer.status < 300:
        return f"HTTP {answer.status}"
    problem = _json_object(answer.body)
    words = ": ".join(text for name in ("title", "detail") if (text := _text(problem, name)))
    words = _CONTROL.sub(" ", words or answer.body.decode(errors="replace")).strip()[:200]
    return f"HTTP {answer.status}: {words}" if words else f"HTTP {answer.status}"


def _json_object(body: bytes) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _text(settings: Mapping[str, Any], name: str) -> str:
    value = settings.get(name)
    return value.strip() if isinstance(value, str) else ""


def _secret(settings: Mapping[str, Any], name: str) -> Secret | None:
    value = settings.get(name)
    if isinstance(value, Secret):
        return value or None
    text = _text(settings, name)
    return Secret(text) if text else None
