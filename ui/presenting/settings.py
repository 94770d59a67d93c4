"""Settings as their pages show them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from desk.accounts.identity import KEY_SCOPES, Actor, Permission
from desk.accounts.members import Member
from desk.models import ApiKey, Connection, ModelProvider
from ui.presenting.words import Chip, Choices, channel_words

TABS = (
    ("channels", "Channels", Permission.TUNING),
    ("email", "E-mail", Permission.TUNING),
    ("widget", "Web widget", Permission.TUNING),
    ("escalation", "Escalation", Permission.TUNING),
    ("topics", "Topics", Permission.TUNING),
    ("hours", "Working hours", Permission.TUNING),
    ("writing", "Writing", Permission.TUNING),
    ("models", "Language models", Permission.TUNING),
    ("webhooks", "Webhooks", Permission.TUNING),
    ("people", "People", Permission.ACCOUNTS),
    ("keys", "API keys", Permission.ACCOUNTS),
)
WITHOUT_ANSWERS = frozenset({"import"})
"""Channels that only hold history: nothing comes in and nothing goes out."""
ROLES: Choices = (("agent", "Agent"), ("admin", "Admin"), ("owner", "Owner"))
SCOPES = {
    "tickets": "Tickets: read, take in, answer",
    "knowledge": "Knowledge: change documents and what was learned",
    "tuning": "Tuning: weights, prompts, policies, channels",
    "accounts": "Accounts: people and keys",
}


@dataclass(frozen=True, slots=True)
class ShownConnection:
    id: UUID
    name: str
    channel: str
    callback_url: str
    status_url: str
    is_active: bool
    is_rest: bool


@dataclass(frozen=True, slots=True)
class ShownProvider:
    id: UUID
    name: str
    base_url: str
    model: str
    is_active: bool
    has_key: bool


@dataclass(frozen=True, slots=True)
class ShownMember:
    id: UUID
    name: str
    email: str
    role: str
    role_words: str
    is_me: bool
    moment: datetime


@dataclass(frozen=True, slots=True)
class ShownKey:
    id: UUID
    name: str
    start: str
    scopes: str
    chip: Chip
    last_used: datetime | None
    created: datetime
    is_revoked: bool


def settings_tabs(actor: Actor) -> list[tuple[str, str]]:
    return [(name, title) for name, title, permission in TABS if actor.may(permission)]


def shown_connection(row: Connection) -> ShownConnection:
    return ShownConnection(
        id=row.id,
        name=row.name,
        channel=channel_words(row.channel),
        callback_url=str(row.configuration.get("callback_url") or ""),
        status_url=str(row.configuration.get("status_url") or ""),
        is_active=row.is_active,
        is_rest=row.channel == "rest",
    )


def shown_provider(row: ModelProvider) -> ShownProvider:
    return ShownProvider(row.id, row.name, row.base_url, row.model, row.is_active, bool(row.api_key))


def shown_member(member: Member, actor: Actor) -> ShownMember:
    return ShownMember(
        id=member.id,
        name=member.name or member.email,
        email=member.email,
        role=member.role,
        role_words=dict(ROLES)[member.role],
        is_me=member.id == actor.user_id,
        moment=member.joined_at,
    )


def shown_key(row: ApiKey) -> ShownKey:
    everything = set(row.scopes) == {str(scope) for scope in KEY_SCOPES}
    return ShownKey(
        id=row.id,
        name=row.name,
        start=row.key_start,
        scopes="everything" if everything else ", ".join(row.scopes),
        chip=Chip("Revoked", "line") if row.revoked_at else Chip("Works", "good"),
        last_used=row.last_used_at,
        created=row.created_at,
        is_revoked=row.revoked_at is not None,
    )


def listed(given: str) -> tuple[str, ...]:
    """What stands between commas or on lines of its own, once each."""
    parts = (part.strip() for part in re.split(r"[,\n]", given))
    return tuple(dict.fromkeys(part for part in parts if part))


def lines(values: Sequence[str]) -> str:
    return "\n".join(values)


def ticket_example(public_url: str) -> str:
    return (
        f"curl -X POST {public_url}/api/v1/tickets \\\n"
        '  -H "Authorization: Bearer dk_..." \\\n'
        '  -H "Content-Type: application/json" \\\n'
        "  -d '{\n"
        '    "subject": "Certificate has not renewed",\n'
        '    "body": "Since this morning our shop shows a warning.",\n'
        '    "customer": {"external_id": "42", "email": "marta@example.com", "name": "Marta"},\n'
        '    "external_id": "order-1001"\n'
        "  }'"
    )
