"""Composing a draft to look at: a replay of one that exists, or a made-up question. Nothing is stored but what a model
was paid for it, under the purpose `playground`."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import msgspec
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import Actor
from desk.accounts.preferences import Preferences, load_preferences
from desk.db.leases import database_time
from desk.db.unit_of_work import Database
from desk.drafting.context import DraftContext, ThreadMessage, load_context
from desk.drafting.inputs import DraftingInputs, FinishedDraft
from desk.drafting.pipeline import DraftingDesk
from desk.drafting.prompts import active_prompt, get_prompt, text_of
from desk.drafting.record import model_calls
from desk.errors import InvalidInputError, ModelUnavailableError, NotFoundError
from desk.models import Connection, Draft, Ticket
from desk.plain_text import clean_line, clean_text
from desk.policy.decide import ChannelRules, PolicyDecision, decide
from desk.policy.presentation import presentation_of
from desk.policy.rules import channel_rules, rules_of_new_ticket
from desk.ports import ModelAttempt, ModelOptions, SourceWeights

PURPOSE = "playground"
WITHOUT_MODEL = "none"
"""In place of a model: the desk's own writer."""
NOBODY = UUID(int=0)
"""Stands where a stored draft would name its ticket and customer."""


@dataclass(frozen=True, slots=True)
class Trial:
    context: DraftContext
    inputs: DraftingInputs
    finished: FinishedDraft


async def replay_draft(
    database: Database,
    drafting: DraftingDesk,
    actor: Actor,
    draft_id: UUID,
    *,
    prompt_id: UUID | None,
    weights: SourceWeights | None,
) -> Trial:
    """Decide again from the same conversation. Raises NotFoundError, NoEvidenceError, ModelUnavailableError."""
    async with database.transaction(actor.scope) as session:
        draft = (await session.execute(select(Draft).where(Draft.id == draft_id))).scalar_one_or_none()
        if draft is None:
            msg = "there is no such draft"
            raise NotFoundError(msg)
        ticket = await session.get_one(Ticket, draft.ticket_id)
        context = await load_context(session, draft)
        inputs = await _inputs(session, await channel_rules(session, ticket), prompt_id, weights)
    return Trial(context, inputs, await _composed(database, drafting, actor, context, inputs))


async def try_question(
    database: Database,
    drafting: DraftingDesk,
    actor: Actor,
    *,
    subject: str,
    body: str,
    prompt_id: UUID | None,
    weights: SourceWeights | None,
    channel: str | None = None,
) -> Trial:
    """What the desk would draft for this question; with `channel` decided by that channel's rules, as for a new
    ticket. Raises InvalidInputError, NoEvidenceError, NotFoundError."""
    question, title = clean_text(body).strip(), clean_line(subject)
    if not question:
        msg = "the message is empty"
        raise InvalidInputError(msg)
    async with database.transaction(actor.scope) as session:
        now = await database_time(session)
        rules = ChannelRules() if channel is None else await rules_of_new_ticket(session, channel)
        inputs = await _inputs(session, rules, prompt_id, weights)
    context = DraftContext(
        tenant_id=actor.tenant_id,
        ticket_id=NOBODY,
        draft_id=NOBODY,
        based_on_seq=1,
        subject=title,
        department="",
        channel=channel or "rest",
        customer_id=NOBODY,
        customer_name="",
        customer_email="",
        question=f"{title}\n\n{question}".strip(),
        messages=(ThreadMessage("customer", question, now),),
        summary="",
        earlier_tickets=(),
        instruction="",
        tone="",
    )
    return Trial(context, inputs, await _composed(database, drafting, actor, context, inputs))


async def drafting_with(drafting: DraftingDesk, options: ModelOptions, actor: Actor, key: str) -> DraftingDesk:
    """The desk that writes with the chosen model: as configured for "", by itself for `WITHOUT_MODEL`, else with the
    option of this key alone. Raises NotFoundError."""
    if not key:
        return drafting
    if key == WITHOUT_MODEL:
        return drafting.without_models()
    return drafting.with_only(await options.only(actor.tenant_id, key))


async def decisions_by_channel(session: AsyncSession, trial: Trial) -> dict[str, PolicyDecision]:
    """What would become of the draft on each of the tenant's channels, as for a new ticket."""
    found = await session.execute(
        select(Connection.channel).where(Connection.is_active).distinct().order_by(Connection.channel)
    )
    finished, preferences = trial.finished, trial.inputs.preferences
    answering = finished.faq if finished.written.writer == "faq" else None
    decisions: dict[str, PolicyDecision] = {}
    for channel in found.scalars():
        decisions[channel] = decide(
            body=finished.written.body,
            customer_words=trial.context.question,
            intent=finished.evidence.intent.label,
            confidence=finished.confidence,
            presentation=presentation_of(finished.confidence, preferences.confidence),
            checks=finished.checks,
            channel=channel,
            rules=await rules_of_new_ticket(session, channel),
            escalation=preferences.escalation,
            wants_person=finished.written.wants_person,
            faq_certain=None if answering is None else answering.certain,
        )
    return decisions


async def _composed(
    database: Database, drafting: DraftingDesk, actor: Actor, context: DraftContext, inputs: DraftingInputs
) -> FinishedDraft:
    try:
        finished = await drafting.compose(context, inputs)
    except ModelUnavailableError as error:
        await _note_costs(database, actor, error.attempts)
        raise
    await _note_costs(database, actor, finished.written.attempts)
    return finished


async def _note_costs(database: Database, actor: Actor, attempts: tuple[ModelAttempt, ...]) -> None:
    if attempts:
        async with database.transaction(actor.scope) as session:
            session.add_all(model_calls(None, attempts, PURPOSE))


async def _inputs(
    session: AsyncSession, rules: ChannelRules, prompt_id: UUID | None, weights: SourceWeights | None
) -> DraftingInputs:
    preferences: Preferences = await load_preferences(session)
    if weights is not None:
        preferences = msgspec.structs.replace(preferences, weights=weights)
    prompt = await active_prompt(session) if prompt_id is None else await get_prompt(session, prompt_id)
    return DraftingInputs(preferences=preferences, prompt=text_of(prompt), prompt_id=prompt.id, rules=rules)
