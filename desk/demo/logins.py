"""The demo's people and key, and the file that says how to sign in."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import delete, select, text, update

from desk.accounts.identity import Actor, Permission
from desk.accounts.tokens import create_key
from desk.accounts.users import actor_for, change_password, create_user
from desk.db.tenancy import NO_TENANT, Scope
from desk.db.unit_of_work import Database
from desk.demo.content import DemoTenant, Person
from desk.models import ApiKey

FILE_NAME = "demo-logins.txt"
KEY_NAME = "demo"
"""A tenant with a key of this name has been seeded to the end: the key gets its name last of all."""
_KEY_IN_THE_MAKING = "demo (being set up)"


@dataclass(frozen=True, slots=True)
class Login:
    person: Person
    password: str
    actor: Actor


async def is_seeded(database: Database, tenant_id: UUID) -> bool:
    async with database.transaction(Scope(tenant_id)) as session:
        found = await session.execute(select(ApiKey.id).where(ApiKey.name == KEY_NAME).limit(1))
        return found.scalar_one_or_none() is not None


async def make_logins(database: Database, tenant_id: UUID, people: tuple[Person, ...]) -> dict[str, Login]:
    """Everybody with a new password; those whom an unfinished start has left behind too."""
    logins = await asyncio.gather(*(_make_login(database, tenant_id, person) for person in people))
    return {login.person.key: login for login in logins}


async def _make_login(database: Database, tenant_id: UUID, person: Person) -> Login:
    password = secrets.token_urlsafe(12)
    async with database.transaction(NO_TENANT) as session:
        found = await session.execute(text("SELECT id FROM desk_find_login(:email)"), {"email": person.email})
        user_id = found.scalar_one_or_none()
    if user_id is None:
        user_id = await create_user(
            database, tenant_id=tenant_id, email=person.email, password=password, role=person.role, name=person.name
        )
    else:
        await change_password(database, user_id, password)
    actor, _ = await actor_for(database, user_id, tenant_id)
    return Login(person, password, actor)


async def hand_out(
    database: Database,
    tenant_id: UUID,
    tenants: Mapping[str, tuple[DemoTenant, Mapping[str, Login]]],
    *,
    data_dir: Path,
    public_url: str,
) -> None:
    """Make the key, write the file, and only then give the key the name that ends the seeding."""
    scope = Scope(tenant_id)
    async with database.transaction(scope) as session:
        await session.execute(delete(ApiKey).where(ApiKey.name == _KEY_IN_THE_MAKING))
    key = await create_key(database, scope, _KEY_IN_THE_MAKING, (Permission.TICKETS, Permission.KNOWLEDGE))
    _write(data_dir / FILE_NAME, _file_text(tenants, key, public_url))
    async with database.transaction(scope) as session:
        await session.execute(update(ApiKey).where(ApiKey.name == _KEY_IN_THE_MAKING).values(name=KEY_NAME))


def _file_text(tenants: Mapping[str, tuple[DemoTenant, Mapping[str, Login]]], key: str, public_url: str) -> str:
    lines = [f"Sign in at {public_url}", ""]
    for tenant, logins in tenants.values():
        lines.append(tenant.name)
        lines += [
            f"  {login.person.role:<6} {login.person.email:<24} {login.password}" for login in logins.values()
        ] + [""]
    ticket = {
        "subject": "How much is a wildcard certificate?",
        "body": "Hello, I am on Meadow. What does a wildcard certificate cost, and what do I have to do for it?",
        "customer": {"name": "Kim Park", "email": "kim@parkbakery.example"},
    }
    first, _ = next(iter(tenants.values()))
    lines += [
        f"A customer's page with the chat widget of {first.name}: {public_url}/demo/shop",
        "",
        f"API key of {first.name}: {key}",
        "Send a ticket with it:",
        f"  curl {public_url}/api/v1/tickets -H 'Authorization: Bearer {key}' \\",
        f"    -H 'Content-Type: application/json' -d '{json.dumps(ticket)}'",
    ]
    return "\n".join(lines) + "\n"


def _write(path: Path, content: str) -> None:
    """All of it or nothing, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(content)
    fresh.replace(path)
