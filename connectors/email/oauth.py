"""Signing in to Google and Microsoft by OAuth: consent, tokens and their renewal (RFC 6749, 7636; XOAUTH2).

Refresh tokens and access tokens are stored encrypted with the connection. One renewal at a time for a connection in
one process; two processes that renew at once each get a token that works.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

import httpx

from connectors.email.settings import EmailSettings
from desk.egress import Caps, EgressRules, guarded_client
from desk.errors import ChannelError, DeskError, InvalidInputError
from desk.ports import Clock, ConnectionDetails, CredentialStore

_CAPS = Caps(seconds=20.0, response_bytes=200_000)
_EARLY_SECONDS = 120.0
_PROVIDERS: Mapping[str, tuple[str, str, str]] = {
    "google": (
        "https://accounts.google.com/o/oauth2/v2/auth",
        "https://oauth2.googleapis.com/token",
        "https://mail.google.com/",
    ),
    "microsoft": (
        "https://login.microsoftonline.com/{directory}/oauth2/v2.0/authorize",
        "https://login.microsoftonline.com/{directory}/oauth2/v2.0/token",
        "https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send offline_access",
    ),
}


@dataclass(frozen=True, slots=True)
class OAuthAddresses:
    authorize: str
    token: str


def provider_addresses(settings: EmailSettings) -> OAuthAddresses:
    """Raises InvalidInputError for a connection that signs in by password."""
    if settings.sign_in not in _PROVIDERS:
        msg = "this connection signs in with a password"
        raise InvalidInputError(msg)
    authorize, token, _ = _PROVIDERS[settings.sign_in]
    directory = settings.directory or "common"
    if not directory.replace("-", "").replace(".", "").isalnum():
        msg = "directory must be the id or the domain of the Microsoft tenant"
        raise InvalidInputError(msg)
    return OAuthAddresses(authorize.format(directory=directory), token.format(directory=directory))


def consent_address(settings: EmailSettings, redirect: str, state: str, verifier: str) -> str:
    """Where an admin is sent to allow the desk into the mailbox. Raises InvalidInputError without a client id."""
    if not settings.client_id:
        msg = "client_id is missing: register the desk as an application with the provider and enter its id first"
        raise InvalidInputError(msg)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "client_id": settings.client_id,
        "redirect_uri": redirect,
        "response_type": "code",
        "scope": _PROVIDERS[settings.sign_in][2],
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "login_hint": settings.username,
        "prompt": "consent",
        "access_type": "offline",
    }
    return f"{provider_addresses(settings).authorize}?{urlencode(asked)}"


class TokenSource:
    """Gives access tokens of connections, renewed in time."""

    def __init__(
        self, rules: EgressRules, clock: Clock, store: CredentialStore, token_address: str | None = None
    ) -> None:
        self._rules = rules
        self._clock = clock
        self._store = store
        self._token_address = token_address
        self._locks: dict[UUID, asyncio.Lock] = {}

    async def access_token(self, settings: EmailSettings, connection: ConnectionDetails, *, refused: str = "") -> str:
        """`refused` is a token that the server has just turned down: it is not given again.

        Raises ChannelError.
        """
        async with self._locks.setdefault(connection.connection_id, asyncio.Lock()):
            stored = await self._store.read(connection)
            token, expires = str(stored.get("access_token") or ""), float(stored.get("expires_at") or 0)
            if token and token != refused and expires - _EARLY_SECONDS > self._clock.now().timestamp():
                return token
            refresh = str(stored.get("refresh_token") or "")
            if not refresh:
                raise ChannelError("sign_in", "nobody has allowed the desk into this mailbox yet")
            answer = await self._ask(settings, {"grant_type": "refresh_token", "refresh_token": refresh})
            return await self._keep(connection, answer)

    async def finish_consent(
        self, settings: EmailSettings, connection: ConnectionDetails, *, code: str, verifier: str, redirect: str
    ) -> None:
        """Exchange the code that the provider's page gave. Raises ChannelError."""
        fields = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": redirect}
        answer = await self._ask(settings, fields)
        if not answer.get("refresh_token"):
            raise ChannelError(
                "sign_in", "the provider gave no lasting permission; remove the desk there and try again"
            )
        await self._keep(connection, answer)

    async def _keep(self, connection: ConnectionDetails, answer: Mapping[str, Any]) -> str:
        token = str(answer["access_token"])
        expires = self._clock.now().timestamp() + float(answer.get("expires_in") or 3600)
        changes: dict[str, Any] = {"access_token": token, "expires_at": expires}
        if answer.get("refresh_token"):
            changes["refresh_token"] = str(answer["refresh_token"])
        await self._store.write(connection, changes)
        return token

    async def _ask(self, settings: EmailSettings, fields: Mapping[str, str]) -> Mapping[str, Any]:
        address = self._token_address or provider_addresses(settings).token
        form = {**fields, "client_id": settings.client_id, "client_secret": settings.client_secret.reveal()}
        try:
            async with guarded_client(self._rules, _CAPS) as client:
                response = await client.post(address, data={name: value for name, value in form.items() if value})
                answer = response.json()
        except DeskError as error:
            raise ChannelError("settings", error.detail) from error
        except (httpx.HTTPError, ValueError) as error:
            raise ChannelError(
                "network", f"the sign-in server gave no usable answer ({type(error).__name__})"
            ) from error
        told = cast("dict[str, Any]", answer if isinstance(answer, dict) else {})
        if response.status_code == 200 and told.get("access_token"):
            return told
        words = str(told.get("error_description") or told.get("error") or f"HTTP {response.status_code}")
        # Only a refusal of the permission itself needs a person; the rest passes (RFC 6749 section 5.2).
        needs_consent = response.status_code in {400, 401} and told.get("error") != "temporarily_unavailable"
        raise ChannelError("sign_in" if needs_consent else "network", f"the sign-in server refused: {words[:300]}")
