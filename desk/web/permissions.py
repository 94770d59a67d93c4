"""Every handler says what it needs by `opt={"permission": ...}`; one guard enforces it for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from desk.accounts.identity import Permission
from desk.errors import SettingMissingError
from desk.web.authentication import current_actor

OPT = "permission"


def needs(permission: Permission) -> dict[str, Any]:
    """The `opt` of a handler, controller or router."""
    return {OPT: permission}


PUBLIC: dict[str, Any] = needs(Permission.PUBLIC)


def enforce_permission(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Raises SignInRequiredError for nobody, NotAllowedError for somebody else."""
    if _is_generated_options(handler):
        return
    permission = handler.opt.get(OPT)
    if permission is Permission.PUBLIC:
        return
    actor = current_actor(connection)
    actor.require(permission if isinstance(permission, Permission) else Permission.OPERATE)


def check_permissions(app: Litestar) -> None:
    """Raises SettingMissingError naming every handler that does not say what it needs."""
    missing = sorted(
        {
            f"{route.path} ({handler.handler_name})"
            for route in app.routes
            for handler in route_handlers(route)
            if not isinstance(handler.opt.get(OPT), Permission) and not _is_generated_options(handler)
        }
    )
    if missing:
        msg = f"these handlers name no permission: {', '.join(missing)}"
        raise SettingMissingError(msg)


def route_handlers(route: Any) -> Iterable[BaseRouteHandler]:
    several: Iterable[BaseRouteHandler] | None = getattr(route, "route_handlers", None)
    return several if several is not None else [route.route_handler]


def _is_generated_options(handler: BaseRouteHandler) -> bool:
    """Litestar's own answer to OPTIONS: the list of methods, nothing else."""
    return getattr(handler, "http_methods", None) == {"OPTIONS"}
