"""The database itself: reachable, migrated, isolated, with keys that open what is stored."""

from __future__ import annotations

from datetime import UTC, datetime

from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from desk.accounts.credentials import unreadable_credentials
from desk.db.migrate import alembic_configuration, pending_changes
from desk.db.policies import assert_isolation, guarded_tables
from desk.db.roles import DatabaseAddress
from desk.db.tenancy import NO_TENANT
from desk.db.unit_of_work import Database
from desk.doctor.findings import Finding, judged

OLDEST_VERSION = 150000
"""PostgreSQL 15, as `server_version_num` says it."""
_VERBS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}
_CLOCK_WARNING_SECONDS = 2.0
_CLOCK_FAILURE_SECONDS = 60.0


async def reachable(address: DatabaseAddress) -> Finding:
    """As the owner where the owner is known: the restricted role may not exist yet."""
    engine = create_async_engine(address.owner or address.app)
    try:
        async with engine.connect() as connection:
            row = await connection.execute(
                text("SELECT current_setting('server_version_num')::int, current_setting('server_version')")
            )
            number, version = row.one()
    finally:
        await engine.dispose()
    if number < OLDEST_VERSION:
        return Finding("database", "fail", f"PostgreSQL {version} is too old: 15 or newer is needed")
    return Finding("database", "ok", f"PostgreSQL {version}")


async def migrated(address: DatabaseAddress, database: Database) -> Finding:
    """The whole schema is compared where the owner is known, else its revision."""
    if address.owner is not None:
        pending = await pending_changes(address)
        return judged(
            "migrations", [f"run `desk migrate`: {'; '.join(pending[:3])}"] if pending else [], "none pending"
        )
    head = ScriptDirectory.from_config(alembic_configuration()).get_current_head()
    async with database.transaction(NO_TENANT) as session:
        found = (await session.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()
    behind = [f"the schema is at {found}, the newest is {head}: run `desk migrate`"] if found != head else []
    return judged("migrations", behind, "none pending")


async def isolated(database: Database) -> Finding:
    """Roles, forced policies for every verb, and that a transaction for nobody sees no tenant's rows."""
    async with database.engine.connect() as connection:
        await assert_isolation(connection)
        rows = await connection.execute(
            text(
                "SELECT c.relname, p.polcmd::text FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid"
                " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'"
            )
        )
        policies = {(row.relname, row.polcmd) for row in rows}
    tables = guarded_tables()
    problems = [
        f"{table} has no policy for {verb}: run `desk migrate`"
        for table in sorted(tables)
        for command, verb in _VERBS.items()
        if (table, command) not in policies
    ]
    async with database.transaction(NO_TENANT) as session:
        seen = (await session.execute(text("SELECT count(*) FROM tenants"))).scalar_one()
    if seen:
        problems.append("a transaction for nobody sees tenants: run `desk migrate`")
    return judged("isolation", problems, f"row-level security is forced on {len(tables)} tables")


async def keys_open(database: Database) -> Finding:
    unreadable = await unreadable_credentials(database)
    problems = [f"{place}: no key opens it; put its key back into DESK_ENCRYPTION_KEYS" for place in unreadable]
    return judged("keys", problems, "every stored credential can be read")


async def clocks_agree(database: Database) -> Finding:
    """Leases go by the database's clock, tokens by this machine's."""
    async with database.transaction(NO_TENANT) as session:
        before = datetime.now(UTC)
        theirs: datetime = (await session.execute(text("SELECT clock_timestamp()"))).scalar_one()
        after = datetime.now(UTC)
    skew = abs((theirs - (before + (after - before) / 2)).total_seconds())
    if skew < _CLOCK_WARNING_SECONDS:
        return Finding("clock", "ok", f"{skew:.2f} s from the database's")
    outcome = "fail" if skew >= _CLOCK_FAILURE_SECONDS else "warn"
    return Finding("clock", outcome, f"{skew:.0f} s from the database's: set both by NTP")
