"""The guards, each with what takes it out of the desk's processes and a short run that must then fail.

The product has no switch for any of this: functions are replaced from outside, when a process starts
(`tests/faults/site/sitecustomize.py`), or constraints are dropped in the run's own database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.faults.plan import Blow, Mishap, Weather


@dataclass(frozen=True)
class Guard:
    """`take_out` runs in every process of the desk; `statements` once, in its database, as the superuser."""

    promise: str
    take_out: Callable[[], None] = lambda: None
    statements: Sequence[str] = ()
    settings: dict[str, str] = field(default_factory=dict[str, str])
    weather: Weather = Weather(("rest",), 40)
    breaches: Sequence[str] = ()
    """What is expected; any of them will do."""
    stands_behind: str = ""
    """Another guard that holds when this one alone is gone."""
    settle_seconds: float = 60.0


GUARDS: dict[str, Guard] = {}
