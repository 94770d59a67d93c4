"""Transactions that write everything new at their end, in the order of the foreign keys, one statement a table.

The ORM's unit of work knows no order between tables without relationships, so a step that adds rows flushes them, and
a row that later steps change is written once for each. Where many rows come into being at once that is most of the
work. In a gathered transaction (`Database.transaction(scope, gathered=True)`) `put` waits, every row is inserted in
its final state, and a row that was read before is updated once. Statements in between do not see the new rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import groupby
from typing import Any, cast

from sqlalchemy import Column, Table, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.schema import (
    sort_tables_and_constraints,  # pyright: ignore[reportUnknownVariableType] -- its parameters have no types
)

from desk.db.tenancy import guard_writes
from desk.models.base import Row

GATHERED = "gathered"
_Listener = Callable[[Session, Sequence[Row]], None]
_listeners: list[_Listener] = []


def listen_for_written(listener: _Listener) -> None:
    """Call it with the new rows of every gathered transaction: no flush sees them as new. They are in the database by
    then, and what was changed beside them is not."""
    if listener not in _listeners:
        _listeners.append(listener)


async def put(session: AsyncSession) -> None:
    """Write what was added so far, unless the transaction writes everything at its end."""
    if not session.info.get(GATHERED):
        await session.flush()


async def write_gathered(session: AsyncSession) -> None:
    """Everything that was added and changed. The new rows stay readable, but the session knows them no more."""
    await session.run_sync(_write)


def _write(session: Session) -> None:
    guard_writes(session)
    added: list[Row] = list(session.new)
    connection = session.connection()
    for row_type, rows in groupby(sorted(added, key=_place), key=type):
        connection.execute(_table(row_type).insert(), [_values(row_type, row) for row in rows])
    for row in added:
        session.expunge(row)
    for listener in _listeners:
        listener(session, added)
    session.flush()


def _place(row: Row) -> int:
    return _places()[_table(type(row))]


def _values(row_type: type[Any], row: Any) -> dict[str, Any]:
    """Every column, the defaults put on the row as well: nothing of it has to be read back."""
    values: dict[str, Any] = {}
    known = cast("dict[str, Any]", vars(row))
    for attribute, column in _columns(row_type):
        if attribute not in known and column.default is None and column.server_default is not None:
            continue  # the database's own to give
        if attribute not in known:
            setattr(row, attribute, _default(column))
        values[column.key] = known[attribute]
    return values


def _default(column: Column[Any]) -> Any:
    default: Any = column.default
    if default is None:
        return None
    return default.arg(None) if default.is_callable else default.arg


@cache
def _columns(row_type: type[Any]) -> tuple[tuple[str, Column[Any]], ...]:
    mapper: Mapper[Any] = inspect(row_type)
    columns = [column for column in _table(row_type).columns if not getattr(column.default, "is_sentinel", False)]
    return tuple((mapper.get_property_by_column(column).key, column) for column in columns)


def _table(row_type: type[Any]) -> Table:
    return cast("Table", inspect(row_type).local_table)


@cache
def _places() -> dict[Table, int]:
    """Referred tables before those that refer to them."""
    ordered: list[tuple[Table | None, Any]] = sort_tables_and_constraints(Row.metadata.tables.values())
    return {table: place for place, (table, _) in enumerate(ordered) if table is not None}
