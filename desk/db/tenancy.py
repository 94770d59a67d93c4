"""The ORM's half of tenant isolation; the database's half is `desk.db.policies`.

Every session speaks for one scope. Reads and updates are filtered by it, writes for another tenant are refused,
and the scope is told to PostgreSQL at the start of each transaction so that row-level security enforces it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from advanced_alchemy.types import GUID
from sqlalchemy import ColumnElement, Result, bindparam, event, or_
from sqlalchemy.engine import Connection
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction, with_loader_criteria
from sqlalchemy.orm.unitofwork import UOWTransaction

from desk.models.base import GLOBAL_TENANT_ID, TenantRow

SCOPE = "scope"
BEGUN = "begun"
"""Session info key: when its transaction began, by the database's clock."""
UNFILTERED = "without_tenant_filter"
"""Session info key that switches the ORM filter off; only the isolation tests set it."""


class TenantLeakError(RuntimeError):
    """Code tried to write or bulk-write outside its tenant: a defect, never the user's fault."""


@dataclass(frozen=True, slots=True)
class Scope:
    """For whom a transaction reads and writes."""

    tenant_id: UUID | None
    """None only before anybody is known (signing in) and for installation-wide rows."""
    user_id: UUID | None = None


OPERATOR_SCOPE = Scope(GLOBAL_TENANT_ID)
NO_TENANT = Scope(None)


def session_scope(session: Session) -> Scope:
    scope = session.info.get(SCOPE)
    if not isinstance(scope, Scope):
        msg = "a session was opened without a scope; use Database.transaction"
        raise TenantLeakError(msg)
    return scope


def install_tenancy() -> None:
    """Listen on every Session (a listener on a Session subclass is silently dropped)."""
    if not event.contains(Session, "after_begin", _tell_database):
        event.listen(Session, "after_begin", _tell_database)
        event.listen(Session, "do_orm_execute", _filter_by_tenant)
        event.listen(Session, "before_flush", _guard_flush)


def _tell_database(session: Session, _: SessionTransaction, connection: Connection) -> None:
    scope = session_scope(session)
    # Without SQLAlchemy's compiler: it begins every transaction, and would cost more than what PostgreSQL does.
    told = connection.exec_driver_sql(
        "SELECT now(), set_config('app.tenant_id', $1, true), set_config('app.user_id', $2, true)",
        (str(scope.tenant_id or ""), str(scope.user_id or "")),
    )
    session.info[BEGUN] = told.scalar_one()


def _filter_by_tenant(state: ORMExecuteState) -> Result[Any] | None:
    if state.is_executemany and (state.is_update or state.is_delete or state.is_insert):
        msg = "bulk writes by key escape the tenant filter; write one statement with a WHERE instead"
        raise TenantLeakError(msg)
    if state.session.info.get(UNFILTERED) or state.is_insert or state.is_column_load or state.is_relationship_load:
        return None
    tenant_id = session_scope(state.session).tenant_id or _NOBODY
    state.statement = state.statement.options(_READABLE if state.is_select else _OWNED)
    state.parameters = state.parameters or {}
    return state.invoke_statement(params={_PARAMETER: tenant_id})


_PARAMETER = "scope_tenant"
_TENANT = bindparam(_PARAMETER, type_=GUID())


def _owned(row: type[TenantRow]) -> ColumnElement[bool]:
    return row.tenant_id == _TENANT


def _readable(row: type[TenantRow]) -> ColumnElement[bool]:
    return or_(_owned(row), row.tenant_id == GLOBAL_TENANT_ID) if row.access == "tenant_and_global" else _owned(row)


# Made once, with the tenant as a named parameter: a criterion that closes over the tenant itself is cached by its
# code, and was seen to filter by another statement's value.
_OWNED = with_loader_criteria(TenantRow, _owned, include_aliases=True, track_closure_variables=False)
_READABLE = with_loader_criteria(TenantRow, _readable, include_aliases=True, track_closure_variables=False)
_NOBODY = UUID(int=2**128 - 1)


def _guard_flush(session: Session, _: UOWTransaction, __: object) -> None:
    guard_writes(session)


def guard_writes(session: Session) -> None:
    """Give the new rows their tenant. Raises TenantLeakError when one of another tenant would be written."""
    scope = session_scope(session)
    for row in (*session.new, *session.dirty, *session.deleted):
        if not isinstance(row, TenantRow):
            continue
        if row in session.new and getattr(row, "tenant_id", None) is None and scope.tenant_id is not None:
            row.tenant_id = scope.tenant_id
        if row.tenant_id != scope.tenant_id:
            msg = f"a {type(row).__name__} of another tenant must not be written"
            raise TenantLeakError(msg)
