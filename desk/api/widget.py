"""The web widget's own protocol, for pages of other sites (the front end is `ui/static/widget/embed.js`).

Every address begins with the widget's public key. A visitor is known by a signed token in the Authorization header;
cookies mean nothing here. The stream is read by `fetch`, so that no token ever stands in an address.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from desk.api.fields import Answer, Asked
from desk.errors import SignInRequiredError
from desk.installation import Installation
from desk.web.authentication import OWN_AUTHENTICATION
from desk.web.permissions import PUBLIC
from desk.web.widget_door import PREFIX, WIDGET
from desk.widget import visitors
from desk.widget.access import VisitorClaim, VisitorTokens, Widget
from desk.widget.configuration import is_open, texts_for
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
from desk.widget.limits import Brake, hashed_address, visitor_address
from desk.widget.stream import ConversationStream, StreamEvent
from desk.widget.suggestions import suggest
from desk.widget.visible import VisibleConversation, VisibleMessage, VisiblePage, conversation_of
from desk.widget.visitors import Particulars, stranger, visitor_of

RECEPTION = "widget_reception"
"""Key of the application's state."""
SESSIONS_PER_MINUTE = 30
LOOKUPS_PER_MINUTE = 60
SIGNALS_PER_MINUTE = 120
MOST_STREAMS = 6
"""Of one visitor, in this process."""
STANDARD_PAGE = 30
SHORTEST_QUERY = 4
LONGEST_QUERY = 200


class AskedIdentity(Asked):
    user_id: str
    signature: str
    """hex(HMAC-SHA256(the widget's signing secret, user_id)), made by the host site's server."""
    name: str = ""
    email: str = ""


class AskedMessage(Asked):
    client_message_id: UUID
    body: str
    conversation_id: UUID | None = None
    page_url: str = ""
    page_title: str = ""
    name: str = ""
    email: str = ""
    wants_person: bool = False


class AskedRead(Asked):
    seq: Annotated[int, msgspec.Meta(ge=0, le=2_000_000_000)]


class AskedRating(Asked):
    rating: int
    comment: str = ""


class AskedContact(Asked):
    email: str
    name: str = ""


class Appearance(Answer):
    language: str
    texts: dict[str, str]
    colour: str
    text_colour: str
    position: str
    logo_url: str
    ask_name: bool
    ask_email: bool
    form_required: bool
    suggest_faqs: bool
    longest_message: int
    is_away: bool


class TokenAnswer(Answer):
    token: str
    expires_at: datetime
    identified: bool


class TakenAnswer(Answer):
    conversation_id: UUID
    message: VisibleMessage


class ConversationsAnswer(Answer):
    conversations: list[VisibleConversation]


class Suggestion(Answer):
    id: UUID
    question: str
    answer: str


class SuggestionsAnswer(Answer):
    suggestions: list[Suggestion]


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
    claim = _claim_in(request, widget, reception)
    if claim is None:
        msg = "begin a session first"
        raise SignInRequiredError(msg)
    return claim


def _claim_in(request: Request[Any, Any, Any], widget: Widget, reception: Reception) -> VisitorClaim | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return reception.tokens.read(widget, token.strip()) if scheme.lower() == "bearer" else None


class WidgetController(Controller):
    path = f"{PREFIX}{{key:str}}"
    opt = {**PUBLIC, OWN_AUTHENTICATION: True, "skip_session": True}  # noqa: RUF012 - Litestar reads it as it is
    include_in_schema = False
    dependencies = {  # noqa: RUF012 - likewise
        "widget": Provide(provide_widget, sync_to_thread=False),
        "reception": Provide(provide_reception, sync_to_thread=False),
        "claim": Provide(provide_claim, sync_to_thread=False),
    }

    @get("/configuration")
    async def configuration(
        self,
        widget: NamedDependency[Widget],
        installation: NamedDependency[Installation],
        language: Annotated[str, QueryParameter(max_length=20)] = "",
    ) -> Appearance:
        """How the widget looks and what it says."""
        set_by_tenant = widget.configuration
        spoken, texts = texts_for(set_by_tenant, language.lower())
        return Appearance(
            language=spoken,
            texts=texts,
            colour=set_by_tenant.colour,
            text_colour=set_by_tenant.text_colour,
            position=set_by_tenant.position,
            logo_url=set_by_tenant.logo_url,
            ask_name=set_by_tenant.ask_name,
            ask_email=set_by_tenant.ask_email,
            form_required=set_by_tenant.form_required,
            suggest_faqs=set_by_tenant.suggest_faqs,
            longest_message=set_by_tenant.longest_message,
            is_away=not is_open(set_by_tenant, installation.clock.now()),
        )

    @post("/session", status_code=200)
    async def begin(
        self,
        request: Request[Any, Any, Any],
        widget: NamedDependency[Widget],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> TokenAnswer:
        """A token for a stranger, of whom nothing is stored; with a valid one the same visitor for longer."""
        reception.sessions.count(reception.address(request))
        claim = _claim_in(request, widget, reception)
        if claim is None:
            return _token(reception, widget, stranger())
        async with installation.database.transaction(widget.scope) as session:
            await visitor_of(session, widget, claim)
        return _token(reception, widget, claim)

    @post("/identify", status_code=200)
    async def identify(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[AskedIdentity],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
    ) -> TokenAnswer:
        """The host site says who this is, and proves it. The token of before is worth nothing afterwards."""
        reception.sessions.count(reception.address(request))
        said = Particulars(data.name, data.email)
        known = await visitors.identify(installation.database, widget, claim, data.user_id, data.signature, said)
        return _token(reception, widget, known)

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
        )
        address = hashed_address(installation.settings.secret_key, reception.address(request))
        taken = await take_message(installation.database, widget, claim, new, address)
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
        opt={**PUBLIC, OWN_AUTHENTICATION: True, "skip_session": True, "uncompressed": True},
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
        """Events `message` (with the sequence as id), `state`, `typing`, `reset`; goes on after `Last-Event-ID`."""
        async with installation.database.transaction(widget.scope) as session:
            visitor = await visitor_of(session, widget, claim)
            _, ticket_id = await conversation_of(session, visitor, conversation_id)
        if reception.streams.get(claim.visitor_id, 0) >= MOST_STREAMS:
            return Response({"detail": "Too many windows are open."}, status_code=429, headers={"Retry-After": "30"})
        last = request.headers.get("last-event-id", "")
        after = int(last) if last.isascii() and last.isdigit() and len(last) < 10 else 0
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

    @get("/suggestions")
    async def suggestions(
        self,
        request: Request[Any, Any, Any],
        widget: NamedDependency[Widget],
        claim: NamedDependency[VisitorClaim],
        reception: NamedDependency[Reception],
        installation: NamedDependency[Installation],
        q: Annotated[str, QueryParameter(max_length=LONGEST_QUERY)] = "",
    ) -> SuggestionsAnswer:
        """Published FAQs near to what is being typed; the token keeps this to people who opened the widget."""
        del claim
        reception.lookups.count(reception.address(request))
        if not widget.configuration.suggest_faqs or len(q.strip()) < SHORTEST_QUERY:
            return SuggestionsAnswer([])
        found = await suggest(installation.database, installation.faqs, widget, q.strip())
        return SuggestionsAnswer([Suggestion(faq.id, faq.question, faq.answer) for faq in found])


def _token(reception: Reception, widget: Widget, claim: VisitorClaim) -> TokenAnswer:
    token, expires = reception.tokens.issue(widget, claim)
    return TokenAnswer(token, expires, claim.user_id is not None)


async def _told(
    opened: ConversationStream, after: int, reception: Reception, visitor_id: UUID
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
    return ServerSentEventMessage(event=event.kind, data=data, id=event.seq)
