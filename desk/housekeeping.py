"""What the clock asks for every minute: forget what has expired, keep logs short, finish changes of model."""

from __future__ import annotations

import random
import time
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import delete, func
from sqlalchemy.exc import SQLAlchemyError

from desk.accounts.tenants import all_tenants
from desk.accounts.tokens import forget_expired_tokens
from desk.attachments.sweeping import forget_loose_files, is_turn_of, sweep_orphans
from desk.db.tenancy import NO_TENANT, Scope
from desk.errors import DeskError
from desk.installation import Installation
from desk.models import GLOBAL_TENANT_ID, IndexLogEntry, StoredSession
from desk.policy.looks import look_again
from desk.set_aside import set_aside_outdated
from desk.signals import raise_for_waiting
from desk.upkeep import schedule_upkeep
from desk.webhooks.log import forget_old_events

_log = structlog.get_logger(__name__)
REEMBEDDING_SECONDS = 20.0
"""What one tenant gets of a minute while its items are embedded by another model."""
INDEX_LOG_DAYS = 7
"""A process that has not looked for so long reads the whole index anew."""


async def keep_house(installation: Installation) -> None:
    database = installation.database
    await forget_expired_tokens(database, installation.clock.now())
    async with database.transaction(NO_TENANT) as session:
        await session.execute(delete(StoredSession).where(StoredSession.expires_at < func.now()))
    tenants = [GLOBAL_TENANT_ID, *[tenant_id for tenant_id, _ in await all_tenants(database)]]
    # Another one comes first every minute, and what fails for one tenant is logged and waits for the next round.
    random.shuffle(tenants)
    for tenant_id in tenants:
        try:
            await _keep_tenant(installation, tenant_id)
        except (SQLAlchemyError, DeskError) as error:
            _log.warning("housekeeping_failed", tenant=str(tenant_id), error=str(error).splitlines()[0])


async def _keep_tenant(installation: Installation, tenant_id: UUID) -> None:
    async with installation.database.transaction(Scope(tenant_id)) as session:
        await session.execute(
            delete(IndexLogEntry).where(IndexLogEntry.created_at < func.now() - timedelta(days=INDEX_LOG_DAYS))
        )
    async with installation.database.transaction(Scope(tenant_id)) as session:
        await look_again(session, tenant_id, installation.shared_models)
    async with installation.database.transaction(Scope(tenant_id)) as session:
        await raise_for_waiting(session)
    await schedule_upkeep(installation.database, tenant_id)
    async with installation.database.transaction(Scope(tenant_id)) as session:
        await set_aside_outdated(session)
    async with installation.database.transaction(Scope(tenant_id)) as session:
        await forget_old_events(session)
    await forget_loose_files(installation.database, tenant_id)
    if is_turn_of(tenant_id, now := installation.clock.now()):
        await sweep_orphans(installation.database, installation.storage, tenant_id, now)
    deadline = time.monotonic() + REEMBEDDING_SECONDS
    while await installation.reembed(tenant_id) and time.monotonic() < deadline:
        continue
