"""What happens in a run, drawn from one seed: who writes what when, how often each message is delivered, how the other
side behaves, and what befalls the desk meanwhile. The same seed and size always give the same plan."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

COPIES = 5
Mishap = Literal["", "refused", "lost_before", "error_before", "error_after", "lost", "hang", "slow"]
"""Of one call to the other side. `refused`: not now. `lost_before`, `error_before`: not taken, and the connection is
closed or an error said. `lost`, `error_after`: taken, likewise. `hang`: taken and never answered. `slow`: taken after
longer than a lease, and answered."""
CLEAR: tuple[Mishap, ...] = ("", "slow")
"""Answered without any doubt, if late: nobody need be asked."""
Blow = Literal["kill worker", "kill web", "stop worker", "stop web", "kill database", "end connections", "empty queue"]
EVERY_BLOW: tuple[Blow, ...] = (
    "kill worker", "kill web", "stop worker", "stop web", "kill database", "end connections", "empty queue",
)  # fmt: skip
_WEIGHTS: dict[Blow, int] = {
    "kill worker": 30, "kill web": 14, "stop worker": 20, "stop web": 8, "kill database": 10, "end connections": 12,
    "empty queue": 6,
}  # fmt: skip
_MISHAPS: tuple[tuple[Mishap, int], ...] = (
    ("", 720), ("refused", 60), ("lost_before", 40), ("error_before", 40), ("error_after", 40), ("lost", 80),
    ("hang", 8), ("slow", 12),
)  # fmt: skip
FAQS = (
    ("How long are my backups kept?", "Backups are kept for 14 days. A restore is free of charge."),
    ("Where do I find my invoices?", "Open Billing in the customer area; every invoice is there as a PDF."),
    ("Which payment methods do you accept?", "We accept bank transfer, direct debit and all common credit cards."),
)
_TOPICS = (
    "the certificate of my shop has run out since {} o'clock",
    "my mailbox number {} takes no mail any more",
    "the database of project {} answers very slowly",
    "I would like to move domain number {} to another contract",
    "the nightly job {} of my server did not run",
)


@dataclass(frozen=True, slots=True)
class PlannedMessage:
    body: str
    pause: float
    """Seconds after the message before was taken in."""
    copies: tuple[float, ...]
    """When each of its further deliveries begins, in seconds after the first."""


@dataclass(frozen=True, slots=True)
class PlannedTicket:
    number: int
    channel: str
    begins: float
    messages: tuple[PlannedMessage, ...]
    agent_hesitates: float
    """Seconds between looking at a draft and sending it."""

    @property
    def customer(self) -> str:
        return f"c{self.number:05d}@customer.test"

    @property
    def name(self) -> str:
        return f"Customer {self.number:05d}"


@dataclass(frozen=True, slots=True)
class PlannedBlow:
    at: float
    kind: Blow
    which: int


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    tickets: tuple[PlannedTicket, ...]
    blows: tuple[PlannedBlow, ...]
    mishaps: Mapping[str, tuple[Mishap, ...]]
    """By channel, one for each call that hands a reply over; after the last one everything goes well."""
    seconds: float

    @property
    def messages(self) -> int:
        return sum(len(ticket.messages) for ticket in self.tickets)

    def fingerprint(self) -> str:
        return hashlib.sha256(repr(asdict(self)).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Weather:
    """What a run is tried with; a guard's own short run asks for what that guard is there for."""

    channels: tuple[str, ...]
    messages: int
    per_second: float = 6.0
    blows: tuple[Blow, ...] = EVERY_BLOW
    seconds_between_blows: float = 4.0
    mishaps: tuple[tuple[Mishap, int], ...] = _MISHAPS
    together: bool = False
    """Further messages of a ticket come in the same moment."""


def make_plan(seed: int, weather: Weather) -> Plan:
    chosen = random.Random(f"{seed}:{weather.messages}")  # noqa: S311 - repeatable is what it must be
    seconds = weather.messages / weather.per_second
    tickets: list[PlannedTicket] = []
    left = weather.messages
    while left:
        count = min(left, chosen.choices((1, 2, 3), (5, 3, 2))[0])
        number = len(tickets)
        channel = weather.channels[number % len(weather.channels)]
        tickets.append(_ticket(chosen, number, channel, count, seconds, together=weather.together))
        left -= count
    blows: list[PlannedBlow] = []
    at = weather.seconds_between_blows
    weights = [_WEIGHTS[kind] for kind in weather.blows]
    while weather.blows and at < seconds + 2:
        blows.append(PlannedBlow(at, chosen.choices(weather.blows, weights)[0], chosen.randrange(2)))
        at += weather.seconds_between_blows * chosen.uniform(0.6, 1.4)
    names: list[Mishap] = [name for name, _ in weather.mishaps]
    shares = [share for _, share in weather.mishaps]
    mishaps: dict[str, tuple[Mishap, ...]] = {
        channel: tuple(chosen.choices(names, shares, k=weather.messages)) for channel in sorted(weather.channels)
    }
    return Plan(seed, tuple(tickets), tuple(blows), mishaps, seconds)


def _ticket(
    chosen: random.Random, number: int, channel: str, count: int, seconds: float, *, together: bool
) -> PlannedTicket:
    begins = chosen.uniform(0, seconds * 0.95)
    asked = chosen.sample(range(len(FAQS)), k=min(count, len(FAQS)))
    messages: list[PlannedMessage] = []
    for position in range(count):
        if chosen.random() < 0.3 and not together:
            body = FAQS[asked[position]][0]
        else:
            body = f"Hello, {chosen.choice(_TOPICS).format(100 + number)}. Please help. (message {number}-{position})"
        pause = 0.0 if position == 0 or together else chosen.choice((0.0, 0.2, 1.0, 4.0))
        messages.append(PlannedMessage(body, pause, _copies(chosen, seconds)))
    return PlannedTicket(number, channel, begins, tuple(messages), chosen.choice((0.0, 0.0, 0.5, 2.0)))


def _copies(chosen: random.Random, seconds: float) -> tuple[float, ...]:
    """Some in the very moment of the first, some soon, some late."""
    late = max(4.0, min(seconds * 0.3, 90.0))
    return tuple(
        chosen.choices((0.0, chosen.uniform(0, 2), chosen.uniform(0, late)), (5, 3, 3))[0] for _ in range(COPIES - 1)
    )
