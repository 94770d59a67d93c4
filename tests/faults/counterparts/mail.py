"""A mailbox: Dovecot, and an SMTP server that takes, refuses and loses connections as planned."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from contextlib import ExitStack
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import httpx

from tests.connectors.email.servers import PASSWORD, USER, Imap, Outbox, dovecot, smtp_server
from tests.faults.counterparts.counterpart import Counterpart
from tests.faults.desk import LEASE_SECONDS, Desk
from tests.faults.journal import Journal, Mishaps
from tests.faults.plan import CLEAR, PlannedTicket

_DELIVERY = re.compile(r"<desk\.([0-9a-f]{32})@")
_ECHO_EVERY = 7
_KEEPS_EVERY = 2


class Mail(Counterpart):
    kind = "email"

    def __init__(self, desk: Desk, api: httpx.AsyncClient, journal: Journal, mishaps: Mishaps) -> None:
        super().__init__(desk, api, journal, mishaps)
        self._closing = ExitStack()
        self._client: Any = None
        self._lock = threading.Lock()
        self._taken = 0

    async def open(self) -> None:
        self._imap: Imap = await asyncio.to_thread(self._closing.enter_context, dovecot())
        outbox: Outbox = self._closing.enter_context(smtp_server())
        outbox.decide = self._decide
        self._client = await asyncio.to_thread(self._imap.client)
        settings = {
            "address": USER,
            "password": PASSWORD,
            "imap_host": "127.0.0.1",
            "imap_port": self._imap.port,
            "imap_security": "none",
            "smtp_host": "127.0.0.1",
            "smtp_port": outbox.port,
            "smtp_security": "none",
        }
        made = await self.api.post("/api/v1/connections", json={"kind": "email", "settings": settings})
        self.connection = made.raise_for_status().json()["id"]
        await seen(self.api, self.connection)

    async def close(self) -> None:
        await asyncio.to_thread(self._client.logout)
        await asyncio.to_thread(self._closing.close)

    def _decide(self, raw: bytes, recipient: str) -> str:
        """Runs beside the server's loop: what it is to do with one mail."""
        mishap = self.mishaps.next()
        if mishap not in CLEAR:
            self.troubled.add(recipient)
        if mishap in {"refused", "error_before"}:
            return "451 4.3.0 try again later"
        if mishap == "lost_before":
            return "drop untaken"
        if mishap == "slow":
            time.sleep(2 * LEASE_SECONDS + 1)
        mail = message_from_bytes(raw, policy=default)
        named = _DELIVERY.search(str(mail["Message-ID"]))
        if named is None:
            return ""  # no reply: a notice of one that waits in the widget
        body = mail.get_body(("plain",))
        words = str(body.get_content()) if body is not None else ""
        lost = mishap in {"lost", "error_after", "hang"}
        self.journal.take(self.kind, recipient, words, named[1], "lost" if lost else mishap)
        self._taken += 1
        if lost and self._taken % _KEEPS_EVERY == 0:
            self._append("Sent", raw)  # as a server that keeps what it has sent
        if self._taken % _ECHO_EVERY == 0:
            self._append("INBOX", raw)  # a copy of it comes back, as from a list or a forwarding rule
        return "drop" if lost else ""

    def _append(self, folder: str, raw: bytes) -> None:
        with self._lock:
            self._client.append(folder, raw)

    async def deliver(self, ticket: PlannedTicket, position: int) -> int:
        raw = mail_of(ticket, position)
        await asyncio.to_thread(self._append, "INBOX", raw)
        return 250


def mail_of(ticket: PlannedTicket, position: int) -> bytes:
    """The same bytes every time."""
    mail = EmailMessage()
    mail["From"], mail["To"] = f"{ticket.name} <{ticket.customer}>", USER
    mail["Subject"] = f"{'Re: ' if position else ''}Question {ticket.number}"
    mail["Message-ID"] = f"<{ticket.number}-{position}@customer.test>"
    mail["Date"] = "Fri, 20 Nov 2026 10:00:00 +0000"
    if position:
        mail["In-Reply-To"] = f"<{ticket.number}-{position - 1}@customer.test>"
        mail["References"] = " ".join(f"<{ticket.number}-{at}@customer.test>" for at in range(position))
    mail.set_content(ticket.messages[position].body)
    return mail.as_bytes()


async def seen(api: httpx.AsyncClient, connection: str) -> None:
    """Until a worker has looked at the connection once: it begins with what comes from then on."""
    deadline = time.monotonic() + 60
    while not (await api.get(f"/api/v1/connections/{connection}/health")).json()["seen_at"]:
        assert time.monotonic() < deadline, "nobody looked at the connection"
        await asyncio.sleep(0.2)
