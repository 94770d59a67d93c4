"""A WHMCS ticket taken apart into raw messages, and what a raw message says.

A raw message is JSON of our own making out of what `GetTicket` answered, without the ticket's access code (`c`):
whoever has that and the number can read the ticket.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from connectors.whmcs.api import list_of, number, rows, text
from connectors.whmcs.settings import WhmcsSettings
from connectors.whmcs.statuses import priority
from desk.errors import UnreadableMessageError
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

Author = Literal["customer", "agent", "note"]
_HEADER = (
    "id", "tid", "deptid", "deptname", "userid", "name", "owner_name", "email", "requestor_name", "requestor_email",
    "subject", "status", "priority",
)  # fmt: skip
_GUEST_WITHOUT_ADDRESS = "unknown"


def ticket_id_of(ticket: Mapping[str, Any]) -> str:
    return str(number(ticket, "ticketid") or number(ticket, "id"))


def entries_of(ticket: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Messages and notes, oldest first. `id` is 0 for the opening message; `key` names each one for good."""
    ticket_id = ticket_id_of(ticket)
    found = [_entry("reply", each, number(each, "replyid"), ticket_id) for each in rows(ticket, "replies", "reply")]
    found += [_entry("note", each, number(each, "noteid"), ticket_id) for each in rows(ticket, "notes", "note")]
    return sorted(found, key=lambda entry: (entry["date"], entry["key"].startswith("note"), entry["id"]))


def _entry(kind: str, row: Mapping[str, Any], entry_id: int, ticket_id: str) -> dict[str, Any]:
    admin = text(row, "admin")
    is_opening = kind == "reply" and entry_id == 0
    author: Author = "note" if kind == "note" else "agent" if admin else "customer"
    return {
        "id": entry_id,
        "key": f"ticket:{ticket_id}" if is_opening else f"{kind}:{entry_id}",
        "author": author,
        "name": admin or text(row, "requestor_name") or text(row, "name"),
        "email": "" if admin else text(row, "requestor_email") or text(row, "email"),
        "date": text(row, "date"),
        "message": text(row, "message"),
        "files": [
            {
                "name": text(file, "filename") or text(file, "name") or "file",
                "index": number(file, "index"),
                "type": "ticket" if is_opening else kind,
                "relatedid": ticket_id if is_opening else str(entry_id),
            }
            for file in list_of(row.get("attachments"))
        ],
    }


def raw_messages(ticket: Mapping[str, Any], seen_at: datetime) -> tuple[RawMessage, ...]:
    """What a ticket holds now: every message and note, then its state."""
    ticket_id = ticket_id_of(ticket)
    header = {name: text(ticket, name) for name in _HEADER} | {"id": ticket_id, "seen_at": seen_at.isoformat()}
    entries = entries_of(ticket)
    newest = max((at for at, entry in enumerate(entries) if entry["author"] != "note"), default=-1)
    found = [
        _raw(entry["key"], ticket_id, {"kind": "entry", "ticket": header, "entry": entry, "is_past": at < newest})
        for at, entry in enumerate(entries)
    ]
    state = {"kind": "state", "ticket": header}
    return (*found, _raw(f"state:{ticket_id}:{seen_at.timestamp():.3f}", ticket_id, state))


def gone_message(ticket_id: str, why: str, seen_at: datetime) -> RawMessage:
    told = {"kind": "gone", "id": ticket_id, "why": why}
    return _raw(f"gone:{ticket_id}:{seen_at.timestamp():.3f}", ticket_id, told)


def hint_message(name: str, ticket_id: str) -> RawMessage:
    return _raw(f"hook:{name}", ticket_id, {"kind": "hint", "id": ticket_id})


def merge_message(merged_id: str, master_id: str, name: str) -> RawMessage:
    # Read before what the ticket that goes on then holds, so that nothing of the merged one is there twice.
    return _raw(f"hook:{name}:{merged_id}", master_id, {"kind": "merge", "id": merged_id, "into": master_id})


def _raw(external_id: str, ticket_id: str, told: Mapping[str, Any]) -> RawMessage:
    return RawMessage(external_id, json.dumps(told, ensure_ascii=False, sort_keys=True).encode(), ticket_id)


def parse(raw: bytes, settings: WhmcsSettings) -> Inbound:
    """Raises UnreadableMessageError."""
    try:
        told: dict[str, Any] = json.loads(raw)
        match told["kind"]:
            case "entry":
                return _message(told, settings)
            case "state":
                return RemoteState(str(told["ticket"]["id"]), _remote(told["ticket"], settings))
            case "gone":
                return RemoteState(str(told["id"]), gone=str(told["why"]))
            case "merge":
                return RemoteState(str(told["id"]), merged_into=str(told["into"]))
            case "hint":
                return ReadAgain(str(told["id"]))
            case kind:
                msg = f"this is no message of WHMCS: {kind!r}"
                raise UnreadableMessageError(msg)
    except (ValueError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        msg = f"this is no message of WHMCS ({type(error).__name__}: {error})"
        raise UnreadableMessageError(msg) from error


def _message(told: Mapping[str, Any], settings: WhmcsSettings) -> InboundMessage:
    ticket, entry = told["ticket"], told["entry"]
    remote = _remote(ticket, settings)
    author: Author = entry["author"]
    is_requester = author == "customer" and entry["email"] in ("", remote.requester.address)
    sender = remote.requester if is_requester else Sender(entry["email"], name=entry["name"] or "WHMCS")
    return InboundMessage(
        key=entry["key"],
        sender=sender,
        body=entry["message"],
        subject=remote.subject,
        external_ticket_id=remote.external_id,
        recipient={"ticket_id": remote.external_id, "reply_id": entry["id"]},
        sent_at=moment(entry["date"], settings),
        to_fetch=tuple(FileReference(file["name"], file) for file in entry["files"]),
        author=author,
        is_past=bool(told["is_past"]),
        remote=remote,
    )


def _remote(ticket: Mapping[str, Any], settings: WhmcsSettings) -> RemoteTicket:
    client = number(ticket, "userid")
    address = text(ticket, "requestor_email") or text(ticket, "email")
    name = text(ticket, "requestor_name") or text(ticket, "name") or text(ticket, "owner_name")
    department = text(ticket, "deptname")
    ticket_id = str(ticket["id"])
    return RemoteTicket(
        external_id=ticket_id,
        number=text(ticket, "tid"),
        url=settings.ticket_url(ticket_id),
        subject=text(ticket, "subject"),
        requester=Sender(
            address=address,
            # A client is known by their id; a guest has nothing but an address, and some not even that.
            external_id=str(client) if client else "" if address else f"{_GUEST_WITHOUT_ADDRESS}:{ticket_id}",
            name=name,
        ),
        seen_at=datetime.fromisoformat(ticket["seen_at"]),
        status=settings.words.status(status) if (status := text(ticket, "status")) else None,
        priority=priority(urgency) if (urgency := text(ticket, "priority")) else None,
        department=RemoteValue(department, (department,)) if department else None,
    )


def moment(date: str, settings: WhmcsSettings) -> datetime | None:
    """WHMCS gives the time of its server without a zone; None for what is no time."""
    try:
        read = datetime.fromisoformat(date)
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=settings.zone)).astimezone(UTC)
