"""What a ticket by a messenger shows beside the others: its window, its templates, how far replies have come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from desk.models import MessageTemplate
from desk.tickets.view import Messaging

MARKS = {"accepted": "Taken", "sent": "Sent", "delivered": "Delivered", "read": "Read", "failed": "Not delivered"}


@dataclass(frozen=True, slots=True)
class ShownTemplate:
    id: UUID
    title: str
    body: str
    variables: list[tuple[str, str]]
    """Name and example of each."""


@dataclass(frozen=True, slots=True)
class ShownWindow:
    """Above the composer. With `blocked` set nothing but a template, or nothing at all, can be sent."""

    blocked: str
    until: datetime | None
    left: str
    templates: list[ShownTemplate]
    offers_templates: bool


def shown_window(messaging: Messaging | None, now: datetime) -> ShownWindow | None:
    if messaging is None:
        return None
    found = messaging.hindrance
    closed = found is not None and found.code == "window_closed"
    until = messaging.window_until if found is None else None
    return ShownWindow(
        blocked=f"{found.words[:1].upper()}{found.words[1:]}." if found else "",
        until=until,
        left=left_words((until - now).total_seconds()) if until else "",
        templates=[_shown(each) for each in messaging.templates] if closed else [],
        offers_templates=closed,
    )


def left_words(seconds: float) -> str:
    minutes = max(0, int(seconds // 60))
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def mark_words(marks: Mapping[UUID, str], delivery_id: UUID | None) -> str:
    return MARKS.get(marks.get(delivery_id, ""), "") if delivery_id is not None else ""


def _shown(row: MessageTemplate) -> ShownTemplate:
    variables = [(str(each["name"]), str(each.get("example") or "")) for each in row.variables]
    return ShownTemplate(row.id, f"{row.name} ({row.language})", row.body, variables)
