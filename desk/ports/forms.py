"""The forms by which channels are set up: a channel says what it needs to know, one page asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from desk.errors import InvalidInputError
from desk.ports.channels import ConnectionDetails
from desk.ports.inbound import ConfiguredChannel, InboundChannel

LONGEST_LINE = 500
LONGEST_SECRET = 20_000
LONGEST_LINES = 20_000
_ON = frozenset({True, "1", "true", "on"})


@dataclass(frozen=True, slots=True)
class FormField:
    """One thing to fill in. Everything but a switch is text, `lines` with line ends."""

    name: str
    label: str
    kind: Literal["text", "secret", "choice", "switch", "lines"] = "text"
    help: str = ""
    required: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    """Value and words; the first is the default unless there is another."""
    default: str = ""
    """For a switch "1" or ""."""
    placeholder: str = ""
    is_advanced: bool = False
    """Folded away: most never change it."""


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One thing to do, in order, most of them on the other side's own pages."""

    words: str
    shows: str = ""
    """What to copy there: `webhook` for the connection's own address, else the name of one of its settings."""
    after: str = ""
    """What the other side wants behind the address."""
    link: str = ""
    """The other side's page where it is done."""
    offers_file: bool = False
    """The file of `SetupFileChannel` is what is needed here."""


@dataclass(frozen=True, slots=True)
class SetupFile:
    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChannelForm:
    title: str
    """What it is called where channels are chosen."""
    summary: str
    """One sentence: what comes in and goes out."""
    fields: tuple[FormField, ...]
    steps: tuple[SetupStep, ...] = ()
    group: str = "Messengers"
    """Under which heading it is offered."""

    def read(self, given: Mapping[str, Any], before: ConfiguredChannel | None) -> ConfiguredChannel:
        """Every field checked; what is left out keeps its value, and an empty secret the stored one.

        Raises InvalidInputError naming the field by its label.
        """
        if unknown := sorted(set(given) - {each.name for each in self.fields}):
            msg = f"a connection of this kind has no setting {', '.join(unknown)}"
            raise InvalidInputError(msg)
        values: dict[str, Any] = dict(before.configuration) if before else {}
        secrets: dict[str, Any] = dict(before.secrets) if before else {}
        for each in self.fields:
            if each.kind == "secret":
                if fresh := _text(each, given.get(each.name, ""), LONGEST_SECRET):
                    secrets[each.name] = fresh
                stored: Any = secrets.get(each.name)
            else:
                values[each.name] = _value(each, given.get(each.name, values.get(each.name, _default(each))))
                stored = values[each.name]
            if each.required and not stored:
                msg = f"{each.label} is needed"
                raise InvalidInputError(msg)
        return ConfiguredChannel(values, secrets)


def _default(asked: FormField) -> str:
    return asked.default or (asked.choices[0][0] if asked.choices else "")


def _value(asked: FormField, given: object) -> str | bool:
    if asked.kind == "switch":
        return given in _ON
    text = _text(asked, given, LONGEST_LINES if asked.kind == "lines" else LONGEST_LINE)
    if asked.kind == "choice" and text not in dict(asked.choices):
        msg = f"{asked.label} must be one of {', '.join(value for value, _ in asked.choices)}"
        raise InvalidInputError(msg)
    return text


def _text(asked: FormField, given: object, longest: int) -> str:
    if not isinstance(given, str):
        msg = f"{asked.label} must be text"
        raise InvalidInputError(msg)
    text = given.replace("\r\n", "\n").strip()
    allowed = "\n\t" if asked.kind in {"lines", "secret"} else ""
    if len(text) > longest or any((ord(letter) < 32 and letter not in allowed) or letter == "\x7f" for letter in text):
        msg = f"{asked.label} must have at most {longest:,} characters" + ("" if allowed else " on one line")
        raise InvalidInputError(msg)
    return text


@runtime_checkable
class FormChannel(InboundChannel, Protocol):
    """A channel that is set up on the general page."""

    @property
    def form(self) -> ChannelForm: ...

    def facts(self, connection: ConnectionDetails) -> tuple[tuple[str, str], ...]:
        """What tells this connection from others, label and value, for people; no secrets. Never raises."""
        ...


@runtime_checkable
class SampleChannel(FormChannel, Protocol):
    """A channel whose form says how to read somebody's messages, and that shows what a sample becomes."""

    def preview(
        self, given: Mapping[str, Any], before: ConfiguredChannel | None, sample: str
    ) -> tuple[tuple[tuple[str, str], ...], ...]:
        """Of each message in the sample what is read from it, label and value. Stores nothing.

        Raises InvalidInputError when form or sample cannot be used.
        """
        ...


@runtime_checkable
class SetupFileChannel(FormChannel, Protocol):
    """A channel that needs a small file of its own on the other side."""

    def setup_file(self, connection: ConnectionDetails, webhook_address: str) -> SetupFile:
        """Made for this connection, with its address and secret in it."""
        ...


__all__ = ["ChannelForm", "FormChannel", "FormField", "SampleChannel", "SetupFile", "SetupFileChannel", "SetupStep"]
