"""Tickets that another system keeps as well: what is said and changed over there is taken over, and the other way.

Every message of such a system comes as an `InboundMessage` with `remote` set, whoever wrote it; what became of the
ticket itself comes as a `RemoteState`. What is changed here goes out as an `OutgoingChange`, once, like a reply.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable
from uuid import UUID

if TYPE_CHECKING:
    from desk.ports.channels import ConnectionDetails
    from desk.ports.inbound import RawMessage, Sender

ChangeField = Literal["status", "priority", "department", "note"]
"""What of a ticket the desk can change over there."""


@dataclass(frozen=True, slots=True)
class RemoteValue:
    """One property of a ticket over there."""

    there: str
    """As the other system has it; a change is a change of this."""
    here: tuple[str, ...] = ()
    """What the desk may call it, the best first; empty: nothing here follows from it."""


@dataclass(frozen=True, slots=True)
class RemoteTicket:
    """The ticket as the other system had it when it was looked at."""

    external_id: str
    """The id that never changes, used in every call."""
    number: str
    """As people over there call it."""
    url: str
    """Where they open it; "" when that is not known."""
    subject: str
    requester: Sender
    seen_at: datetime
    """When it was looked at: of two who changed the same the later one counts."""
    status: RemoteValue | None = None
    """None: not known at this moment, and nothing is changed."""
    priority: RemoteValue | None = None
    department: RemoteValue | None = None


@dataclass(frozen=True, slots=True)
class RemoteState:
    """How a ticket is over there, without a message."""

    external_ticket_id: str
    ticket: RemoteTicket | None = None
    """None when it is not there any more."""
    gone: str = ""
    """Why it is not there, for people."""
    merged_into: str = ""
    """External id of the ticket that goes on with it."""


@dataclass(frozen=True, slots=True)
class ReadAgain:
    """A hint that something happened to a ticket: it is looked at, and what is new comes as messages of its own."""

    external_ticket_id: str


@dataclass(frozen=True, slots=True)
class OutgoingChange:
    """One thing that was changed here, or one note, on its way to the other system."""

    change_id: UUID
    tenant_id: UUID
    connection_id: UUID
    configuration: Mapping[str, Any] = field(repr=False)
    """The connection's settings, secrets decrypted."""
    external_ticket_id: str
    field: ChangeField
    value: str
    """In the desk's words: a status, a priority, the name of a department, the text of a note."""
    author: str
    """Who did it here, for people over there."""
    decided_at: datetime
    attempt: int
    known_keys: frozenset[str] = frozenset()
    """Of the messages and notes over there that the desk knows already: none of them is this one."""


@dataclass(frozen=True, slots=True)
class ChangeOutcome:
    result: Literal["sent", "failed", "retry", "uncertain", "skipped"]
    """As of a `SendOutcome`; `skipped` when this connection does not hand over such changes."""
    detail: str = ""
    there: str = ""
    """What the other system has now, as in `RemoteValue.there`; of a note its key."""
    retry_after_seconds: float | None = None


def says_the_same(sent: str, found: str) -> bool:
    """Whether a text over there is the one that was sent: white space and entities may have changed on the way, and
    the other system may have put a signature under a dashed line."""
    wanted, whole = _folded(sent), _folded(found)
    if not wanted:
        return False
    return whole == wanted or re.match(rf"{re.escape(wanted)} (?:--|__)", whole) is not None


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", html.unescape(text)).split())


@runtime_checkable
class RemoteTicketChannel(Protocol):
    """A channel whose tickets live in another system too."""

    async def look(self, connection: ConnectionDetails, external_ticket_id: str) -> tuple[RawMessage, ...]:
        """The ticket as it is now: its messages, oldest first, and its state. Raises ChannelError."""
        ...

    async def change(self, change: OutgoingChange) -> ChangeOutcome:
        """Hand the change over once. Never raises for what the other side does."""
        ...

    async def reconcile_change(self, change: OutgoingChange) -> ChangeOutcome:
        """Look up a change of which nobody knows whether it arrived; `uncertain` when that cannot be told."""
        ...


__all__ = [
    "ChangeField",
    "ChangeOutcome",
    "OutgoingChange",
    "ReadAgain",
    "RemoteState",
    "RemoteTicket",
    "RemoteTicketChannel",
    "RemoteValue",
    "says_the_same",
]
