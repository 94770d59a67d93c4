"""Bringing the database to the newest schema, as its owner."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from advanced_alchemy.types import EncryptedText
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from desk.db.policies import apply_policies
from desk.db.roles import DatabaseAddress, ensure_app_role
from desk.models import metadata

FOLDER = Path(__file__).resolve().parents[2] / "migrations"
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(7361000)"


def compare_type(_: MigrationContext, __: Any, ___: Any, ____: Any, declared: Any) -> bool | None:
    """Encrypted columns are text to the database; None leaves every other type to Alembic."""
    return False if isinstance(declared, EncryptedText) else None


def include_object(_: Any, name: str | None, kind: str, __: bool, ___: Any) -> bool:
    """Leaves out the index that the session store's mixin declares for another database only."""
    return not (kind == "index" and name == "ix_sessions_key_namespace_unique")


def alembic_configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(FOLDER))
    configuration.set_main_option("path_separator", "os")
    return configuration


async def migrate(address: DatabaseAddress) -> None:
    """Create the restricted role, upgrade the schema, apply roles and policies; safe to run at every start.

    Several processes may call it at once: one works, the others wait and find nothing to do.
    """
    await ensure_app_role(address)
    engine = create_async_engine(address.owner_url())
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql(_ONE_AT_A_TIME)
            await connection.run_sync(_upgrade)
            await apply_policies(connection, address.app.username or "")
    finally:
        await engine.dispose()


async def pending_changes(address: DatabaseAddress) -> list[str]:
    """What `desk migrate` would still do, or what the models say and no migration does; empty when all is well."""
    engine = create_async_engine(address.owner_url())
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_differences)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    configuration = alembic_configuration()
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")


def _differences(connection: Connection) -> list[str]:
    context = MigrationContext.configure(
        connection, opts={"compare_type": compare_type, "include_object": include_object}
    )
    head = ScriptDirectory.from_config(alembic_configuration()).get_current_head()
    if context.get_current_revision() != head:
        return [f"the schema is at {context.get_current_revision() or 'nothing'}, the newest is {head}"]
    return [str(difference) for difference in compare_metadata(context, metadata)]
