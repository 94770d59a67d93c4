"""Stored credentials: encrypting them again with the newest key, and finding those that no key opens."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

from advanced_alchemy.types import EncryptedText
from sqlalchemy import inspect, select
from sqlalchemy.orm.attributes import flag_modified

from desk.accounts.tenants import all_tenants
from desk.db.policies import table_name, tenant_tables
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.errors import SettingMissingError
from desk.models import GLOBAL_TENANT_ID, TenantRow


def encrypted_columns() -> list[tuple[type[TenantRow], tuple[str, ...]]]:
    """Every table with encrypted columns, so that a new one is rotated without being named here."""
    found: list[tuple[type[TenantRow], tuple[str, ...]]] = []
    for row in tenant_tables():
        names = tuple(
            attribute.key
            for attribute in inspect(row).column_attrs
            if isinstance(attribute.columns[0].type, EncryptedText)
        )
        if names:
            found.append((row, names))
    return found


async def encrypt_again(database: Database) -> int:
    """Write every stored credential with the newest key; returns how many.

    One transaction a tenant: stopped in the middle, it can simply be run again. Raises SettingMissingError when a
    credential was written with a key that is no longer there.
    """
    count = 0
    async for tenant_id in _tenants(database):
        async with database.transaction(Scope(tenant_id)) as session:
            for row, names in encrypted_columns():
                kept: Any = await session.execute(select(row).with_for_update())
                for stored in kept.scalars():
                    for name in names:
                        flag_modified(stored, name)
                        count += 1
    return count


async def unreadable_credentials(database: Database) -> list[str]:
    """Table and tenant of what no key of DESK_ENCRYPTION_KEYS opens."""
    found: list[str] = []
    async for tenant_id in _tenants(database):
        for row, _ in encrypted_columns():
            async with database.transaction(Scope(tenant_id)) as session:
                try:
                    (await session.execute(select(row))).all()
                except SettingMissingError:
                    found.append(f"{table_name(row)} of tenant {tenant_id}")
    return found


async def _tenants(database: Database) -> AsyncGenerator[UUID]:
    yield GLOBAL_TENANT_ID
    for tenant_id, _ in await all_tenants(database):
        yield tenant_id
