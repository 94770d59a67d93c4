"""Server-side sessions of the web desk: a random id in the cookie, its SHA-256 and the data in the database.

The id is never taken over from the client: an unknown one is ignored, and signing in, out or over to another tenant
makes a new one and forgets the old. A session ends with its person's token generation.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

from advanced_alchemy.config import AsyncSessionConfig
from advanced_alchemy.extensions.litestar import SQLAlchemyAsyncConfig
from advanced_alchemy.extensions.litestar.store import SQLAlchemyStore
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie, MutableScopeHeaders
from litestar.middleware.session.server_side import ServerSideSessionBackend, ServerSideSessionConfig
from litestar.serialization import encode_json
from litestar.stores.base import Store
from litestar.types import Empty, Message

from desk.accounts.identity import Actor
from desk.accounts.users import actor_for
from desk.db.tenancy import NO_TENANT, SCOPE
from desk.db.unit_of_work import Database
from desk.errors import SignInRequiredError
from desk.models import StoredSession

Connection = ASGIConnection[Any, Any, Any, Any]
STORE = "sessions"
NAMESPACE = "desk"
SECONDS_UNUSED = 7 * 24 * 3600
"""A session ends when it has not been used for this long."""
_RENEW_EVERY = 3600
_COOKIE_STATE = "desk_session_cookie"


@dataclass(slots=True)
class _CookieState:
    """What came in with the request, and whether the answer must carry a new id."""

    presented: bool = False
    session_id: str | None = None
    data: bytes | None = None
    rotate: bool = False


def session_store(database: Database) -> Store:
    config = SQLAlchemyAsyncConfig(
        engine_instance=database.engine,
        session_config=AsyncSessionConfig(expire_on_commit=False, info={SCOPE: NO_TENANT}),
    )
    return SQLAlchemyStore(config, model=StoredSession, namespace=NAMESPACE)


class DeskSessionBackend(ServerSideSessionBackend):
    async def get(self, session_id: str, store: Store) -> bytes | None:
        return await super().get(_digest(session_id), store)

    async def set(self, session_id: str, data: bytes, store: Store) -> None:
        await super().set(_digest(session_id), data, store)

    async def delete(self, session_id: str, store: Store) -> None:
        await super().delete(_digest(session_id), store)

    async def load_from_connection(self, connection: Connection) -> dict[str, Any]:
        state = _cookie_state(connection)
        session_id = connection.cookies.get(self.config.key)
        state.presented = session_id is not None
        if not session_id or len(session_id) > 200:
            return {}
        state.data = await self.get(session_id, self.config.get_store_from_app(connection.app))
        if state.data is None:
            return {}
        state.session_id = session_id
        session = self.deserialize_data(state.data)
        now = int(time.time())
        if now - int(session.get("used", 0)) > _RENEW_EVERY:
            session["used"] = now
        return session

    def get_session_id(self, connection: Connection) -> str:
        return _cookie_state(connection).session_id or self.generate_session_id()

    async def store_in_message(self, scope_session: Any, message: Message, connection: Connection) -> None:
        """Write only what changed: most answers leave database and cookie alone."""
        state, store = _cookie_state(connection), self.config.get_store_from_app(connection.app)
        if scope_session is Empty or not scope_session:
            if state.session_id is not None:
                await self.delete(state.session_id, store)
            if state.presented:
                self._set_cookie(message, "", max_age=0)
            return
        data = encode_json(scope_session)
        if state.session_id is not None and not state.rotate and data == state.data:
            return
        session_id = self.generate_session_id() if state.session_id is None or state.rotate else state.session_id
        await self.set(session_id, data, store)
        if state.session_id is not None and session_id != state.session_id:
            await self.delete(state.session_id, store)
        self._set_cookie(message, session_id, max_age=self.config.max_age)

    def _set_cookie(self, message: Message, value: str, *, max_age: int) -> None:
        cookie = Cookie(
            key=self.config.key,
            value=value,
            max_age=max_age,
            path="/",
            secure=self.config.secure,
            httponly=True,
            samesite=self.config.samesite,
        )
        MutableScopeHeaders.from_message(message).add("Set-Cookie", cookie.to_header(header=""))


@dataclass
class DeskSessionConfig(ServerSideSessionConfig):
    _backend_class = DeskSessionBackend

    key: str = field(default="desk")
    max_age: int = field(default=SECONDS_UNUSED)
    store: str = STORE


def session_config(public_url: str) -> DeskSessionConfig:
    """Behind https the cookie is `__Host-desk`: bound to this host, never sent in the clear."""
    secure = public_url.startswith("https://")
    return DeskSessionConfig(key="__Host-desk" if secure else "desk", secure=secure)


def sign_in(request: Connection, actor: Actor, generation: int) -> None:
    """Begin a session for the person under a new id; whatever session the browser had is forgotten."""
    request.scope["session"] = {
        "user": str(actor.user_id),
        "tenant": str(actor.tenant_id),
        "generation": generation,
        "csrf": secrets.token_hex(32),
        "used": int(time.time()),
    }
    _cookie_state(request).rotate = True


def sign_out(request: Connection) -> None:
    """End the session: the row goes, the cookie is emptied."""
    request.scope["session"] = Empty


async def switch_tenant(request: Connection, database: Database, tenant_id: UUID) -> Actor:
    """Go on in another tenant of the signed-in person, under a new id. Raises SignInRequiredError when not a member."""
    session = _data(request)
    if session is None:
        msg = "sign in first"
        raise SignInRequiredError(msg)
    actor, generation = await actor_for(database, UUID(session["user"]), tenant_id)
    sign_in(request, actor, generation)
    return actor


async def session_actor(request: Connection, database: Database) -> Actor | None:
    """The person of the session; None without one, or when it has ended, which also clears it."""
    session = _data(request)
    if session is None:
        return None
    try:
        actor, generation = await actor_for(database, UUID(session["user"]), UUID(session["tenant"]))
    except SignInRequiredError:
        sign_out(request)
        return None
    if generation != session["generation"]:
        sign_out(request)
        return None
    return actor


def csrf_secret(request: Connection) -> str | None:
    """The session's own secret for form tokens; None when nobody is signed in by cookie."""
    session = _data(request)
    return None if session is None else str(session["csrf"])


def _data(request: Connection) -> dict[str, Any] | None:
    """The signed-in session's data; a session may also hold only a message to show."""
    session = scope_values(request).get("session")
    return session if session and session is not Empty and "user" in session else None


def scope_values(connection: Connection) -> dict[str, Any]:
    """The scope as the plain mapping it is: what middlewares put there has no declared type."""
    return cast("dict[str, Any]", connection.scope)


def _cookie_state(connection: Connection) -> _CookieState:
    state: dict[str, Any] = connection.scope["state"]
    kept: _CookieState = state.setdefault(_COOKIE_STATE, _CookieState())
    return kept


def _digest(session_id: str) -> str:
    return hashlib.sha256(session_id.encode()).hexdigest()
