"""What the clock asks for every minute: forget what has expired, keep logs short, finish changes of model."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, func

from desk.accounts.tenants import all_tenants
from desk.accounts.tokens import forget_expired_tokens
from desk.db.tenancy import NO_TENANT, Scope
from desk.installation import Installation
from desk.models import GLOBAL_TENANT_ID, IndexLogEntry, StoredSession

INDEX_LOG_DAYS = 7
"""A process that has not looked for so long reads the whole index anew."""


async def keep_house(installation: Installation) -> None:
    database = installation.database
    await forget_expired_tokens(database, installation.clock.now())
    async with database.transaction(NO_TENANT) as session:
        await session.execute(delete(StoredSession).where(StoredSession.expires_at < func.now()))
    for tenant_id in (GLOBAL_TENANT_ID, *[tenant_id for tenant_id, _ in await all_tenants(database)]):
        async with database.transaction(Scope(tenant_id)) as session:
            await session.execute(
                delete(IndexLogEntry).where(IndexLogEntry.created_at < func.now() - timedelta(days=INDEX_LOG_DAYS))
            )
        while await installation.reembed(tenant_id):
            continue
