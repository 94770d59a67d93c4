"""A figure beside its yardstick, from rounds in which both take turns."""

from __future__ import annotations

import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    unit: str
    value: float
    yardstick: str
    """What the value is measured against."""
    yardstick_value: float
    rounds: int

    @property
    def ratio(self) -> float:
        """Above 1 where the desk takes more than its yardstick."""
        return self.value / self.yardstick_value if self.yardstick_value else float("inf")

    def as_json(self) -> dict[str, Any]:
        rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in asdict(self).items()}
        return {**rounded, "ratio": round(self.ratio, 3)}


Sample = Callable[[], Awaitable[float]]
"""Does the thing once and returns what it took."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Per round: what each of two took, in the order of measuring."""

    ours: list[list[float]]
    yardsticks: list[list[float]]

    def figure(self, name: str, unit: str, yardstick: str, share: float = 0.5) -> Figure:
        """The median over the rounds of a quantile of each round."""
        return Figure(
            name,
            unit,
            statistics.median(quantile(one, share) for one in self.ours),
            yardstick,
            statistics.median(quantile(one, share) for one in self.yardsticks),
            len(self.ours),
        )


async def take_turns(ours: Sample, yardstick: Sample, *, samples: int, rounds: int = ROUNDS) -> Samples:
    """One after the other within a round, so that whatever else the machine does falls on both."""
    taken = Samples([], [])
    for _ in range(rounds):
        pairs = [(await ours(), await yardstick()) for _ in range(samples)]
        taken.ours.append([one for one, _ in pairs])
        taken.yardsticks.append([other for _, other in pairs])
    return taken


def timed(work: Callable[[], object]) -> Sample:
    """A sample that measures `work` in milliseconds."""

    async def sample() -> float:
        started = perf_counter()
        work()
        return 1000 * (perf_counter() - started)

    return sample


def quantile(values: Sequence[float], share: float) -> float:
    """The nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
