"""How a command gets at the database: the one it is told of, or the embedded one, started for it when need be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from desk.db.embedded import PostgresAddress, lease_server
from desk.secret import Secret
from desk.settings import Settings, load_settings

if TYPE_CHECKING:  # loading these takes longer than many a command
    from desk.db.roles import DatabaseAddress
    from desk.installation import Installation

Result = TypeVar("Result")
DATABASE_NAME = "draftdesk"


def embedded_owner_url(server: PostgresAddress) -> Secret:
    """The owner's URL of the desk's own database on the embedded server; makes the database on first use."""
    asyncio.run(_ensure_database(server))
    return server.asyncpg_url(server.superuser, server.password, DATABASE_NAME)


async def _ensure_database(server: PostgresAddress) -> None:
    engine = create_async_engine(
        server.asyncpg_url(server.superuser, server.password, "postgres").reveal(), isolation_level="AUTOCOMMIT"
    )
    try:
        async with engine.connect() as connection:
            known = await connection.execute(
                text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": DATABASE_NAME}
            )
            if known.one_or_none() is None:
                await connection.exec_driver_sql(f'CREATE DATABASE "{DATABASE_NAME}"')
    finally:
        await engine.dispose()


@contextmanager
def settings_with_database(environment: Mapping[str, str] | None = None) -> Generator[Settings]:
    """The settings, with the embedded server's address filled in and the server running while needed."""
    settings = load_settings(environment)
    if settings.database_url is not None or settings.database_app_url is not None:
        yield settings
        return
    with lease_server(settings.data_dir) as server:
        yield replace(settings, database_url=embedded_owner_url(server))


def run_with_installation(work: Callable[[Installation], Awaitable[Result]]) -> Result:
    """Run `work` on a migrated database; everything is closed again at the end."""
    with settings_with_database() as settings:
        return asyncio.run(_run(settings, work))


async def _run(settings: Settings, work: Callable[[Installation], Awaitable[Result]]) -> Result:
    async with _installation(settings) as installation:
        return await work(installation)


@asynccontextmanager
async def _installation(settings: Settings) -> AsyncGenerator[Installation]:
    from desk.first_run import prepare_database
    from desk.wiring import database_address, running, vector_dimension

    address: DatabaseAddress = database_address(settings)
    if address.owner is not None:
        await prepare_database(address, vector_dimension(settings))
    async with running(settings, address) as installation:
        yield installation
