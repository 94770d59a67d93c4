"""A tenant's desk connected to a system that keeps tickets of its own."""

from __future__ import annotations

from typing import Any

from desk.models import RemoteChange, Ticket
from desk.tickets import TicketChange, change_ticket
from tests.desk.inbound.mail_desk import MailDesk, until

DUTIES = ("inbox", "deliveries", "remote_changes", "customer_fact_sheets")


class RemoteDesk(MailDesk):
    async def look(self) -> None:
        """As the next poll does, and wait until everything is read."""
        await self.installation.watches.sync(self.actor, self.connection_id)
        await until(self.is_read)

    async def is_read(self) -> bool:
        return not await self.entries("received")

    async def only_ticket(self) -> Ticket:
        (ticket,) = await self.tickets()
        return ticket

    async def said(self, ticket: Ticket) -> list[tuple[str, str]]:
        return [(each.author, each.body) for each in await self.messages(ticket)]

    async def change(self, ticket: Ticket, **values: Any) -> None:
        await change_ticket(self.installation.database, self.actor, ticket.id, TicketChange(**values))

    async def handed_over(self) -> list[RemoteChange]:
        async def done() -> bool:
            return all(each.state not in {"pending", "sending"} for each in await self.rows(RemoteChange))

        await until(done)
        return await self.rows(RemoteChange)
