"""The widget's script for other sites' pages, and the demo's shop that embeds it."""

from __future__ import annotations

import hashlib
from typing import Any

from litestar import Request, Response, get
from litestar.di import NamedDependency
from litestar.response import Template
from sqlalchemy import select

from desk.accounts.tenants import tenant_by_slug
from desk.db.tenancy import Scope
from desk.demo.content import TENANT_FOLDERS, load_tenant
from desk.errors import NotFoundError
from desk.installation import Installation
from desk.models import Connection
from desk.web.authentication import OWN_AUTHENTICATION
from desk.web.permissions import PUBLIC
from ui.rendering import STATIC

_SCRIPT = (STATIC / "widget" / "embed.js").read_bytes()
_ETAG = f'"{hashlib.sha256(_SCRIPT).hexdigest()[:20]}"'
_HEADERS = {
    "Cache-Control": "public, max-age=300",
    "ETag": _ETAG,
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@get(
    "/widget/v1/embed.js",
    opt={**PUBLIC, OWN_AUTHENTICATION: True, "skip_session": True},
    include_in_schema=False,
    sync_to_thread=False,
)
def embed_script(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The same for every widget: whose it is stands in the `key` of the address, which the script reads itself."""
    if request.headers.get("if-none-match") == _ETAG:
        return Response(b"", status_code=304, headers=_HEADERS)
    return Response(_SCRIPT, media_type="text/javascript; charset=utf-8", headers=_HEADERS)


@get("/demo/shop", opt=PUBLIC, include_in_schema=False)
async def demo_shop(installation: NamedDependency[Installation]) -> Template:
    """A customer's page with the widget of the first demo tenant. Raises NotFoundError outside of the demo."""
    if not installation.settings.demo:
        msg = "the demo shop is there when DESK_DEMO=1"
        raise NotFoundError(msg)
    tenant = load_tenant(TENANT_FOLDERS[0])
    tenant_id = await tenant_by_slug(installation.database, tenant.slug)
    async with installation.database.transaction(Scope(tenant_id)) as session:
        found = await session.execute(select(Connection.public_key).where(Connection.channel == "widget"))
        key = found.scalars().first()
    return Template("demo_shop.html", context={"name": tenant.name, "key": key})
