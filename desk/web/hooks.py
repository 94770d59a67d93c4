"""The addresses outside systems call: `GET|POST /hooks/in/{token}`. The token and a signature are all they have."""

from __future__ import annotations

from typing import Any

from litestar import Controller, HttpMethod, Request, Response, route
from litestar.di import NamedDependency
from litestar.params import FromPath

from desk.inbound.hooks import LARGEST_CALL, PREFIX, Hooks
from desk.installation import Installation
from desk.ports import WebhookRequest
from desk.web.authentication import OWN_AUTHENTICATION
from desk.web.permissions import PUBLIC

HOOKS = "hooks"
"""Key of the application's state."""


class HookController(Controller):
    path = f"{PREFIX}{{token:str}}"
    opt = {**PUBLIC, OWN_AUTHENTICATION: True, "skip_session": True, "uncompressed": True}  # noqa: RUF012 - Litestar's
    include_in_schema = False
    request_max_body_size = LARGEST_CALL

    @route("/", http_method=[HttpMethod.GET, HttpMethod.POST], status_code=200)
    async def call(
        self, request: Request[Any, Any, Any], token: FromPath[str], installation: NamedDependency[Installation]
    ) -> Response[bytes]:
        """The raw bytes are read here and never logged."""
        hooks: Hooks = request.app.state[HOOKS]
        scope: Any = request.scope
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        # Some servers leave the query in the raw path, others do not.
        address = f"{installation.settings.public_url}{path.partition('?')[0]}{f'?{query}' if query else ''}"
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        call = WebhookRequest(request.method, address, headers, await request.body())
        answer = await hooks.take_in(token, call)
        return Response(
            answer.body, status_code=answer.status, media_type=answer.media_type, headers=dict(answer.headers)
        )
