"""What a CRM has to be able to do for the desk. Everything here raises `desk.calls.CallError` and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from connectors.crm.tickets import GoneTicket, SeenTicket
from connectors.crm.words import TicketWords
from desk.calls import CallError, NotReachedError, RefusedCallError
from desk.errors import ChannelError
from desk.ports import FactSection, HealthCheck, OutgoingReply


@dataclass(frozen=True, slots=True)
class Changed:
    """Tickets with something new in them since a state, and the state after it."""

    ticket_ids: Sequence[str]
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Of the CRM's own shape, JSON."""
    more: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    key: str = ""
    """"" where the CRM does not name what it was given: it is looked for."""
    detail: str = ""
    sets_status: bool = False
    """The ticket's new status went with the reply."""


class Account(Protocol):
    """One connection to a CRM."""

    @property
    def words(self) -> TicketWords: ...
    @property
    def poll_seconds(self) -> float: ...
    @property
    def share_changes(self) -> bool: ...
    @property
    def share_notes(self) -> bool: ...

    async def ticket(self, ticket_id: str) -> SeenTicket | GoneTicket: ...

    async def changed(self, state: Mapping[str, Any]) -> Changed:
        """An empty state is a new connection."""
        ...

    async def write_reply(self, reply: OutgoingReply, seen: SeenTicket) -> Written: ...

    async def write_note(self, ticket_id: str, words: str) -> str:
        """Its key."""
        ...

    async def set(self, ticket_id: str, field: Literal["status", "priority"], there: str) -> None: ...

    async def facts(self, contact_id: str) -> tuple[FactSection, ...]: ...

    async def file(self, reference: Mapping[str, Any]) -> bytes: ...

    async def checks(self) -> tuple[HealthCheck, ...]: ...


def as_channel_error(error: CallError) -> ChannelError:
    """For whoever only reads."""
    if isinstance(error, RefusedCallError):
        needs_a_person = error.status == 403 or not error.status
        return ChannelError(
            "sign_in" if error.code == "sign_in" else "settings" if needs_a_person else "protocol", error.detail
        )
    return ChannelError("network" if isinstance(error, NotReachedError) else "protocol", error.detail)
