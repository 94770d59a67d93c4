"""A CRM's ticket as it was seen, taken apart into raw messages, and what a raw message says.

A raw message is JSON of our own making with the CRM's own values in it; what they mean is decided when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

from connectors.crm.words import TicketWords
from desk.errors import UnreadableMessageError
from desk.html_text import clean_html, text_of_html
from desk.ports import (
    FileReference,
    Inbound,
    InboundMessage,
    RawMessage,
    ReadAgain,
    RemoteState,
    RemoteTicket,
    RemoteValue,
    Sender,
)
from desk.quoting import cut

Author = Literal["customer", "agent", "note"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One message, comment or note of a ticket."""

    key: str
    """Never used twice, and the same for good."""
    author: Author
    name: str
    at: str
    """When it was written, ISO 8601 with an offset."""
    text: str = ""
    html: str = ""
    """Instead of text, where that is what there is."""
    email: str = ""
    contact_id: str = ""
    """Of a customer whom the CRM knows."""
    files: tuple[Mapping[str, str], ...] = ()
    """Each with `name` and what is needed to fetch it."""
    answer: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What a reply to it needs to know."""

    def words(self) -> str:
        return self.text or text_of_html(self.html)


@dataclass(frozen=True, slots=True)
class SeenTicket:
    ticket_id: str
    number: str
    url: str
    subject: str
    status: str
    priority: str
    department: str
    contact_id: str
    """"" where the CRM does not know who it is."""
    email: str
    name: str
    entries: tuple[Entry, ...]
    """Oldest first."""
    status_means: tuple[str, ...] = ()
    """What a status that nobody has given a meaning is in the desk's words, where the CRM says as much."""


@dataclass(frozen=True, slots=True)
class GoneTicket:
    why: str
    merged_into: str = ""


def raw_messages(ticket_id: str, seen: SeenTicket | GoneTicket, seen_at: datetime) -> tuple[RawMessage, ...]:
    """Every entry, then how the ticket is."""
    stamp = f"{ticket_id}:{seen_at.timestamp():.3f}"
    if isinstance(seen, GoneTicket):
        told = {"kind": "gone", "id": ticket_id, "why": seen.why, "into": seen.merged_into}
        return (_raw(f"gone:{stamp}", ticket_id, told),)
    header = {name: value for name, value in asdict(seen).items() if name != "entries"}
    header["seen_at"] = seen_at.isoformat()
    newest = max((at for at, entry in enumerate(seen.entries) if entry.author != "note"), default=-1)
    found = [
        _raw(
            entry.key,
            ticket_id,
            {"kind": "entry", "ticket": header, "entry": asdict(entry), "is_past": at < newest},
        )
        for at, entry in enumerate(seen.entries)
    ]
    return (*found, _raw(f"state:{stamp}", ticket_id, {"kind": "state", "ticket": header}))


def hint(name: str, ticket_id: str) -> RawMessage:
    """Something has happened to a ticket; `name` is the same when the same is told again."""
    return _raw(f"hint:{name}", ticket_id, {"kind": "hint", "id": ticket_id})


def notice(name: str, words: str) -> RawMessage:
    """Something that a person must do; it stays visible on the connection's page."""
    return _raw(f"notice:{name}", "", {"kind": "notice", "words": words})


def _raw(external_id: str, ticket_id: str, told: Mapping[str, Any]) -> RawMessage:
    return RawMessage(external_id, json.dumps(told, ensure_ascii=False, sort_keys=True).encode(), ticket_id)


def parse(raw: bytes, words: TicketWords) -> Inbound:
    """Raises UnreadableMessageError."""
    try:
        told: dict[str, Any] = json.loads(raw)
        match told["kind"]:
            case "entry":
                return _message(told, words)
            case "state":
                return RemoteState(str(told["ticket"]["ticket_id"]), _remote(told["ticket"], words))
            case "gone":
                return RemoteState(str(told["id"]), gone=str(told["why"]), merged_into=str(told["into"]))
            case "hint":
                return ReadAgain(str(told["id"]))
            case "notice":
                raise UnreadableMessageError(str(told["words"]))
            case kind:
                msg = f"this is no message of a CRM: {kind!r}"
                raise UnreadableMessageError(msg)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"this is no message of a CRM ({type(error).__name__}: {error})"
        raise UnreadableMessageError(msg) from error


def _message(told: Mapping[str, Any], words: TicketWords) -> InboundMessage:
    entry: Mapping[str, Any] = told["entry"]
    remote = _remote(told["ticket"], words)
    author = cast("Author", entry["author"])
    html = str(entry["html"])
    body, quoted = str(entry["text"]) or text_of_html(html), ""
    if author == "customer":
        parts = cut(body)
        body, quoted = parts.new, parts.quoted
    return InboundMessage(
        key=str(entry["key"]),
        sender=_sender(entry, author, remote),
        body=body,
        quoted=quoted,
        html=clean_html(html) if html else "",
        subject=remote.subject,
        external_ticket_id=remote.external_id,
        recipient={"ticket_id": remote.external_id, "key": entry["key"], **entry["answer"]},
        sent_at=moment(str(entry["at"])),
        to_fetch=tuple(FileReference(file["name"], file) for file in entry["files"]),
        author=author,
        is_past=bool(told["is_past"]),
        remote=remote,
    )


def _sender(entry: Mapping[str, Any], author: Author, remote: RemoteTicket) -> Sender:
    address, contact = str(entry["email"]), str(entry["contact_id"])
    is_requester = author == "customer" and (
        (contact and contact == remote.requester.external_id)
        or (not contact and address.casefold() in {"", remote.requester.address.casefold()})
    )
    return remote.requester if is_requester else Sender(address, contact, str(entry["name"]) or "A colleague")


def _remote(ticket: Mapping[str, Any], words: TicketWords) -> RemoteTicket:
    ticket_id, contact, address = (str(ticket[name]) for name in ("ticket_id", "contact_id", "email"))
    status, priority, department = (str(ticket[name]) for name in ("status", "priority", "department"))
    return RemoteTicket(
        external_id=ticket_id,
        number=str(ticket["number"]),
        url=str(ticket["url"]),
        subject=str(ticket["subject"]),
        requester=Sender(address, contact or ("" if address else f"ticket:{ticket_id}"), str(ticket["name"])),
        seen_at=datetime.fromisoformat(ticket["seen_at"]),
        status=words.status(status, tuple(ticket["status_means"])) if status else None,
        priority=words.priority(priority) if priority else None,
        department=RemoteValue(department, (department,)) if department else None,
    )


def moment(written: str) -> datetime | None:
    """ISO 8601 as CRMs write it: with `Z`, with an offset that has no colon, or milliseconds since 1970."""
    try:
        if written.isdecimal():
            return datetime.fromtimestamp(int(written) / 1000, UTC)
        read = datetime.fromisoformat(written)
    except (ValueError, OverflowError, OSError):
        return None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


def is_among(opening: str, entries: Sequence[Entry]) -> bool:
    """Whether a ticket's description is only a copy of a customer's message that stands beside it."""
    wanted = "".join(opening.split())[:200]
    said = ("".join(entry.words().split()) for entry in entries if entry.author == "customer")
    return not wanted or any(wanted in words for words in said)


def in_order(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    unknown = datetime.min.replace(tzinfo=UTC)
    return tuple(sorted(entries, key=lambda entry: (moment(entry.at) or unknown, entry.key)))
