"""Calls of the Salesforce REST API, and what its refusals mean (its developer guide, "Status Codes and Errors")."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt

from connectors.crm.api import ANSWER, Api, check_host
from connectors.crm.salesforce.settings import HOSTS, SalesforceSettings, read_key
from desk.access_tokens import AccessTokens, FreshToken
from desk.calls import Answer, NotReachedError, RefusedCallError, UnclearAnswerError, as_object, objects, text
from desk.egress import Caps, EgressRules
from desk.errors import DeskError
from desk.ports import Clock, ConnectionDetails

VERSION = "v67.0"
DATA = f"/services/data/{VERSION}"
SESSION_SECONDS = 7_200.0
"""Salesforce does not say how long a session lasts; one that has ended earlier is replaced."""
LIMIT_SECONDS = 3_600.0
SPARING_FROM = 0.8
"""Of the day's calls, which other integrations need too."""
MOST_ROWS = 20_000
_ID = re.compile(r"[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?")
_USAGE = re.compile(r"api-usage=(\d+)/(\d+)")
_CONFIGURATION = ("API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED", "INSUFFICIENT_ACCESS", "INVALID_TYPE")
_SURELY_NOT = frozenset({"SERVER_UNAVAILABLE", "UNABLE_TO_LOCK_ROW"})


class Usage:
    """How much of the day's calls is used, by connection, as the last answer said."""

    def __init__(self) -> None:
        self.of: dict[UUID, float] = {}


class SalesforceApi(Api):
    def __init__(
        self,
        settings: SalesforceSettings,
        rules: EgressRules,
        connection: ConnectionDetails,
        tokens: AccessTokens,
        turns: asyncio.Semaphore,
        usage: Usage,
        clock: Clock,
    ) -> None:
        super().__init__(rules, connection, tokens, turns)
        self._settings = settings
        self._usage = usage
        self._clock = clock

    @property
    def is_sparing(self) -> bool:
        return self._usage.of.get(self._connection.connection_id, 0.0) >= SPARING_FROM

    async def renew(self, stored: Mapping[str, Any]) -> FreshToken:
        answer = await self.ask_for_token(f"{self._settings.domain}/services/oauth2/token", self._grant(stored))
        if answer.status == 429 or answer.status >= 500:
            raise NotReachedError(answer.words(), answer.retry_after)
        told = _object(answer)
        if not answer.is_success or not text(told, "access_token"):
            said = text(told, "error_description") or text(told, "error") or answer.words()
            msg = f"Salesforce does not let the desk in: {said}"
            raise RefusedCallError(msg, status=answer.status, code="sign_in")
        try:
            instance = check_host(self._rules, text(told, "instance_url"), HOSTS, "Salesforce")
        except DeskError as error:
            raise RefusedCallError(error.detail, code="sign_in") from error
        kept = {"instance_url": instance}
        if text(told, "refresh_token"):
            kept["refresh_token"] = text(told, "refresh_token")
        return FreshToken(text(told, "access_token"), SESSION_SECONDS, kept)

    def _grant(self, stored: Mapping[str, Any]) -> dict[str, str]:
        settings = self._settings
        if settings.sign_in == "jwt":
            claims = {
                "iss": settings.client_id,
                "sub": settings.username,
                "aud": settings.audience,
                "exp": self._clock.now() + timedelta(minutes=3),
            }
            try:
                assertion = jwt.encode(claims, read_key(settings.private_key), "RS256")
            except DeskError as error:
                raise RefusedCallError(error.detail, code="sign_in") from error
            return {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        form = {"client_id": settings.client_id}
        if settings.client_secret:
            form["client_secret"] = settings.client_secret.reveal()
        if settings.sign_in == "client":
            return {**form, "grant_type": "client_credentials"}
        refresh = str(stored.get("refresh_token") or settings.refresh_token.reveal())
        return {**form, "grant_type": "refresh_token", "refresh_token": refresh}

    def address(self, path: str, stored: Mapping[str, Any]) -> str:
        return f"{stored.get('instance_url') or self._settings.domain}{path}"

    def headers(self, token: str) -> Mapping[str, str]:
        # What the desk changes is not given to somebody else by the org's assignment rules.
        return {"authorization": f"Bearer {token}", "sforce-auto-assign": "false"}

    async def ask(self, method: str, path: str, *, caps: Caps = ANSWER, **given: Any) -> Answer:
        """A session that ends is replaced; what was to be written then is tried again later, after another look."""
        if method == "GET":
            return await super().ask(method, path, caps=caps, **given)
        async with self._turns:
            stored = await self.token()
            answer = await self._once(method, path, stored, caps, given)
            if answer.status == 401:
                await self.token(str(stored["access_token"]))
                msg = "the session with Salesforce had ended"
                raise NotReachedError(msg, 1.0)
        if not answer.is_success:
            raise self.refuse(answer, is_write=True)
        return answer

    async def _once(
        self, method: str, path: str, stored: Mapping[str, Any], caps: Caps, given: Mapping[str, Any]
    ) -> Answer:
        answer = await super()._once(method, path, stored, caps, given)
        used = _USAGE.search(answer.headers.get("sforce-limit-info", ""))
        if used and int(used.group(2)):
            self._usage.of[self._connection.connection_id] = int(used.group(1)) / int(used.group(2))
        return answer

    def refuse(self, answer: Answer, *, is_write: bool) -> Exception:
        """Errors are a list, those of the sign-in an object, and those of what stands in between a page."""
        try:
            told = answer.data()
        except UnclearAnswerError:
            told = None
        errors = objects(told) or ([as_object(told)] if as_object(told) else [])
        code = next((text(each, "errorCode") or text(each, "error") for each in errors), "")
        said = "; ".join(text(each, "message") or text(each, "error_description") for each in errors)
        words = f"Salesforce: {said[:300]} ({code})" if said else f"Salesforce: {answer.words()}"
        if code == "REQUEST_LIMIT_EXCEEDED":
            return NotReachedError(f"{words}: the organisation's calls of today are used up", LIMIT_SECONDS)
        if code in _SURELY_NOT or answer.status == 429:
            return NotReachedError(words, answer.retry_after or random.uniform(2, 8))  # noqa: S311 - jitter
        if answer.status == 401:
            return RefusedCallError(words, status=401, code="sign_in")
        if answer.status >= 500:
            return UnclearAnswerError(words) if is_write else NotReachedError(words, answer.retry_after)
        status = 403 if code.startswith(_CONFIGURATION) else answer.status
        return RefusedCallError(words, status=status, code=code)

    async def rows(self, query: str, *, deleted: bool = False) -> list[Mapping[str, Any]]:
        """All pages of a query. Raises CallError."""
        told = await self.get(f"{DATA}/{'queryAll' if deleted else 'query'}", q=query)
        found = objects(told.get("records"))
        while (following := text(told, "nextRecordsUrl")) and len(found) < MOST_ROWS:
            if not following.startswith("/services/data/"):
                break
            told = await self.get(following)
            found += objects(told.get("records"))
        return found


def quoted(identifier: str) -> str:
    """An id as a literal of a query. Raises RefusedCallError for what is none."""
    if not _ID.fullmatch(identifier):
        msg = "this is no id of Salesforce"
        raise RefusedCallError(msg, status=404)
    return f"'{identifier}'"


def _object(answer: Answer) -> Mapping[str, Any]:
    try:
        return answer.object()
    except UnclearAnswerError:
        return {}
