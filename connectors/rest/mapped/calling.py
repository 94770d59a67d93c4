"""Signed-in calls to a tenant's own system."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from connectors.rest.mapped.settings import MappedSettings
from connectors.rest.signature import sign
from desk.access_tokens import AccessTokens, FreshToken
from desk.calls import Answer, NotReachedError, RefusedCallError, UnclearAnswerError, call, text
from desk.egress import Caps, EgressRules
from desk.ports import Clock, ConnectionDetails

_TOKEN_CAPS = Caps(20.0, 100_000)


class Caller:
    """For any connection."""

    def __init__(self, rules: EgressRules, clock: Clock, tokens: AccessTokens, caps: Caps) -> None:
        self._rules = rules
        self._clock = clock
        self._tokens = tokens
        self._caps = caps

    async def ask(
        self,
        settings: MappedSettings,
        connection: ConnectionDetails,
        method: str,
        url: str,
        *,
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        caps: Caps | None = None,
    ) -> Answer:
        """Once more with a new token when the one there was is turned down.

        Raises RefusedCallError, NotReachedError, UnclearAnswerError.
        """

        async def once(refused: str) -> tuple[Answer, str]:
            signed_in, token = await self._sign_in(settings, connection, url, refused)
            all_headers = {**(headers or {}), **signed_in}
            return await call(self._rules, caps or self._caps, method, url, content=content, headers=all_headers), token

        answer, token = await once("")
        if answer.status == 401 and token:
            answer, _ = await once(token)
        return answer

    def signature(self, settings: MappedSettings, name: str, body: bytes) -> dict[str, str]:
        """In the way in which the other side's own calls are signed; a token is no signature."""
        secrets = settings.signing_secrets
        if settings.signature == "standard":
            at = int(self._clock.now().timestamp())
            stamped = {"webhook-id": name, "webhook-timestamp": str(at)}
            return {**stamped, "webhook-signature": sign(name, at, body, secrets)}
        if settings.signature == "hmac":
            made = hmac.new(secrets[0].reveal().encode(), body, hashlib.sha256).digest()
            shown = made.hex() if settings.signature_encoding == "hex" else base64.b64encode(made).decode()
            return {settings.signature_header: f"{settings.signature_prefix}{shown}"}
        return {}

    async def _sign_in(
        self, settings: MappedSettings, connection: ConnectionDetails, url: str, refused: str
    ) -> tuple[dict[str, str], str]:
        """Headers, and the token in them that can be renewed. Nothing for a host that is not the tenant's own."""
        own = {urlsplit(each).netloc.lower() for name, each in settings.addresses.items() if name != "token_url"}
        if settings.auth == "none" or urlsplit(url).netloc.lower() not in own:
            return {}, ""
        secret = settings.auth_secret.reveal()
        if settings.auth == "oauth":
            stored = await self._tokens.get(connection, lambda _: self._renew(settings), refused=refused)
            return {"authorization": f"Bearer {stored['access_token']}"}, str(stored["access_token"])
        if settings.auth == "basic":
            pair = base64.b64encode(f"{settings.auth_name}:{secret}".encode()).decode()
            return {"authorization": f"Basic {pair}"}, ""
        return {settings.auth_name: secret} if settings.auth == "header" else {"authorization": f"Bearer {secret}"}, ""

    async def _renew(self, settings: MappedSettings) -> FreshToken:
        """Client credentials (RFC 6749 section 4.4)."""
        form: dict[str, Any] = {
            "grant_type": "client_credentials",
            "client_id": settings.auth_name,
            "client_secret": settings.auth_secret.reveal(),
        }
        if settings.scope:
            form["scope"] = settings.scope
        try:
            answer = await call(self._rules, _TOKEN_CAPS, "POST", settings.addresses["token_url"], data=form)
            told = answer.object()
        except UnclearAnswerError as error:
            msg = f"signing in: {error.detail}"
            raise NotReachedError(msg) from error
        if answer.status == 200 and text(told, "access_token"):
            lasts = text(told, "expires_in")
            return FreshToken(text(told, "access_token"), float(lasts) if lasts.isdecimal() else 3600.0)
        if answer.status == 429 or answer.status >= 500:
            msg = f"signing in: {answer.words()}"
            raise NotReachedError(msg, answer.retry_after)
        msg = f"signing in was refused: {answer.words()}"
        raise RefusedCallError(msg, status=answer.status, code="sign_in")
