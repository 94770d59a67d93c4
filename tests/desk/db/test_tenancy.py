"""Two tenants over every mapped class: neither the ORM nor the database lets one see or touch the other's rows."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Column, delete, func, insert, inspect, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.policies import assert_isolation, guarded_tables, table_name, tenant_tables
from desk.db.tenancy import OPERATOR_SCOPE, UNFILTERED, Scope, TenantLeakError
from desk.db.unit_of_work import Database
from desk.errors import SettingMissingError
from desk.models import GLOBAL_TENANT_ID, Customer, Document, Ticket, metadata
from desk.models.base import TenantRow
from tests.conftest import new_owner
from tests.database import TestServer

CLASSES = tenant_tables()
BY_TABLE = {table_name(row): row for row in CLASSES}


def _value(column: Column[Any]) -> Any:
    """Something that fits the column's type and its check constraint."""
    allowed = next(
        (
            str(check.sqltext).split("'")[1]
            for check in column.table.constraints
            if hasattr(check, "sqltext") and str(check.sqltext).startswith(f"{column.name} IN")
        ),
        None,
    )
    if allowed is not None:
        return allowed
    kind = column.type.python_type
    samples: dict[type, Any] = {
        str: uuid4().hex[:8],
        int: uuid4().int % 1_000_000,
        float: 0.5,
        bool: False,
        bytes: b"x" * 16,
        datetime: datetime.now(UTC),
        UUID: uuid4(),
        dict: {},
        object: {},
        list: [],
    }
    return samples[kind]


async def _add(session: AsyncSession, row_type: type[TenantRow], tenant_id: UUID) -> UUID:
    """A row of the tenant, with the rows it refers to; past the ORM, so that nothing fills in the tenant."""
    table = inspect(row_type).local_table
    values: dict[str, Any] = {"id": uuid4(), "tenant_id": tenant_id}
    for key in table.foreign_key_constraints:
        parent = key.elements[0].column.table.name
        for column in key.columns:
            if column.name not in values and not column.nullable:
                values[column.name] = (
                    await _add(session, BY_TABLE[parent], tenant_id) if parent in BY_TABLE else await _user(session)
                )
    for column in table.columns:
        if column.name not in values and not column.nullable and column.default is None and column.identity is None:
            values[column.name] = _value(column)
    await session.execute(insert(table).values(**values))
    return values["id"]


async def _user(session: AsyncSession) -> UUID:
    user_id = uuid4()
    await session.execute(text("SELECT set_config('app.user_id', :id, true)"), {"id": str(user_id)})
    await session.execute(
        text(
            "INSERT INTO users (id, email, name, password_hash, is_operator, is_active, token_generation, created_at,"
            " updated_at) VALUES (:id, :email, '', 'x', false, true, 0, now(), now())"
        ),
        {"id": user_id, "email": f"{user_id}@example.com"},
    )
    return user_id


ONE_PER_TENANT = {"tenant_settings", "index_counters"}


async def _prepared(database: Database, row_type: type[TenantRow]) -> tuple[Scope, Scope, UUID]:
    """Two tenants and the id of a row that belongs to the first."""
    first, second = await new_owner(database), await new_owner(database)
    async with database.transaction(first.scope) as session:
        if table_name(row_type) in ONE_PER_TENANT:
            row_id = (
                await session.execute(select(row_type.id).where(row_type.tenant_id == first.tenant_id))
            ).scalar_one()
        else:
            row_id = await _add(session, row_type, first.tenant_id)
    return first.scope, second.scope, row_id


@pytest.mark.parametrize("row_type", CLASSES, ids=table_name)
async def test_a_row_is_seen_and_changed_by_its_own_tenant_only(database: Database, row_type: type[TenantRow]) -> None:
    mine, theirs, row_id = await _prepared(database, row_type)
    async with database.transaction(mine) as session:
        assert await session.get(row_type, row_id) is not None
    async with database.transaction(theirs) as session:
        assert await session.get(row_type, row_id) is None
        assert (await session.execute(select(func.count()).where(row_type.id == row_id))).scalar_one() == 0
        changed = update(row_type).where(row_type.id == row_id).values(updated_at=func.now()).returning(row_type.id)
        assert (await session.execute(changed)).all() == []
        assert (await session.execute(delete(row_type).where(row_type.id == row_id).returning(row_type.id))).all() == []
    async with database.transaction(mine) as session:
        assert await session.get(row_type, row_id) is not None


@pytest.mark.parametrize("row_type", CLASSES, ids=table_name)
async def test_with_the_orm_filter_off_the_database_alone_refuses(
    database: Database, row_type: type[TenantRow]
) -> None:
    mine, theirs, row_id = await _prepared(database, row_type)
    table = table_name(row_type)
    async with database.transaction(theirs, **{UNFILTERED: True}) as session:
        assert await session.get(row_type, row_id) is None
        seen = await session.execute(text(f"SELECT count(*) FROM {table} WHERE id = :id"), {"id": row_id})
        assert seen.scalar_one() == 0
        for statement in (f"UPDATE {table} SET id = id WHERE id = :id", f"DELETE FROM {table} WHERE id = :id"):
            touched = await session.execute(text(f"{statement} RETURNING id"), {"id": row_id})
            assert touched.all() == []
    with pytest.raises(DBAPIError, match=r"row-level security|duplicate key"):
        async with database.transaction(theirs, **{UNFILTERED: True}) as session:
            await _add(session, row_type, mine.tenant_id or GLOBAL_TENANT_ID)
    async with database.transaction(Scope(None), **{UNFILTERED: True}) as session:
        assert await session.get(row_type, row_id) is None


async def test_writing_for_another_tenant_is_refused_before_it_reaches_the_database(database: Database) -> None:
    first, second = await new_owner(database), await new_owner(database)
    with pytest.raises(TenantLeakError):
        async with database.transaction(first.scope) as session:
            session.add(Customer(tenant_id=second.tenant_id, name="Eve"))
    with pytest.raises(TenantLeakError):
        async with database.transaction(first.scope) as session:
            await session.execute(update(Ticket), [{"id": uuid4(), "subject": "a"}, {"id": uuid4(), "subject": "b"}])


async def test_a_reference_to_another_tenants_row_is_refused(database: Database) -> None:
    _, theirs, customer_id = await _prepared(database, Customer)
    with pytest.raises(DBAPIError, match="foreign key"):
        async with database.transaction(theirs) as session:
            await session.execute(
                text(
                    "INSERT INTO customer_identities (id, tenant_id, customer_id, kind, value, created_at, updated_at)"
                    " VALUES (gen_random_uuid(), :tenant, :customer, 'email', 'a@example.com', now(), now())"
                ),
                {"tenant": theirs.tenant_id, "customer": customer_id},
            )


async def test_global_knowledge_is_read_by_all_and_written_by_operators_only(fresh_database: Database) -> None:
    tenant = await new_owner(fresh_database)
    document = Document(title="For all", origin=f"text:{uuid4()}")
    async with fresh_database.transaction(OPERATOR_SCOPE) as session:
        session.add(document)
    async with fresh_database.transaction(tenant.scope) as session:
        assert (await session.get_one(Document, document.id)).title == "For all"
        touched = update(Document).where(Document.id == document.id).values(title="Mine").returning(Document.id)
        assert (await session.execute(touched)).all() == []
    async with fresh_database.transaction(tenant.scope, **{UNFILTERED: True}) as session:
        assert (await session.execute(touched)).all() == []


async def test_every_table_is_guarded_and_a_superuser_is_not_let_in(
    database: Database, database_server: TestServer
) -> None:
    """A table that is added without a policy, or a desk started as the wrong role, must not go unnoticed."""
    assert set(metadata.tables) - guarded_tables() == {"revoked_tokens", "sessions", "process_heartbeats"}
    async with database.engine.connect() as connection:
        await assert_isolation(connection)
        forced = await connection.execute(
            text("SELECT relname FROM pg_class WHERE relforcerowsecurity AND relnamespace = 'public'::regnamespace")
        )
        assert set(forced.scalars()) == guarded_tables()
    owner = database_server.template().owner_url()
    opened = Database.connect(owner, pool_size=1)
    try:
        async with opened.engine.connect() as connection:
            with pytest.raises(SettingMissingError, match="bypass"):
                await assert_isolation(connection)
    finally:
        await opened.close()
