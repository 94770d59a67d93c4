"""Who is asking: a bearer token or API key, else the session of the browser.

An Authorization header speaks alone: with one, the cookie is not looked at, which is why such a request needs no
protection against forgery.
"""

from __future__ import annotations

from litestar.connection import ASGIConnection
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from desk.accounts.identity import Actor
from desk.accounts.sessions import Connection, scope_values, session_actor
from desk.accounts.tokens import TokenDesk
from desk.db.unit_of_work import Database
from desk.errors import SignInRequiredError

OWN_AUTHENTICATION = "own_authentication"
"""In a handler's `opt`: it knows its callers by other means, and neither sessions nor the desk's tokens mean anything
to it. So there is nothing that another site could make a browser add by itself."""
REFUSAL = "desk_refused_credential"
"""Scope state: why the credential that came was not accepted."""


class AuthenticationMiddleware(ASGIMiddleware):
    """Sets `request.user` to the Actor, or to None; whether that is enough is decided by the permission guard."""

    exclude_opt_key = OWN_AUTHENTICATION

    def __init__(self, database: Database, tokens: TokenDesk) -> None:
        self._database = database
        self._tokens = tokens

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        connection: Connection = ASGIConnection(scope)
        scope["user"], scope["auth"] = None, None
        header = connection.headers.get("authorization")
        if header is not None:
            scope["auth"] = "header"
            try:
                scope["user"] = await self._tokens.identify(_credential(header))
            except SignInRequiredError as refusal:
                scope["state"][REFUSAL] = refusal
        elif scope_values(connection).get("session"):
            scope["user"] = await session_actor(connection, self._database)
            scope["auth"] = "session" if scope["user"] else None
        await next_app(scope, receive, send)


def came_with_header(connection: Connection) -> bool:
    return scope_values(connection).get("auth") == "header"


def current_actor(connection: Connection) -> Actor:
    """Raises SignInRequiredError with the reason."""
    actor: Actor | None = scope_values(connection).get("user")
    if actor is None:
        refusal = scope_values(connection)["state"].get(REFUSAL)
        if isinstance(refusal, SignInRequiredError):
            raise SignInRequiredError(refusal.detail)
        msg = "sign in, or send an Authorization header with a token or an API key"
        raise SignInRequiredError(msg)
    return actor


def _credential(header: str) -> str:
    """The token of `Bearer <token>`; an API key may also stand alone."""
    scheme, _, credential = header.strip().partition(" ")
    if credential and scheme.lower() == "bearer":
        return credential.strip()
    return scheme if not credential else ""
