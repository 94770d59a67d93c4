"""How much one address may ask for. Messages are counted in the database, over all processes; the rest is a brake."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.leases import database_time
from desk.errors import DeskError
from desk.models import WidgetArrival
from desk.ports import Clock
from desk.secret import Secret
from desk.widget.access import Widget

WINDOW_SECONDS = 60
_KEPT = timedelta(hours=1)
_MOST_ADDRESSES = 20_000


class TooManyError(DeskError):
    """Wait as long as `retry_after` says and do it again."""

    status = 429
    title = "Too many tries"
    _sentence: ClassVar[str] = "That was a lot at once. Please wait {seconds} seconds and send it again."

    def __init__(self, retry_after: float) -> None:
        seconds = max(1, int(retry_after + 0.999))
        super().__init__(self._sentence.format(seconds=seconds))
        self.headers = {"Retry-After": str(seconds)}


def visitor_address(peer: str, forwarded: str, trusted: Sequence[str]) -> str:
    """The address a request came from; `X-Forwarded-For` is believed hop by hop, from configured proxies only."""
    hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
    address = peer
    while hops and _is_trusted(address, trusted):
        address = hops.pop()
    return _network(address)


def _is_trusted(address: str, trusted: Sequence[str]) -> bool:
    try:
        found = ipaddress.ip_address(address)
        return any(found in ipaddress.ip_network(network, strict=False) for network in trusted)
    except ValueError:
        return False


def _network(address: str) -> str:
    """IPv6 customers have a /64 of their own."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


def hashed_address(secret_key: Secret, address: str) -> str:
    key = secret_key.reveal().encode()
    return hmac.new(key, f"widget address {address}".encode(), hashlib.sha256).hexdigest()


async def count_message(session: AsyncSession, widget: Widget, address_hash: str) -> None:
    """Count one message of this address, exactly, whatever process takes it in. Raises TooManyError."""
    lock = f"{widget.connection_id}:{address_hash}"
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:lock, 0))"), {"lock": lock})
    mine = (WidgetArrival.connection_id == widget.connection_id, WidgetArrival.address_hash == address_hash)
    await session.execute(
        delete(WidgetArrival).where(
            WidgetArrival.connection_id == widget.connection_id, WidgetArrival.created_at < func.now() - _KEPT
        )
    )
    recent = await session.execute(
        select(func.extract("epoch", func.now() - WidgetArrival.created_at))
        .where(*mine, WidgetArrival.created_at > func.now() - timedelta(seconds=WINDOW_SECONDS))
        .order_by(WidgetArrival.created_at.desc())
        .limit(widget.configuration.messages_per_minute)
    )
    ages = [float(age) for age in recent.scalars()]
    if len(ages) >= widget.configuration.messages_per_minute:
        raise TooManyError(WINDOW_SECONDS - ages[-1])
    now = await database_time(session)
    session.add(WidgetArrival(connection_id=widget.connection_id, address_hash=address_hash, created_at=now))
    await session.flush()


class Brake:
    """So many tries from one address within the window, counted in this process only."""

    def __init__(self, clock: Clock, most: int, seconds: float = WINDOW_SECONDS) -> None:
        self._clock = clock
        self._most = most
        self._seconds = seconds
        self._tries: dict[str, deque[float]] = {}

    def count(self, address: str) -> None:
        """Raises TooManyError."""
        now = self._clock.now().timestamp()
        if len(self._tries) > _MOST_ADDRESSES:
            self._tries = {key: tries for key, tries in self._tries.items() if tries[-1] > now - self._seconds}
        tries = self._tries.setdefault(address, deque())
        while tries and tries[0] <= now - self._seconds:
            tries.popleft()
        if len(tries) >= self._most:
            raise TooManyError(tries[0] + self._seconds - now)
        tries.append(now)
