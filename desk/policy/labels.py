"""What people made of drafts that could have gone out by themselves, read from the reviews."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from desk.models import Delivery, Draft, Review, Ticket
from desk.policy.certification import Label

MOST_LABELS = 5_000
"""The newest ones of a look or a page; so many certify any risk that makes sense."""


@dataclass(frozen=True, slots=True)
class ReviewedDraft:
    """One label with where it comes from."""

    label: Label
    at: datetime
    """When the person decided."""
    written_at: datetime
    """When the draft was written."""
    draft_id: UUID
    ticket_id: UUID
    channel: str
    intent: str
    plain_score: float
    """0 to 100, before calibration: what the plain threshold goes by."""


async def reviewed_drafts(
    session: AsyncSession, channels: Sequence[str], *, calibrated: bool = True
) -> list[ReviewedDraft]:
    """Oldest first: drafts that passed every guard, had a calibrated probability and were decided for good.

    With `calibrated` False those without a probability too, which only the plain threshold can go by; their label's
    score is the plain one.

    Drafts an agent asked for with an instruction are not among them: nobody would have asked for those before an
    automatic reply (`Draft.blind_review` is empty for them, and for FAQ answers).
    """
    statement = (
        select(Draft, Review, Ticket.channel, Delivery.is_automatic)
        .join(Draft, Draft.id == Review.draft_id)
        .join(Ticket, Ticket.id == Draft.ticket_id)
        .outerjoin(Delivery, (Delivery.draft_id == Draft.id) & Delivery.is_automatic)
        .where(
            Review.state != "cancelled",
            Review.due_at.is_(None),
            Draft.blind_review.is_not(None),
            Ticket.channel.in_(channels),
        )
        .order_by(Review.id.desc())
        .limit(MOST_LABELS)
        .options(
            load_only(Draft.confidence, Draft.intent, Draft.blind_review, Draft.ticket_id, Draft.created_at),
            load_only(Review.action, Review.meaning_changed, Review.created_at),
        )
    )
    if calibrated:
        statement = statement.where(Draft.confidence["calibrated"].astext.is_not(None))
    rows = (await session.execute(statement)).all()
    return [_reviewed(draft, review, channel, bool(automatic)) for draft, review, channel, automatic in reversed(rows)]


def _reviewed(draft: Draft, review: Review, channel: str, is_automatic: bool) -> ReviewedDraft:
    confidence, intent = draft.confidence or {}, draft.intent or {}
    probability = confidence.get("calibrated")
    is_drawn = bool(draft.blind_review)
    label = Label(
        confidence["score"] / 100 if probability is None else probability,
        good=review.action != "rejected" and not review.meaning_changed,
        sampled=is_drawn,
        reported=is_automatic and not is_drawn,
    )
    return ReviewedDraft(
        label=label,
        at=review.created_at,
        written_at=draft.created_at,
        draft_id=draft.id,
        ticket_id=draft.ticket_id,
        channel=channel,
        intent=intent.get("label", ""),
        plain_score=confidence["score"],
    )
