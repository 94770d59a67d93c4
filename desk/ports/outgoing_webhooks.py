"""Outgoing webhooks: one signed POST and what the receiver made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from desk.secret import Secret


@dataclass(frozen=True, slots=True)
class WebhookPost:
    """One attempt. `secrets` newest first; each of them signs."""

    webhook_id: str
    url: str
    body: bytes
    secrets: tuple[Secret, ...]


@dataclass(frozen=True, slots=True)
class WebhookOutcome:
    status: int | None
    """None when there was none."""
    detail: str
    """What to show: the status and the receiver's reason, or why there was no answer."""
    answer: str
    """The first 1,000 characters of the body, without control characters."""
    milliseconds: float
    retry_after_seconds: float | None = None


class WebhookPoster(Protocol):
    def check_url(self, url: str) -> None:
        """As when it is saved. Raises RefusedAddressError with the reason."""
        ...

    async def post(self, attempt: WebhookPost) -> WebhookOutcome:
        """Never raises for what the network or the receiver does."""
        ...
