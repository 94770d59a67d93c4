"""Lists in pages, the same everywhere: items, how many there are in all, and where the page starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Row, Select, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.errors import InvalidInputError

LARGEST_PAGE = 200
STANDARD_PAGE = 50
LARGEST_OFFSET = 10_000_000

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[_Item]):
    items: list[_Item]
    total: int
    limit: int
    offset: int


def check_page(limit: int, offset: int) -> None:
    """Raises InvalidInputError."""
    if not 1 <= limit <= LARGEST_PAGE or not 0 <= offset <= LARGEST_OFFSET:
        msg = f"limit is 1 to {LARGEST_PAGE}, offset 0 to {LARGEST_OFFSET:,}"
        raise InvalidInputError(msg)


async def read_page(
    session: AsyncSession, statement: Select[*tuple[Any, ...]], *, limit: int, offset: int
) -> tuple[Sequence[Row[*tuple[Any, ...]]], int]:
    """The rows of one page of an ordered statement, and the number of all of them."""
    check_page(limit, offset)
    unordered: Any = statement.order_by(None)
    bare = unordered.with_only_columns(literal_column("1"), maintain_column_froms=True)
    counted = select(func.count()).select_from(bare.subquery())
    total = (await session.execute(counted)).scalar_one()
    if total <= offset:
        return [], total
    return (await session.execute(statement.limit(limit).offset(offset))).all(), total
