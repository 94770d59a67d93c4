"""A tenant's desk with a real mailbox and a real SMTP server, and the worker's duties at work in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select

from desk.accounts.identity import Actor
from desk.inbound.connecting import create_connection
from desk.installation import Installation
from desk.jobs import Duty, WorkLoop
from desk.models import Delivery, InboxEntry, Message, Ticket, TicketEvent
from desk.models.base import TenantRow
from desk.review import reply
from desk.work import duties
from tests.connectors.email.servers import PASSWORD, USER, Imap, Outbox

Row = TypeVar("Row", bound=TenantRow)
Found = TypeVar("Found")
CUSTOMER = "marta@customer.test"


@dataclass
class MailDesk:
    installation: Installation
    actor: Actor
    imap: Imap
    outbox: Outbox
    address: str = USER
    connection_id: UUID = field(default_factory=lambda: UUID(int=0))

    async def connect(self, **settings: Any) -> UUID:
        given = {
            "address": self.address,
            "password": PASSWORD,
            "imap_host": "127.0.0.1",
            "imap_port": self.imap.port,
            "imap_security": "none",
            "smtp_host": "127.0.0.1",
            "smtp_port": self.outbox.port,
            "smtp_security": "none",
            **settings,
        }
        async with self.installation.database.transaction(self.actor.scope) as session:
            connection = await create_connection(
                session, self.installation.channels, kind="email", name="Support", settings=given
            )
        self.connection_id = connection.id
        return connection.id

    async def rows(self, kind: type[Row], *where: Any) -> list[Row]:
        async with self.installation.database.transaction(self.actor.scope) as session:
            columns: Any = kind
            found = await session.execute(select(kind).where(*where).order_by(columns.id))
            return list(found.scalars())

    async def tickets(self) -> list[Ticket]:
        return await self.rows(Ticket)

    async def messages(self, ticket: Ticket) -> list[Message]:
        return await self.rows(Message, Message.ticket_id == ticket.id)

    async def events(self, ticket: Ticket) -> list[str]:
        return [event.kind for event in await self.rows(TicketEvent, TicketEvent.ticket_id == ticket.id)]

    async def entries(self, state: str) -> list[InboxEntry]:
        return await self.rows(InboxEntry, InboxEntry.state == state)

    async def arrive(self, *mails: bytes) -> None:
        """Put mails into the mailbox, have them fetched, and wait until each is read."""
        known = len(await self.rows(InboxEntry))
        await asyncio.to_thread(self.imap.deliver, *mails, user=self.address)
        await self.installation.watches.sync(self.actor, self.connection_id)
        await until(lambda: self._all_read(known))

    async def _all_read(self, _: int) -> bool:
        return not await self.entries("received")

    async def answer(self, ticket: Ticket, words: str) -> Delivery:
        """As an agent, and wait until it has gone out or failed."""
        delivery = await reply(
            self.installation.database,
            self.actor,
            ticket.id,
            words,
            based_on_seq=None,
            resolve=False,
            undo_seconds=0,
        )
        return await self.settled(delivery.id)

    async def settled(self, delivery_id: UUID) -> Delivery:
        async def done() -> Delivery | None:
            (row,) = await self.rows(Delivery, Delivery.id == delivery_id)
            return row if row.state not in {"pending", "sending"} or (row.detail and row.state == "pending") else None

        return await until(done)


async def until(look: Callable[[], Awaitable[Found | None]], seconds: float = 20) -> Found:
    deadline = time.monotonic() + seconds
    while True:
        found = await look()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def at_work(installation: Installation, *kinds: str) -> AsyncGenerator[WorkLoop]:
    """The worker's duties of these kinds, running."""
    chosen: tuple[Duty, ...] = tuple(duty for duty in duties(installation) if duty.kind in kinds)
    loop = WorkLoop(installation.database, chosen, lease_seconds=5, poll_seconds=0.1)
    running = asyncio.create_task(loop.run())
    try:
        yield loop
    finally:
        await loop.stop(5)
        with suppress(asyncio.CancelledError):
            await running


def mail(
    body: str = "How long are my backups kept?",
    subject: str = "Backups",
    sender: str = f"Marta <{CUSTOMER}>",
    to: str = USER,
    answers: EmailMessage | None = None,
    message_id: str | None = None,
    **headers: str,
) -> bytes:
    """A mail as a customer's program writes it; `answers` is the mail it replies to."""
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, to, subject
    made["Message-ID"] = message_id or make_msgid(domain="customer.test")
    made["Date"] = format_datetime(datetime.now(UTC))
    if answers is not None:
        made["In-Reply-To"] = answers["Message-ID"]
        made["References"] = f"{answers['References'] or ''} {answers['Message-ID']}".strip()
    for name, value in headers.items():
        made[name.replace("_", "-")] = value
    made.set_content(body)
    return made.as_bytes()
