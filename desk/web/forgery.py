"""Protection against requests that another site makes a browser send (stack trap 15).

Three walls: the cookie is SameSite=Lax; Origin and Sec-Fetch-Site must name this desk; and a request on a session
carries a token made from a secret of that very session. Requests with an Authorization header carry no authority
the browser added by itself, and are let through.
"""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import urlsplit

from litestar import Request
from litestar.enums import RequestEncodingType
from litestar.middleware import ASGIMiddleware
from litestar.middleware.csrf import CSRF_SECRET_LENGTH, generate_csrf_hash, generate_csrf_token
from litestar.types import ASGIApp, Receive, Scope, Send
from litestar.utils.scope.state import ScopeState

from desk.accounts.sessions import csrf_secret
from desk.errors import NotAllowedError
from desk.web.authentication import OWN_AUTHENTICATION, came_with_header

HEADER = "X-CSRFToken"
FIELD = "_csrf_token"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class ForgeryGuard(ASGIMiddleware):
    """Templates get the token by Litestar's `csrf_input` and `csrf_token()`."""

    exclude_opt_key = OWN_AUTHENTICATION

    def __init__(self, public_url: str) -> None:
        self._public_origin = _origin(public_url)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        secret = csrf_secret(request)
        if request.method not in _SAFE and not came_with_header(request):
            self._check_origin(request)
            if secret is not None and not _is_ours(await _given_token(request), secret):
                msg = "this page is out of date; load it again and repeat what you did"
                raise NotAllowedError(msg)
        if secret is not None:
            ScopeState.from_scope(scope).csrf_token = generate_csrf_token(secret)
        await next_app(scope, receive, send)

    def _check_origin(self, request: Request[Any, Any, Any]) -> None:
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        own = {self._public_origin, _origin(f"{request.scope['scheme']}://{request.headers.get('host', '')}")}
        if (site is not None and site not in {"same-origin", "none"}) or (origin is not None and origin not in own):
            msg = "this request came from another site"
            raise NotAllowedError(msg)


async def _given_token(request: Request[Any, Any, Any]) -> str:
    header = request.headers.get(HEADER)
    if header:
        return header
    if request.content_type[0] in {RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART}:
        return str((await request.form()).get(FIELD, ""))
    return ""


def _is_ours(token: str, secret: str) -> bool:
    chance, proof = token[:CSRF_SECRET_LENGTH], token[CSRF_SECRET_LENGTH:]
    expected = generate_csrf_hash(token=chance, secret=secret)
    return hmac.compare_digest(proof.encode(), expected.encode())


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
