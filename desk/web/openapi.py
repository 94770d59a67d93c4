"""The description of the API at /schema/openapi.json, and at /schema a page that lists it, all from this server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litestar import Litestar, Request, Response, Router, get
from litestar.exceptions import NotFoundException
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, OpenAPIRenderPlugin
from litestar.openapi.spec import Components, OpenAPIMediaType, OpenAPIResponse, Reference, Schema, SecurityScheme
from litestar.openapi.spec.enums import OpenAPIType
from litestar.params import FromPath

from desk.web.permissions import PUBLIC
from desk.web.problems import PROBLEM

VERSION = "1"
_STATIC = Path(__file__).parent / "static"
_MEDIA_TYPES = {"schema.js": "text/javascript; charset=utf-8", "schema.css": "text/css; charset=utf-8"}
_PROBLEM_SCHEMA = Schema(
    type=OpenAPIType.OBJECT,
    required=["type", "title", "status", "detail"],
    properties={
        "type": Schema(type=OpenAPIType.STRING),
        "title": Schema(type=OpenAPIType.STRING),
        "status": Schema(type=OpenAPIType.INTEGER),
        "detail": Schema(type=OpenAPIType.STRING, description="A sentence a person understands."),
        "errors": Schema(
            type=OpenAPIType.ARRAY,
            items=Schema(
                type=OpenAPIType.OBJECT,
                properties={"field": Schema(type=OpenAPIType.STRING), "message": Schema(type=OpenAPIType.STRING)},
            ),
        ),
        "incident": Schema(type=OpenAPIType.STRING, description="Names the log line of an unexpected error."),
    },
)


class OperationsPage(OpenAPIRenderPlugin):
    """A small page of our own; its script reads openapi.json."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:  # noqa: ARG002 - theirs
        return (_STATIC / "schema.html").read_bytes()


@get("/files/{name:str}", opt=PUBLIC, include_in_schema=False, sync_to_thread=False)
def page_file(name: FromPath[str]) -> Response[bytes]:
    if name not in _MEDIA_TYPES:
        raise NotFoundException
    return Response((_STATIC / name).read_bytes(), media_type=_MEDIA_TYPES[name])


def openapi_config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Draftdesk",
        version=VERSION,
        description="Errors are application/problem+json. Lists page with `limit` and `offset`.",
        render_plugins=[OperationsPage(), JsonRenderPlugin(path="/openapi.json")],
        openapi_router=Router("/schema", route_handlers=[page_file], include_in_schema=False, opt=PUBLIC),
        components=Components(
            security_schemes={
                "bearer": SecurityScheme(
                    type="http", scheme="bearer", description="An access token, or an API key `dk_...`."
                )
            }
        ),
        security=[{"bearer": []}],
        use_handler_docstrings=True,
    )


def describe_problems(app: Litestar) -> None:
    """Every operation may answer with a problem; say so once for each instead of Litestar's own error shape."""
    answer = OpenAPIResponse(
        description="A problem (RFC 9457)",
        content={PROBLEM: OpenAPIMediaType(schema=Reference(ref="#/components/schemas/Problem"))},
    )
    schemas = app.openapi_schema.components.schemas
    app.openapi_schema.components.schemas = {**(schemas or {}), "Problem": _PROBLEM_SCHEMA}
    for item in (app.openapi_schema.paths or {}).values():
        for operation in (item.get, item.put, item.post, item.patch, item.delete):
            if operation is not None and operation.responses is not None:
                operation.responses.pop("400", None)
                operation.responses["default"] = answer
