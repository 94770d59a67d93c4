"""What the other side has taken: written to disk and synced before anybody is told, so that it stands whatever dies."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.faults.plan import Mishap


@dataclass(frozen=True, slots=True)
class Taken:
    """One reply that the other side has taken."""

    channel: str
    customer: str
    """Address of the planned ticket's customer."""
    body: str
    delivery: str
    """The delivery's id where the channel hands it over; "" otherwise."""
    mishap: Mishap
    at: float
    """Seconds since the epoch."""


class Journal:
    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()
        self.taken: list[Taken] = []

    def take(self, channel: str, customer: str, body: str, delivery: str, mishap: Mishap) -> None:
        taken = Taken(channel, customer, body, delivery, mishap, time.time())
        with self._lock:
            self._file.write(json.dumps(asdict(taken)) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self.taken.append(taken)

    def knows(self, delivery: str) -> bool:
        with self._lock:
            return any(taken.delivery == delivery for taken in self.taken)

    def close(self) -> None:
        self._file.close()


class Mishaps:
    """The planned ones of a channel, one a call, from any thread."""

    def __init__(self, planned: Iterable[Mishap]) -> None:
        self._left = deque(planned)
        self._lock = threading.Lock()
        self.used: dict[str, int] = {}

    def next(self) -> Mishap:
        with self._lock:
            mishap: Mishap = self._left.popleft() if self._left else ""
            self.used[mishap] = self.used.get(mishap, 0) + 1
            return mishap
