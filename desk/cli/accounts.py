"""Tenants, people and API keys."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from uuid import UUID

import click

from desk.cli.connecting import run_with_installation
from desk.cli.printing import print_json, print_table
from desk.errors import NotFoundError

if TYPE_CHECKING:
    from desk.installation import Installation

ROLE_NAMES = ("agent", "admin", "owner", "operator")


@click.group()
def tenants() -> None:
    """The customers of this installation."""


@tenants.command("create")
@click.argument("name")
@click.option("--slug", help="Short name for commands and addresses; made from NAME when not given.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create_tenant(name: str, slug: str | None, *, as_json: bool) -> None:
    """Open a tenant called NAME."""

    async def work(installation: Installation) -> dict[str, str]:
        from desk.accounts import tenants as accounts

        tenant = await accounts.create_tenant(installation.database, name, slug)
        return {"tenant_id": str(tenant.id), "slug": tenant.slug}

    made = run_with_installation(work)
    if as_json:
        print_json(made)
    else:
        click.echo(f"Tenant '{name}' is open; its slug is {made['slug']}.")


@tenants.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_tenants(*, as_json: bool) -> None:
    """Show every tenant."""

    async def work(installation: Installation) -> list[dict[str, str]]:
        from desk.accounts.listing import named_tenants

        return [
            {"tenant_id": str(tenant.id), "slug": tenant.slug, "name": tenant.name}
            for tenant in await named_tenants(installation.database)
        ]

    found = run_with_installation(work)
    if as_json:
        print_json(found)
    else:
        print_table(("SLUG", "NAME", "ID"), [(row["slug"], row["name"], row["tenant_id"]) for row in found])


@click.group()
def users() -> None:
    """The people who sign in."""


def _password(*, from_stdin: bool) -> str:
    """The first line of stdin, or asked for twice on a terminal."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        msg = "give the password on standard input with --password-stdin"
        raise click.UsageError(msg)
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


@users.command("create")
@click.option("--tenant", "slug", help="Slug of the tenant; an operator belongs to none.")
@click.option("--email", required=True)
@click.option("--role", required=True, type=click.Choice(ROLE_NAMES))
@click.option("--name", default="", help="Shown to colleagues and under replies.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create_user(slug: str | None, email: str, role: str, name: str, *, password_stdin: bool, as_json: bool) -> None:
    """Add a person."""
    if (slug is None) != (role == "operator"):
        msg = "--tenant is needed for agents, admins and owners, and makes no sense for an operator"
        raise click.UsageError(msg)
    password = _password(from_stdin=password_stdin)

    async def work(installation: Installation) -> dict[str, str]:
        from desk.accounts import users as accounts
        from desk.accounts.tenants import tenant_by_slug
        from desk.models import GLOBAL_TENANT_ID

        database = installation.database
        tenant_id = await tenant_by_slug(database, slug) if slug else GLOBAL_TENANT_ID
        user_id = await accounts.create_user(
            database, tenant_id=tenant_id, email=email, password=password, role=role, name=name
        )
        return {"user_id": str(user_id), "email": email, "role": role}

    made = run_with_installation(work)
    if as_json:
        print_json(made)
    else:
        click.echo(f"{email} can sign in as {role}.")


@users.command("list")
@click.option("--tenant", "slug", required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_users(slug: str, *, as_json: bool) -> None:
    """Show the people of a tenant."""

    async def work(installation: Installation) -> list[dict[str, str]]:
        from desk.accounts.listing import tenant_people
        from desk.accounts.tenants import tenant_by_slug

        tenant_id = await tenant_by_slug(installation.database, slug)
        return [
            {"user_id": str(person.user_id), "email": person.email, "name": person.name, "role": person.role}
            for person in await tenant_people(installation.database, tenant_id)
        ]

    found = run_with_installation(work)
    if as_json:
        print_json(found)
    else:
        print_table(("E-MAIL", "ROLE", "NAME"), [(row["email"], row["role"], row["name"]) for row in found])


@users.command("set-password")
@click.option("--email", required=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def set_password(email: str, *, password_stdin: bool) -> None:
    """Give a person a new password; it ends all their sessions."""
    password = _password(from_stdin=password_stdin)

    async def work(installation: Installation) -> None:
        from desk.accounts.listing import user_by_email
        from desk.accounts.users import change_password

        await change_password(installation.database, await user_by_email(installation.database, email), password)

    run_with_installation(work)
    click.echo(f"{email} has a new password and must sign in again.")


@click.group()
def keys() -> None:
    """API keys of tenants, and the keys that encrypt stored credentials."""


@keys.command("create")
@click.option("--tenant", "slug", required=True)
@click.option("--name", required=True, help="What the key is for.")
@click.option("--scopes", default="", help="Comma separated: tickets, knowledge, tuning, accounts. All when not given.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create_key(slug: str, name: str, scopes: str, *, as_json: bool) -> None:
    """Make an API key. It is shown this once."""

    async def work(installation: Installation) -> str:
        from desk.accounts import tokens
        from desk.accounts.tenants import tenant_by_slug
        from desk.db.tenancy import Scope

        tenant_id = await tenant_by_slug(installation.database, slug)
        wanted = tuple(scope.strip() for scope in scopes.split(",") if scope.strip())
        return await tokens.create_key(installation.database, Scope(tenant_id), name, wanted)

    key = run_with_installation(work)
    if as_json:
        print_json({"key": key})
    else:
        click.echo(key)


@keys.command("list")
@click.option("--tenant", "slug", required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_keys(slug: str, *, as_json: bool) -> None:
    """Show the API keys of a tenant by their first characters."""

    async def work(installation: Installation) -> list[dict[str, object]]:
        from desk.accounts.listing import tenant_keys
        from desk.accounts.tenants import tenant_by_slug
        from desk.db.tenancy import Scope

        tenant_id = await tenant_by_slug(installation.database, slug)
        return [
            {
                "id": str(key.id),
                "start": key.key_start,
                "name": key.name,
                "scopes": list(key.scopes),
                "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
                "revoked": key.revoked_at is not None,
            }
            for key in await tenant_keys(installation.database, Scope(tenant_id))
        ]

    found = run_with_installation(work)
    if as_json:
        print_json(found)
        return
    print_table(
        ("START", "NAME", "LAST USED", "STATE", "ID"),
        [
            (
                str(row["start"]),
                str(row["name"]),
                str(row["last_used_at"] or "never"),
                "revoked" if row["revoked"] else "valid",
                str(row["id"]),
            )
            for row in found
        ],
    )


@keys.command("revoke")
@click.argument("key_id", type=click.UUID)
@click.option("--tenant", "slug", required=True)
def revoke_key(key_id: UUID, slug: str) -> None:
    """End the API key KEY_ID, as `desk keys list` shows it, at once."""

    async def work(installation: Installation) -> bool:
        from desk.accounts import tokens
        from desk.accounts.tenants import tenant_by_slug
        from desk.db.tenancy import Scope

        tenant_id = await tenant_by_slug(installation.database, slug)
        return await tokens.revoke_key(installation.database, Scope(tenant_id), key_id)

    if not run_with_installation(work):
        msg = f"tenant '{slug}' has no valid key {key_id}; `desk keys list` shows them"
        raise NotFoundError(msg)
    click.echo("The key is revoked.")


@keys.command("rotate")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rotate(*, as_json: bool) -> None:
    """Encrypt stored credentials again with the newest key of DESK_ENCRYPTION_KEYS.

    Put the new key first and keep the old one behind it, restart the desk, run this, then take the old one out.
    """

    async def work(installation: Installation) -> int:
        from desk.accounts.credentials import encrypt_again

        return await encrypt_again(installation.database)

    count = run_with_installation(work)
    if as_json:
        print_json({"encrypted_again": count})
    else:
        click.echo(f"{count} stored credentials are encrypted with the newest key.")
