"""Bringing a database up to what this version needs: schema, roles, the global tenant, the standard prompt."""

from __future__ import annotations

from desk.accounts.tenants import ensure_global_tenant
from desk.db.migrate import migrate
from desk.db.policies import assert_isolation
from desk.db.roles import DatabaseAddress
from desk.db.unit_of_work import Database
from desk.db.vector_table import prepare_vector_table
from desk.drafting.prompts import ensure_standard_prompt


async def prepare_database(address: DatabaseAddress, vector_dimension: int | None = None) -> None:
    """Safe to run at every start, by several processes at once. Raises SettingMissingError when isolation fails.

    With a dimension, vectors are kept for pgvector as well; raises SettingMissingError when the server has none.
    """
    await migrate(address)
    if vector_dimension is not None:
        await prepare_vector_table(address, vector_dimension)
    database = Database.connect(address.app, pool_size=1)
    try:
        async with database.engine.connect() as connection:
            await assert_isolation(connection)
        await ensure_global_tenant(database)
        await ensure_standard_prompt(database)
    finally:
        await database.close()
