"""What has become of certificates since somebody last said that they know."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from desk.models import Membership, SendingCertificate

MOST_NEWS = 3


async def certificate_news(session: AsyncSession, user_id: UUID) -> Sequence[SendingCertificate]:
    """Certificates granted or revoked since the person joined or put the news away; the latest change first.

    One that a lower threshold replaced is no news: the one that replaced it is.
    """
    seen = (
        select(func.coalesce(Membership.news_seen_at, Membership.created_at))
        .where(Membership.user_id == user_id)
        .scalar_subquery()
    )
    changed = func.coalesce(SendingCertificate.ended_at, SendingCertificate.created_at)
    found = await session.execute(
        select(SendingCertificate)
        .where(SendingCertificate.state != "replaced", changed > seen)
        .order_by(changed.desc())
        .limit(MOST_NEWS)
    )
    return found.scalars().all()


async def put_news_away(session: AsyncSession, user_id: UUID) -> None:
    await session.execute(update(Membership).where(Membership.user_id == user_id).values(news_seen_at=func.now()))
