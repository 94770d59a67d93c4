"""What the desk's own requests cost, beside the same work behind a bare Litestar handler.

Requests go to the applications by ASGI in this process, without a client or a socket between, so that nothing but the
handling is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter, process_time
from typing import Any

import msgspec
from litestar import Litestar, get, post
from uuid_utils.compat import uuid7

from desk.accounts.tokens import create_key
from desk.app import create_app
from desk.db.leases import database_time
from desk.errors import ServiceUnavailableError
from desk.installation import Installation
from desk.intake import CustomerDetails, NewTicket, accept_ticket
from desk.measuring.figures import Figure, quantile, take_turns
from desk.measuring.scratch import GrownTenant
from desk.models import Connection, Customer, Message, Ticket
from desk.tickets.queue import TicketFilter, list_tickets

_TICKETS = 200
_SAMPLES = 60
_PAGE = "/api/v1/tickets?limit=50&view=all"


class InsertOnly:
    """A bare Litestar handler that writes a customer, a ticket and its message with the ORM: the yardstick of what
    drafting adds to taking a message in."""

    def __init__(self, installation: Installation, tenant: GrownTenant, connection: Connection) -> None:
        self._number = 1_000_000

        @post("/", opt={})
        async def insert(data: dict[str, str]) -> dict[str, str]:
            self._number += 1
            async with installation.database.transaction(tenant.actor.scope) as session:
                now = await database_time(session)
                customer = Customer(id=uuid7(), name="Pat")
                session.add(customer)
                await session.flush()
                ticket = Ticket(
                    id=uuid7(),
                    number=self._number,
                    subject=data["subject"],
                    channel=connection.channel,
                    connection_id=connection.id,
                    customer_id=customer.id,
                    last_message_at=now,
                    last_seq=1,
                    last_inbound_seq=1,
                )
                session.add(ticket)
                await session.flush()
                session.add(Message(ticket_id=ticket.id, seq=1, author="customer", body=data["body"], sent_at=now))
            return {"id": str(ticket.id)}

        self._app = Litestar([insert], openapi_config=None)

    async def __call__(self) -> float:
        """Milliseconds of one request."""
        started = perf_counter()
        await call(self._app, "POST", "/", msgspec.json.encode({"subject": "A question", "body": "How long?"}))
        return 1000 * (perf_counter() - started)


async def measure_requests(installation: Installation, tenant: GrownTenant) -> list[Figure]:
    """The list of tickets: its processor time beside the same reading behind a bare handler, and its slow requests
    beside its usual ones."""
    for number in range(_TICKETS):
        new = NewTicket(f"Question {number}", "How long are backups kept?", CustomerDetails(external_id=str(number)))
        await accept_ticket(installation.database, tenant.actor, new, debounce_seconds=3600)
    key = await create_key(installation.database, tenant.actor.scope, "bench")
    headers = [(b"authorization", f"Bearer {key}".encode())]
    desk = create_app(installation)

    @get("/api/v1/tickets", opt={})
    async def bare() -> list[dict[str, Any]]:
        async with installation.database.transaction(tenant.actor.scope) as session:
            page = await list_tickets(session, TicketFilter(view="all", limit=50))
            return [
                {
                    "id": line.ticket.id,
                    "number": line.ticket.number,
                    "subject": line.ticket.subject,
                    "status": line.ticket.status,
                    "customer": line.customer_name,
                    "at": line.ticket.last_message_at,
                }
                for line in page.items
            ]

    plain = Litestar([bare], openapi_config=None)
    waits: list[float] = []

    async def ours() -> float:
        begun, started = perf_counter(), process_time()
        await call(desk, "GET", _PAGE, headers=headers)
        spent = 1000 * (process_time() - started)
        waits.append(1000 * (perf_counter() - begun))
        return spent

    async def theirs() -> float:
        started = process_time()
        await call(plain, "GET", _PAGE)
        return 1000 * (process_time() - started)

    for _ in range(10):
        await ours()
        await theirs()
    waits.clear()
    taken = await take_turns(ours, theirs, samples=_SAMPLES)
    return [
        taken.figure("processor time of the list of 50 tickets", "ms", "the same reading behind a bare handler"),
        Figure(
            "list of 50 tickets, p99",
            "ms",
            quantile(waits, 0.99),
            "the same, p50",
            quantile(waits, 0.5),
            len(taken.ours),
        ),
    ]


async def call(
    app: Litestar, method: str, target: str, body: bytes = b"", headers: Sequence[tuple[bytes, bytes]] = ()
) -> bytes:
    """One request by ASGI. Raises ServiceUnavailableError when it does not succeed."""
    path, _, query = target.partition("?")
    given = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json"), *headers]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": given,
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
    }
    status, answered = 0, b""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status, answered
        if message["type"] == "http.response.start":
            status = message["status"]
        elif message["type"] == "http.response.body":
            answered += message.get("body", b"")

    application: Any = app
    await application(scope, receive, send)
    if not 200 <= status < 300:
        msg = f"{method} {path} was answered with {status}"
        raise ServiceUnavailableError(msg)
    return answered
