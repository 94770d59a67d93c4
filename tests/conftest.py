"""Fixtures that many tests share."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from uuid import uuid4

import pytest

from desk.accounts.identity import ROLES, Actor
from desk.accounts.tenants import create_tenant
from desk.db.crypto import key_ring
from desk.db.roles import DatabaseAddress
from desk.db.unit_of_work import Database
from tests.database import ENCRYPTION_KEY, TestServer, server_of_this_run


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file is run by one process; the files that take minutes do not wait for the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(autouse=True)
def encryption_key() -> None:
    """The key ring belongs to the process, so a test that changed it must not leave it so for the next one."""
    key_ring.configure((ENCRYPTION_KEY,))


@pytest.fixture(scope="session")
def database_server(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Generator[TestServer]:
    own = tmp_path_factory.getbasetemp()
    with server_of_this_run((own if worker_id == "master" else own.parent) / "pg") as server:
        yield server


@pytest.fixture(scope="session")
def database_address(database_server: TestServer) -> DatabaseAddress:
    """The database of this test process."""
    return database_server.clone()


@pytest.fixture
async def database(database_address: DatabaseAddress) -> AsyncGenerator[Database]:
    opened = Database.connect(database_address.app, pool_size=4)
    yield opened
    await opened.close()


@pytest.fixture
def fresh_address(database_server: TestServer) -> Generator[DatabaseAddress]:
    """A database that no other test has touched."""
    address = database_server.clone()
    yield address
    database_server.drop(address)


@pytest.fixture
async def fresh_database(fresh_address: DatabaseAddress) -> AsyncGenerator[Database]:
    opened = Database.connect(fresh_address.app, pool_size=8)
    yield opened
    await opened.close()


@pytest.fixture
async def actor(database: Database) -> Actor:
    """The owner of a new tenant."""
    return await new_owner(database)


async def new_owner(database: Database, name: str = "Tenant") -> Actor:
    slug = f"t-{uuid4().hex[:12]}"
    tenant = await create_tenant(database, name, slug)
    return Actor(tenant.id, "owner", f"owner@{slug}.example", ROLES["owner"])
