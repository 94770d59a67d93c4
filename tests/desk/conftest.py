"""The application over a real database, and people to use it as."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from desk.accounts.identity import Actor
from desk.accounts.tenants import create_tenant
from desk.accounts.users import actor_for, create_user
from desk.app import create_app
from desk.db.roles import DatabaseAddress
from desk.installation import Installation
from desk.models import GLOBAL_TENANT_ID
from desk.settings import load_settings
from desk.wiring import build
from tests.database import ENCRYPTION_KEY, SECRET_KEY

PASSWORD = "correct horse battery"
Client = httpx.AsyncClient


@dataclass(frozen=True)
class Person:
    """Somebody with a bearer token."""

    actor: Actor
    email: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class People:
    """Makes tenants and members in the test's database."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    async def tenant(self, name: str) -> UUID:
        return (await create_tenant(self._installation.database, name)).id

    async def person(self, tenant_id: UUID, role: str, email: str) -> Person:
        user_id = await create_user(
            self._installation.database, tenant_id=tenant_id, email=email, password=PASSWORD, role=role
        )
        actor, generation = await actor_for(self._installation.database, user_id)
        return Person(actor, email, self._installation.tokens.issue(actor, generation))

    async def operator(self, email: str) -> Person:
        return await self.person(GLOBAL_TENANT_ID, "operator", email)


@pytest.fixture
async def installation(fresh_address: DatabaseAddress, tmp_path: Path) -> AsyncGenerator[Installation]:
    settings = load_settings(
        {
            "DESK_DATA_DIR": str(tmp_path),
            "DESK_SECRET_KEY": SECRET_KEY.reveal(),
            "DESK_ENCRYPTION_KEYS": ENCRYPTION_KEY.reveal(),
            "DESK_DEBOUNCE_SECONDS": "0",
            "DESK_PUBLIC_URL": "http://desk.test",
            "DESK_SELF_REGISTRATION": "1",
        }
    )
    built = build(settings, fresh_address)
    yield built
    await built.database.close()


@pytest.fixture
def app(installation: Installation) -> Litestar:
    return create_app(installation)


@pytest.fixture
async def client(app: Litestar) -> AsyncGenerator[Client]:
    async with serving(app) as opened:
        yield opened


@asynccontextmanager
async def serving(app: Litestar) -> AsyncGenerator[Client]:
    """A client in the running event loop (Litestar's own test client runs the application in another one)."""
    started, done = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        # One task from start to end: the lifespan holds a cancel scope, and fixtures change tasks in between.
        async with app.lifespan():
            started.set()
            await done.wait()

    life = asyncio.create_task(live())
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({life, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    async with httpx.AsyncClient(transport=transport(app), base_url="http://desk.test") as opened:
        yield opened
    done.set()
    await life


def transport(app: Litestar) -> httpx.ASGITransport:
    return httpx.ASGITransport(app, raise_app_exceptions=False, client=("127.0.0.1", 50000))


@pytest.fixture
async def people(client: Client, installation: Installation) -> People:
    return People(installation)


@pytest.fixture
async def acme(people: People) -> UUID:
    return await people.tenant("Acme")


@pytest.fixture
async def agent(people: People, acme: UUID) -> Person:
    return await people.person(acme, "agent", "agent@acme.test")


@pytest.fixture
async def owner(people: People, acme: UUID) -> Person:
    return await people.person(acme, "owner", "owner@acme.test")
