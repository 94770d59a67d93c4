"""Leaves a provider alone that keeps failing, and lets one call through to see whether it is back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from desk.ports import Clock


@dataclass(frozen=True, slots=True)
class BreakerRules:
    failures: int = 5
    """In a row, until it opens."""
    first_pause_seconds: float = 30.0
    """Doubles with every probe that fails."""
    longest_pause_seconds: float = 600.0
    aside_seconds: float = 900.0
    """After an answer that only a person can mend: wrong key, no credit, unknown model."""


class Breaker:
    """State of one endpoint, key and model. Not for use from several threads."""

    def __init__(self, rules: BreakerRules, clock: Clock) -> None:
        self._rules = rules
        self._clock = clock
        self._failures = 0
        self._pauses = 0
        self._open_until: datetime | None = None
        self._probing = False
        self._reason = ""

    @property
    def open_until(self) -> datetime | None:
        """None while it is closed; a time in the past means that the next call is a probe."""
        return self._open_until

    @property
    def reason(self) -> str:
        """Why it is open; empty while it is closed."""
        return self._reason if self._open_until else ""

    def blocked(self) -> bool:
        """Whether a call would be turned away right now."""
        if self._open_until is None:
            return False
        return self._probing or self._clock.now() < self._open_until

    def enter(self) -> bool:
        """Take part in a call; False when it must not happen. After a pause only one gets through."""
        if self.blocked():
            return False
        self._probing = self._open_until is not None
        return True

    def leave(self) -> None:
        """The call is over, however it ended; a probe without a verdict leaves room for the next one."""
        self._probing = False

    def succeeded(self) -> None:
        self._failures = self._pauses = 0
        self._open_until = None

    def failed(self, reason: str) -> None:
        self._failures += 1
        if self._failures >= self._rules.failures or self._open_until is not None:
            pause = self._rules.first_pause_seconds * 2**self._pauses
            self._pauses += 1
            self.pause(min(pause, self._rules.longest_pause_seconds), reason)

    def put_aside(self, reason: str) -> None:
        self.pause(self._rules.aside_seconds, reason)

    def pause(self, seconds: float, reason: str) -> None:
        """Open for a given time, as when the provider itself says for how long."""
        self._open_until = self._clock.now() + timedelta(seconds=seconds)
        self._reason = reason


class Breakers:
    """One breaker per endpoint, key and model, shared by every chain in the process."""

    def __init__(self, clock: Clock, rules: BreakerRules | None = None) -> None:
        self._clock = clock
        self._rules = rules or BreakerRules()
        self._by_fingerprint: dict[str, Breaker] = {}

    def of(self, fingerprint: str) -> Breaker:
        if fingerprint not in self._by_fingerprint:
            self._by_fingerprint[fingerprint] = Breaker(self._rules, self._clock)
        return self._by_fingerprint[fingerprint]
