"""How an approved reply leaves the desk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, runtime_checkable
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ConnectionDetails:
    """One configured connection, as its channel needs it."""

    connection_id: UUID
    tenant_id: UUID
    settings: Mapping[str, Any] = field(repr=False)
    """The configuration with the secrets decrypted."""


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """One file of a reply. The same bytes on every attempt: `sha256` is theirs."""

    attachment_id: UUID
    name: str
    media_type: str
    """What the bytes say it is."""
    sha256: str
    content: bytes = field(repr=False)
    address: str = field(default="", repr=False)
    """Where whoever is told it may fetch the file for some hours."""


@dataclass(frozen=True, slots=True)
class OutgoingReply:
    """Everything a channel needs, frozen when the reply was approved."""

    delivery_id: UUID
    tenant_id: UUID
    ticket_id: UUID
    attempt: int
    recipient: Mapping[str, Any]
    """As the inbound message gave it; the channel's own shape."""
    configuration: Mapping[str, Any]
    """The connection's settings, secrets decrypted."""
    subject: str
    body: str
    external_ticket_id: str | None
    approved_at: datetime
    is_automatic: bool = False
    """No person approved it."""
    connection_id: UUID | None = None
    """Whose credentials may have to be renewed; None in a trial."""
    files: tuple[OutgoingFile, ...] = ()
    """Frozen with the approval. Empty on live channels, where the visitor fetches them from the desk."""
    ticket_status: str = ""
    """What the desk makes of the ticket with this reply, for systems that keep a status of their own."""
    known_keys: frozenset[str] = frozenset()
    """Of the replies in this ticket that the desk knows already under the other system's names: none is this one."""
    part: int = 0
    """Of a reply that goes out as several messages: which one this is, from 0."""
    webhook_address: str = ""
    """Where the other side may say what has become of it; "" on channels that are not called."""


@dataclass(frozen=True, slots=True)
class SendOutcome:
    result: Literal["sent", "failed", "retry", "uncertain"]
    """`retry` only when it was surely not accepted; `uncertain` when nobody can know."""
    detail: str = ""
    provider_id: str | None = None
    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class HealthCheck:
    name: str
    passed: bool
    detail: str = ""


class Channel(Protocol):
    @property
    def kind(self) -> str: ...

    async def send(self, reply: OutgoingReply) -> SendOutcome:
        """Hand the reply over once. Never raises for what the other side does."""
        ...

    async def reconcile(self, reply: OutgoingReply) -> SendOutcome:
        """Look up an uncertain reply; `uncertain` again when it cannot be looked up."""
        ...

    async def check(self, connection: ConnectionDetails) -> tuple[HealthCheck, ...]:
        """Try the other side step by step without sending or changing anything. Never raises for what it does."""
        ...


@runtime_checkable
class PartedChannel(Channel, Protocol):
    """A channel whose messages hold less than a reply may: it is sent as several, each of them once and in order.

    `send` and `reconcile` are asked for one part at a time.
    """

    def parts(self, reply: OutgoingReply) -> tuple[OutgoingReply, ...]:
        """At least one, with `part` set and only its own text or file. Pure: the same reply is always cut alike."""
        ...


@dataclass(frozen=True, slots=True)
class TemplateVariable:
    name: str
    example: str = ""


@dataclass(frozen=True, slots=True)
class ApprovedTemplate:
    """A message that the other side has looked at, or will."""

    key: str
    """The channel's own name of it, unique in its connection."""
    name: str
    language: str
    category: str
    status: str
    """In lower case; only `approved` can be sent."""
    body: str
    """With `{{name}}` where a variable goes."""
    variables: tuple[TemplateVariable, ...] = ()
    hindrance: str = ""
    """Why the desk cannot fill it in, such as a picture in its head; "" when it can."""


@runtime_checkable
class TemplateChannel(Channel, Protocol):
    """A channel on which conversations may be begun, or taken up again, by approved templates only.

    A delivery of one has `template` in its recipient: `key`, `name`, `language` and `variables` by name.
    """

    async def templates(self, connection: ConnectionDetails) -> tuple[ApprovedTemplate, ...]:
        """All there are now, whatever their status. Raises ChannelError."""
        ...
