"""A question in a chat: taken in like any message, answered at once where that can be, else waited for.

The caller gets the reply that went into the conversation, or the news that a person will give it. Nothing is composed
here: what the chat says is what the ticket holds. Only what may still go out by itself is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import Actor
from desk.chat.handover import details_asked_after, is_with_person, tell_who_waits
from desk.chat.sessions import public_messages
from desk.chat.taking import SHOWN_SOURCES, Asked, ChatQuestion, take_question
from desk.conversation import lock_ticket
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database, announce
from desk.installation import Installation
from desk.models import Delivery, Draft, DraftSource, Message, Ticket

LOOK_AGAIN_SECONDS = 1.0
"""The announcement of an answer may be missed; then it is found by looking."""
SHORT_QUESTION = 30
RELATED_FAQ = 0.35


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
class Outcome:
    """What has become of a question so far."""

    reply: Message | None
    with_person: bool
    asked_details: bool = False
    """The message only greets, and the visitor was asked what it is about."""


async def ask(installation: Installation, actor: Actor, question: ChatQuestion) -> ChatAnswer:
    """Raises NotFoundError for an unknown session, ConflictError for a closed one, InvalidInputError."""
    asked = await take_question(installation.database, installation.drafting, actor, question)
    said = asked.said
    if said.reply is not None:
        return _answered(asked, said.reply, said.draft, said.sources, has_related=True)
    if said.draft is not None and said.is_anything:
        return _not_answered(asked, question.message, said.draft, asked_details=said.asked_details, has_related=True)
    if said.is_anything:
        has_related = await _has_related_faq(installation, actor, question)
        return _not_answered(asked, question.message, None, asked_details=said.asked_details, has_related=has_related)
    outcome = await wait_for_answer(installation, actor.scope, asked.ticket_id, asked.seq, asked.answer_seconds)
    has_related = await _has_related_faq(installation, actor, question)
    async with installation.database.transaction(actor.scope) as session:
        if outcome.reply is None:
            draft = await _draft_for(session, asked.ticket_id, asked.seq)
            return _not_answered(
                asked, question.message, draft, asked_details=outcome.asked_details, has_related=has_related
            )
        draft = await draft_of(session, outcome.reply)
        sources = await shown_sources(session, draft)
        return _answered(asked, outcome.reply.body, draft, sources, has_related=has_related)


async def _has_related_faq(installation: Installation, actor: Actor, question: ChatQuestion) -> bool:
    related = await installation.faqs.search(actor.tenant_id, question.message, 1)
    return bool(related) and related[0].score >= RELATED_FAQ


def _answered(
    asked: Asked, body: str, draft: Draft | None, sources: Sequence[DraftSource], *, has_related: bool
) -> ChatAnswer:
    is_sure = draft is None or (draft.confidence or {}).get("level") == "high"
    actions = ("rate_answer",) if is_sure else ("rate_answer", "contact_support")
    if has_related and not is_sure:
        actions = (*actions, "check_faq")
    return ChatAnswer(
        answer=body,
        confidence=_score(draft),
        escalate=False,
        suggested_actions=actions,
        session_id=asked.session_id,
        ticket_id=asked.ticket_id,
        sources=sources,
    )


def _not_answered(
    asked: Asked, message: str, draft: Draft | None, *, asked_details: bool, has_related: bool
) -> ChatAnswer:
    """A person will answer; or, to who has only greeted, what it is about."""
    words = asked.preferences
    return ChatAnswer(
        answer=words.ask_details if asked_details else words.handover,
        confidence=_score(draft),
        escalate=not asked_details,
        suggested_actions=("provide_details",)
        if asked_details
        else _actions_without_answer(message, has_related_faq=has_related),
        session_id=asked.session_id,
        ticket_id=asked.ticket_id,
        sources=(),
    )


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


async def _draft_for(session: AsyncSession, ticket_id: UUID, seq: int) -> Draft | None:
    found = await session.execute(
        select(Draft).where(Draft.ticket_id == ticket_id, Draft.based_on_seq == seq).order_by(Draft.id.desc()).limit(1)
    )
    return found.scalar_one_or_none()


def _score(draft: Draft | None) -> float:
    return float((draft.confidence or {}).get("score", 0.0)) if draft is not None else 0.0


def _actions_without_answer(message: str, *, has_related_faq: bool) -> tuple[str, ...]:
    """The ticket is open already; what else may help meanwhile."""
    actions = ["open_ticket", "contact_support"]
    if len(message.strip()) < SHORT_QUESTION:
        actions.insert(0, "provide_details")
    return (*actions, "check_faq") if has_related_faq else tuple(actions)
