"""Taking a question in: session, customer, ticket and message in one transaction, and with them what can be said at
once: a FAQ's answer, or the news that a person will answer where nothing else can come of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.accounts.identity import Actor
from desk.accounts.preferences import Preferences
from desk.chat.ground import FaqRound, Ground, ask_faqs, question_asked, read_ground
from desk.chat.handover import DETAILS, is_with_person, tell_who_waits
from desk.chat.sessions import SessionView, get_session, live_connection, new_session
from desk.conversation import add_customer_message, lock_ticket
from desk.db.leases import database_time
from desk.db.unit_of_work import Database, announce
from desk.drafting.inputs import FinishedDraft
from desk.drafting.pipeline import DraftingDesk
from desk.drafting.record import draft_sources
from desk.drafting.requests import begin_draft, request_draft
from desk.drafting.saving import save_finished
from desk.errors import ConflictError
from desk.intake import CustomerDetails, NewMessage, find_or_create_customer, keep_raw, message_body, open_ticket
from desk.models import ChatSession, Connection, Customer, Draft, DraftSource, Message, Ticket, TicketEvent
from desk.plain_text import excerpt
from desk.policy.decide import why_never_sent

ANSWER_SECONDS = 8.0
"""How long somebody is kept waiting, unless the connection's `answer_seconds` says otherwise."""
LONGEST_TITLE = 80
SHOWN_SOURCES = frozenset({"global_kb", "tenant_kb", "faq"})
"""What may be named outside of the desk; approved answers and corrections come from other customers' tickets."""


@dataclass(frozen=True, slots=True)
class ChatQuestion:
    message: str
    session_id: UUID | None = None
    user_id: str | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Said:
    """What was said with the message itself."""

    reply: str | None = None
    with_person: bool = False
    asked_details: bool = False
    """The message only greets, and the customer was asked what it is about."""
    draft: Draft | None = None
    sources: Sequence[DraftSource] = ()

    @property
    def is_anything(self) -> bool:
        return self.reply is not None or self.with_person or self.asked_details


@dataclass(frozen=True, slots=True)
class Asked:
    session_id: UUID
    ticket_id: UUID
    seq: int
    answer_seconds: float
    preferences: Preferences
    said: Said


def answer_seconds(connection: Connection) -> float:
    return float(connection.configuration.get("answer_seconds", ANSWER_SECONDS))


def title_of(body: str) -> str:
    return excerpt(body, LONGEST_TITLE)


async def take_question(database: Database, drafting: DraftingDesk, actor: Actor, question: ChatQuestion) -> Asked:
    """The question becomes a message of its session's ticket, committed, with an answer or a draft asked for.

    Raises NotFoundError for an unknown session, ConflictError for a closed one, InvalidInputError.
    """
    body = message_body(question.message)
    async with database.transaction(actor.scope) as session:
        connection = await live_connection(session, "chat")
        ticket = None
        if question.session_id is not None:
            ticket = _checked(await get_session(session, question.session_id), question).ticket
        ground = await read_ground(session, connection, ticket)
        now = await database_time(session)
    given = _customer_details(question.user_id, question.metadata or {})
    asked = question_asked(ground, body, now, name=given.name or "", email=given.email or "")
    faqs = await ask_faqs(drafting, ground, asked)
    async with database.transaction(actor.scope, gathered=True) as session:
        chat, ticket, customer = await _conversation(session, actor, ground, question, body)
        message = await add_live_message(session, ticket, customer, body, client_id=None)
        said = await say_at_once(session, ticket, customer, message, ground, faqs, recipient_of(customer, chat))
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return Asked(chat.id, ticket.id, message.seq, answer_seconds(connection), ground.inputs.preferences, said)


def _checked(view: SessionView, question: ChatQuestion) -> SessionView:
    if view.status == "closed":
        msg = "this session is closed; start a new one by leaving session_id out"
        raise ConflictError(msg)
    if question.user_id is not None and view.session.user_id not in {None, question.user_id}:
        msg = "this session belongs to another user_id"
        raise ConflictError(msg)
    return view


async def _conversation(
    session: AsyncSession, actor: Actor, ground: Ground, question: ChatQuestion, body: str
) -> tuple[ChatSession, Ticket, Customer]:
    """New, or with its ticket locked."""
    connection = ground.connection
    if question.session_id is None:
        chat = new_session(connection, user_id=question.user_id, details=question.metadata or {})
        session.add(chat)
    else:
        chat = await _locked_session(session, question.session_id)
        if chat.ticket_id is None and question.user_id is not None:
            chat.user_id = question.user_id
        if question.metadata:
            chat.details = {**chat.details, **question.metadata}
    if chat.ticket_id is not None:
        ticket = await lock_ticket(session, chat.ticket_id)
        _checked(SessionView(chat, ticket), question)
        return chat, ticket, await session.get_one(Customer, ticket.customer_id)
    _checked(SessionView(chat, None), question)
    details = _customer_details(chat.user_id, chat.details)
    customer = await find_or_create_customer(session, connection.id, details)
    ticket = await open_ticket(
        session,
        connection,
        customer,
        subject=title_of(body),
        department=None,
        ticket_id=ground.new_ticket_id,
        number=ground.number,
    )
    chat.ticket_id = ticket.id
    events.record(session, ticket.id, "ticket_created", actor.label, channel=ticket.channel)
    return chat, ticket, customer


async def _locked_session(session: AsyncSession, session_id: UUID) -> ChatSession:
    """Locked while it has no ticket, so that of two first messages one makes it."""
    chat = (await get_session(session, session_id)).session
    if chat.ticket_id is None:
        await session.refresh(chat, with_for_update=True)
    return chat


def _customer_details(user_id: str | None, given: Mapping[str, Any]) -> CustomerDetails:
    """Name and address may come in the metadata: the caller is the tenant's own system."""
    known = {key: value for key in ("email", "name") if isinstance(value := given.get(key), str) and value}
    return CustomerDetails(external_id=user_id, email=known.get("email"), name=known.get("name"))


def recipient_of(customer: Customer, chat: ChatSession) -> dict[str, Any]:
    return {"name": customer.name, "email": customer.email, "external_id": chat.user_id}


async def add_live_message(
    session: AsyncSession, ticket: Ticket, customer: Customer, body: str, *, client_id: str | None
) -> Message:
    """Append what somebody wrote who waits for the answer; `say_at_once` is what has to follow."""
    message = await add_customer_message(session, ticket, body, external_id=client_id, name=customer.name)
    keep_raw(session, ticket, message, NewMessage(body, client_id))
    events.record(session, ticket.id, "message_received", seq=message.seq)
    return message


async def say_at_once(
    session: AsyncSession,
    ticket: Ticket,
    customer: Customer,
    message: Message,
    ground: Ground,
    faqs: FaqRound,
    recipient: dict[str, Any],
) -> Said:
    """The FAQ's answer or, where nothing that is written could go out by itself, the news that a person will answer.

    In both cases and in all others the message has a draft, or one is asked for. The ticket must be locked or new,
    the message its newest; if another came since the ground was read, everything is left to the worker.
    """
    if faqs.context is None or message.seq != ground.last_seq + 1:
        await request_draft(session, ticket)
        return Said()
    context = replace(
        faqs.context, customer_id=customer.id, customer_name=customer.name, customer_email=customer.email or ""
    )
    if faqs.finished is not None:
        draft = await begin_draft(session, ticket, context.draft_id)
        session.add(draft)
        reply = await save_finished(session, draft, ticket, context, ground.inputs, faqs.finished, recipient)
        if reply is not None:
            return Said(reply.body, draft=draft, sources=_shown(draft, faqs.finished))
        return replace(await _told(session, ticket), draft=draft)
    await request_draft(session, ticket)
    why = why_never_sent(context.question, ground.inputs.rules, ground.inputs.preferences.escalation)
    if why is None:
        return Said()
    await tell_who_waits(session, ticket, why)
    return await _told(session, ticket)


async def _told(session: AsyncSession, ticket: Ticket) -> Said:
    if await is_with_person(session, ticket):
        return Said(with_person=True)
    return Said(asked_details=any(isinstance(row, TicketEvent) and row.kind == DETAILS for row in session.new))


def _shown(draft: Draft, finished: FinishedDraft) -> Sequence[DraftSource]:
    cited = draft_sources(draft, finished.evidence, finished.written)
    return [source for source in cited if source.used and source.kind in SHOWN_SOURCES]
