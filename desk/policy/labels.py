"""What people made of drafts that could have gone out by themselves, read from the reviews."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Float, cast, select
from sqlalchemy.ext.asyncio import AsyncSession

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
    draft_id: UUID
    ticket_id: UUID
    channel: str
    intent: str
    plain_score: float
    """0 to 100, before calibration: what the plain threshold goes by."""


async def reviewed_drafts(
    session: AsyncSession, channels: Sequence[str], since: datetime | None = None
) -> list[ReviewedDraft]:
    """Oldest first: drafts that passed every guard, had a calibrated probability and were decided for good.

    Drafts an agent asked for with an instruction are not among them: nobody would have asked for those before an
    automatic reply (`Draft.blind_review` is empty for them, and for FAQ answers).
    """
    probability = cast(Draft.confidence["calibrated"].astext, Float)
    score = cast(Draft.confidence["score"].astext, Float)
    statement = (
        select(
            probability,
            score,
            Review.action,
            Review.meaning_changed,
            Draft.blind_review,
            Delivery.is_automatic,
            Review.created_at,
            Draft.id,
            Draft.ticket_id,
            Ticket.channel,
            Draft.intent["label"].astext,
        )
        .join(Draft, Draft.id == Review.draft_id)
        .join(Ticket, Ticket.id == Draft.ticket_id)
        .outerjoin(Delivery, (Delivery.draft_id == Draft.id) & Delivery.is_automatic)
        .where(
            Review.state != "cancelled",
            Review.due_at.is_(None),
            Draft.blind_review.is_not(None),
            probability.is_not(None),
            Ticket.channel.in_(channels),
        )
        .order_by(Review.id.desc())
        .limit(MOST_LABELS)
    )
    if since is not None:
        statement = statement.where(Draft.created_at > since)
    rows = (await session.execute(statement)).all()
    return [_reviewed(*row) for row in reversed(rows)]


def _reviewed(  # noqa: PLR0913 - one for each column of the statement
    calibrated: float,
    plain_score: float,
    action: str,
    meaning_changed: bool,
    blind_review: bool,
    is_automatic: bool | None,
    at: datetime,
    draft_id: UUID,
    ticket_id: UUID,
    channel: str,
    intent: str | None,
) -> ReviewedDraft:
    label = Label(
        calibrated,
        good=action != "rejected" and not meaning_changed,
        sampled=blind_review,
        reported=bool(is_automatic) and not blind_review,
    )
    return ReviewedDraft(label, at, draft_id, ticket_id, channel, intent or "", plain_score)
