"""The migrations make exactly the tables the models describe, and can be taken back."""

from __future__ import annotations

from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine

from desk.db.migrate import alembic_configuration, migrate, pending_changes
from desk.db.policies import assert_isolation
from desk.db.roles import DatabaseAddress
from desk.db.unit_of_work import Database


async def test_nothing_is_pending_after_the_migrations(fresh_address: DatabaseAddress) -> None:
    assert await pending_changes(fresh_address) == []


async def test_a_missing_column_is_noticed(fresh_address: DatabaseAddress) -> None:
    engine = create_async_engine(fresh_address.owner_url())
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE tickets DROP COLUMN department"))
    await engine.dispose()
    (difference,) = await pending_changes(fresh_address)
    assert "department" in difference


async def test_down_to_nothing_and_up_again(fresh_address: DatabaseAddress) -> None:
    def down(connection: Connection) -> None:
        configuration = alembic_configuration()
        configuration.attributes["connection"] = connection
        command.downgrade(configuration, "base")

    engine = create_async_engine(fresh_address.owner_url())
    async with engine.begin() as connection:
        await connection.run_sync(down)
        left = await connection.execute(text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"))
        assert left.scalar_one() == 1, "only Alembic's own table stays"
    await engine.dispose()
    await migrate(fresh_address)
    assert await pending_changes(fresh_address) == []
    database = Database.connect(fresh_address.app, pool_size=1)
    async with database.engine.connect() as connection:
        await assert_isolation(connection)
    await database.close()
