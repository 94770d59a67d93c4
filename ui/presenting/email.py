"""Mailboxes as their pages show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from desk.inbound.connecting import ConnectionHealth, shown_raw
from desk.models import Connection, InboxEntry
from desk.ports import HealthCheck
from ui.presenting.words import Chip, Choices

SIGN_INS: Choices = (
    ("password", "Password or app password"),
    ("google", "Google (OAuth)"),
    ("microsoft", "Microsoft (OAuth)"),
)
SECURITIES: Choices = (("tls", "TLS"), ("starttls", "STARTTLS"), ("none", "None (servers the operator allows)"))
_CHECKS = {"imap": "Reading (IMAP)", "smtp": "Sending (SMTP)", "settings": "Settings"}
_RESULTS = {
    "sent": "was sent and has not come back yet",
    "failed": "was refused",
    "retry": "was not taken",
    "uncertain": "may have been sent",
}


@dataclass(frozen=True, slots=True)
class ShownMailbox:
    id: UUID
    name: str
    address: str
    chip: Chip


@dataclass(frozen=True, slots=True)
class ShownCheck:
    title: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ShownHealth:
    chip: Chip
    words: str
    seen_at: datetime | None
    waiting: int
    test_words: str
    test_passed: bool
    problems: Sequence[tuple[datetime, str, UUID | None]]


@dataclass(frozen=True, slots=True)
class ShownEntry:
    id: UUID
    reason: str
    moment: datetime
    size: str
    raw: str


def shown_mailbox(row: Connection, health: ConnectionHealth) -> ShownMailbox:
    address = str(row.configuration.get("address") or "")
    return ShownMailbox(row.id, row.name, address, _chip(row, health))


def _chip(row: Connection, health: ConnectionHealth) -> Chip:
    if not row.is_active:
        return Chip("Off", "line")
    if health.failures:
        return Chip("Needs you" if health.error_reason in {"sign_in", "settings"} else "Trying again", "bad")
    return Chip("Works", "good") if health.seen_at else Chip("Connecting", "fair")


def shown_health(row: Connection, health: ConnectionHealth) -> ShownHealth:
    return ShownHealth(
        chip=_chip(row, health),
        words=_words(row, health),
        seen_at=health.seen_at,
        waiting=health.waiting,
        test_words=_test_words(health.tried),
        test_passed="arrived_at" in health.tried,
        problems=[(each.when, each.words, each.ticket_id) for each in health.problems],
    )


def _words(row: Connection, health: ConnectionHealth) -> str:
    if not row.is_active:
        return "Switched off: nothing is fetched. Replies to its tickets still go out."
    if health.last_error and health.failures:
        again = (
            "Nothing is tried until the settings change."
            if health.error_reason in {"sign_in", "settings"}
            else f"Failed {health.failures} times in a row; it is tried again by itself."
        )
        return f"{sentence(health.last_error)} {again}"
    return "New mail is fetched as it arrives." if health.seen_at else "The first look has not happened yet."


def sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def _test_words(tried: Mapping[str, Any]) -> str:
    if not tried:
        return ""
    if "arrived_at" in tried:
        seconds = (datetime.fromisoformat(tried["arrived_at"]) - datetime.fromisoformat(tried["sent_at"])).seconds
        return f"The last test mail came back after {seconds} s: sending, reading and the reply address work."
    detail = f" ({tried['detail']})" if tried.get("detail") and tried.get("result") != "sent" else ""
    return f"The last test mail {_RESULTS[str(tried['result'])]}{detail}."


def shown_checks(checks: Sequence[HealthCheck]) -> list[ShownCheck]:
    return [ShownCheck(_CHECKS.get(each.name, each.name), each.passed, each.detail) for each in checks]


def shown_entry(row: InboxEntry) -> ShownEntry:
    size = f"{len(row.raw):,} bytes" if len(row.raw) < 1_000 else f"{len(row.raw) / 1_000:,.0f} kB"
    return ShownEntry(row.id, row.last_error or "no reason given", row.created_at, size, shown_raw(row.raw))


def mailbox_form(configuration: Mapping[str, Any], secrets: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the form; secrets only as whether they are there."""
    return {
        **configuration,
        "has_password": bool(secrets.get("password")),
        "has_client_secret": bool(secrets.get("client_secret")),
        "is_allowed": bool(secrets.get("refresh_token")),
    }
