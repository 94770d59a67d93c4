"""A visitor's files. The browser announces one, puts its bytes where it is told (the storage itself where that has
addresses of its own), and says when it is done; only then does the desk look at it and believe that it is there."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from desk.api.fields import Answer, Asked
from desk.api.widget_reception import DEPENDENCIES, OPTIONS, Reception
from desk.attachments.kept import AttachmentLimits
from desk.attachments.uploads import announce_upload, complete_upload, visitors_own, withdraw
from desk.installation import Installation
from desk.web.widget_door import PREFIX
from desk.widget.access import VisitorClaim, Widget
from desk.widget.files import download_address
from desk.widget.visitors import visitor_of


class AskedUpload(Asked):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    size: Annotated[int, msgspec.Meta(ge=0, le=2**50)]
    type: str = ""


class UploadAnswer(Answer):
    id: UUID
    url: str
    """Where the bytes go, by PUT, for five minutes."""
    headers: dict[str, str]
    """Content-Length among them, which browsers set themselves."""


class FileAnswer(Answer):
    id: UUID
    state: str
    """ready or refused."""
    reason: str


class AddressAnswer(Answer):
    url: str


class WidgetAttachmentController(Controller):
    path = f"{PREFIX}{{key:str}}/attachments"
    opt = OPTIONS
    include_in_schema = False
    dependencies = DEPENDENCIES

    @post("/")
    async def announce(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[AskedUpload],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> UploadAnswer:
        reception.lookups.count(reception.address(request))
        async with installation.database.transaction(widget.scope) as session:
            await visitor_of(session, widget, claim)
        row, address = await announce_upload(
            installation.database,
            installation.files,
            widget.scope,
            claim.visitor_id,
            name=data.name,
            declared_type=data.type,
            size=data.size,
            limits=AttachmentLimits.of(installation.settings),
        )
        return UploadAnswer(row.id, address.url, dict(address.headers))

    @post("/{attachment_id:uuid}/complete", status_code=200)
    async def complete(
        self,
        request: Request[Any, Any, Any],
        attachment_id: FromPath[UUID],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> FileAnswer:
        reception.lookups.count(reception.address(request))
        row = await complete_upload(
            installation.database,
            installation.storage,
            widget.scope,
            claim.visitor_id,
            attachment_id,
            AttachmentLimits.of(installation.settings),
        )
        return FileAnswer(row.id, row.state, row.reason)

    @post("/{attachment_id:uuid}/withdraw", status_code=204)
    async def withdraw(
        self,
        request: Request[Any, Any, Any],
        attachment_id: FromPath[UUID],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> None:
        reception.lookups.count(reception.address(request))
        async with installation.database.transaction(widget.scope) as session:
            await withdraw(session, await visitors_own(session, claim.visitor_id, attachment_id))

    @get("/{attachment_id:uuid}")
    async def address(
        self,
        request: Request[Any, Any, Any],
        attachment_id: FromPath[UUID],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> AddressAnswer:
        """Where a file of the visitor's own conversations can be had for some minutes."""
        reception.signals.count(reception.address(request))
        found = await download_address(installation.database, installation.files, widget, claim, attachment_id)
        return AddressAnswer(found.url)
