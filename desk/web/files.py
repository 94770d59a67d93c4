"""The desk's own end of the addresses `desk.files` signs, for a storage that browsers cannot reach by themselves.

The token in the address is all the authority there is, so pages of any site may use it, as with a bucket's addresses.
What is answered is always saved and never shown as a page: whatever it is, it must not run in the desk's name.
"""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, Response, get, head, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Stream
from litestar.types import ASGIApp, Receive, Scope, Send

from desk.errors import InvalidInputError, NotFoundError
from desk.files import PREFIX
from desk.installation import Installation
from desk.web.authentication import OWN_AUTHENTICATION
from desk.web.permissions import PUBLIC

_ANY_PAGE = {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"}
FILE_HEADERS = {"Content-Security-Policy": "default-src 'none'; sandbox", "X-Content-Type-Options": "nosniff"}
"""On every answer that carries a stored file's bytes."""


class FileController(Controller):
    path = f"{PREFIX}{{token:str}}"
    opt = {  # noqa: RUF012 - Litestar reads it as it is
        **PUBLIC,
        OWN_AUTHENTICATION: True,
        "skip_session": True,
        "uncompressed": True,
    }
    include_in_schema = False

    @get("/")
    async def download(self, token: FromPath[str], installation: NamedDependency[Installation]) -> Response[Any]:
        grant = installation.files.read_download(token)
        found = await installation.storage.head(grant.key)
        if found is None:
            msg = "the file is no longer there"
            raise NotFoundError(msg)
        headers = {
            **_ANY_PAGE,
            **FILE_HEADERS,
            "Content-Disposition": grant.disposition,
            "Content-Length": str(found.size),
        }
        return Stream(installation.storage.stream(grant.key), media_type=grant.content_type, headers=headers)

    @head("/")
    async def look(self, token: FromPath[str], installation: NamedDependency[Installation]) -> Response[None]:
        """What `download` would say of the file; other systems ask before they fetch."""
        grant = installation.files.read_download(token)
        found = await installation.storage.head(grant.key)
        if found is None:
            msg = "the file is no longer there"
            raise NotFoundError(msg)
        headers = {**_ANY_PAGE, **FILE_HEADERS, "Content-Disposition": grant.disposition}
        return Response(
            None, media_type=grant.content_type, headers={**headers, "Content-Length": str(found.size)}, status_code=200
        )

    @put("/", status_code=204)
    async def upload(
        self, request: Request[Any, Any, Any], token: FromPath[str], installation: NamedDependency[Installation]
    ) -> Response[None]:
        """Durable when it is answered. Like a bucket's, this address takes what was signed and nothing else."""
        grant = installation.files.read_upload(token)
        if request.headers.get("content-type", "") != grant.content_type:
            msg = "the file has another type than was announced"
            raise InvalidInputError(msg)
        body = await request.body()
        if len(body) != grant.size:
            msg = "the file has another size than was announced"
            raise InvalidInputError(msg)
        await installation.storage.put(grant.key, body)
        return Response(None, status_code=204, headers=_ANY_PAGE)


class FileDoor:
    """Answers what browsers ask before they put a file from another site's page (CORS preflight, Fetch standard).

    Outside of the application, whose router answers OPTIONS by itself and without these headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_asked = scope["type"] == "http" and scope["method"] == "OPTIONS" and scope["path"].startswith(PREFIX)
        if not is_asked:
            await self._app(scope, receive, send)
            return
        headers = {
            **_ANY_PAGE,
            "Access-Control-Allow-Methods": "GET, PUT",
            "Access-Control-Allow-Headers": "Content-Type",
            "Access-Control-Max-Age": "600",
            "Content-Length": "0",
        }
        encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 204, "headers": encoded})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
