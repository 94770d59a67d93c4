"""Reading comparisons: how far one is, what it found, case by case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.errors import NotFoundError
from desk.models import Comparison, ComparisonCase
from desk.paging import Page, read_page

WORST_FIRST = ("broken", "further", "unchanged", "same", "fixed", "closer")


@dataclass(frozen=True, slots=True)
class ComparisonView:
    comparison: Comparison
    total: int
    """Cases that are compared."""
    counts: Mapping[str, int]
    """By outcome, of those that are done."""
    still_wrong: int
    """Among the unchanged: wrong before and after."""
    before_similarity: float | None
    after_similarity: float | None
    """Means, where there are replies to come close to; no draft counts as 0."""
    before_ms: float
    after_ms: float
    """Means."""
    before_usd: float
    after_usd: float
    """Of all together."""

    @property
    def done(self) -> int:
        return sum(self.counts.values())


async def list_comparisons(session: AsyncSession, *, kind: str | None, limit: int, offset: int) -> Page[Comparison]:
    """Newest first."""
    statement = select(Comparison).order_by(Comparison.id.desc())
    if kind is not None:
        statement = statement.where(Comparison.kind == kind)
    rows, total = await read_page(session, statement, limit=limit, offset=offset)
    return Page([row[0] for row in rows], total, limit, offset)


async def view_comparison(session: AsyncSession, comparison_id: UUID) -> ComparisonView:
    """Raises NotFoundError."""
    found = await session.execute(select(Comparison).where(Comparison.id == comparison_id))
    comparison = found.scalar_one_or_none()
    if comparison is None:
        msg = "there is no such comparison"
        raise NotFoundError(msg)
    mine = ComparisonCase.comparison_id == comparison_id
    rows = await session.execute(
        select(
            ComparisonCase.outcome,
            func.count(),
            func.count().filter(ComparisonCase.is_wrong),
            func.sum(func.coalesce(ComparisonCase.before_similarity, 0)),
            func.sum(func.coalesce(ComparisonCase.after_similarity, 0)),
            func.sum(ComparisonCase.before_ms),
            func.sum(ComparisonCase.after_ms),
            func.sum(ComparisonCase.before_usd),
            func.sum(ComparisonCase.after_usd),
        )
        .where(mine)
        .group_by(ComparisonCase.outcome)
    )
    table: list[Any] = list(rows.all())
    finished = [row for row in table if row[0] is not None]
    done = sum(row[1] for row in finished)
    sums = [float(sum(row[at] for row in finished)) for at in range(3, 9)]
    means = [value / done if done else None for value in sums[:4]]
    has_replies = comparison.kind == "replies"
    return ComparisonView(
        comparison,
        total=sum(row[1] for row in table),
        counts={row[0]: row[1] for row in finished},
        still_wrong=sum(row[2] for row in finished if row[0] == "unchanged"),
        before_similarity=means[0] if has_replies else None,
        after_similarity=means[1] if has_replies else None,
        before_ms=means[2] or 0.0,
        after_ms=means[3] or 0.0,
        before_usd=sums[4],
        after_usd=sums[5],
    )


async def list_cases(
    session: AsyncSession, comparison_id: UUID, *, outcome: str | None, limit: int, offset: int
) -> Page[ComparisonCase]:
    """Those that are done, the worst first."""
    rank = case({value: at for at, value in enumerate(WORST_FIRST)}, value=ComparisonCase.outcome)
    statement = (
        select(ComparisonCase)
        .where(ComparisonCase.comparison_id == comparison_id, ComparisonCase.outcome.is_not(None))
        .order_by(rank, ComparisonCase.is_wrong.desc(), ComparisonCase.ordinal)
    )
    if outcome is not None:
        statement = statement.where(ComparisonCase.outcome == outcome)
    rows, total = await read_page(session, statement, limit=limit, offset=offset)
    return Page([row[0] for row in rows], total, limit, offset)
