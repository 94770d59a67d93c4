"""Looking at replies after they went out: the blind review of live channels, and a reply found wrong later.

What a person says here is a label of the certificate (design section 7) and is learned from like any review.
"""

from __future__ import annotations

from dataclasses import asdict
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.accounts.identity import Actor
from desk.conversation import lock_ticket
from desk.db.leases import due_in
from desk.db.unit_of_work import Database, announce, wake
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.learned import purge_example
from desk.models import Delivery, Draft, Example, Message, Review, SendingCertificate, Ticket
from desk.paging import Page, read_page
from desk.plain_text import clean_text
from desk.ports import EditAnalyser
from desk.review import add_review

WITHOUT_BETTER = "This reply was wrong."


def may_be_judged(delivery: Delivery) -> bool:
    return delivery.state == "sent" and delivery.draft_id is not None and delivery.judgement not in {"good", "wrong"}


async def judge(
    database: Database,
    actor: Actor,
    analyser: EditAnalyser,
    delivery_id: UUID,
    *,
    good: bool,
    reason: str = "",
    correct_reply: str = "",
) -> Delivery:
    """Say whether a reply that was sent from a draft is one a person would have sent.

    Raises NotFoundError, ConflictError when it has not been sent or somebody has judged it, InvalidInputError when it
    is called wrong without a reason or the reply it should have been.
    """
    why, better = clean_text(reason).strip(), clean_text(correct_reply).strip()
    async with database.transaction(actor.scope) as session:
        delivery, ticket, draft = await _sent_draft(session, delivery_id)
        if better in {draft.body.strip(), delivery.body.strip()}:
            better = ""  # a form that was filled with the reply and sent unchanged says nothing
        if not good and not why and not better:
            msg = "say what is wrong with the reply, or what it should have said"
            raise InvalidInputError(msg)
        delivery.judgement = "good" if good else "wrong"
        reviewed = await session.execute(select(Review).where(Review.draft_id == draft.id, Review.state != "cancelled"))
        review = reviewed.scalar_one_or_none()
        if review is not None:
            if not good:
                await _take_back(session, analyser, review, why, better)
        elif good:
            await add_review(
                session, ticket, draft=draft, delivery=delivery, actor=actor, action="approved",
                sent=draft.body, learns="example", analysis=analyser.analyse(draft.body, draft.body),
            )  # fmt: skip
        else:
            await add_review(
                session, ticket, draft=draft, delivery=delivery, actor=actor, action="rejected",
                sent=better, learns="correction", reason=why or WITHOUT_BETTER,
            )  # fmt: skip
        wake(session, "reviews")
        events.record(session, ticket.id, "reply_judged", actor.label, delivery=str(delivery.id), good=good, reason=why)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return delivery


async def _sent_draft(session: AsyncSession, delivery_id: UUID) -> tuple[Delivery, Ticket, Draft]:
    """Ticket first, delivery second: everyone locks in this order."""
    found = await session.get(Delivery, delivery_id)
    if found is None:
        msg = "there is no such delivery"
        raise NotFoundError(msg)
    ticket = await lock_ticket(session, found.ticket_id)
    delivery = await session.get_one(Delivery, delivery_id, with_for_update=True, populate_existing=True)
    if delivery.state != "sent" or delivery.draft_id is None:
        msg = "only a reply that was sent from a draft can be judged"
        raise ConflictError(msg)
    if not may_be_judged(delivery):
        msg = "somebody has judged this reply already"
        raise ConflictError(msg)
    return delivery, ticket, await session.get_one(Draft, delivery.draft_id)


async def _take_back(session: AsyncSession, analyser: EditAnalyser, review: Review, why: str, better: str) -> None:
    """An approval turns out wrong: what was learned from it goes, and the correction is learned in its place."""
    examples = await session.execute(select(Example.id).where(Example.review_id == review.id))
    for example_id in examples.scalars():
        await purge_example(session, example_id)
    analysis = analyser.analyse(review.sent_body, better) if better else None
    review.draft_body, review.sent_body, review.meaning_changed = review.sent_body, better, True
    review.changes = [asdict(change) for change in analysis.changes] if analysis else []
    review.notes = why or (analysis.notes if analysis else WITHOUT_BETTER)
    review.reason, review.learns, review.state = why, "correction", "waiting"
    await due_in(session, review, 0)


async def sent_under(
    session: AsyncSession, certificate_id: UUID, *, limit: int, offset: int
) -> Page[tuple[Delivery, Ticket]]:
    """The recall list: everything that went out, or may have, under a certificate. Newest first.

    Raises NotFoundError.
    """
    if await session.get(SendingCertificate, certificate_id) is None:
        msg = "there is no such certificate"
        raise NotFoundError(msg)
    statement = (
        select(Delivery, Ticket)
        .join(Ticket, Ticket.id == Delivery.ticket_id)
        .where(Delivery.certificate_id == certificate_id, Delivery.state != "cancelled")
        .order_by(Delivery.id.desc())
    )
    rows, total = await read_page(session, statement, limit=limit, offset=offset)
    return Page([(row[0], row[1]) for row in rows], total, limit, offset)


async def replies_to_check(session: AsyncSession, *, limit: int, offset: int) -> Page[tuple[Delivery, Ticket]]:
    """Replies that went out by themselves and were drawn for a look afterwards. Oldest first."""
    statement = (
        select(Delivery, Ticket)
        .join(Ticket, Ticket.id == Delivery.ticket_id)
        .where(Delivery.judgement == "asked", Delivery.state == "sent")
        .order_by(Delivery.id)
    )
    rows, total = await read_page(session, statement, limit=limit, offset=offset)
    return Page([(row[0], row[1]) for row in rows], total, limit, offset)


async def question_of(session: AsyncSession, delivery: Delivery) -> str:
    """What the customer had written when the reply was sent."""
    found = await session.execute(
        select(Message.body)
        .where(
            Message.ticket_id == delivery.ticket_id,
            Message.author == "customer",
            Message.seq <= delivery.inbound_seq,
        )
        .order_by(Message.seq.desc())
        .limit(1)
    )
    return found.scalar_one_or_none() or ""
