"""The host site's word on who its visitor is: a short-lived signed token, or the plain signature of a user's id.

The token is a JWT with HS256 (RFC 7519): `sub` the user's id, `aud` the widget's key, `iat` and `exp` at most ten
minutes apart; `name` and `email` in it are the site's word too. The plain signature, hex(HMAC-SHA256(secret, user id)),
is the same for ever: whoever has seen it once can use it again. It is there for sites that know no other, and a widget
can refuse it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import jwt

from desk.errors import NotAllowedError
from desk.plain_text import clean_line
from desk.secret import Secret
from desk.widget.access import ALGORITHM, Widget
from desk.widget.visitors import Particulars

LONGEST_LIFE_SECONDS = 600
CLOCK_SKEW_SECONDS = 60
"""The host site's clock may be this much off."""
LONGEST_USER_ID = 200
LONGEST_TOKEN = 4_000
_REQUIRED = ["exp", "iat", "aud", "sub"]


@dataclass(frozen=True, slots=True)
class KnownUser:
    """Somebody whom the host site has vouched for."""

    user_id: str
    proved: Particulars = field(default_factory=Particulars)
    """Signed with the id."""
    said: Particulars = field(default_factory=Particulars)
    """Came along without a signature."""


def user_signature(secret: Secret, user_id: str) -> str:
    """What the host site's server computes: hex(HMAC-SHA256(secret, user id))."""
    return hmac.new(secret.reveal().encode(), user_id.encode(), hashlib.sha256).hexdigest()


def user_by_signature(widget: Widget, user_id: str, signature: str, said: Particulars) -> KnownUser:
    """Raises NotAllowedError for a wrong signature, and where the widget takes tokens alone."""
    if widget.configuration.signed_tokens_only:
        msg = "this widget takes signed tokens alone"
        raise NotAllowedError(msg)
    given = signature.lower().encode()
    if not any(hmac.compare_digest(user_signature(secret, user_id).encode(), given) for secret in widget.secrets):
        msg = "the signature does not belong to this user_id"
        raise NotAllowedError(msg)
    return KnownUser(_checked_id(user_id), said=said.cleaned())


def user_by_token(widget: Widget, token: str, said: Particulars, now: datetime) -> KnownUser:
    """Signed with either of the two secrets that count. Raises NotAllowedError with what is wrong with it."""
    claims = _claims(widget, token)
    issued, expires = _time(claims["iat"]), _time(claims["exp"])
    moment = now.timestamp()
    if expires - issued > LONGEST_LIFE_SECONDS:
        msg = f"the token lives longer than {LONGEST_LIFE_SECONDS // 60} minutes"
        raise NotAllowedError(msg)
    if expires <= moment - CLOCK_SKEW_SECONDS:
        msg = "the token has expired"
        raise NotAllowedError(msg)
    if issued > moment + CLOCK_SKEW_SECONDS:
        msg = "the token is from the future; look at your server's clock"
        raise NotAllowedError(msg)
    proved = Particulars(_text(claims, "name"), _text(claims, "email")).cleaned()
    return KnownUser(_checked_id(claims["sub"]), proved, said.cleaned())


def _claims(widget: Widget, token: str) -> dict[str, Any]:
    for secret in widget.secrets if len(token) <= LONGEST_TOKEN else ():
        try:
            found: dict[str, Any] = jwt.decode(
                token,
                secret.reveal(),
                # Never what the token itself says: no `none`, no public key taken for a shared one.
                algorithms=[ALGORITHM],
                audience=widget.key,
                # The times are checked by the desk's clock.
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.InvalidTokenError, ValueError):
            continue
        return found
    msg = "the token is not signed with this widget's secret, or not made for this widget"
    raise NotAllowedError(msg)


def _time(claim: Any) -> float:
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        msg = "iat and exp are seconds since 1970"
        raise NotAllowedError(msg)
    return float(claim)


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name, "")
    return value if isinstance(value, str) else ""


def _checked_id(user_id: Any) -> str:
    if isinstance(user_id, str) and user_id and clean_line(user_id) == user_id and len(user_id) <= LONGEST_USER_ID:
        return user_id
    msg = f"a user's id has 1 to {LONGEST_USER_ID} characters and no line ends"
    raise NotAllowedError(msg)
