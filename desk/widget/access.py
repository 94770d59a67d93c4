"""From the public key in a page to the widget, and who may talk to it from where."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
from sqlalchemy import select, text

from desk.db.tenancy import NO_TENANT, Scope
from desk.db.unit_of_work import Database
from desk.errors import NotFoundError, SignInRequiredError
from desk.models import Connection
from desk.ports import Clock
from desk.secret import Secret
from desk.widget.configuration import WidgetConfiguration, read_configuration

ALGORITHM = "HS256"
ISSUER = "draftdesk"
LINK_LIFETIME = timedelta(days=7)
_LONGEST_KEY = 40
_REQUIRED = ["exp", "iat", "iss", "aud", "sub"]


@dataclass(frozen=True, slots=True)
class Widget:
    key: str
    tenant_id: UUID
    connection_id: UUID
    configuration: WidgetConfiguration
    secrets: tuple[Secret, ...]
    """With these the host site signs its users' ids, newest first; two while one is being replaced."""

    @property
    def scope(self) -> Scope:
        return Scope(self.tenant_id)

    @property
    def audience(self) -> str:
        return f"widget:{self.connection_id}"

    def allows(self, origin: str) -> bool:
        """Exactly, as browsers send it."""
        return origin in self.configuration.allowed_origins


@dataclass(frozen=True, slots=True)
class VisitorClaim:
    """What a visitor's token says. The visitor's row comes with the first message only."""

    visitor_id: UUID
    generation: int
    user_id: str | None = None
    """The host site's own id, proved by its signature."""


async def find_widget(database: Database, key: str) -> Widget:
    """Raises NotFoundError for an unknown key and for a widget that is switched off."""
    if len(key) <= _LONGEST_KEY and key.isascii():
        async with database.transaction(NO_TENANT) as session:
            found = await session.execute(text("SELECT id, tenant_id FROM desk_find_widget(:key)"), {"key": key})
            row = found.one_or_none()
        if row is not None:
            async with database.transaction(Scope(row.tenant_id)) as session:
                connection = (await session.execute(select(Connection).where(Connection.id == row.id))).scalar_one()
            return widget_of(connection)
    msg = "there is no such widget"
    raise NotFoundError(msg)


def widget_of(connection: Connection) -> Widget:
    secrets: dict[str, str] = json.loads(connection.secrets)
    return Widget(
        key=connection.public_key or "",
        tenant_id=connection.tenant_id,
        connection_id=connection.id,
        configuration=read_configuration(connection.configuration),
        secrets=tuple(
            Secret(secrets[name]) for name in ("signing_secret", "previous_signing_secret") if secrets.get(name)
        ),
    )


@dataclass(frozen=True, slots=True)
class MailedLink:
    """What the link in a mail says: whoever opens it reads mail at this address."""

    visitor_id: UUID
    conversation_id: UUID
    address: str


class VisitorTokens:
    """Signed claims of visitors, bound to one widget; another key than the desk's own tokens have."""

    def __init__(self, secret_key: Secret, clock: Clock) -> None:
        self._key = hmac.new(secret_key.reveal().encode(), b"draftdesk widget visitors", hashlib.sha256).hexdigest()
        self._clock = clock

    def issue(self, widget: Widget, claim: VisitorClaim) -> tuple[str, datetime]:
        """The token and when it expires."""
        now = self._clock.now()
        expires = now + timedelta(days=widget.configuration.token_days)
        claims = {
            "iss": ISSUER,
            "aud": widget.audience,
            "sub": str(claim.visitor_id),
            "generation": claim.generation,
            "user": claim.user_id,
            "iat": now,
            "exp": expires,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM), expires

    def issue_link(self, widget: Widget, visitor_id: UUID, conversation_id: UUID, address: str) -> str:
        now = self._clock.now()
        claims = {
            "iss": ISSUER,
            "aud": f"link:{widget.audience}",
            "sub": str(visitor_id),
            "conversation": str(conversation_id),
            "address": address,
            "iat": now,
            "exp": now + LINK_LIFETIME,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def read_link(self, widget: Widget, token: str) -> MailedLink:
        """Raises SignInRequiredError."""
        claims = self._decode(token, f"link:{widget.audience}")
        try:
            return MailedLink(UUID(claims["sub"]), UUID(claims["conversation"]), str(claims["address"]))
        except (ValueError, KeyError) as error:
            msg = "this link is not valid"
            raise SignInRequiredError(msg) from error

    def read(self, widget: Widget, token: str) -> VisitorClaim:
        """Raises SignInRequiredError for anything but a token of this very widget that has not expired."""
        claims = self._decode(token, widget.audience)
        try:
            user_id = claims["user"]
            return VisitorClaim(
                UUID(claims["sub"]), int(claims["generation"]), None if user_id is None else str(user_id)
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            msg = "the visitor's token is not valid here"
            raise SignInRequiredError(msg) from error

    def _decode(self, token: str, audience: str) -> dict[str, Any]:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=audience,
                # The times are checked below, by the desk's clock.
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False},
            )
            expires = int(claims["exp"])
        except (jwt.InvalidTokenError, ValueError, KeyError, TypeError, AttributeError) as error:
            msg = "the visitor's token is not valid here"
            raise SignInRequiredError(msg) from error
        if expires <= self._clock.now().timestamp():
            msg = "the visitor's token has expired"
            raise SignInRequiredError(msg)
        return claims
