"""Reads ticket histories: JSON Lines or CSV, one ticket a line, one file per tenant."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal, cast

from desk.errors import InvalidInputError
from learning.backtest.history_csv import csv_lines

_SURROGATES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd") | {0: ""}
"""What a text column of the database cannot hold."""


@dataclass(frozen=True, slots=True)
class HistoryCustomer:
    external_id: str = ""
    email: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    sender: Literal["customer", "agent"]
    body: str
    at: datetime
    agent: str = ""


@dataclass(frozen=True, slots=True)
class HistoryTicket:
    line: int
    """Line in the file, counted from 1."""
    id: str
    created_at: datetime
    subject: str
    body: str
    """The customer's opening message."""
    channel: str
    department: str
    customer: HistoryCustomer
    messages: tuple[HistoryMessage, ...]
    """What followed, in the order of the file."""

    @property
    def first_reply(self) -> HistoryMessage | None:
        """The first message a person of the desk wrote; None when nobody answered."""
        return next((message for message in self.messages if message.sender == "agent" and message.body.strip()), None)


@dataclass(frozen=True, slots=True)
class RefusedLine:
    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path.name}, line {self.line}: {self.reason}"


def history_files(path: Path) -> list[Path]:
    """The file itself, or every .jsonl file of a folder by name. Raises InvalidInputError without any."""
    if path.is_file():
        return [path]
    found = sorted(path.glob("*.jsonl")) if path.is_dir() else []
    if not found:
        raise InvalidInputError(f"{path} is neither a ticket history nor a folder with .jsonl files in it.")
    return found


def read_history(path: Path, refused: Callable[[RefusedLine], None]) -> Iterator[HistoryTicket]:
    """The tickets of one file in its order; a line that cannot be used goes to `refused` and the next is read.

    Only `created_at` and a subject or body must be there. A missing id becomes a hash of the line, so that a
    second import finds the same ticket; a message without a time has that of what came before it; a time
    without a zone is UTC. A field of the wrong type refuses its line: a guess would be learned from. Raises
    InvalidInputError when a CSV file does not name the columns that are needed.
    """
    with path.open("rb") as file:
        yield from tickets_in(path.name, file, refused)


def tickets_in(name: str, file: BinaryIO, refused: Callable[[RefusedLine], None]) -> Iterator[HistoryTicket]:
    """The same for an open file; its name says what it is."""
    lines = csv_lines(file.read()) if name.lower().endswith(".csv") else json_lines(file)
    for number, raw in lines:
        try:
            if isinstance(raw, InvalidInputError):
                raise raw
            yield _ticket(number, raw)
        except InvalidInputError as error:
            refused(RefusedLine(Path(name), number, error.detail))


def json_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """With their numbers from 1, without empty ones."""
    for number, raw in enumerate(file, start=1):
        if raw.strip():
            yield number, raw


def _ticket(number: int, raw: bytes) -> HistoryTicket:
    fields = _fields(raw)
    created_at = _time(fields, "created_at")
    if created_at is None:
        raise InvalidInputError("created_at is missing.")
    subject, body = _text(fields, "subject"), _text(fields, "body")
    if not (subject.strip() or body.strip()):
        raise InvalidInputError("subject and body are both empty or missing.")
    customer = _mapping(fields, "customer")
    return HistoryTicket(
        line=number,
        id=_text(fields, "id") or f"line-{hashlib.sha256(raw.strip()).hexdigest()[:32]}",
        created_at=created_at,
        subject=subject,
        body=body,
        channel=_text(fields, "channel"),
        department=_text(fields, "department"),
        customer=HistoryCustomer(
            external_id=_text(customer, "external_id", "customer."),
            email=_text(customer, "email", "customer."),
            name=_text(customer, "name", "customer."),
        ),
        messages=_messages(fields.get("messages"), created_at),
    )


def _fields(raw: bytes) -> Mapping[str, object]:
    try:
        parsed: object = json.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"This is not UTF-8 text (byte {error.start + 1}).") from error
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidInputError(f"This is not a JSON object: {error}.") from error
    if not isinstance(parsed, dict):
        raise InvalidInputError(f"A ticket must be a JSON object, not {_kind(parsed)}.")
    return cast("dict[str, object]", parsed)


def _messages(value: object, created_at: datetime) -> tuple[HistoryMessage, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise InvalidInputError(f"messages must be a list, not {_kind(value)}.")
    messages: list[HistoryMessage] = []
    last = created_at
    for index, entry in enumerate(cast("list[object]", value)):
        where = f"messages[{index}]"
        if not isinstance(entry, dict):
            raise InvalidInputError(f"{where} must be an object, not {_kind(entry)}.")
        fields = cast("dict[str, object]", entry)
        sender = fields.get("from")
        if sender not in ("customer", "agent"):
            raise InvalidInputError(f'{where}.from must be "customer" or "agent", not {json.dumps(sender)[:40]}.')
        last = _time(fields, "at", f"{where}.") or last
        messages.append(
            HistoryMessage(
                sender="agent" if sender == "agent" else "customer",
                body=_text(fields, "body", f"{where}."),
                at=last,
                agent=_text(fields, "agent", f"{where}."),
            )
        )
    return tuple(messages)


def _text(fields: Mapping[str, object], name: str, where: str = "") -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInputError(f"{where}{name} must be a text, not {_kind(value)}.")
    return value.translate(_SURROGATES)


def _mapping(fields: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = fields.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidInputError(f"{name} must be an object, not {_kind(value)}.")
    return cast("dict[str, object]", value)


def _time(fields: Mapping[str, object], name: str, where: str = "") -> datetime | None:
    text = _text(fields, name, where)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(f"{where}{name} is not an ISO 8601 time: {text[:40]!r}.") from error
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInputError(f"{where}{name} is outside the calendar: {text[:40]!r}.") from error


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "an object"
        case _:
            return "a number"
