"""How an approved reply leaves the desk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol
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
