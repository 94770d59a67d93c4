"""Which questions are drafted again: corrections as regression cases, past replies as examples of what is wanted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.errors import InvalidInputError
from desk.models import ComparisonCase, Correction, Review

MOST_CASES = 200
"""Of what the desk writes by itself: some seconds."""
MOST_MODEL_CASES = 40
"""Where every draft is a paid call of a language model."""
_SENT = ("approved", "edited", "authored")
_Item = TypeVar("_Item")


def most_cases(*, has_model: bool) -> int:
    return MOST_MODEL_CASES if has_model else MOST_CASES


async def correction_cases(session: AsyncSession, most: int) -> tuple[int, list[ComparisonCase]]:
    """How many active corrections there are, and the cases chosen of them, newest first."""
    rows = await session.execute(
        select(Correction.id).where(Correction.state == "active").order_by(Correction.created_at.desc(), Correction.id)
    )
    ids = list(rows.scalars())
    chosen = spread(ids, most)
    found = await session.execute(select(Correction).where(Correction.id.in_(chosen)))
    by_id = {row.id: row for row in found.scalars()}
    return len(ids), [
        _case(
            ordinal,
            ticket_id=row.ticket_id,
            draft_id=row.draft_id,
            correction_id=row.id,
            question=row.question,
            avoid=row.avoid,
            wanted=row.instead,
        )
        for ordinal, row in enumerate((by_id[one] for one in chosen), 1)
    ]


async def reply_cases(session: AsyncSession, most: int) -> tuple[int, list[ComparisonCase]]:
    """How many replies of people to drafted questions there are, and the newest of them as cases."""
    if most < 1:
        msg = "at least one past ticket has to be compared"
        raise InvalidInputError(msg)
    sent = (
        Review.action.in_(_SENT),
        Review.state != "cancelled",
        Review.draft_id.is_not(None),
        Review.sent_body != "",
    )
    ids = list((await session.execute(select(Review.id).where(*sent).order_by(Review.id.desc()))).scalars())
    found = await session.execute(select(Review).where(Review.id.in_(ids[:most])).order_by(Review.id.desc()))
    return len(ids), [
        _case(ordinal, ticket_id=row.ticket_id, draft_id=row.draft_id, question=row.question, wanted=row.sent_body)
        for ordinal, row in enumerate(found.scalars(), 1)
    ]


def spread(newest_first: Sequence[_Item], most: int) -> list[_Item]:
    """All of them, or the newest half of `most` and the rest of it evenly from what is older: always the same."""
    if len(newest_first) <= most:
        return list(newest_first)
    newest = most - most // 2
    older, wanted = newest_first[newest:], most - newest
    return [*newest_first[:newest], *(older[at * len(older) // wanted] for at in range(wanted))]


def _case(ordinal: int, *, ticket_id: UUID | None, draft_id: UUID | None, **texts: Any) -> ComparisonCase:
    return ComparisonCase(id=uuid7(), ordinal=ordinal, ticket_id=ticket_id, draft_id=draft_id, **texts)
