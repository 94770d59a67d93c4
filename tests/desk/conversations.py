"""Making tickets and drafts for tests, through the real intake."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID, uuid4

from sqlalchemy import select, update

from desk.accounts.identity import Actor
from desk.db.unit_of_work import Database
from desk.intake import CustomerDetails, NewTicket, accept_ticket
from desk.models import Draft, Ticket
from desk.models.base import TenantRow

DRAFT = "Backups are kept for 14 days. A restore is free of charge."


async def new_ticket(database: Database, actor: Actor, body: str = "How long are my backups kept?") -> Ticket:
    customer = CustomerDetails(external_id=uuid4().hex, email="ada@example.com", name="Ada")
    ticket, _ = await accept_ticket(database, actor, NewTicket("Backups", body, customer), debounce_seconds=0)
    return ticket


async def ready_draft(database: Database, actor: Actor, ticket: Ticket, body: str = DRAFT) -> Draft:
    """The ticket's waiting draft, finished with this text."""
    async with database.transaction(actor.scope) as session:
        await session.execute(
            update(Draft)
            .where(Draft.ticket_id == ticket.id, Draft.state == "writing")
            .values(state="ready", body=body, due_at=None, presentation="prefilled", confidence={"level": "high"})
        )
        return (
            await session.execute(select(Draft).where(Draft.ticket_id == ticket.id, Draft.state == "ready"))
        ).scalar_one()


Row = TypeVar("Row", bound=TenantRow)


async def reload(database: Database, actor: Actor, row_type: type[Row], row_id: UUID) -> Row:
    async with database.transaction(actor.scope) as session:
        return await session.get_one(row_type, row_id)
