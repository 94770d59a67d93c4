"""What was learned from agents, with where it came from, and how to take a piece of it back for good."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.index_log import remove_items
from desk.errors import InvalidInputError, NotFoundError
from desk.models import Correction, Example
from desk.paging import Page, read_page
from desk.plain_text import clean_line

REPEATED = "It repeats an approved answer that was there before, and is counted there."
"""Why an approved answer is not searched: another one says the same."""
STATES = ("active", "set_aside", "retired")


async def list_examples(
    session: AsyncSession, *, state: str | None, q: str | None, limit: int, offset: int
) -> Page[Example]:
    """Newest first. Raises InvalidInputError."""
    statement = select(Example).order_by(Example.created_at.desc(), Example.id)
    words = _checked(state, q)
    if state is not None:
        statement = statement.where(Example.state == state)
    if words:
        statement = statement.where(
            Example.question.icontains(words, autoescape=True) | Example.answer.icontains(words, autoescape=True)
        )
    rows, total = await read_page(session, statement, limit=limit, offset=offset)
    return Page([row[0] for row in rows], total, limit, offset)


async def list_corrections(
    session: AsyncSession, *, state: str | None, q: str | None, limit: int, offset: int
) -> Page[Correction]:
    """Newest first. Raises InvalidInputError."""
    statement = select(Correction).order_by(Correction.created_at.desc(), Correction.id)
    words = _checked(state, q)
    if state is not None:
        statement = statement.where(Correction.state == state)
    if words:
        statement = statement.where(
            Correction.question.icontains(words, autoescape=True)
            | Correction.instead.icontains(words, autoescape=True)
            | Correction.avoid.icontains(words, autoescape=True)
        )
    rows, total = await read_page(session, statement, limit=limit, offset=offset)
    return Page([row[0] for row in rows], total, limit, offset)


async def get_example(session: AsyncSession, example_id: UUID) -> Example:
    """Raises NotFoundError."""
    found = (await session.execute(select(Example).where(Example.id == example_id))).scalar_one_or_none()
    if found is None:
        msg = "there is no such example"
        raise NotFoundError(msg)
    return found


async def get_correction(session: AsyncSession, correction_id: UUID) -> Correction:
    """Raises NotFoundError."""
    found = (await session.execute(select(Correction).where(Correction.id == correction_id))).scalar_one_or_none()
    if found is None:
        msg = "there is no such correction"
        raise NotFoundError(msg)
    return found


async def purge_example(session: AsyncSession, example_id: UUID) -> None:
    """The row and its vector go, and every index forgets it. Raises NotFoundError."""
    await session.delete(await get_example(session, example_id))
    await remove_items(session, "example", [example_id])


async def purge_correction(session: AsyncSession, correction_id: UUID) -> None:
    """The row and its vector go, and every index forgets it. Raises NotFoundError."""
    await session.delete(await get_correction(session, correction_id))
    await remove_items(session, "correction", [correction_id])


def _checked(state: str | None, q: str | None) -> str:
    if state is not None and state not in STATES:
        msg = f"state must be one of {', '.join(STATES)}"
        raise InvalidInputError(msg)
    return clean_line(q or "")
