"""What follows from a finished draft: its row and its record, who is told, and whether it goes out by itself.

Everything happens in the caller's transaction, which holds the ticket, so a draft that was let out never stands beside
a conversation that does not know of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.chat.handover import is_with_person, tell_who_waits
from desk.conversation import LIVE_CHANNELS
from desk.delivery import show_at_once
from desk.drafting.context import DraftContext
from desk.drafting.inputs import DraftingInputs, FinishedDraft
from desk.drafting.record import decision_record, draft_sources, fill_draft, model_calls
from desk.escalation import escalate
from desk.intents import set_intent
from desk.models import Decision, Delivery, Draft, TenantSettings, Ticket
from desk.policy.decide import leave_to_person
from desk.policy.loops import why_not_answered_by_machine
from desk.policy.rules import channel_rules
from desk.review import is_answered, queue_delivery


async def save_finished(
    session: AsyncSession,
    draft: Draft,
    ticket: Ticket,
    context: DraftContext,
    inputs: DraftingInputs,
    finished: FinishedDraft,
    recipient: dict[str, Any] | None = None,
) -> Delivery | None:
    """The reply, where the draft goes out by itself. Draft and ticket must be locked or new.

    `recipient`: as in `desk.review.queue_delivery`.
    """
    is_live = ticket.channel in LIVE_CHANNELS
    if is_live and await is_with_person(session, ticket):
        finished = replace(finished, policy=leave_to_person(finished.policy))
    if finished.policy.decision == "send" and (why := await _not_by_machine(session, ticket)):
        finished = replace(finished, policy=leave_to_person(finished.policy, why))
    fill_draft(draft, inputs, finished)
    ticket.level = finished.confidence.level
    # Somebody may have said meanwhile what it is about; a guess never replaces that.
    said = "" if ticket in session.new else await set_intent(session, ticket.id)
    ticket.intent = said or finished.evidence.intent.label
    session.add_all(draft_sources(draft, finished.evidence, finished.written))
    session.add_all(model_calls(draft.id, finished.written.attempts))
    session.add(Decision(draft_id=draft.id, record=decision_record(context, inputs, finished)))
    is_told = is_live and finished.policy.decision != "send" and await _tell(session, ticket, finished)
    if finished.policy.escalate is not None and not is_told:
        await escalate(session, ticket, finished.policy.escalate, "desk")
    events.record(
        session,
        ticket.id,
        "draft_ready",
        draft=str(draft.id),
        score=round(finished.confidence.score, 1),
        decision=finished.policy.decision,
        reasons=list(finished.policy.reasons),
    )
    if finished.policy.decision != "send":
        return None
    return await _send(session, draft, ticket, inputs, finished, recipient)


async def _tell(session: AsyncSession, ticket: Ticket, finished: FinishedDraft) -> bool:
    """Tell whoever waits for an answer that a person will give it; False when nobody waits or was told before."""
    return ticket.waiting_since is not None and await tell_who_waits(session, ticket, finished.policy.reasons[0])


async def _send(
    session: AsyncSession,
    draft: Draft,
    ticket: Ticket,
    inputs: DraftingInputs,
    finished: FinishedDraft,
    recipient: dict[str, Any] | None,
) -> Delivery:
    """To somebody who waits, an answer that is not surely right goes with the tenant's offer of a person."""
    is_live = ticket.channel in LIVE_CHANNELS
    offers_person = is_live and finished.confidence.level != "high"
    disclaimer = inputs.preferences.disclaimer.strip() if offers_person else ""
    at_once = is_live and inputs.rules.delay_seconds == 0
    delivery = await queue_delivery(
        session,
        ticket,
        f"{draft.body}\n\n{disclaimer}" if disclaimer else draft.body,
        draft=draft,
        actor=None,
        undo_seconds=inputs.rules.delay_seconds,
        resolve=False,
        recipient=recipient,
        wakes=not at_once,
    )
    draft.state = "approved"
    delivery.certificate_id = finished.policy.certificate
    if delivery.certificate_id is not None and draft.blind_review:
        delivery.judgement = "asked"  # where people wait it is looked at afterwards
    if at_once:
        await show_at_once(session, delivery, draft, ticket)
    return delivery


async def _not_by_machine(session: AsyncSession, ticket: Ticket) -> str | None:
    """Why what the policy let out must wait for a person after all, looked up where others cannot change it."""
    if await is_answered(session, ticket):
        return "answered"
    if ticket.escalated_at is not None:
        return "with_person"
    await session.execute(select(TenantSettings.id).with_for_update())
    if (why := await why_not_answered_by_machine(session, ticket)) is not None:
        return why
    rules = await channel_rules(session, ticket)
    if rules.stopped:
        return "stopped"
    if rules.sent_today >= rules.daily_cap:
        return "daily_cap"
    return "ticket_cap" if rules.sent_on_ticket >= rules.ticket_cap else None
