"""What every channel must do, whatever it connects to. One suite, run over all of them.

A new channel adds a `Subject` to `SUBJECTS` in `test_contract.py`, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from desk.clock import SystemClock
from desk.egress import EgressRules
from desk.ports import Channel, Clock, ConnectionDetails, CredentialStore, OutgoingReply

TENANT, CONNECTION, TICKET = UUID(int=1), UUID(int=2), UUID(int=3)
DELIVERY = UUID("01890a5d-ac96-774b-bcce-b302099a8057")


class Credentials:
    """Fulfils `desk.ports.CredentialStore` in memory."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self.stored = dict(stored)

    async def read(self, connection: ConnectionDetails) -> Mapping[str, Any]:
        del connection
        return self.stored

    async def write(self, connection: ConnectionDetails, changes: Mapping[str, Any]) -> None:
        del connection
        self.stored.update(changes)


Make = Callable[[EgressRules, Clock, CredentialStore], Channel]


@dataclass(frozen=True)
class Subject:
    """One channel and what the suite needs to know of it."""

    kind: str
    make: Make
    given: Mapping[str, Any]
    """A form that leads to `127.0.0.1` and a port at which nobody listens (`{port}` stands for it)."""
    recipient: Mapping[str, Any] = field(default_factory=dict[str, Any])
    reaches_out: bool = True
    """It has another side that can be away."""
    raw: bytes = b""
    """A message that can be read; empty for a channel that takes none in through the inbox."""
    broken: tuple[bytes, ...] = ()
    """What cannot be read."""
    secret: str = ""
    """The name of a secret of its form."""

    def channel(self, rules: EgressRules) -> Channel:
        return self.make(rules, SystemClock(), Credentials({}))

    def form(self, port: int) -> dict[str, Any]:
        return {name: port if value == "{port}" else _with_port(value, port) for name, value in self.given.items()}


def _with_port(value: Any, port: int) -> Any:
    return value.replace("{port}", str(port)) if isinstance(value, str) else value


def reply(configuration: Mapping[str, Any], recipient: Mapping[str, Any]) -> OutgoingReply:
    return OutgoingReply(
        delivery_id=DELIVERY,
        tenant_id=TENANT,
        ticket_id=TICKET,
        attempt=1,
        recipient=recipient,
        configuration=configuration,
        subject="Backups\r\nBcc: eve@evil.test",
        body="For 14 days.",
        external_ticket_id=None,
        approved_at=datetime(2026, 3, 1, 12, 0, tzinfo=UTC),
        connection_id=CONNECTION,
    )
