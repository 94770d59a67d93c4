"""How messages of outside systems come in: raw bytes first, their meaning later (design section 3).

A channel hands over raw messages, by a webhook or by watching the other side. They are committed as inbox rows before
anybody is told that they arrived; a worker parses each one afterwards and makes it a message of a ticket.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable
from uuid import UUID

from desk.ports.channels import Channel, ConnectionDetails
from desk.ports.remote_tickets import ReadAgain, RemoteState, RemoteTicket


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One message as it came. A delivery of several is taken apart before it is stored."""

    external_id: str
    """Unique in its connection; the same again has no effect. At most 500 characters."""
    raw: bytes = field(repr=False)
    order_key: str = ""
    """Messages of one connection with the same key are read in the order in which they came."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Whoever an answer goes to."""

    address: str = ""
    """E-mail address; "" on channels that have none."""
    external_id: str = ""
    """The person's id in the other system: a number, a client id."""
    name: str = ""
    also: tuple[str, ...] = ()
    """Further ids of the same person over there."""
    verified: bool | None = None
    """True: proved to be this person. False: proved not to be. None: an address alone, which anybody can write."""


@dataclass(frozen=True, slots=True)
class InboundFile:
    name: str
    content_type: str
    content: bytes = field(repr=False)
    content_id: str = ""
    """What an inline picture is called in the message's HTML."""


@dataclass(frozen=True, slots=True)
class FileReference:
    """A file that has to be fetched from the other side before its message is filed."""

    name: str
    reference: Mapping[str, Any]
    """The channel's own shape."""


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """What one raw message says."""

    key: str
    """The channel's own id of the message, which later ones refer to; "" when it has none."""
    sender: Sender
    body: str
    """What was newly written, without quoted history and signature: what a draft answers."""
    subject: str = ""
    quoted: str = ""
    """What was cut from the body, kept for people."""
    html: str = ""
    """The whole message as cleaned HTML; "" when it was plain text."""
    answers: tuple[str, ...] = ()
    """Keys of the messages it refers to, nearest first. They prove nothing: the sender must take part as well."""
    ticket_id: UUID | None = None
    """Proven by a token that the desk had signed."""
    external_ticket_id: str = ""
    """The ticket's id in the other system, where that one keeps tickets."""
    automatic: str = ""
    """Why this is a machine's message that must never be answered by machine; "" for a person's."""
    is_reply_by_machine: bool = False
    """An answer that was sent by itself, such as a notice of absence: shown in its ticket and not worked on."""
    recipient: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Where a reply to this very message goes, in the channel's own shape."""
    files: tuple[InboundFile, ...] = ()
    sent_at: datetime | None = None
    to_fetch: tuple[FileReference, ...] = ()
    """Files that a `FetchingChannel` fetches."""
    author: Literal["customer", "agent", "note"] = "customer"
    """`agent` and `note` are of somebody who works in the other system; `sender` is then who wrote it."""
    is_past: bool = False
    """Something newer follows in the same ticket: kept for its thread, and no draft is asked for."""
    remote: RemoteTicket | None = None
    """Where the other system keeps tickets: the one this belongs to."""
    joins_newest: bool = False
    """On channels that know no threads: it goes on with the sender's newest conversation that is not over."""
    consent: Literal["", "stop", "start"] = ""
    """A word by which people stop, or allow again, whatever the channel sends them."""


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What became of a reply that was sent earlier. It counts only where it fits a delivery of this connection."""

    provider_ids: tuple[str, ...]
    """What the reply may have been called when it was sent."""
    recipient: str
    action: Literal["delivered", "delayed", "failed"]
    detail: str
    original: InboundMessage | None = None
    """The report as a message, for when it fits no delivery."""


@dataclass(frozen=True, slots=True)
class DeliveryMark:
    """How far a part of a reply has come over there. It may come late, twice, and before the call that sent it was
    answered."""

    provider_id: str
    mark: Literal["accepted", "sent", "delivered", "read", "failed"]
    part: tuple[UUID, int] | None = None
    """Delivery and position, where the other side hands back what it was given with the part."""
    detail: str = ""
    """Of a failure: why, for people."""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reaction:
    """A sign put to a message, such as a thumb."""

    key: str
    """The other side's id of the message."""
    sender: str
    sign: str
    """"" takes it back."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing to do, for a reason that is kept with the raw message."""

    reason: str
    key: str = ""
    """The channel's own id of the message: tells a test message that has come back."""


Inbound = InboundMessage | DeliveryReport | DeliveryMark | Reaction | RemoteState | ReadAgain | Ignored


@dataclass(frozen=True, slots=True)
class Batch:
    """What was found since `cursor`, and the cursor after it; both are committed together."""

    messages: tuple[RawMessage, ...]
    cursor: Mapping[str, Any]
    """The channel's own shape, JSON."""
    more: bool = False
    """There is more to fetch at once."""


@dataclass(frozen=True, slots=True)
class ConfiguredChannel:
    """What is stored of a connection's form."""

    configuration: Mapping[str, Any]
    secrets: Mapping[str, Any] = field(repr=False)


@runtime_checkable
class InboundChannel(Channel, Protocol):
    """A channel whose messages go through the inbox."""

    def parse(self, raw: bytes, connection: ConnectionDetails) -> Inbound:
        """Pure: the same bytes always say the same. Raises UnreadableMessageError; the row then stays visible."""
        ...

    def configure(self, given: Mapping[str, Any], before: ConfiguredChannel | None) -> ConfiguredChannel:
        """Check a form and fill in what the channel makes itself; an empty secret keeps the one before.

        Raises InvalidInputError or RefusedAddressError.
        """
        ...


class Feed(Protocol):
    """An open look at the other side."""

    async def fetch(self, cursor: Mapping[str, Any]) -> Batch:
        """Raises ChannelError. An empty cursor is a new connection: it starts at what comes from now on."""
        ...

    async def wait(self, seconds: float) -> None:
        """Return when there may be something new, at the latest after `seconds`. Raises ChannelError."""
        ...


@runtime_checkable
class WatchedChannel(InboundChannel, Protocol):
    """A channel that the desk has to look at, always or to fill the gaps of its webhooks."""

    def watch(self, connection: ConnectionDetails) -> AbstractAsyncContextManager[Feed]:
        """Raises ChannelError when the other side cannot be reached or refuses."""
        ...


@runtime_checkable
class FetchingChannel(Protocol):
    """A channel whose files stay on the other side until they are asked for."""

    async def fetch_file(self, connection: ConnectionDetails, reference: FileReference) -> InboundFile:
        """Raises ChannelError when it cannot be had now; a file that is gone for good comes back empty."""
        ...


@runtime_checkable
class TriedChannel(Protocol):
    """A channel that can send a message to itself."""

    def trial(self, connection: ConnectionDetails, delivery_id: UUID) -> Mapping[str, Any]:
        """The recipient of a test message."""
        ...


@runtime_checkable
class ConsentChannel(Protocol):
    """A channel that an admin allows in on the other side's own page (OAuth, RFC 6749 section 4.1)."""

    def consent_address(self, connection: ConnectionDetails, *, redirect: str, state: str, verifier: str) -> str:
        """Where the admin is sent. Raises InvalidInputError."""
        ...

    async def finish_consent(self, connection: ConnectionDetails, *, code: str, verifier: str, redirect: str) -> None:
        """Keep what the code is worth. Raises ChannelError."""
        ...


class CredentialStore(Protocol):
    """Where a channel keeps credentials that it has to renew by itself."""

    async def read(self, connection: ConnectionDetails) -> Mapping[str, Any]:
        """The connection's secrets as they are now."""
        ...

    async def write(self, connection: ConnectionDetails, changes: Mapping[str, Any]) -> None:
        """Change these and leave the rest."""
        ...


__all__ = [
    "Batch",
    "ConfiguredChannel",
    "ConsentChannel",
    "CredentialStore",
    "DeliveryMark",
    "DeliveryReport",
    "Feed",
    "FetchingChannel",
    "FileReference",
    "Ignored",
    "Inbound",
    "InboundChannel",
    "InboundFile",
    "InboundMessage",
    "RawMessage",
    "Reaction",
    "Sender",
    "TriedChannel",
    "WatchedChannel",
]
