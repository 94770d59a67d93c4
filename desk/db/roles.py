"""The two database roles: the owner, who migrates, and the restricted role, as which everything else runs."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from sqlalchemy import URL, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from desk.errors import SettingMissingError
from desk.secret import Secret


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where the database is and as whom to come; URLs are for `postgresql+asyncpg`."""

    app: URL
    owner: URL | None = None
    """None in processes that only work and never migrate: they need not know the owner's password."""

    def owner_url(self) -> URL:
        """Raises SettingMissingError where only the restricted role is known."""
        if self.owner is None:
            msg = "this needs DESK_DATABASE_URL, the address of the role that owns the database"
            raise SettingMissingError(msg)
        return self.owner

    def psycopg_app_url(self) -> str:
        """The restricted role's address as psycopg and SAQ read it."""
        return self.app.set(drivername="postgresql").render_as_string(hide_password=False)


def address_from_urls(owner_url: str | None, app_url: str | None, secret_key: Secret) -> DatabaseAddress:
    """Raises SettingMissingError when there is no URL, or one is not PostgreSQL's with a database name."""
    owner = _asyncpg(owner_url, "DESK_DATABASE_URL") if owner_url else None
    if app_url is not None:
        return DatabaseAddress(_asyncpg(app_url, "DESK_DATABASE_APP_URL"), owner)
    if owner is None:
        msg = "no database is known: set DESK_DATABASE_URL, or start the desk with `desk up`"
        raise SettingMissingError(msg)
    app = owner.set(username=app_role_name(owner), password=_derived_password(secret_key, owner.database or ""))
    return DatabaseAddress(app, owner)


def app_role_name(owner: URL) -> str:
    return f"{owner.database}_app"


def _asyncpg(url: str, setting: str) -> URL:
    parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    if parsed.get_backend_name() != "postgresql" or not parsed.database:
        msg = f"{setting} must be postgresql://user:password@host/database"
        raise SettingMissingError(msg)
    return parsed.set(drivername="postgresql+asyncpg")


def _derived_password(secret_key: Secret, database: str) -> str:
    """The same on every machine that shares the secret key, so that any number of processes can connect."""
    message = f"database role password for {database}".encode()
    return hmac.new(secret_key.reveal().encode(), message, hashlib.sha256).hexdigest()


async def ensure_app_role(address: DatabaseAddress) -> None:
    """Create the restricted role, or set its password again; needs CREATEROLE once.

    Raises SettingMissingError when the owner may not create roles and DESK_DATABASE_APP_URL names none.
    """
    role, password = address.app.username or "", address.app.password or ""
    if not role.replace("_", "").replace("-", "").isalnum():
        msg = f"the database role name {role!r} must be letters, digits, - and _"
        raise SettingMissingError(msg)
    engine = create_async_engine(address.owner_url())
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7361001)")
            known = await connection.execute(
                text("SELECT rolcanlogin FROM pg_roles WHERE rolname = :role"), {"role": role}
            )
            verb = "ALTER" if known.one_or_none() else "CREATE"
            quoted = (
                await connection.execute(text("SELECT quote_literal(:password)"), {"password": password})
            ).scalar_one()
            await connection.exec_driver_sql(f'{verb} ROLE "{role}" LOGIN PASSWORD {quoted}')
            await connection.exec_driver_sql(f'GRANT "{role}" TO CURRENT_USER')
            await connection.exec_driver_sql(f'GRANT CONNECT ON DATABASE "{address.owner_url().database}" TO "{role}"')
    finally:
        await engine.dispose()
