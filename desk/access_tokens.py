"""Access tokens of connections: kept encrypted beside their other secrets, renewed in time, one renewal at a time.

Two processes that renew at once each get a token that works. Providers block whoever renews often, so a token is used
until it ends, by every process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from desk.ports import Clock, ConnectionDetails, CredentialStore

EARLY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class FreshToken:
    token: str = field(repr=False)
    lasts_seconds: float
    also: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)
    """What else to keep: a refresh token that has changed, where the API is."""


Renew = Callable[[Mapping[str, Any]], Awaitable[FreshToken]]
"""From the connection's secrets as they are now to a new token."""


class AccessTokens:
    def __init__(self, clock: Clock, store: CredentialStore) -> None:
        self._clock = clock
        self._store = store
        self._locks: dict[UUID, asyncio.Lock] = {}

    async def get(self, connection: ConnectionDetails, renew: Renew, *, refused: str = "") -> Mapping[str, Any]:
        """The connection's secrets with an `access_token` that should work.

        `refused` is one that has just been turned down: it is not given again. Raises what `renew` does.
        """
        async with self._locks.setdefault(connection.connection_id, asyncio.Lock()):
            stored = await self._store.read(connection)
            token, expires = str(stored.get("access_token") or ""), float(stored.get("expires_at") or 0)
            if token and token != refused and expires - EARLY_SECONDS > self._clock.now().timestamp():
                return stored
            fresh = await renew(stored)
            changes = {
                "access_token": fresh.token,
                "expires_at": self._clock.now().timestamp() + fresh.lasts_seconds,
                **fresh.also,
            }
            await self._store.write(connection, changes)
            return {**stored, **changes}
