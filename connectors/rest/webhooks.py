"""One outgoing webhook: a POST signed as Standard Webhooks asks, behind the egress guard.

Redirects are failures, nothing of an answer is kept but its first words, and the same bytes go out on every attempt.
"""

from __future__ import annotations

import time

import httpx

from connectors.rest.channel import Answered, described
from connectors.rest.signature import sign
from desk.egress import Caps, EgressRules, guarded_client, retry_after_seconds
from desk.errors import DeskError
from desk.plain_text import clean_text
from desk.ports import Clock, WebhookOutcome, WebhookPost

TIMEOUT_SECONDS = 15.0
KEPT_CHARACTERS = 1_000
_ANSWER_BYTES = 64_000


class SignedPoster:
    """Fulfils `desk.ports.WebhookPoster`."""

    def __init__(self, rules: EgressRules, clock: Clock, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._rules = rules
        self._clock = clock
        self._caps = Caps(timeout_seconds, _ANSWER_BYTES)

    def check_url(self, url: str) -> None:
        self._rules.check_url(url)

    async def post(self, attempt: WebhookPost) -> WebhookOutcome:
        started = time.perf_counter()
        try:
            async with (
                # A client for this one exchange, so that no cookie or connection of a tenant outlives it.
                guarded_client(self._rules, self._caps) as client,
                client.stream("POST", attempt.url, headers=self._headers(attempt), content=attempt.body) as response,
            ):
                try:
                    body = await response.aread()
                except httpx.HTTPError:
                    # The status counts all the same.
                    body = b""
                waits = retry_after_seconds(response.headers.get("retry-after"), self._clock.now())
                return WebhookOutcome(
                    status=response.status_code,
                    detail=described(Answered(response.status_code, waits, body)),
                    answer=clean_text(body.decode(errors="replace"))[:KEPT_CHARACTERS],
                    milliseconds=_since(started),
                    retry_after_seconds=waits,
                )
        except DeskError as error:
            return WebhookOutcome(None, error.detail, "", _since(started))
        except (httpx.ConnectError, httpx.ConnectTimeout):
            return WebhookOutcome(None, "could not connect", "", _since(started))
        except httpx.TimeoutException:
            return WebhookOutcome(None, f"no answer within {self._caps.seconds:g} seconds", "", _since(started))
        except httpx.HTTPError as error:
            return WebhookOutcome(None, f"no usable answer ({type(error).__name__})", "", _since(started))

    def _headers(self, attempt: WebhookPost) -> dict[str, str]:
        timestamp = int(self._clock.now().timestamp())
        return {
            "content-type": "application/json",
            "user-agent": "draftdesk",
            "webhook-id": attempt.webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(attempt.webhook_id, timestamp, attempt.body, attempt.secrets),
        }


def _since(started: float) -> float:
    return round(1000 * (time.perf_counter() - started), 1)
