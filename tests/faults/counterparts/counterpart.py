"""What the run asks of every other side."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import httpx

from tests.faults.desk import Desk
from tests.faults.journal import Journal, Mishaps
from tests.faults.plan import PlannedTicket

PATIENCE_SECONDS = 240.0
COPY_PATIENCE_SECONDS = 12.0
"""With a copy of what was confirmed already."""
Key = tuple[int, int]
"""A planned ticket's number and the message's position in it."""


@dataclass
class Told:
    """When the desk first said that it has a message, and what it answered."""

    first: dict[Key, float] = field(default_factory=dict[Key, float])
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    deliveries: int = 0

    def note(self, key: Key, status: int) -> None:
        self.deliveries += 1
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if 200 <= status < 300:
            self.first.setdefault(key, time.time())


class Counterpart(ABC):
    """One channel's other side."""

    kind: str
    journal_is_full = True
    """Every reply it shows was handed over by a call; a live channel shows the desk's own thread instead."""

    def __init__(self, desk: Desk, api: httpx.AsyncClient, journal: Journal, mishaps: Mishaps) -> None:
        self.desk = desk
        self.api = api
        self.journal = journal
        self.mishaps = mishaps
        self.told = Told()
        self.troubled: set[str] = set()
        """Customers one of whose replies was not taken, or taken without a clear answer."""
        self._turn = 0

    @abstractmethod
    async def open(self) -> None:
        """Start what has to run, and connect it to the desk."""

    @abstractmethod
    async def close(self) -> None: ...

    async def write(self, ticket: PlannedTicket, position: int) -> None:
        """The customer writes, where the other side keeps messages itself; the desk knows nothing of it yet."""
        del ticket, position

    @abstractmethod
    async def deliver(self, ticket: PlannedTicket, position: int) -> int:
        """One delivery; the status the desk answered, 0 when it did not."""

    async def kept(self, keys: Mapping[Key, float]) -> dict[Key, datetime] | None:
        """When the desk says it kept each of these messages; None where that is read from the thread."""
        del keys
        return None

    async def settled(self) -> None:
        """Return when this side has nothing more to say."""
        return

    async def untold(self) -> list[str]:
        """What this side has said of replies, and the desk does not know in the end."""
        return []

    async def deliver_until_taken(self, ticket: PlannedTicket, position: int) -> None:
        """As a sender that repeats what was not taken, a little later each time."""
        begun, pause = time.monotonic(), 0.3
        key = (ticket.number, position)
        while True:
            status = await self.deliver(ticket, position)
            self.told.note(key, status)
            patience = COPY_PATIENCE_SECONDS if key in self.told.first else PATIENCE_SECONDS
            if 200 <= status < 300 or time.monotonic() - begun > patience:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 3.0)

    def url(self) -> str:
        """Of the web processes in turn."""
        self._turn += 1
        return self.desk.urls[self._turn % 2]


async def status_of(call: Callable[[], Awaitable[httpx.Response]]) -> tuple[int, httpx.Response | None]:
    try:
        answer = await call()
    except httpx.HTTPError:
        return 0, None
    return answer.status_code, answer
