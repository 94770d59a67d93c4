"""robots.txt (RFC 9309): read once an hour a site, and asked before every request."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

from protego import Protego

from desk.websites.addresses import host_of, origin_of
from desk.websites.fetching import ROBOT, FetchError, PageFetcher
from desk.websites.pace import HostPace

_KEPT_SECONDS: Final = 3600.0
_MOST_KEPT: Final = 500
_MOST_BYTES: Final = 500 * 1024
"""RFC 9309 section 2.5: at least so much of it is read."""


class RobotsDisallowedError(Exception):
    """The site asks not to fetch this address."""


@dataclass(frozen=True, slots=True)
class SiteRules:
    """What one origin's robots.txt says to this robot."""

    rules: Protego | None
    """None: everything may be fetched."""
    read_at: float

    def allows(self, address: str) -> bool:
        return self.rules is None or self.rules.can_fetch(address, ROBOT)

    @property
    def pause(self) -> float | None:
        """Seconds between requests, if it asks for any."""
        asked = self.rules.crawl_delay(ROBOT) if self.rules is not None else None
        return asked if asked is not None and math.isfinite(asked) and asked > 0 else None

    @property
    def sitemaps(self) -> Sequence[str]:
        return tuple(self.rules.sitemaps) if self.rules is not None else ()


class RobotsBook:
    """Remembers the rules of the origins that were asked lately."""

    def __init__(self, pace: HostPace) -> None:
        self._pace = pace
        self._known: dict[str, SiteRules] = {}

    async def rules_for(self, address: str, fetcher: PageFetcher) -> SiteRules:
        """Raises FetchError when they cannot be read now: then nothing may be fetched (RFC 9309 section 2.3.1.4), and
        RefusedAddressError."""
        origin = origin_of(address)
        known = self._known.get(origin)
        if known is None or monotonic() - known.read_at > _KEPT_SECONDS:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            known = self._known[origin] = await self._read(origin, fetcher)
        return known

    async def admit(self, address: str, fetcher: PageFetcher) -> None:
        """Return when it is this host's turn. Raises RobotsDisallowedError, FetchError, RefusedAddressError."""
        rules = await self.rules_for(address, fetcher)
        if not rules.allows(address):
            raise RobotsDisallowedError
        await self._pace.turn(host_of(address), rules.pause)

    async def _read(self, origin: str, fetcher: PageFetcher) -> SiteRules:
        async def in_turn(address: str) -> None:
            await self._pace.turn(host_of(address))

        try:
            answer = await fetcher.fetch(f"{origin}/robots.txt", in_turn)
        except FetchError as error:
            msg = f"robots.txt of the site cannot be read, and without it nothing is fetched. {error.detail}"
            raise FetchError(msg, passes=True, is_silent=error.is_silent) from error
        if answer.status >= 500 or answer.status == 429:
            msg = f"robots.txt of the site cannot be read (status {answer.status}), and without it nothing is fetched."
            raise FetchError(msg, passes=True)
        if answer.status != 200:
            return SiteRules(None, monotonic())
        text = answer.raw[:_MOST_BYTES].decode("utf-8-sig", errors="replace")
        return SiteRules(Protego.parse(text), monotonic())
