"""Calls of HubSpot's API, and what its refusals mean (its documentation, "Error handling", "Usage guidelines")."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from connectors.crm.api import Api
from connectors.crm.hubspot.settings import HubSpotSettings
from desk.access_tokens import AccessTokens, FreshToken
from desk.calls import Answer, NotReachedError, RefusedCallError, UnclearAnswerError, as_object, objects, text
from desk.egress import EgressRules
from desk.ports import ConnectionDetails

OBJECTS = "/crm/v3/objects"
"""One family of paths; the dated one beside it says the same."""
TOKEN_PATH = "/oauth/v1/token"  # noqa: S105 - the path of an address
A_YEAR = 365 * 86_400.0
UNTIL_TOMORROW = 3600.0
"""The longest that anything waits before it is tried again; a daily limit may take several of them."""
_WAITS = frozenset({423, 477, 503, 521, 522, 523, 524})


class HubSpotApi(Api):
    def __init__(
        self,
        settings: HubSpotSettings,
        rules: EgressRules,
        connection: ConnectionDetails,
        tokens: AccessTokens,
        turns: asyncio.Semaphore,
    ) -> None:
        super().__init__(rules, connection, tokens, turns)
        self._settings = settings

    async def token(self, refused: str = "") -> Mapping[str, Any]:
        """A private app's token is what was entered; it is not renewed."""
        if self._settings.sign_in == "oauth":
            return await super().token(refused)
        token = self._settings.token.reveal()
        if refused == token:
            msg = "HubSpot does not take the access token any more: copy the app's current one into the form"
            raise RefusedCallError(msg, status=401, code="sign_in")
        return {"access_token": token}

    async def renew(self, stored: Mapping[str, Any]) -> FreshToken:
        form = {
            "grant_type": "refresh_token",
            "client_id": self._settings.client_id,
            "client_secret": self._settings.client_secret.reveal(),
            "refresh_token": str(stored.get("refresh_token") or self._settings.refresh_token.reveal()),
        }
        answer = await self.ask_for_token(f"{self._settings.api_url}{TOKEN_PATH}", form)
        if answer.status == 429 or answer.status >= 500:
            raise NotReachedError(answer.words(), answer.retry_after)
        told = _object(answer)
        if not answer.is_success or not text(told, "access_token"):
            msg = f"HubSpot asks for a new permission: {answer.words()}"
            raise RefusedCallError(msg, status=answer.status, code="sign_in")
        kept = {"refresh_token": text(told, "refresh_token")} if text(told, "refresh_token") else {}
        return FreshToken(text(told, "access_token"), float(text(told, "expires_in") or 1800), kept)

    def address(self, path: str, stored: Mapping[str, Any]) -> str:
        del stored
        return f"{self._settings.api_url}{path}"

    def headers(self, token: str) -> Mapping[str, str]:
        return {"authorization": f"Bearer {token}"}

    def refuse(self, answer: Answer, *, is_write: bool) -> Exception:
        told = _object(answer)
        category = text(told, "category") or text(told, "errorType")
        known_as = f" (correlation id {text(told, 'correlationId')})" if text(told, "correlationId") else ""
        words = f"HubSpot: {answer.words()}{known_as}"
        if answer.status == 429:
            daily = text(told, "policyName") == "DAILY"
            wait = UNTIL_TOMORROW if daily else answer.retry_after or 10 + random.uniform(0, 2)  # noqa: S311 - jitter
            limit = "the account's calls of today are used up" if daily else "too many calls"
            return NotReachedError(f"HubSpot: {limit}", wait)
        if answer.status == 401:
            return RefusedCallError(words, status=401, code="sign_in")
        if answer.status == 403 and category == "MISSING_SCOPES":
            return RefusedCallError(f"{words}: give the app the scopes named in the steps", status=403, code=category)
        if answer.status in _WAITS and (not is_write or answer.status in {423, 477}):
            return NotReachedError(words, answer.retry_after)
        if answer.status >= 500:
            return UnclearAnswerError(words) if is_write else NotReachedError(words, answer.retry_after)
        return RefusedCallError(words, status=answer.status, code=category)

    # What is asked ---------------------------------------------------------------------------------------------

    async def batch(self, kind: str, ids: list[str], properties: tuple[str, ...]) -> list[Mapping[str, Any]]:
        """Objects by their ids, a hundred a call; those that are gone are missing (HTTP 207). Raises CallError."""
        found: list[Mapping[str, Any]] = []
        for at in range(0, len(ids), 100):
            asked = {"properties": list(properties), "inputs": [{"id": each} for each in ids[at : at + 100]]}
            # A read in the shape of a write: its outcome is never unclear.
            try:
                answer = await self.ask("POST", f"{OBJECTS}/{kind}/batch/read", json=asked)
                found += objects(answer.object().get("results"))
            except UnclearAnswerError as error:
                raise NotReachedError(error.detail) from error
        return found

    async def pages(self, path: str, most: int = 20, **params: Any) -> list[Mapping[str, Any]]:
        """A list with all its pages. Raises CallError."""
        found: list[Mapping[str, Any]] = []
        after = ""
        for _ in range(most):
            told = await self.get(path, **params, **({"after": after} if after else {}))
            found += objects(told.get("results"))
            after = text(as_object(as_object(told.get("paging")).get("next")), "after")
            if not after:
                break
        return found


def _object(answer: Answer) -> Mapping[str, Any]:
    try:
        return answer.object()
    except UnclearAnswerError:
        return {}
