"""A visitor's conversations: writing, reading, following. The stream is read by `fetch`, so that no token ever stands
in an address."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from desk.api.widget_bodies import AskedContact, AskedMessage, AskedRating, AskedRead, ConversationsAnswer, TakenAnswer
from desk.api.widget_reception import DEPENDENCIES, OPTIONS, Reception
from desk.attachments.kept import AttachmentLimits
from desk.attachments.threads import checked_ids
from desk.installation import Installation
from desk.web.widget_door import PREFIX
from desk.widget.access import VisitorClaim, Widget
from desk.widget.conversations import (
    WidgetMessage,
    ask_for_person,
    leave_particulars,
    list_conversations,
    mark_read,
    rate,
    read_page,
    take_message,
    tell_typing,
)
from desk.widget.limits import hashed_address
from desk.widget.stream import ConversationStream, Mark, StreamEvent, read_mark
from desk.widget.visible import VisiblePage, conversation_of
from desk.widget.visitors import Particulars, visitor_of

MOST_STREAMS = 6
"""Of one visitor, in this process."""
STANDARD_PAGE = 30


class WidgetConversationController(Controller):
    path = f"{PREFIX}{{key:str}}"
    opt = OPTIONS
    include_in_schema = False
    dependencies = DEPENDENCIES

    @get("/conversations")
    async def conversations(
        self,
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        installation: NamedDependency[Installation],
    ) -> ConversationsAnswer:
        return ConversationsAnswer(list(await list_conversations(installation.database, widget, claim)))

    @post("/messages")
    async def write(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[AskedMessage],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> Response[TakenAnswer]:
        """201, or 200 when this `client_message_id` was taken in before. The answer comes by the stream."""
        new = WidgetMessage(
            client_message_id=data.client_message_id,
            body=data.body,
            conversation_id=data.conversation_id,
            page_url=data.page_url,
            page_title=data.page_title,
            said=Particulars(data.name, data.email),
            wants_person=data.wants_person,
            attachments=checked_ids(data.attachments, AttachmentLimits.of(installation.settings)),
        )
        address = hashed_address(installation.settings.secret_key, reception.address(request))
        taken = await take_message(installation, widget, claim, new, address)
        return Response(TakenAnswer(taken.conversation_id, taken.message), status_code=201 if taken.is_new else 200)

    @get("/conversations/{conversation_id:uuid}/messages")
    async def messages(
        self,
        conversation_id: FromPath[UUID],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        installation: NamedDependency[Installation],
        before: Annotated[int | None, QueryParameter(ge=1, le=2_000_000_000)] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=100)] = STANDARD_PAGE,
    ) -> VisiblePage:
        now = installation.clock.now()
        return await read_page(installation.database, widget, claim, conversation_id, now, before=before, limit=limit)

    @get(
        "/conversations/{conversation_id:uuid}/stream",
        opt={**OPTIONS, "uncompressed": True},
    )
    async def stream(
        self,
        request: Request[Any, Any, Any],
        conversation_id: FromPath[UUID],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> Response[Any]:
        """Events `message` (with edition and sequence as id), `part` (the beginning of one that follows), `state`,
        `typing`, `reset`; goes on after `Last-Event-ID`."""
        async with installation.database.transaction(widget.scope) as session:
            visitor = await visitor_of(session, widget, claim)
            _, ticket_id = await conversation_of(session, visitor, conversation_id)
        if reception.streams.get(claim.visitor_id, 0) >= MOST_STREAMS:
            return Response({"detail": "Too many windows are open."}, status_code=429, headers={"Retry-After": "30"})
        after = read_mark(request.headers.get("last-event-id", ""))
        opened = ConversationStream(installation, widget, claim, conversation_id, ticket_id)
        headers = {"Cache-Control": "no-cache, no-transform"}
        return ServerSentEvent(_told(opened, after, reception, claim.visitor_id), headers=headers)

    @post("/conversations/{conversation_id:uuid}/typing", status_code=204)
    async def typing(
        self,
        request: Request[Any, Any, Any],
        conversation_id: FromPath[UUID],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> None:
        reception.signals.count(reception.address(request))
        await tell_typing(installation.database, widget, claim, conversation_id)

    @post("/conversations/{conversation_id:uuid}/read", status_code=204)
    async def read(
        self,
        request: Request[Any, Any, Any],
        conversation_id: FromPath[UUID],
        data: JSONBody[AskedRead],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> None:
        reception.signals.count(reception.address(request))
        await mark_read(installation.database, widget, claim, conversation_id, data.seq)

    @post("/conversations/{conversation_id:uuid}/person", status_code=204)
    async def person(
        self,
        conversation_id: FromPath[UUID],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        installation: NamedDependency[Installation],
    ) -> None:
        await ask_for_person(installation.database, widget, claim, conversation_id)

    @post("/conversations/{conversation_id:uuid}/contact", status_code=204)
    async def contact(
        self,
        request: Request[Any, Any, Any],
        conversation_id: FromPath[UUID],
        data: JSONBody[AskedContact],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> None:
        reception.lookups.count(reception.address(request))
        said = Particulars(data.name, data.email)
        await leave_particulars(installation.database, widget, claim, conversation_id, said)

    @post("/conversations/{conversation_id:uuid}/rating", status_code=204)
    async def rating(
        self,
        request: Request[Any, Any, Any],
        conversation_id: FromPath[UUID],
        data: JSONBody[AskedRating],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> None:
        reception.lookups.count(reception.address(request))
        await rate(installation.database, widget, claim, conversation_id, data.rating, data.comment)


async def _told(
    opened: ConversationStream, after: Mark, reception: Reception, visitor_id: UUID
) -> AsyncGenerator[ServerSentEventMessage]:
    reception.streams[visitor_id] = reception.streams.get(visitor_id, 0) + 1
    try:
        async for event in opened.events(after):
            yield _sse(event)
    finally:
        reception.streams[visitor_id] -= 1
        if not reception.streams[visitor_id]:
            del reception.streams[visitor_id]


def _sse(event: StreamEvent) -> ServerSentEventMessage:
    if event.kind == "beat":
        return ServerSentEventMessage(comment="still here")
    data = msgspec.json.encode(event.data).decode() if event.data is not None else "1"
    return ServerSentEventMessage(event=event.kind, data=data, id=None if event.mark is None else str(event.mark))
