"""A question in a chat: taken in like any message, answered by the one draft pipeline, waited for a bounded time.

The caller gets the reply that went into the conversation, or the news that a person will give it. Nothing is composed
here: what the chat says is what the ticket holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.accounts.identity import Actor
from desk.accounts.preferences import load_preferences
from desk.chat.handover import details_asked_after, is_with_person, tell_who_waits
from desk.chat.sessions import get_session, live_connection, new_session, public_messages
from desk.conversation import add_customer_message, lock_ticket
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database, announce
from desk.drafting.requests import request_draft
from desk.errors import ConflictError
from desk.installation import Installation
from desk.intake import (
    CustomerDetails,
    NewMessage,
    find_or_create_customer,
    message_body,
    open_ticket,
    processed,
    take_in,
)
from desk.models import ChatSession, Connection, Customer, Delivery, Draft, DraftSource, Message, Ticket
from desk.plain_text import excerpt

ANSWER_SECONDS = 8.0
"""How long somebody is kept waiting, unless the connection's `answer_seconds` says otherwise."""
LONGEST_TITLE = 80
LOOK_AGAIN_SECONDS = 1.0
"""The announcement of an answer may be missed; then it is found by looking."""
SHORT_QUESTION = 30
RELATED_FAQ = 0.35
SHOWN_SOURCES = frozenset({"global_kb", "tenant_kb", "faq"})
"""What may be named outside of the desk; approved answers and corrections come from other customers' tickets."""


@dataclass(frozen=True, slots=True)
class ChatQuestion:
    message: str
    session_id: UUID | None = None
    user_id: str | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    answer: str
    confidence: float
    """0 to 100; 0 when there is no draft (yet)."""
    escalate: bool
    suggested_actions: tuple[str, ...]
    session_id: UUID
    ticket_id: UUID
    sources: Sequence[DraftSource]


@dataclass(frozen=True, slots=True)
class Asked:
    session_id: UUID
    ticket_id: UUID
    seq: int
    answer_seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of a question so far."""

    reply: Message | None
    with_person: bool
    asked_details: bool = False
    """The message only greets, and the visitor was asked what it is about."""


def answer_seconds(connection: Connection) -> float:
    return float(connection.configuration.get("answer_seconds", ANSWER_SECONDS))


async def ask(installation: Installation, actor: Actor, question: ChatQuestion) -> ChatAnswer:
    """Raises NotFoundError for an unknown session, ConflictError for a closed one, InvalidInputError."""
    asked = await take_question(installation.database, actor, question)
    outcome = await wait_for_answer(installation, actor.scope, asked.ticket_id, asked.seq, asked.answer_seconds)
    related = await installation.faqs.search(actor.tenant_id, question.message, 1)
    has_related = bool(related) and related[0].score >= RELATED_FAQ
    async with installation.database.transaction(actor.scope) as session:
        if outcome.reply is None:
            preferences = await load_preferences(session)
            confidence = await _confidence(session, asked.ticket_id, asked.seq)
            if outcome.asked_details:
                text = preferences.ask_details
                return ChatAnswer(text, confidence, False, ("provide_details",), asked.session_id, asked.ticket_id, ())
            text = preferences.handover
            actions = _actions_without_answer(question.message, has_related_faq=has_related)
            return ChatAnswer(text, confidence, True, actions, asked.session_id, asked.ticket_id, ())
        draft = await draft_of(session, outcome.reply)
        confidence = _score(draft)
        is_sure = draft is None or (draft.confidence or {}).get("level") == "high"
        actions = ("rate_answer",) if is_sure else ("rate_answer", "contact_support")
        if has_related and not is_sure:
            actions = (*actions, "check_faq")
        return ChatAnswer(
            answer=outcome.reply.body,
            confidence=confidence,
            escalate=False,
            suggested_actions=actions,
            session_id=asked.session_id,
            ticket_id=asked.ticket_id,
            sources=await shown_sources(session, draft),
        )


async def take_question(database: Database, actor: Actor, question: ChatQuestion) -> Asked:
    """The question becomes a message of its session's ticket, committed, with a draft asked for.

    Raises NotFoundError for an unknown session, ConflictError for a closed one, InvalidInputError.
    """
    body = message_body(question.message)
    async with database.transaction(actor.scope) as session:
        connection = await live_connection(session, "chat")
        chat = await _session_of(session, connection, question)
        if chat.ticket_id is None:
            customer = await find_or_create_customer(session, connection.id, _customer_details(chat))
            ticket = await open_ticket(session, connection, customer, subject=title_of(body), department=None)
            chat.ticket_id = ticket.id
            events.record(session, ticket.id, "ticket_created", actor.label, channel=ticket.channel)
        else:
            ticket = await lock_ticket(session, chat.ticket_id)
            customer = await session.get_one(Customer, ticket.customer_id)
        message = await add_live_message(session, ticket, customer, body, client_id=None)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return Asked(chat.id, ticket.id, message.seq, answer_seconds(connection))


async def _session_of(session: AsyncSession, connection: Connection, question: ChatQuestion) -> ChatSession:
    if question.session_id is None:
        chat = new_session(connection, user_id=question.user_id, details=question.metadata or {})
        session.add(chat)
        await session.flush()
        return chat
    view = await get_session(session, question.session_id)
    if view.status == "closed":
        msg = "this session is closed; start a new one by leaving session_id out"
        raise ConflictError(msg)
    if question.user_id is not None and view.session.user_id not in {None, question.user_id}:
        msg = "this session belongs to another user_id"
        raise ConflictError(msg)
    if view.session.ticket_id is None and question.user_id is not None:
        view.session.user_id = question.user_id
    if question.metadata:
        view.session.details = {**view.session.details, **question.metadata}
    return view.session


def _customer_details(chat: ChatSession) -> CustomerDetails:
    """Name and address may come in the metadata: the caller is the tenant's own system."""
    given = {key: value for key in ("email", "name") if isinstance(value := chat.details.get(key), str) and value}
    return CustomerDetails(external_id=chat.user_id, email=given.get("email"), name=given.get("name"))


def title_of(body: str) -> str:
    return excerpt(body, LONGEST_TITLE)


async def add_live_message(
    session: AsyncSession, ticket: Ticket, customer: Customer, body: str, *, client_id: str | None
) -> Message:
    """Append what somebody wrote who waits for the answer, and ask for a draft at once."""
    message = await add_customer_message(session, ticket, body, external_id=client_id, name=customer.name)
    entry_id = await take_in(session, ticket.connection_id, f"message:{message.id}", NewMessage(body, client_id))
    if entry_id is not None:
        await processed(session, entry_id, ticket.id, message.id)
    events.record(session, ticket.id, "message_received", seq=message.seq)
    await request_draft(session, ticket)
    return message


async def wait_for_answer(
    installation: Installation, scope: Scope, ticket_id: UUID, seq: int, seconds: float
) -> Outcome:
    """Until the message has a reply or is a person's; at the end of the time it is made a person's."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    async with installation.live.ticket(ticket_id) as happened:
        while True:
            outcome = await read_outcome(installation.database, scope, ticket_id, seq)
            left = deadline - loop.time()
            if outcome.reply is not None or outcome.with_person or outcome.asked_details:
                return outcome
            if left <= 0:
                await hand_over_late(installation.database, scope, ticket_id)
                return await read_outcome(installation.database, scope, ticket_id, seq)
            with suppress(TimeoutError):
                await asyncio.wait_for(happened.get(), min(left, LOOK_AGAIN_SECONDS))


async def read_outcome(database: Database, scope: Scope, ticket_id: UUID, seq: int) -> Outcome:
    async with database.transaction(scope) as session:
        later = await public_messages(session, ticket_id, after=seq)
        reply = next((message for message in later if message.author != "customer"), None)
        ticket = await session.get_one(Ticket, ticket_id)
        asked = seq in await details_asked_after(session, ticket)
        return Outcome(reply, await is_with_person(session, ticket), asked)


async def hand_over_late(database: Database, scope: Scope, ticket_id: UUID) -> None:
    """Whoever waited has waited long enough; a draft that comes later goes to the queue."""
    async with database.transaction(scope) as session:
        ticket = await lock_ticket(session, ticket_id)
        newest = await public_messages(session, ticket_id, after=ticket.last_inbound_seq)
        if newest or not await tell_who_waits(session, ticket, "no_quick_answer"):
            return
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)


async def draft_of(session: AsyncSession, reply: Message) -> Draft | None:
    """The draft that a reply in the conversation was sent from."""
    if reply.delivery_id is None:
        return None
    found = await session.execute(
        select(Draft).join(Delivery, Delivery.draft_id == Draft.id).where(Delivery.id == reply.delivery_id)
    )
    return found.scalar_one_or_none()


async def shown_sources(session: AsyncSession, draft: Draft | None) -> Sequence[DraftSource]:
    """Those that the answer used and that may be named outside of the desk."""
    if draft is None:
        return ()
    found = await session.execute(
        select(DraftSource)
        .where(DraftSource.draft_id == draft.id, DraftSource.used, DraftSource.kind.in_(SHOWN_SOURCES))
        .order_by(DraftSource.ordinal)
    )
    return found.scalars().all()


async def _confidence(session: AsyncSession, ticket_id: UUID, seq: int) -> float:
    found = await session.execute(
        select(Draft).where(Draft.ticket_id == ticket_id, Draft.based_on_seq == seq).order_by(Draft.id.desc()).limit(1)
    )
    return _score(found.scalar_one_or_none())


def _score(draft: Draft | None) -> float:
    return float((draft.confidence or {}).get("score", 0.0)) if draft is not None else 0.0


def _actions_without_answer(message: str, *, has_related_faq: bool) -> tuple[str, ...]:
    """The ticket is open already; what else may help meanwhile."""
    actions = ["open_ticket", "contact_support"]
    if len(message.strip()) < SHORT_QUESTION:
        actions.insert(0, "provide_details")
    return (*actions, "check_faq") if has_related_faq else tuple(actions)
