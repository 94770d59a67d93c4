"""The chat: ask and be answered while waiting; sessions, which are tickets as the chat sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from desk.accounts.identity import Actor, Permission
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.chat.answering import ask
from desk.chat.sessions import (
    SessionView,
    close_session,
    get_session,
    list_sessions,
    live_connection,
    new_session,
    public_messages,
)
from desk.chat.taking import ChatQuestion
from desk.installation import Installation
from desk.models import DraftSource, Message
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs


class AskedChat(Asked):
    message: str
    session_id: UUID | None = None
    """Of an earlier answer; without one a new session begins."""
    user_id: str | None = None
    """The person's id in your own system."""
    metadata: dict[str, Any] | None = None
    """Kept with the session; `name` and `email` in it are taken for the customer's."""


class AskedSession(Asked):
    user_id: str | None = None
    metadata: dict[str, Any] | None = None


class ChatSourceAnswer(Answer):
    kind: str
    """global_kb, tenant_kb or faq."""
    id: UUID
    title: str
    version: int
    url: str | None


class ChatAnswerBody(Answer):
    answer: str
    """The reply, or the hand-off message when `escalate` is true."""
    confidence: float
    """0 to 100; 0 when there is no draft."""
    escalate: bool
    """A person will answer, in this session."""
    suggested_actions: list[str]
    """Out of check_faq, contact_support, open_ticket, provide_details, rate_answer."""
    session_id: UUID
    ticket_id: UUID
    sources: list[ChatSourceAnswer]


class SessionAnswer(Answer):
    id: UUID
    ticket_id: UUID | None
    """null until the first message."""
    status: str
    """open, with_person or closed."""
    channel: str
    user_id: str | None
    metadata: dict[str, Any]
    page_url: str
    page_title: str
    rating: int | None
    created_at: datetime
    last_message_at: datetime | None
    closed_at: datetime | None


class TranscriptLine(Answer):
    id: UUID
    seq: int
    author: str = msgspec.field(name="from")
    """customer, agent, or machine for a reply that nobody approved."""
    body: str
    sent_at: datetime


class TranscriptAnswer(Answer):
    session_id: UUID
    ticket_id: UUID | None
    messages: list[TranscriptLine]
    """What both sides see, oldest first."""


@post("/chat", status_code=200, opt=needs(Permission.TICKETS), tags=["chat"])
async def chat(
    data: JSONBody[AskedChat], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
) -> ChatAnswerBody:
    """Ask, and wait a few seconds at most. What is not answered in that time is a person's to answer."""
    found = await ask(installation, actor, ChatQuestion(data.message, data.session_id, data.user_id, data.metadata))
    return ChatAnswerBody(
        answer=found.answer,
        confidence=found.confidence,
        escalate=found.escalate,
        suggested_actions=list(found.suggested_actions),
        session_id=found.session_id,
        ticket_id=found.ticket_id,
        sources=[_source(source) for source in found.sources],
    )


class SessionController(Controller):
    path = "/sessions"
    tags = ("chat",)
    opt = needs(Permission.TICKETS)

    @post("/")
    async def create(
        self, data: JSONBody[AskedSession], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> SessionAnswer:
        """Begin a session; its ticket is made with the first message."""
        async with installation.database.transaction(actor.scope) as session:
            connection = await live_connection(session, "chat")
            fresh = new_session(connection, user_id=data.user_id, details=data.metadata or {})
            session.add(fresh)
            await session.flush()
            return _session(SessionView(fresh, None))

    @get("/")
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        status: Annotated[str | None, QueryParameter(description="open, with_person or closed.")] = None,
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[SessionAnswer]:
        """Those of the chat and of the web widget, newest first."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_sessions(session, status=status, limit=limit, offset=offset)
        return Listed([_session(view) for view in page.items], page.total, page.limit, page.offset)

    @get("/{session_id:uuid}")
    async def show(
        self, session_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> SessionAnswer:
        async with installation.database.transaction(actor.scope) as session:
            return _session(await get_session(session, session_id))

    @get("/{session_id:uuid}/transcript")
    async def transcript(
        self, session_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> TranscriptAnswer:
        async with installation.database.transaction(actor.scope) as session:
            view = await get_session(session, session_id)
            messages = await public_messages(session, view.ticket.id) if view.ticket is not None else ()
        return TranscriptAnswer(session_id, view.session.ticket_id, [_line(message) for message in messages])

    @post("/{session_id:uuid}/close", status_code=200)
    async def close(
        self, session_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> SessionAnswer:
        """End the session. A question that nobody has answered stays in the queue."""
        return _session(await close_session(installation.database, actor, session_id))


def _session(view: SessionView) -> SessionAnswer:
    row = view.session
    return SessionAnswer(
        id=row.id,
        ticket_id=row.ticket_id,
        status=view.status,
        channel=view.ticket.channel if view.ticket is not None else "chat",
        user_id=row.user_id,
        metadata=dict(row.details),
        page_url=row.page_url,
        page_title=row.page_title,
        rating=row.rating,
        created_at=row.created_at,
        last_message_at=view.ticket.last_message_at if view.ticket is not None else None,
        closed_at=row.closed_at,
    )


def _source(source: DraftSource) -> ChatSourceAnswer:
    return ChatSourceAnswer(source.kind, source.item_id, source.title, source.version, source.url)


def _line(message: Message) -> TranscriptLine:
    return TranscriptLine(message.id, message.seq, message.author, message.body, message.sent_at)
