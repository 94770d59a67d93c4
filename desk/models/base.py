"""What every table shares: ids, times, the tenant and its composite keys, leases for work."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from advanced_alchemy.base import UUIDv7AuditBase
from advanced_alchemy.types import GUID, DateTimeUTC
from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

GLOBAL_TENANT_ID = UUID(int=0)
"""Owns the rows that belong to no tenant: global knowledge, global prompts. Everyone reads them, only an
operator writes them."""

Access = Literal["tenant", "tenant_and_global", "installation"]
"""Which rows a transaction sees: the tenant's own, those and the global ones, or (for tables that hold
nothing of a tenant) all."""


class Row(UUIDv7AuditBase):
    """A row that belongs to the installation, not to a tenant."""

    __abstract__ = True
    access: ClassVar[Access] = "installation"


class TenantRow(UUIDv7AuditBase):
    """A row of one tenant, guarded by forced row-level security and the ORM filter (design section 4)."""

    __abstract__ = True
    access: ClassVar[Access] = "tenant"
    constraints: ClassVar[tuple[Any, ...]] = ()
    """Further table arguments of the subclass."""

    tenant_id: Mapped[UUID] = mapped_column(GUID(), nullable=False)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        name = cls.__tablename__
        return (
            UniqueConstraint("tenant_id", "id", name=f"uq_{name}_tenant_id_id"),
            ForeignKeyConstraint(["tenant_id"], ["tenants.id"], ondelete="CASCADE", name=f"fk_{name}_tenant"),
            *cls.constraints,
        )


class Work:
    """Mixin for rows that are work to do: claimed under a lease by the database's clock, with a fencing token.

    A row is due when `due_at` is set and past and no lease runs. Whoever claims it raises `fence`; every later
    write of that worker says `WHERE fence = mine`, so one that slept through its lease changes nothing.
    """

    due_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    lease_until: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)
    fence: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(default=None)


def due_index(table: str) -> Index:
    """The partial index by which the next due row is found without reading the finished ones."""
    return Index(f"ix_{table}_due", "due_at", postgresql_where=text("due_at IS NOT NULL"))


def belongs_to(table: str, column: str, *, name: str, ondelete: str = "CASCADE") -> ForeignKeyConstraint:
    """A composite foreign key: the other row must be of the same tenant."""
    return ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{table}.tenant_id", f"{table}.id"],
        ondelete=ondelete,
        name=f"fk_{name}_{column}",
    )


def may_belong_to(table: str, column: str, *, name: str) -> ForeignKeyConstraint:
    """Like `belongs_to` for an optional reference: it is emptied when the other row goes."""
    return belongs_to(table, column, name=name, ondelete=f"SET NULL ({column})")


def one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
