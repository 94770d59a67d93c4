"""Connections of any kind as their pages show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from desk.inbound.connecting import ConnectionHealth
from desk.models import Connection, Delivery, MessageTemplate
from desk.ports import (
    Channel,
    ChannelForm,
    FormChannel,
    FormField,
    HealthCheck,
    SampleChannel,
    SetupStep,
    TriedChannel,
    WatchedChannel,
)
from ui.presenting.email import ShownCheck, sentence
from ui.presenting.words import Chip, Choices, channel_words

NEEDS_A_PERSON = frozenset({"sign_in", "settings"})
_RESULTS = {
    "sent": "was taken by the other side",
    "failed": "was refused",
    "retry": "was not taken",
    "uncertain": "may have been sent",
}
DELIVERY_CHIPS = {
    "pending": Chip("Waits", "line"),
    "sending": Chip("Being sent", "fair"),
    "sent": Chip("Sent", "good"),
    "failed": Chip("Not sent", "bad"),
    "uncertain": Chip("May have been sent", "bad"),
    "cancelled": Chip("Held back", "line"),
}


@dataclass(frozen=True, slots=True)
class OfferedChannel:
    kind: str
    title: str
    summary: str


@dataclass(frozen=True, slots=True)
class ShownField:
    asked: FormField
    value: str
    is_on: bool
    is_stored: bool
    """Of a secret: there is one, and it is not shown."""

    @property
    def choices(self) -> Choices:
        return self.asked.choices


@dataclass(frozen=True, slots=True)
class ShownStep:
    number: int
    words: str
    link: str
    copies: str
    """A value to copy; "" when there is none, or not yet."""
    file_address: str


@dataclass(frozen=True, slots=True)
class ConnectionState:
    chip: Chip
    words: str
    seen_at: datetime | None
    received_at: datetime | None
    waiting: int
    test_words: str
    problems: Sequence[tuple[datetime, str, UUID | None]]


@dataclass(frozen=True, slots=True)
class ShownSentReply:
    ticket_id: UUID
    words: str
    chip: Chip
    moment: datetime


@dataclass(frozen=True, slots=True)
class ChannelPage:
    """What the page of one connection, or of a new one, is made of."""

    kind: str
    title: str
    summary: str
    fields: Sequence[ShownField]
    advanced: Sequence[ShownField]
    steps: Sequence[ShownStep]
    may_test: bool
    may_fetch: bool
    may_sample: bool
    facts: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class LinkedConnection:
    """One that is shown in the list by its name and state, and has a page of its own."""

    name: str
    channel: str
    address: str
    chip: Chip


def has_own_page(channels: Mapping[str, Channel], row: Connection) -> bool:
    return row.channel == "email" or isinstance(channels.get(row.channel), FormChannel)


def linked_connection(row: Connection, health: ConnectionHealth) -> LinkedConnection:
    address = f"/settings/{'email' if row.channel == 'email' else 'channels'}/{row.id}"
    return LinkedConnection(row.name, channel_words(row.channel), address, connection_chip(row, health))


def offered_channels(channels: Mapping[str, Channel]) -> list[tuple[str, list[OfferedChannel]]]:
    """What can be connected, by heading."""
    groups: dict[str, list[OfferedChannel]] = {}
    for kind, channel in channels.items():
        if isinstance(channel, FormChannel):
            form = channel.form
            groups.setdefault(form.group, []).append(OfferedChannel(kind, form.title, form.summary))
    return sorted(groups.items())


def channel_page(
    channel: FormChannel,
    stored: Mapping[str, Any],
    *,
    webhook: str = "",
    file_address: str = "",
    facts: Sequence[tuple[str, str]] = (),
) -> ChannelPage:
    """`stored` are the settings with their secrets, of which only what a step is to copy is shown."""
    form = channel.form
    fields = [_field(each, stored) for each in form.fields]
    return ChannelPage(
        kind=channel.kind,
        title=form.title,
        summary=form.summary,
        fields=[each for each in fields if not each.asked.is_advanced],
        advanced=[each for each in fields if each.asked.is_advanced],
        steps=_steps(form, stored, webhook, file_address),
        may_test=isinstance(channel, TriedChannel),
        may_fetch=isinstance(channel, WatchedChannel),
        may_sample=isinstance(channel, SampleChannel),
        facts=facts,
    )


def _field(asked: FormField, stored: Mapping[str, Any]) -> ShownField:
    given: Any = stored.get(asked.name)
    if asked.kind == "secret":
        return ShownField(asked, "", is_on=False, is_stored=bool(given))
    default = asked.default or (asked.choices[0][0] if asked.choices else "")
    value = default if given is None else given
    return ShownField(asked, str(value), is_on=value in (True, "1"), is_stored=False)


def _steps(form: ChannelForm, stored: Mapping[str, Any], webhook: str, file_address: str) -> list[ShownStep]:
    return [
        ShownStep(
            number,
            step.words,
            step.link,
            _copied(step, stored, webhook),
            file_address if step.offers_file else "",
        )
        for number, step in enumerate(form.steps, 1)
    ]


def _copied(step: SetupStep, stored: Mapping[str, Any], webhook: str) -> str:
    if step.shows == "webhook":
        return f"{webhook}{step.after}" if webhook else ""
    return str(stored.get(step.shows) or "") if step.shows else ""


def connection_chip(row: Connection, health: ConnectionHealth) -> Chip:
    if not row.is_active:
        return Chip("Off", "line")
    if health.failures:
        return Chip("Needs you" if health.error_reason in NEEDS_A_PERSON else "Trying again", "bad")
    if health.seen_at or health.received_at:
        return Chip("Works", "good")
    return Chip("Connecting" if health.is_watched else "Nothing has come yet", "fair")


def connection_state(row: Connection, health: ConnectionHealth) -> ConnectionState:
    return ConnectionState(
        chip=connection_chip(row, health),
        words=_words(row, health),
        seen_at=health.seen_at,
        received_at=health.received_at,
        waiting=health.waiting,
        test_words=_test_words(health.tried),
        problems=[(each.when, each.words, each.ticket_id) for each in health.problems],
    )


def _words(row: Connection, health: ConnectionHealth) -> str:
    if not row.is_active:
        return "Switched off: nothing is taken in. Replies to its tickets still go out."
    if health.last_error and health.failures:
        again = (
            "Nothing is tried until the settings change."
            if health.error_reason in NEEDS_A_PERSON
            else f"Failed {health.failures} times in a row; it is tried again by itself."
        )
        return f"{sentence(health.last_error)} {again}"
    if health.seen_at or health.received_at:
        return "Messages come in."
    return (
        "The first look has not happened yet." if health.is_watched else "The other side has not called the desk yet."
    )


def _test_words(tried: Mapping[str, Any]) -> str:
    if not tried:
        return ""
    if "arrived_at" in tried:
        seconds = (datetime.fromisoformat(tried["arrived_at"]) - datetime.fromisoformat(tried["sent_at"])).seconds
        return f"The last test arrived after {seconds} s."
    detail = f" ({tried['detail']})" if tried.get("detail") else ""
    return f"The last test {_RESULTS[str(tried['result'])]}{detail}."


def shown_checks(checks: Sequence[HealthCheck]) -> list[ShownCheck]:
    return [ShownCheck(each.name.replace("_", " ").capitalize(), each.passed, each.detail) for each in checks]


def shown_sent_reply(delivery: Delivery) -> ShownSentReply:
    words = delivery.body.strip().partition("\n")[0]
    return ShownSentReply(
        delivery.ticket_id,
        words if len(words) <= 80 else f"{words[:79]}…",
        DELIVERY_CHIPS[delivery.state],
        delivery.updated_at,
    )


@dataclass(frozen=True, slots=True)
class ListedTemplate:
    title: str
    body: str
    chip: Chip
    hindrance: str


def shown_template(row: MessageTemplate) -> ListedTemplate:
    tone = "good" if row.status == "approved" and not row.hindrance else "line"
    chip = Chip(row.status.replace("_", " ").capitalize(), tone)
    return ListedTemplate(f"{row.name} ({row.language})", row.body, chip, row.hindrance)
