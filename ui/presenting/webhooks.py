"""Webhooks and their log as they are shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from desk.models import WebhookAttempt, WebhookEndpoint
from desk.webhooks.log import LogLine
from desk.webhooks.payloads import EVENTS, payload_of
from ui.presenting.words import Chip, Choices

LOG_STATES: Choices = (("pending", "Waiting"), ("delivered", "Delivered"), ("failed", "Failed"))
_TONES = {"pending": "fair", "delivered": "good", "failed": "bad"}


@dataclass(frozen=True, slots=True)
class ShownWebhook:
    id: UUID
    url: str
    name: str
    description: str
    events: list[str]
    events_words: str
    chip: Chip
    is_active: bool
    is_hook: bool
    trouble: str
    previous_until: datetime | None


@dataclass(frozen=True, slots=True)
class ShownEvent:
    id: UUID
    event: str
    words: str
    chip: Chip
    detail: str
    moment: datetime
    next: datetime | None
    tries: int
    is_test: bool


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    moment: datetime
    words: str
    answer: str
    milliseconds: float


def shown_webhook(row: WebhookEndpoint) -> ShownWebhook:
    number = len(row.events)
    trouble = ""
    if row.state == "switched_off":
        trouble = f"Switched off by the desk: {row.state_reason}. Mend the receiver, then switch it on again."
    elif row.failing_since is not None:
        trouble = f"It has failed since {row.failing_since:%Y-%m-%d %H:%M} UTC; the desk keeps trying."
    return ShownWebhook(
        id=row.id,
        url=row.url,
        name=row.description or row.url.partition("://")[2].partition("?")[0],
        description=row.description,
        events=[*row.events],
        events_words="Every event" if number == len(EVENTS) else ", ".join(row.events),
        chip=_chip(row),
        is_active=row.state == "active",
        is_hook=row.kind == "hook",
        trouble=trouble,
        previous_until=row.previous_until if row.previous_secret else None,
    )


def _chip(row: WebhookEndpoint) -> Chip:
    if row.state == "switched_off":
        return Chip("Switched off", "bad")
    if row.state == "paused":
        return Chip("Off", "line")
    return Chip("Failing", "weak") if row.failing_since is not None else Chip("On", "good")


def shown_event(line: LogLine) -> ShownEvent:
    row, event = line.delivery, line.event
    return ShownEvent(
        id=row.id,
        event=event.type,
        words=_subject(event.data),
        chip=Chip(dict(LOG_STATES)[row.state], _TONES[row.state]),
        detail=row.detail,
        moment=event.occurred_at,
        next=row.due_at if row.state == "pending" and row.tries else None,
        tries=row.tries,
        is_test=event.is_test,
    )


def _subject(data: dict[str, dict[str, object]]) -> str:
    ticket = data.get("ticket")
    return f"#{ticket['number']} {ticket['subject']}" if ticket else ""


def shown_request(line: LogLine) -> str:
    """What is posted, laid out for people."""
    head = f"webhook-id: {line.event.id}\n\n"
    return head + json.dumps(payload_of(line.event), indent=2, ensure_ascii=False)


def shown_attempts(rows: Sequence[WebhookAttempt]) -> list[ShownAttempt]:
    return [ShownAttempt(row.created_at, row.detail, row.answer, row.milliseconds) for row in rows]
