"""What a question in a chat is answered from, read in one short transaction before anything is written; and the FAQ
answer that can be given at once, composed while no transaction is open.

A question that a published FAQ surely answers needs no worker: message, answer and record are written together, so
that a crash leaves either nothing or all of it. Everything else becomes a message with a draft asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.chat.handover import is_with_person
from desk.comparing.experiments import prompt_for
from desk.db.index_log import last_sequence
from desk.drafting.context import DraftContext, QuestionAsked, SaidMessage, context_of_question, read_thread
from desk.drafting.inputs import DraftingInputs, FinishedDraft
from desk.drafting.pipeline import DraftingDesk
from desk.drafting.prompts import text_of
from desk.errors import DeskError
from desk.intake import draw_number
from desk.intents import set_intent
from desk.models import Connection, Customer, Ticket
from desk.policy.rules import rules_and_preferences

QUICK_SECONDS = 15.0
"""A FAQ answer that takes longer, because an embedding service does, is left to the worker. The first one of a process
loads the model."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ground:
    connection: Connection
    ticket_id: UUID
    """Of the ticket, or of the one that is to be made."""
    ticket: Ticket | None
    """As it was; None for a conversation that has no message yet."""
    customer: Customer | None
    thread: Sequence[SaidMessage]
    is_with_person: bool
    inputs: DraftingInputs
    intent: str
    index_sequence: int
    number: int | None = None
    """Drawn for the ticket that is to be made, in the short transaction that reads: in the one that writes, every
    conversation that begins would wait for all that is written for the one before. One that comes to nothing leaves a
    gap."""

    @property
    def last_seq(self) -> int:
        return self.ticket.last_seq if self.ticket is not None else 0

    @property
    def new_ticket_id(self) -> UUID:
        """For a ticket that has to be made after all, because the one there was has been closed meanwhile."""
        return self.ticket_id if self.ticket is None else uuid7()


@dataclass(frozen=True, slots=True)
class FaqRound:
    """What came of asking the FAQs before the message was taken in."""

    context: DraftContext | None = None
    """None where they were not asked: a person has the conversation, more would have to be read first, or it took too
    long."""
    finished: FinishedDraft | None = None
    """The answer of the FAQ that surely fits; whether it goes out is for its decision to say."""


async def read_ground(session: AsyncSession, connection: Connection, ticket: Ticket | None) -> Ground:
    """Nothing stays locked."""
    ticket_id = ticket.id if ticket is not None else uuid7()
    rules, preferences = await rules_and_preferences(session, connection.channel, ticket.id if ticket else None)
    prompt, experiment_id, arm = await prompt_for(session, ticket_id)
    inputs = DraftingInputs(preferences, text_of(prompt), prompt.id, rules, experiment_id, arm)
    sequence = await last_sequence(session, connection.tenant_id)
    if ticket is None:
        number = await draw_number(session)
        return Ground(connection, ticket_id, None, None, (), False, inputs, "", sequence, number)
    return Ground(
        connection,
        ticket_id,
        ticket,
        await session.get_one(Customer, ticket.customer_id),
        await read_thread(session, ticket),
        await is_with_person(session, ticket),
        inputs,
        await set_intent(session, ticket.id),
        sequence,
    )


def question_asked(
    ground: Ground, body: str, now: datetime, *, customer: Customer | None = None, name: str = "", email: str = ""
) -> QuestionAsked:
    """`name` and `email`: of somebody who is no customer yet."""
    known = ground.customer or customer
    return QuestionAsked(
        tenant_id=ground.connection.tenant_id,
        ticket_id=ground.ticket_id,
        draft_id=uuid7(),
        channel=ground.connection.channel,
        customer_id=known.id if known is not None else uuid7(),
        customer_name=known.name if known is not None else name,
        customer_email=(known.email or "") if known is not None else email,
        body=body,
        asked_at=now,
    )


async def ask_faqs(drafting: DraftingDesk, ground: Ground, asked: QuestionAsked) -> FaqRound:
    """With no transaction open. An answer that has to wait before it goes out is the worker's."""
    if ground.is_with_person or ground.inputs.rules.delay_seconds:
        return FaqRound()
    context = context_of_question(asked, ground.ticket, ground.thread, ground.intent)
    if context is None:
        return FaqRound()
    try:
        async with asyncio.timeout(QUICK_SECONDS):
            match = await drafting.matching_faq(context, ground.index_sequence)
            if match is None or not match.certain:
                return FaqRound(context)
            return FaqRound(context, await drafting.compose(context, ground.inputs, match))
    except (DeskError, TimeoutError) as error:
        # The question is taken in all the same, and the worker tries again.
        _log.warning("faqs_not_asked", error=str(error) or type(error).__name__)
        return FaqRound()
