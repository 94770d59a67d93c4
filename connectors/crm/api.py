"""Signed-in calls to a CRM: never more than a few at once to one account, and never to another host than its own."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from desk.access_tokens import AccessTokens, FreshToken
from desk.calls import Answer, NotReachedError, RefusedCallError, UnclearAnswerError, call
from desk.egress import Caps, EgressRules
from desk.ports import ConnectionDetails

ANSWER = Caps(25.0, 8_000_000)
FILE = Caps(60.0, 25_000_000)
TOKEN = Caps(20.0, 100_000)


class Turns:
    """Of every connection of one CRM, so many calls at once. Providers refuse what comes beside too many others."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of: dict[str, asyncio.Semaphore] = {}

    def of(self, connection: ConnectionDetails) -> asyncio.Semaphore:
        return self._of.setdefault(str(connection.connection_id), asyncio.Semaphore(self._most))


class Api(ABC):
    """One connection's calls."""

    def __init__(
        self, rules: EgressRules, connection: ConnectionDetails, tokens: AccessTokens, turns: asyncio.Semaphore
    ) -> None:
        self._rules = rules
        self._connection = connection
        self._tokens = tokens
        self._turns = turns

    @abstractmethod
    async def renew(self, stored: Mapping[str, Any]) -> FreshToken:
        """Raises CallError."""
        ...

    @abstractmethod
    def address(self, path: str, stored: Mapping[str, Any]) -> str:
        """Raises RefusedCallError."""
        ...

    @abstractmethod
    def headers(self, token: str) -> Mapping[str, str]: ...

    @abstractmethod
    def refuse(self, answer: Answer, *, is_write: bool) -> Exception:
        """What an answer means that is no success: one of the errors of `desk.calls`."""
        ...

    async def token(self, refused: str = "") -> Mapping[str, Any]:
        """The secrets with an access token in them. Raises CallError."""
        return await self._tokens.get(self._connection, self.renew, refused=refused)

    async def ask(self, method: str, path: str, *, caps: Caps = ANSWER, **given: Any) -> Answer:
        """The answer of a success; once more with a new token when the one there was is turned down, which means that
        nothing was done. Raises CallError."""
        async with self._turns:
            stored = await self.token()
            answer = await self._once(method, path, stored, caps, given)
            if answer.status == 401:
                stored = await self.token(str(stored["access_token"]))
                answer = await self._once(method, path, stored, caps, given)
        if not answer.is_success:
            raise self.refuse(answer, is_write=method != "GET")
        return answer

    async def get(self, path: str, **params: Any) -> Mapping[str, Any]:
        """Raises CallError."""
        return (await self.ask("GET", path, params=params)).object()

    async def _once(
        self, method: str, path: str, stored: Mapping[str, Any], caps: Caps, given: Mapping[str, Any]
    ) -> Answer:
        headers = {**self.headers(str(stored["access_token"])), **given.get("headers", {})}
        passed = {name: value for name, value in given.items() if name != "headers"}
        return await call(self._rules, caps, method, self.address(path, stored), headers=headers, **passed)

    async def elsewhere(self, url: str, caps: Caps) -> Answer:
        """A file at an address that the CRM has named, without any credentials. Raises CallError."""
        answer = await call(self._rules, caps, "GET", url)
        if not answer.is_success:
            msg = f"the file cannot be had: {answer.words()}"
            raise RefusedCallError(msg, status=answer.status)
        return answer

    async def ask_for_token(self, url: str, form: Mapping[str, str]) -> Answer:
        """That nothing came of it can always be repaired by asking again. Raises RefusedCallError, NotReachedError."""
        try:
            return await call(self._rules, TOKEN, "POST", url, data=dict(form))
        except UnclearAnswerError as error:
            msg = f"signing in: {error.detail}"
            raise NotReachedError(msg) from error


def check_host(rules: EgressRules, url: str, suffixes: tuple[str, ...], what: str) -> str:
    """The address without a slash at its end; only the CRM's own hosts, and what the operator allows by name.

    Raises RefusedAddressError, RefusedCallError.
    """
    address = url.strip().rstrip("/")
    target = rules.check_url(f"{address}/")
    own = any(target.host == suffix.lstrip(".") or target.host.endswith(suffix) for suffix in suffixes)
    if not own and not target.allowed:
        msg = f"{target.host} is no host of {what}"
        raise RefusedCallError(msg)
    return address
