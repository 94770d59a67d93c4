"""Calls of the Zoho Desk API, and what its refusals mean.

Zoho drops the oldest of twenty refresh tokens, blocks whoever renews more than a few times a minute, and says so with
HTTP 200 where it pleases.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from typing import Any

from connectors.crm.api import Api
from connectors.crm.zoho.settings import ZohoSettings
from desk.access_tokens import AccessTokens, FreshToken
from desk.calls import Answer, NotReachedError, RefusedCallError, UnclearAnswerError, objects, text
from desk.egress import EgressRules
from desk.ports import ConnectionDetails

BLOCKED_SECONDS = 600.0
_OTHER_CENTRE = "check the data centre and the organisation ID, because another data centre refuses exactly like this"
_WORDS = {
    "INVALID_OAUTH": _OTHER_CENTRE,
    "OAUTH_ORG_MISMATCH": _OTHER_CENTRE,
    "SCOPE_MISMATCH": "make a new code with all the scopes named in the steps",
    "LICENSE_ACCESS_LIMITED": "this edition of Zoho Desk does not allow it",
}


class ZohoApi(Api):
    def __init__(
        self,
        settings: ZohoSettings,
        rules: EgressRules,
        connection: ConnectionDetails,
        tokens: AccessTokens,
        turns: asyncio.Semaphore,
    ) -> None:
        super().__init__(rules, connection, tokens, turns)
        self._settings = settings

    async def renew(self, stored: Mapping[str, Any]) -> FreshToken:
        form = {"client_id": self._settings.client_id, "client_secret": self._settings.client_secret.reveal()}
        refresh = str(stored.get("refresh_token") or self._settings.refresh_token.reveal())
        if refresh:
            form |= {"grant_type": "refresh_token", "refresh_token": refresh}
        else:
            code = str(stored.get("grant_code") or self._settings.grant_code.reveal())
            form |= {"grant_type": "authorization_code", "code": code}
        answer = await self.ask_for_token(f"{self._settings.accounts_url}/oauth/v2/token", form)
        told = _object(answer)
        if answer.is_success and text(told, "access_token"):
            kept = {"refresh_token": text(told, "refresh_token")} if text(told, "refresh_token") else {}
            if not refresh and not kept:
                msg = "Zoho gave no lasting permission: make the code of a self client, not of another kind of client"
                raise RefusedCallError(msg, status=401, code="sign_in")
            return FreshToken(text(told, "access_token"), float(text(told, "expires_in") or 3600), kept)
        said = f"{text(told, 'error')} {text(told, 'error_description')}".strip()
        if answer.status == 429 or answer.status >= 500 or "too many" in said.casefold():
            msg = f"signing in to Zoho: {said or answer.words()}"
            raise NotReachedError(msg, BLOCKED_SECONDS if answer.status < 500 else None)
        wrong_client = "invalid_client" in said
        advice = _OTHER_CENTRE if wrong_client else "make a new code in Zoho's API console and enter it"
        msg = f"Zoho does not let the desk in ({said or answer.words()}): {advice}"
        raise RefusedCallError(msg, status=401, code="sign_in")

    def address(self, path: str, stored: Mapping[str, Any]) -> str:
        del stored
        return f"{self._settings.desk_url}/api/v1{path}"

    def headers(self, token: str) -> Mapping[str, str]:
        return {
            "authorization": f"Zoho-oauthtoken {token}",
            "orgId": self._settings.org,
            "sourceId": self._settings.source_id,
        }

    def refuse(self, answer: Answer, *, is_write: bool) -> Exception:
        told = _object(answer)
        code = text(told, "errorCode")
        fields = ", ".join(
            f"{text(each, 'fieldName')} {text(each, 'errorMessage') or text(each, 'errorType')}"
            for each in objects(told.get("errors"))
        )
        advice = _WORDS.get(code, "")
        words = "; ".join(filter(None, (f"Zoho Desk: {answer.words()}", fields.strip(), advice)))
        if answer.status == 429:
            daily = code == "THRESHOLD_EXCEEDED"
            wait = answer.retry_after or (BLOCKED_SECONDS if daily else random.uniform(5, 15))  # noqa: S311 - jitter
            limit = "the credits of today are used up" if daily else "too many calls at once"
            return NotReachedError(f"Zoho Desk: {limit}", wait)
        if answer.status == 401:
            return RefusedCallError(words, status=401, code="sign_in")
        if answer.status >= 500:
            return UnclearAnswerError(words) if is_write else NotReachedError(words, answer.retry_after)
        return RefusedCallError(words, status=answer.status, code=code)

    async def listed(self, path: str, size: int, most: int = 5_000, **params: Any) -> list[Mapping[str, Any]]:
        """A list with all its pages; HTTP 204 is an empty one. Raises CallError."""
        found: list[Mapping[str, Any]] = []
        while len(found) < most:
            told = await self.get(path, **{**params, "from": len(found), "limit": min(size, most - len(found))})
            rows = objects(told.get("data"))
            found += rows
            if len(rows) < size:
                break
        return found


def _object(answer: Answer) -> Mapping[str, Any]:
    try:
        return answer.object()
    except UnclearAnswerError:
        return {}
