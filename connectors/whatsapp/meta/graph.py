"""Calls to the Graph API through the egress rules, and what their answers mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import httpx

from connectors.whatsapp.meta.errors import SIGN_IN, code_of, words_of
from connectors.whatsapp.meta.settings import MetaSettings
from connectors.whatsapp.shapes import decoded
from desk.egress import Caps, EgressRules, guarded_client, retry_after_seconds
from desk.errors import ChannelError, RefusedAddressError
from desk.ports import Clock

ANSWER_BYTES = 4_000_000
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: Mapping[str, Any] = field(repr=False)
    """Empty when it was no JSON object."""
    retry_after: float | None

    @property
    def error(self) -> Mapping[str, Any]:
        found: object = self.body.get("error")
        if isinstance(found, Mapping):
            return cast("Mapping[str, Any]", found)
        return {"message": f"HTTP {self.status}", "code": -1} if self.status >= 300 else {}


class Graph:
    """One exchange at a time, each by a client of its own: nothing of a tenant outlives it."""

    def __init__(self, rules: EgressRules, clock: Clock, seconds: float) -> None:
        self._rules = rules
        self._clock = clock
        self._seconds = seconds

    async def call(self, settings: MetaSettings, method: str, address: str, **options: Any) -> Answer:
        """Raises RefusedAddressError, and httpx's errors for what the network does."""
        headers = {"Authorization": f"Bearer {settings.access_token.reveal()}"}
        caps = Caps(self._seconds, ANSWER_BYTES)
        async with guarded_client(self._rules, caps) as client:
            answer = await client.request(method, address, headers=headers, **options)
        after = retry_after_seconds(answer.headers.get("retry-after"), self._clock.now())
        return Answer(answer.status_code, decoded(answer.content) or {}, after)

    async def ask(self, settings: MetaSettings, method: str, address: str, **options: Any) -> Mapping[str, Any]:
        """Of what changes nothing that matters. Raises ChannelError."""
        try:
            answer = await self.call(settings, method, address, **options)
        except RefusedAddressError as error:
            raise ChannelError("settings", error.detail) from error
        except httpx.HTTPError as error:
            msg = f"Meta cannot be reached ({type(error).__name__})"
            raise ChannelError("network", msg) from error
        if answer.error:
            code = code_of(answer.error)
            passing = answer.status == 429 or answer.status >= 500
            reason = "sign_in" if code in SIGN_IN else "network" if passing else "settings"
            raise ChannelError(reason, words_of(answer.error))
        return answer.body

    async def download(self, settings: MetaSettings, address: str, most_bytes: int) -> tuple[int, bytes]:
        """Status and bytes. Raises ChannelError. Redirects are not followed: the token would go with them."""
        headers = {"Authorization": f"Bearer {settings.access_token.reveal()}"}
        try:
            async with guarded_client(self._rules, Caps(self._seconds * 4, most_bytes)) as client:
                answer = await client.get(address, headers=headers)
        except RefusedAddressError as error:
            raise ChannelError("protocol", error.detail) from error
        except httpx.ReadError as error:
            if "longer than" in str(error):
                return 413, b""
            raise ChannelError("network", f"the file could not be fetched ({type(error).__name__})") from error
        except httpx.HTTPError as error:
            raise ChannelError("network", f"the file could not be fetched ({type(error).__name__})") from error
        return answer.status_code, answer.content
