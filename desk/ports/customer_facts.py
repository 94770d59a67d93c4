"""What another system knows of a customer: their services, invoices, deals. Shown beside the ticket, used in drafts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from uuid import UUID

from desk.ports.channels import ConnectionDetails

SLOTS = frozenset(
    {
        "client name", "company", "service name", "service domain", "next due date", "domain name",
        "domain expiry date", "invoice number", "invoice amount", "invoice due date", "plan", "account number",
        "deal name", "deal amount", "deal stage",
    }
)  # fmt: skip
"""The names all systems share, so that an approved answer does not depend on where the facts come from."""


@dataclass(frozen=True, slots=True)
class CustomerFact:
    label: str
    value: str
    url: str = ""
    """Where people of the tenant see more; https only."""
    slot: str = ""
    """One of `SLOTS`, by which a draft may use the value, as in `{invoice number}`. "" keeps the value out of drafts,
    and from language models. With several values of one name, the slot is filled only where they are all the same."""


@dataclass(frozen=True, slots=True)
class FactSection:
    title: str
    facts: tuple[CustomerFact, ...]
    url: str = ""


@dataclass(frozen=True, slots=True)
class KnownCustomer:
    """Whose facts are wanted."""

    customer_id: UUID
    external_id: str
    """The customer's id in that connection's system, which it gave itself. An address is no proof of who writes, so
    nothing is looked up by one."""


@runtime_checkable
class CustomerFactsChannel(Protocol):
    """A channel whose other side knows things about its customers."""

    async def customer_facts(self, connection: ConnectionDetails, customer: KnownCustomer) -> tuple[FactSection, ...]:
        """What is known now; empty when nothing is. Called in the background. Raises ChannelError."""
        ...


__all__ = ["SLOTS", "CustomerFact", "CustomerFactsChannel", "FactSection", "KnownCustomer"]
