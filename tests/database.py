"""A real PostgreSQL for tests: one embedded server for all test processes, a migrated template, a clone a process.

Tests open tenants of their own, so they need not clean up after each other. A test that looks across tenants (claiming
work, counting everything) asks for `fresh_database`, a clone of its own.
"""

from __future__ import annotations

import asyncio
import fcntl
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from desk.db.crypto import key_ring
from desk.db.embedded import PostgresAddress, lease_server
from desk.db.roles import DatabaseAddress, address_from_urls
from desk.first_run import prepare_database
from desk.secret import Secret

SECRET_KEY = Secret("a secret key that only tests use, long enough to sign with")
ENCRYPTION_KEY = Secret("JPm2Yh0w3m8yTgPEMNMmCSm5VpDIxMEOQ3mTE5vJ0kA=")
TEMPLATE = "template_desk"


@dataclass(frozen=True)
class TestServer:
    """The server of this test run; `clone` makes a migrated database in a moment."""

    __test__ = False
    address: PostgresAddress

    def clone(self) -> DatabaseAddress:
        name = f"test_{uuid.uuid4().hex[:12]}"
        asyncio.run(self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"'))
        template = self.template()
        assert template.owner is not None
        return DatabaseAddress(template.app.set(database=name), template.owner.set(database=name))

    def drop(self, address: DatabaseAddress) -> None:
        asyncio.run(self._execute(f'DROP DATABASE "{address.app.database}" WITH (FORCE)'))

    def template(self) -> DatabaseAddress:
        return address_from_urls(self._owner_url(TEMPLATE).reveal(), None, SECRET_KEY)

    def ensure_template(self) -> None:
        asyncio.run(self._ensure_template())

    async def _ensure_template(self) -> None:
        engine = self._engine()
        try:
            async with engine.connect() as connection:
                known = await connection.execute(
                    text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": TEMPLATE}
                )
                if known.one_or_none() is None:
                    await connection.exec_driver_sql(f'CREATE DATABASE "{TEMPLATE}"')
        finally:
            await engine.dispose()
        await prepare_database(self.template())

    async def _execute(self, statement: str) -> None:
        engine = self._engine()
        try:
            async with engine.connect() as connection:
                await connection.exec_driver_sql(statement)
        finally:
            await engine.dispose()

    def _engine(self) -> AsyncEngine:
        return create_async_engine(self._owner_url("postgres").reveal(), isolation_level="AUTOCOMMIT")

    def _owner_url(self, database: str) -> Secret:
        return self.address.asyncpg_url(self.address.superuser, self.address.password, database)


@contextmanager
def server_of_this_run(folder: Path) -> Generator[TestServer]:
    """`folder` is shared by all processes of the run; whoever comes first starts and migrates."""
    key_ring.configure((ENCRYPTION_KEY,))
    folder.mkdir(exist_ok=True)
    with lease_server(folder / "data") as address:
        server = TestServer(address)
        with (folder / "template.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "template.ready").exists():
                server.ensure_template()
                (folder / "template.ready").touch()
        yield server
