"""Politeness: how soon one host may be asked again, whoever asks."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Final

_MOST_HOSTS: Final = 10_000
LONGEST_PAUSE: Final = 60.0
"""Seconds between two requests that a site may ask for and get; one that asks for more is fetched as slowly as this."""


class HostPace:
    """Spaces out the requests of one process to each host."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._free_at: dict[str, float] = {}

    async def turn(self, host: str, asked_for: float | None = None) -> None:
        """Wait for the next turn at `host`. `asked_for`: seconds between requests by its robots.txt, if any."""
        pause = max(self._seconds, min(asked_for or 0.0, LONGEST_PAUSE))
        now = monotonic()
        start = max(now, self._free_at.get(host, now))
        if len(self._free_at) >= _MOST_HOSTS:
            self._free_at = {name: at for name, at in self._free_at.items() if at > now}
        self._free_at[host] = start + pause
        if start > now:
            await asyncio.sleep(start - now)
