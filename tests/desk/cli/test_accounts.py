"""Opening an installation from the command line, as scripts do it."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from cryptography.fernet import Fernet

from desk.accounts.identity import Permission
from desk.accounts.tokens import TokenDesk
from desk.accounts.users import verify_login
from desk.clock import SystemClock
from desk.db.roles import DatabaseAddress
from desk.db.unit_of_work import Database
from desk.errors import ConflictError, NotFoundError, SignInRequiredError
from tests.database import ENCRYPTION_KEY, SECRET_KEY
from tests.desk.cli.conftest import Command, in_thread

PASSWORD = "correct horse battery"


async def test_a_key_speaks_for_its_tenant_until_it_is_revoked(desk: Command, database: Database) -> None:
    made = await in_thread(desk.json, "tenants", "create", "Key Hosting")
    key = (await in_thread(desk.json, "keys", "create", "--tenant", made["slug"], "--name", "shop"))["key"]
    tokens = TokenDesk(database, SECRET_KEY, SystemClock(), 30)
    actor = await tokens.identify(key)
    assert actor.tenant_id == UUID(made["tenant_id"])
    assert actor.may(Permission.TICKETS)

    (listed,) = await in_thread(desk.json, "keys", "list", "--tenant", made["slug"])
    assert (listed["name"], listed["revoked"]) == ("shop", False)
    assert key.startswith(listed["start"])
    assert key not in str(listed)
    await in_thread(desk.run, "keys", "revoke", listed["id"], "--tenant", made["slug"])
    with pytest.raises(SignInRequiredError):
        await tokens.identify(key)
    with pytest.raises(NotFoundError):
        await in_thread(desk.run, "keys", "revoke", listed["id"], "--tenant", made["slug"])


async def test_scopes_narrow_what_a_key_may_do(desk: Command, database: Database) -> None:
    slug = await in_thread(desk.new_tenant)
    made = await in_thread(
        desk.json, "keys", "create", "--tenant", slug, "--name", "importer", "--scopes", "tickets, knowledge"
    )
    actor = await TokenDesk(database, SECRET_KEY, SystemClock(), 30).identify(made["key"])
    assert actor.may(Permission.KNOWLEDGE)
    assert not actor.may(Permission.TUNING)


async def test_people_sign_in_with_the_password_from_standard_input(desk: Command, database: Database) -> None:
    slug = await in_thread(desk.new_tenant)
    address = f"anna@{slug}.example"
    create = ("users", "create", "--tenant", slug, "--email", address, "--role", "agent", "--password-stdin")
    made = await in_thread(desk.json, *create, text=f"{PASSWORD}\n")
    assert await verify_login(database, address, PASSWORD) == UUID(made["user_id"])
    (listed,) = await in_thread(desk.json, "users", "list", "--tenant", slug)
    assert (listed["email"], listed["role"]) == (address, "agent")
    with pytest.raises(ConflictError):
        await in_thread(desk.run, *create, text=f"{PASSWORD}\n")

    changed = ("users", "set-password", "--email", address, "--password-stdin")
    await in_thread(desk.run, *changed, text="another long password\n")
    with pytest.raises(SignInRequiredError):
        await verify_login(database, address, PASSWORD)
    assert await verify_login(database, address, "another long password") == UUID(made["user_id"])


def test_an_operator_belongs_to_no_tenant_and_everyone_else_to_one(desk: Command) -> None:
    slug = desk.new_tenant()
    operator = ("users", "create", "--role", "operator", "--password-stdin", "--email")
    assert desk.run(*operator, f"op@{slug}.example", text=PASSWORD).exit_code == 0
    assert desk.run(*operator, f"op2@{slug}.example", "--tenant", slug, text=PASSWORD).exit_code == 2
    agent = ("users", "create", "--role", "agent", "--password-stdin", "--email", f"a@{slug}.example")
    assert desk.run(*agent, text=PASSWORD).exit_code == 2
    assert desk.json("users", "list", "--tenant", slug) == []


def test_credentials_can_be_read_with_the_new_key_alone_after_rotation(
    fresh_desk: Command, fresh_address: DatabaseAddress
) -> None:
    fresh_desk.new_tenant()
    new_key = Fernet.generate_key().decode()
    only_new = fresh_desk.with_settings(DESK_ENCRYPTION_KEYS=new_key)
    assert _keys_check(only_new) == "fail"
    both = fresh_desk.with_settings(DESK_ENCRYPTION_KEYS=f"{new_key},{ENCRYPTION_KEY.reveal()}")
    assert both.json("keys", "rotate")["encrypted_again"] >= 1
    assert _keys_check(only_new) == "ok"


def _keys_check(desk: Command) -> str:
    checks = json.loads(desk.run("doctor", "--json").stdout)["checks"]
    return next(check["outcome"] for check in checks if check["name"] == "keys")
