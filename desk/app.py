"""The web application: edge, authentication, permissions, errors, the API, and whatever pages are handed in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Router
from litestar.config.compression import CompressionConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.plugins import PluginProtocol
from litestar.types import ControllerRouterHandler, Message, Scope

from desk.accounts.identity import Actor
from desk.accounts.sessions import STORE, session_config, session_store
from desk.api import api_router
from desk.api.widget import WidgetController
from desk.api.widget_attachments import WidgetAttachmentController
from desk.api.widget_conversations import WidgetConversationController
from desk.api.widget_reception import RECEPTION, Reception
from desk.inbound.hooks import Hooks
from desk.installation import Installation
from desk.web.authentication import AuthenticationMiddleware, current_actor
from desk.web.edge import Edge
from desk.web.files import FileController, FileDoor
from desk.web.forgery import ForgeryGuard
from desk.web.health import EmbedderCheck, HealthController
from desk.web.hooks import HOOKS, HookController
from desk.web.metrics import RequestMetrics, metrics
from desk.web.openapi import describe_problems, openapi_config
from desk.web.permissions import check_permissions, enforce_permission
from desk.web.problems import ErrorPage, exception_handlers, plain_error_page
from desk.web.security_headers import security_headers
from desk.web.widget_door import WidgetDoor

LARGEST_BODY = 2 * 1024 * 1024
"""Bytes, wherever a handler does not say otherwise; documents may be larger."""


def create_app(
    installation: Installation,
    pages: Sequence[ControllerRouterHandler] = (),
    plugins: Sequence[PluginProtocol] = (),
    error_page: ErrorPage = plain_error_page,
) -> Litestar:
    """Raises SettingMissingError when a handler does not say which permission it needs.

    The installation is started and stopped with the application.
    """
    settings = installation.settings
    embedder_check, request_metrics = EmbedderCheck(), RequestMetrics()
    headers = security_headers(secure=settings.public_url.startswith("https://"))

    async def add_headers(message: Message, _: Scope) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [*message["headers"], *(pair for pair in headers if pair[0] not in given)]

    def provide_installation() -> Installation:
        return installation

    def provide_embedder_check() -> EmbedderCheck:
        return embedder_check

    app = Litestar(
        route_handlers=[
            api_router(settings.maximum_upload_bytes, settings.maximum_attachment_bytes),
            WidgetController,
            WidgetConversationController,
            WidgetAttachmentController,
            HookController,
            HealthController,
            metrics,
            Router("/", route_handlers=[FileController], request_max_body_size=settings.maximum_attachment_bytes),
            *pages,
        ],
        plugins=list(plugins),
        dependencies={
            "installation": Provide(provide_installation, sync_to_thread=False),
            "embedder_check": Provide(provide_embedder_check, sync_to_thread=False),
            "actor": Provide(provide_actor, sync_to_thread=False),
        },
        guards=[enforce_permission],
        middleware=[
            session_config(settings.public_url).middleware,
            AuthenticationMiddleware(installation.database, installation.tokens),
            ForgeryGuard(settings.public_url),
        ],
        exception_handlers=exception_handlers(error_page),
        before_send=[add_headers],
        compression_config=CompressionConfig(backend="gzip", minimum_size=1024, exclude_opt_key="uncompressed"),
        openapi_config=openapi_config(),
        stores={STORE: session_store(installation.database)},
        state=State(
            {
                "installation": installation,
                "metrics": request_metrics,
                RECEPTION: Reception(installation),
                HOOKS: Hooks(installation.database, installation.channels),
            }
        ),
        request_max_body_size=LARGEST_BODY,
        multipart_form_part_limit=50,
        lifespan=[_lifespan],
        logging_config=None,
        pdb_on_exception=False,
        debug=False,
    )
    check_permissions(app)
    describe_problems(app)
    door = FileDoor(WidgetDoor(app.asgi_handler, installation.database))
    app.asgi_handler = Edge(door, allowed_hosts=settings.allowed_hosts, metrics=request_metrics)
    return app


def provide_actor(request: Request[Any, Any, Any]) -> Actor:
    return current_actor(request)


@asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncGenerator[None]:
    installation: Installation = app.state.installation
    await installation.queue.connect()
    await installation.live.start()
    try:
        yield
    finally:
        await installation.live.stop()
        await installation.queue.disconnect()
        await installation.models.close()
        await installation.database.close()
