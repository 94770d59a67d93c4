"""What an agent does with a draft: approve, edit and send, reject, write an own reply, undo.

An approval compares and sets: the draft must still be ready and the newest customer message must be the one the
agent saw. Whoever comes second gets a ConflictError and nothing happens twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk import events
from desk.accounts.identity import Actor
from desk.attachments.threads import freeze, release
from desk.conversation import customer_words, lock_ticket
from desk.db.gathering import put
from desk.db.leases import database_time, due_in, finish
from desk.db.unit_of_work import Database, announce, wake
from desk.drafting.requests import request_draft, restore_set_aside, retire_current
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.escalation import restore_escalation, settle_escalation
from desk.models import Customer, CustomerIdentity, Delivery, Draft, DraftSource, Message, Review, Ticket
from desk.plain_text import clean_text
from desk.ports import EditAnalyser, EditAnalysis
from desk.reachability import TEMPLATE, require_reachable

LONGEST_REPLY = 50_000
_ON_ITS_WAY = "somebody else's reply to this message is on its way; look at it before you send another"


@dataclass(frozen=True, slots=True)
class Approval:
    delivery: Delivery
    analysis: EditAnalysis
    learned: str
    """example, correction or none: what will be learned when the undo window closes."""


async def approve(  # noqa: PLR0913 - keyword only, one for each choice of the form
    database: Database,
    actor: Actor,
    analyser: EditAnalyser,
    draft_id: UUID,
    *,
    body: str | None,
    based_on_seq: int,
    resolve: bool,
    undo_seconds: float,
    attachments: Sequence[UUID] = (),
) -> Approval:
    """Send the draft, as it is or as the agent changed it.

    Raises NotFoundError, InvalidInputError for an empty reply, ConflictError when someone else was first or the
    customer wrote again.
    """
    async with database.transaction(actor.scope) as session:
        draft, ticket = await _lock_draft(session, draft_id)
        _check_ready(draft, ticket, based_on_seq)
        if await _being_answered(session, ticket):
            raise ConflictError(_ON_ITS_WAY)
        sent = _reply_text(draft.body if body is None else body)
        analysis = analyser.analyse(draft.body, sent)
        edited = sent.strip() != draft.body.strip()
        delivery = await queue_delivery(
            session, ticket, sent, draft=draft, actor=actor, undo_seconds=undo_seconds, resolve=resolve
        )
        await freeze(session, delivery, attachments)
        await add_review(
            session,
            ticket,
            draft=draft,
            delivery=delivery,
            actor=actor,
            action="edited" if edited else "approved",
            sent=sent,
            analysis=analysis,
            learns=analysis.verdict,
        )
        draft.state = "approved"
        events.record(session, ticket.id, "draft_approved", actor.label, draft=str(draft.id), edited=edited)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return Approval(delivery, analysis, analysis.verdict)


async def reply(
    database: Database,
    actor: Actor,
    ticket_id: UUID,
    body: str,
    *,
    based_on_seq: int | None,
    resolve: bool,
    undo_seconds: float,
    attachments: Sequence[UUID] = (),
) -> Delivery:
    """A reply the agent wrote without a draft: an agent-authored example, never a correction.

    `based_on_seq` None means the caller shows no thread and cannot know of a newer message.
    """
    async with database.transaction(actor.scope) as session:
        ticket = await lock_ticket(session, ticket_id)
        if based_on_seq is not None and ticket.last_inbound_seq > based_on_seq:
            msg = "the customer has written again since you looked; read the new message first"
            raise ConflictError(msg)
        if based_on_seq is not None and await _being_answered(session, ticket):
            raise ConflictError(_ON_ITS_WAY)
        sent = _reply_text(body)
        await retire_current(session, ticket)
        delivery = await queue_delivery(
            session, ticket, sent, draft=None, actor=actor, undo_seconds=undo_seconds, resolve=resolve
        )
        await freeze(session, delivery, attachments)
        await add_review(
            session, ticket, draft=None, delivery=delivery, actor=actor, action="authored", sent=sent, learns="example"
        )
        events.record(session, ticket.id, "reply_written", actor.label)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return delivery


async def _being_answered(session: AsyncSession, ticket: Ticket) -> bool:
    """Whether a reply to the newest customer message waits to be sent, or is being sent. The ticket must be locked."""
    return await _has_reply(session, ticket, Delivery.state.in_(("pending", "sending")))


async def is_answered(session: AsyncSession, ticket: Ticket) -> bool:
    """Whether a person has replied to the newest customer message, or the machine was ever about to: then nothing
    goes out by machine any more. The ticket must be locked or new."""
    if ticket in session.new:
        return False
    return await _has_reply(session, ticket, Delivery.is_automatic | Delivery.state.not_in(("cancelled", "failed")))


async def _has_reply(session: AsyncSession, ticket: Ticket, counts: ColumnElement[bool]) -> bool:
    found = await session.execute(
        select(Delivery.id)
        .where(Delivery.ticket_id == ticket.id, Delivery.inbound_seq == ticket.last_inbound_seq, counts)
        .limit(1)
    )
    return found.scalar_one_or_none() is not None


async def reject(database: Database, actor: Actor, draft_id: UUID, *, reason: str, correct_reply: str | None) -> Draft:
    """The draft is not to be used. With a reason it is learned as a correction."""
    why = clean_text(reason).strip()
    if not why:
        msg = "say why the draft is rejected; the reason is what the desk learns from"
        raise InvalidInputError(msg)
    async with database.transaction(actor.scope) as session:
        draft, ticket = await _lock_draft(session, draft_id)
        if draft.state != "ready":
            raise ConflictError(_gone(draft.state))
        draft.state = "rejected"
        instead = clean_text(correct_reply or "").strip()
        await add_review(
            session,
            ticket,
            draft=draft,
            delivery=None,
            actor=actor,
            action="rejected",
            sent=instead,
            learns="correction",
            reason=why,
        )
        ticket.level = None
        events.record(session, ticket.id, "draft_rejected", actor.label, draft=str(draft.id), reason=why)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
        wake(session, "reviews")
    return draft


async def regenerate(database: Database, actor: Actor, ticket_id: UUID, *, instruction: str, tone: str) -> Draft:
    """A new draft for the ticket; the current one becomes `superseded`. Raises NotFoundError, InvalidInputError."""
    async with database.transaction(actor.scope) as session:
        ticket = await lock_ticket(session, ticket_id)
        if ticket.last_inbound_seq == 0:
            msg = "there is no message from the customer to answer"
            raise InvalidInputError(msg)
        wish = clean_text(instruction).strip()[:2000]
        draft = await request_draft(session, ticket, instruction=wish, tone=clean_text(tone).strip()[:200])
        events.record(session, ticket.id, "draft_requested", actor.label, instruction=wish)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return draft


async def cancel_delivery(database: Database, actor: Actor, delivery_id: UUID) -> Delivery:
    """Undo: nothing is sent and nothing learned; the draft is ready again.

    Raises ConflictError once the window has closed.
    """
    async with database.transaction(actor.scope) as session:
        found = await session.get(Delivery, delivery_id)
        if found is None:
            msg = "there is no such delivery"
            raise NotFoundError(msg)
        ticket = await lock_ticket(session, found.ticket_id)
        delivery = await session.get_one(Delivery, delivery_id, with_for_update=True, populate_existing=True)
        if delivery.state != "pending" or delivery.undo_until <= await database_time(session):
            msg = "it is too late to undo: the reply is on its way"
            raise ConflictError(msg)
        delivery.state, delivery.detail = "cancelled", f"undone by {actor.label}"
        finish(delivery)
        await release(session, delivery)
        await session.execute(
            update(Review)
            .where(Review.delivery_id == delivery.id, Review.state == "waiting")
            .values(state="cancelled", due_at=None)
        )
        await _reopen(session, ticket, delivery)
        await restore_escalation(session, ticket, delivery.id, actor.label)
        events.record(session, ticket.id, "reply_undone", actor.label, delivery=str(delivery.id))
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return delivery


async def _reopen(session: AsyncSession, ticket: Ticket, delivery: Delivery) -> None:
    ticket.status = "open"
    waiting = await session.execute(
        select(Message.sent_at).where(Message.ticket_id == ticket.id, Message.seq == delivery.inbound_seq)
    )
    ticket.waiting_since = waiting.scalar_one_or_none()
    if delivery.draft_id is None:
        await restore_set_aside(session, ticket)
        return
    draft = await session.get_one(Draft, delivery.draft_id, with_for_update=True, populate_existing=True)
    if draft.state == "approved" and draft.based_on_seq == ticket.last_inbound_seq:
        await retire_current(session, ticket)
        draft.state = "ready"
        ticket.level = (draft.confidence or {}).get("level")
    elif draft.state == "approved":
        draft.state = "stale"


async def queue_delivery(  # noqa: PLR0913 - keyword only, one for each thing the callers decide
    session: AsyncSession,
    ticket: Ticket,
    body: str,
    *,
    draft: Draft | None,
    actor: Actor | None,
    undo_seconds: float,
    resolve: bool,
    template: Mapping[str, Any] | None = None,
    recipient: dict[str, Any] | None = None,
    wakes: bool = True,
) -> Delivery:
    """Write the outbox row. Recipient and channel are frozen here, from what came in (design section 3).

    Without an actor it is sent by machine: at most one for each customer message. A reply by a person settles an
    escalation, whether or not it resolves the ticket. `recipient`: where the caller has what came in at hand; `wakes`
    is False where the caller delivers it.
    """
    now = await database_time(session)
    if recipient is None:
        recipient = await _recipient(session, ticket)
    if template is not None:
        recipient = {**recipient, TEMPLATE: dict(template)}
    if actor is not None:
        await require_reachable(session, ticket, recipient)
    delivery = Delivery(
        id=uuid7(),
        ticket_id=ticket.id,
        connection_id=ticket.connection_id,
        draft_id=draft.id if draft else None,
        inbound_seq=ticket.last_inbound_seq,
        is_automatic=actor is None,
        subject=ticket.subject,
        body=body,
        recipient=recipient,
        approved_by=actor.label if actor else "desk",
        approved_by_id=actor.user_id if actor else None,
        undo_until=now + timedelta(seconds=undo_seconds),
        resolve_ticket=resolve,
        state="pending",
    )
    await due_in(session, delivery, undo_seconds)
    session.add(delivery)
    await put(session)
    ticket.status = "resolved" if resolve else "pending"
    ticket.waiting_since, ticket.level = None, None
    if actor is not None:
        await settle_escalation(session, ticket, actor.label, delivery=str(delivery.id))
    if wakes:
        wake(session, "deliveries")
    return delivery


async def _recipient(session: AsyncSession, ticket: Ticket) -> dict[str, Any]:
    """As the message that is answered gave it, where its channel has a shape of its own for that."""
    answered = await session.execute(
        select(Message.reply_to).where(Message.ticket_id == ticket.id, Message.seq == ticket.last_inbound_seq)
    )
    if (reply_to := answered.scalar_one_or_none()) is not None:
        return reply_to
    customer = await session.get_one(Customer, ticket.customer_id)
    identities = await session.execute(
        select(CustomerIdentity.kind, CustomerIdentity.value).where(CustomerIdentity.customer_id == customer.id)
    )
    external = [value for kind, value in identities.all() if kind.startswith("external:")]
    return {"name": customer.name, "email": customer.email, "external_id": external[0] if external else None}


async def add_review(  # noqa: PLR0913 - keyword only, one for each column that callers decide
    session: AsyncSession,
    ticket: Ticket,
    *,
    draft: Draft | None,
    delivery: Delivery | None,
    actor: Actor,
    action: str,
    sent: str,
    learns: str,
    analysis: EditAnalysis | None = None,
    reason: str = "",
) -> None:
    """What somebody made of a draft, or wrote without one; learned from when the reply can no longer be undone."""
    review = Review(
        id=uuid7(),
        ticket_id=ticket.id,
        draft_id=draft.id if draft else None,
        delivery_id=delivery.id if delivery else None,
        action=action,
        reviewer=actor.label,
        question=await customer_words(session, ticket, draft.based_on_seq if draft else ticket.last_inbound_seq),
        draft_body=draft.body if draft else "",
        sent_body=sent,
        reason=reason,
        similarity=analysis.similarity if analysis else None,
        meaning_changed=analysis.meaning_changed if analysis else action == "rejected",
        changes=[asdict(change) for change in analysis.changes] if analysis else [],
        notes=analysis.notes if analysis else reason,
        learns=learns,
        document_ids=await _cited_documents(session, draft),
        state="waiting",
    )
    review.due_at = delivery.undo_until if delivery else await database_time(session)
    session.add(review)


async def _cited_documents(session: AsyncSession, draft: Draft | None) -> list[UUID]:
    if draft is None:
        return []
    cited = await session.execute(
        select(DraftSource.parent_id).where(
            DraftSource.draft_id == draft.id, DraftSource.used, DraftSource.kind.in_(("global_kb", "tenant_kb"))
        )
    )
    return list(dict.fromkeys(cited.scalars()))


async def _lock_draft(session: AsyncSession, draft_id: UUID) -> tuple[Draft, Ticket]:
    """Ticket first, draft second: everyone locks in this order."""
    found = await session.get(Draft, draft_id)
    if found is None:
        msg = "there is no such draft"
        raise NotFoundError(msg)
    ticket = await lock_ticket(session, found.ticket_id)
    draft = await session.get_one(Draft, draft_id, with_for_update=True, populate_existing=True)
    return draft, ticket


def _check_ready(draft: Draft, ticket: Ticket, based_on_seq: int) -> None:
    if draft.state != "ready":
        raise ConflictError(_gone(draft.state))
    if ticket.last_inbound_seq > based_on_seq or ticket.last_inbound_seq > draft.based_on_seq:
        msg = "the customer has written again since you looked; read the new message first"
        raise ConflictError(msg)


def _gone(state: str) -> str:
    words = {
        "writing": "the draft is still being written",
        "approved": "someone has approved this draft already",
        "sent": "this reply has been sent already",
        "rejected": "someone has rejected this draft already",
        "superseded": "a newer draft has replaced this one",
        "stale": "the customer has written again, or somebody has answered already; read what is new first",
        "failed": "this draft could not be written",
    }
    return words[state]


def _reply_text(body: str) -> str:
    text = clean_text(body).strip()
    if not text:
        msg = "the reply is empty"
        raise InvalidInputError(msg)
    if len(text) > LONGEST_REPLY:
        msg = f"the reply has {len(text):,} characters; at most {LONGEST_REPLY:,} can be sent"
        raise InvalidInputError(msg)
    return text
