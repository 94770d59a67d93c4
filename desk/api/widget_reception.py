"""What the widget's routes share: how a request is let in, and how much one address may ask for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Request
from litestar.di import NamedDependency, Provide

from desk.errors import SignInRequiredError
from desk.installation import Installation
from desk.web.authentication import OWN_AUTHENTICATION
from desk.web.permissions import PUBLIC
from desk.web.widget_door import WIDGET
from desk.widget.access import VisitorClaim, VisitorTokens, Widget
from desk.widget.limits import Brake, visitor_address

RECEPTION = "widget_reception"
"""Key of the application's state."""
SESSIONS_PER_MINUTE = 30
LOOKUPS_PER_MINUTE = 60
SIGNALS_PER_MINUTE = 120


class Reception:
    """What the routes share within one process: tokens, brakes, open streams."""

    def __init__(self, installation: Installation) -> None:
        settings, clock = installation.settings, installation.clock
        self.tokens = VisitorTokens(settings.secret_key, clock)
        self.sessions = Brake(clock, SESSIONS_PER_MINUTE)
        self.lookups = Brake(clock, LOOKUPS_PER_MINUTE)
        self.signals = Brake(clock, SIGNALS_PER_MINUTE)
        self.streams: dict[UUID, int] = {}
        self._trusted = settings.trusted_proxies

    def address(self, request: Request[Any, Any, Any]) -> str:
        peer = request.client.host if request.client is not None else ""
        return visitor_address(peer, request.headers.get("x-forwarded-for", ""), self._trusted)


def provide_widget(request: Request[Any, Any, Any]) -> Widget:
    values: Any = request.scope
    widget: Widget = values[WIDGET]
    return widget


def provide_reception(request: Request[Any, Any, Any]) -> Reception:
    reception: Reception = request.app.state[RECEPTION]
    return reception


def provide_claim(
    request: Request[Any, Any, Any], widget: NamedDependency[Widget], reception: NamedDependency[Reception]
) -> VisitorClaim:
    """Raises SignInRequiredError."""
    claim = claim_in(request, widget, reception)
    if claim is None:
        msg = "begin a session first"
        raise SignInRequiredError(msg)
    return claim


def claim_in(request: Request[Any, Any, Any], widget: Widget, reception: Reception) -> VisitorClaim | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return reception.tokens.read(widget, token.strip()) if scheme.lower() == "bearer" else None


OPTIONS: dict[str, Any] = {**PUBLIC, OWN_AUTHENTICATION: True, "skip_session": True}
DEPENDENCIES = {
    "widget": Provide(provide_widget, sync_to_thread=False),
    "reception": Provide(provide_reception, sync_to_thread=False),
    "claim": Provide(provide_claim, sync_to_thread=False),
}
