"""What connected systems know of a customer: fetched in the background, kept with its age, used in drafts.

A sheet belongs to one customer and goes with them. It is looked up by the id that the connection's own system gave
the customer, never by an address, which anybody can write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.identity import Actor
from desk.customers.people import family_of
from desk.db.leases import Claim, database_time, due_in, finish, hold
from desk.db.tenancy import session_scope
from desk.db.unit_of_work import Database, announce, wake
from desk.errors import ChannelError, NotFoundError
from desk.inbound.receiving import details_of
from desk.models import Connection, CustomerFactSheet, CustomerIdentity, Ticket
from desk.plain_text import clean_line
from desk.ports import Channel, ConnectionDetails, CustomerFact, CustomerFactsChannel, FactSection, KnownCustomer

FRESH_SECONDS = 900.0
"""Younger facts are not fetched again for a new message; the button fetches them in any case."""
RETRY_SECONDS = 120.0
LONGEST_VALUE = 500
MOST_FACTS = 200
"""Of one customer in one system; what is beyond is left out there and said."""


@dataclass(frozen=True, slots=True)
class FactSheet:
    connection_id: UUID
    source: str
    """The connection's name."""
    sections: tuple[FactSection, ...]
    fetched_at: datetime | None
    problem: str
    is_being_fetched: bool


async def wish_for_facts(
    session: AsyncSession, customer_id: UUID, connection_id: UUID, *, fresh_seconds: float = FRESH_SECONDS
) -> bool:
    """Have the customer's facts fetched unless they are fresh. Whether they will be."""
    if await _external_id(session, customer_id, connection_id) is None:
        return False
    await session.execute(
        insert(CustomerFactSheet)
        .values(
            id=uuid7(),
            tenant_id=session_scope(session.sync_session).tenant_id,
            customer_id=customer_id,
            connection_id=connection_id,
            sections=[],
            problem="",
        )
        .on_conflict_do_nothing(constraint="uq_customer_fact_sheets_customer_id")
    )
    found = await session.execute(
        select(CustomerFactSheet)
        .where(CustomerFactSheet.customer_id == customer_id, CustomerFactSheet.connection_id == connection_id)
        .with_for_update()
    )
    sheet = found.scalar_one()
    now = await database_time(session)
    if sheet.fetched_at is not None and sheet.fetched_at > now - timedelta(seconds=fresh_seconds):
        return False
    sheet.attempts = 0
    await due_in(session, sheet, 0)
    wake(session, "customer_fact_sheets")
    return True


async def refresh_facts(database: Database, actor: Actor, ticket_id: UUID) -> int:
    """Have the facts of the ticket's customer fetched now; of how many systems. Raises NotFoundError."""
    async with database.transaction(actor.scope) as session:
        ticket = await session.get(Ticket, ticket_id)
        if ticket is None:
            msg = "there is no such ticket"
            raise NotFoundError(msg)
        found = await session.execute(
            select(CustomerFactSheet.customer_id, CustomerFactSheet.connection_id).where(
                CustomerFactSheet.customer_id.in_(await family_of(session, ticket.customer_id))
            )
        )
        asked = 0
        for customer_id, connection_id in {*(tuple(row) for row in found), (ticket.customer_id, ticket.connection_id)}:
            asked += await wish_for_facts(session, customer_id, connection_id, fresh_seconds=0)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return asked


async def fact_sheets(session: AsyncSession, customer_id: UUID) -> list[FactSheet]:
    """Of everybody who was found to be the same person. Raises NotFoundError."""
    found = await session.execute(
        select(CustomerFactSheet, Connection.name)
        .join(Connection, Connection.id == CustomerFactSheet.connection_id)
        .where(CustomerFactSheet.customer_id.in_(await family_of(session, customer_id)))
        .order_by(CustomerFactSheet.id)
    )
    return [
        FactSheet(
            sheet.connection_id,
            name,
            tuple(_section(each) for each in sheet.sections),
            sheet.fetched_at,
            sheet.problem,
            sheet.due_at is not None and not sheet.problem,
        )
        for sheet, name in found
    ]


class FactsDesk:
    """Fetches claimed sheets."""

    def __init__(self, database: Database, channels: Mapping[str, Channel]) -> None:
        self._database = database
        self._channels = channels

    async def work(self, held: Claim) -> None:
        begun = await self._begin(held)
        if begun is None:
            return
        channel, connection, customer = begun
        try:
            sections = _kept(await channel.customer_facts(connection, customer))
        except ChannelError as error:
            await self._note_error(held, error)
            return
        async with self._database.transaction(held.scope) as session:
            sheet = await hold(session, CustomerFactSheet, held)
            sheet.sections = [asdict(section) for section in sections]
            sheet.fetched_at, sheet.problem = await database_time(session), ""
            finish(sheet)
            await _announce(session, sheet)

    async def _begin(self, held: Claim) -> tuple[CustomerFactsChannel, ConnectionDetails, KnownCustomer] | None:
        async with self._database.transaction(held.scope) as session:
            sheet = await hold(session, CustomerFactSheet, held)
            connection = await session.get_one(Connection, sheet.connection_id)
            channel = self._channels.get(connection.channel)
            external_id = await _external_id(session, sheet.customer_id, sheet.connection_id)
            if not isinstance(channel, CustomerFactsChannel) or not connection.is_active or external_id is None:
                finish(sheet)
                return None
            return channel, details_of(connection), KnownCustomer(sheet.customer_id, external_id)

    async def _note_error(self, held: Claim, error: ChannelError) -> None:
        """What is kept stays, with its age; only a person can do something about a refusal."""
        async with self._database.transaction(held.scope) as session:
            sheet = await hold(session, CustomerFactSheet, held)
            sheet.problem = error.detail
            if error.reason in {"network", "protocol", "tls"} and sheet.attempts < 3:
                await due_in(session, sheet, RETRY_SECONDS)
            else:
                finish(sheet)
            await _announce(session, sheet)


def _kept(sections: Sequence[FactSection]) -> list[FactSection]:
    """Cleaned, and no more of them than a person looks through."""
    kept: list[FactSection] = []
    left = MOST_FACTS
    for section in sections:
        facts = tuple(
            CustomerFact(
                clean_line(fact.label)[:100],
                clean_line(fact.value)[:LONGEST_VALUE],
                _link(fact.url),
                fact.slot,
            )
            for fact in section.facts[:left]
            if clean_line(fact.value)
        )
        left -= len(facts)
        if facts:
            kept.append(FactSection(clean_line(section.title)[:100], facts, _link(section.url)))
    return kept


def _link(url: str) -> str:
    return url if url.startswith(("https://", "http://")) else ""


def _section(stored: Mapping[str, Any]) -> FactSection:
    return FactSection(stored["title"], tuple(CustomerFact(**fact) for fact in stored["facts"]), stored["url"])


async def _external_id(session: AsyncSession, customer_id: UUID, connection_id: UUID) -> str | None:
    """The customer's id in this connection's own system."""
    found = await session.execute(
        select(CustomerIdentity.value)
        .where(
            CustomerIdentity.customer_id == customer_id,
            CustomerIdentity.kind == f"external:{connection_id.hex[:12]}",
        )
        .order_by(CustomerIdentity.id)
        .limit(1)
    )
    return found.scalar_one_or_none()


async def _announce(session: AsyncSession, sheet: CustomerFactSheet) -> None:
    """To whoever has one of the customer's newest tickets open."""
    newest = await session.execute(
        select(Ticket.id)
        .where(Ticket.customer_id == sheet.customer_id)
        .order_by(Ticket.last_message_at.desc())
        .limit(5)
    )
    for ticket_id in newest.scalars():
        await announce(session, sheet.tenant_id, "ticket", ticket=ticket_id)
