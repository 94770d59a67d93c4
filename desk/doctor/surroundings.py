"""What the desk leans on: indexes, disk, channels, language models."""

from __future__ import annotations

import asyncio
import shutil
from datetime import timedelta
from uuid import uuid4

from sqlalchemy import func, or_, select

from desk.accounts.listing import named_tenants
from desk.command_wiring import check_indexes, examine_snapshots
from desk.db.leases import database_time
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.doctor.findings import Finding, judged
from desk.egress import EgressRules
from desk.errors import RefusedAddressError
from desk.inbound.connecting import ConnectionHealth, connection_health
from desk.installation import Installation
from desk.models import GLOBAL_TENANT_ID, Connection, ModelCall
from desk.models.websites import Website

LEAST_FREE_BYTES = 200 * 1024 * 1024
LITTLE_FREE_BYTES = 1024 * 1024 * 1024
_LATELY = timedelta(hours=1)


async def disk(installation: Installation) -> Finding:
    return await asyncio.to_thread(_disk, installation)


async def storage(installation: Installation) -> Finding:
    """By a small object that is written, read and deleted again, as every upload is."""
    store, key, content = installation.storage, f"doctor/{uuid4().hex}", b"desk doctor"
    await store.put(key, content)
    read = await store.get(key)
    await store.delete(key)
    if read != content or await store.head(key) is not None:
        return Finding("storage", "fail", f"{store.describe()} does not keep what is written to it")
    return Finding("storage", "ok", store.describe())


async def indexes(installation: Installation) -> Finding:
    """Every tenant's indexes are built once more in memory and compared with the rows and the log."""
    problems: list[str] = []
    items = 0
    tenants = [(tenant.id, tenant.slug) for tenant in await named_tenants(installation.database)]
    for tenant_id, slug in [(GLOBAL_TENANT_ID, "global"), *tenants]:
        checked = await check_indexes(installation, tenant_id)
        items += checked.items
        option = "--global" if tenant_id == GLOBAL_TENANT_ID else f"--tenant {slug}"
        problems += [f"{slug}: {problem}; run `desk reindex {option}`" for problem in checked.problems()]
    return judged("indexes", problems, f"{items} items can be found")


async def index_files(installation: Installation) -> Finding:
    """The files of large indexes; a damaged one costs time at the next start and nothing else."""
    states = await asyncio.to_thread(examine_snapshots, installation.settings)
    damaged = [f"{one.source} of tenant {one.tenant_id}" for one in states if one.state == "damaged"]
    problems = [f"{name} is damaged: it is not used, and is built anew from the database" for name in damaged]
    return judged("index files", problems, f"{len(states)} whole", outcome="warn")


def _disk(installation: Installation) -> Finding:
    folder = installation.settings.data_dir
    # Where everything else is given by settings, nothing has been written into the data folder yet.
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{free / 1e9:.1f} GB free in the data folder"
    if free < LEAST_FREE_BYTES:
        return Finding("disk", "fail", f"{detail}: make room, or the database stops")
    return Finding("disk", "warn" if free < LITTLE_FREE_BYTES else "ok", detail)


async def channels(installation: Installation) -> Finding:
    """How each connection was when it was last used, and the wording of addresses: a call would be an event at the
    other side."""
    rules = EgressRules(allowed_hosts=frozenset(installation.settings.egress_allowed_hosts))
    problems: list[str] = []
    active = 0
    for tenant in await named_tenants(installation.database):
        async with installation.database.transaction(Scope(tenant.id)) as session:
            rows = (await session.execute(select(Connection).where(Connection.is_active))).scalars().all()
            for row in rows:
                health = await connection_health(session, row.id)
                problems += [f"{tenant.slug}, {row.name}: {words}" for words in _troubles(health)]
        active += len(rows)
        for row in rows:
            for setting in ("callback_url", "status_url"):
                problem = _address_problem(rules, str(row.configuration.get(setting) or ""))
                if problem:
                    problems.append(f"{tenant.slug}, {row.name}: the {setting} cannot be used: {problem}")
    return judged("channels", problems, f"{active} connections")


def _troubles(health: ConnectionHealth) -> list[str]:
    troubles: list[str] = []
    if health.failures:
        times = "once" if health.failures == 1 else f"{health.failures} times in a row"
        troubles.append(f"looking at it failed {times}: {health.last_error}")
    if health.failed:
        troubles.append(f"{health.failed} messages that came in could not be read")
    return troubles


def _address_problem(rules: EgressRules, url: str) -> str:
    if not url:
        return ""
    try:
        rules.check_url(url)
    except RefusedAddressError as error:
        return error.detail
    return ""


async def websites(database: Database) -> Finding:
    """What the last round of each website could not do, and those that have not answered of late."""
    problems: list[str] = []
    for tenant in await named_tenants(database):
        async with database.transaction(Scope(tenant.id)) as session:
            has_trouble = or_(Website.problem != "", Website.stalls > 0, Website.last_error.is_not(None))
            rows = await session.scalars(select(Website).where(~Website.is_paused, has_trouble).order_by(Website.url))
            for row in rows:
                times = "once" if row.stalls == 1 else f"{row.stalls} times in a row"
                why = row.problem or (f"nothing answered, {times}" if row.stalls else row.last_error)
                problems.append(f"{tenant.slug}: {row.url}: {why}")
    return judged("websites", problems, "all were read", outcome="warn")


async def language_models(installation: Installation) -> Finding:
    """By the ledger of the last hour: a test call would cost money. Without a model the desk drafts by itself."""
    answered, asked, refusals = 0, 0, set[str]()
    configured = False
    for tenant in await named_tenants(installation.database):
        configured = configured or await installation.models.for_tenant(tenant.id) is not None
        async with installation.database.transaction(Scope(tenant.id)) as session:
            since = await database_time(session) - _LATELY
            rows = await session.execute(
                select(ModelCall.provider, ModelCall.outcome, func.count(), func.max(ModelCall.detail))
                .where(ModelCall.created_at > since)
                .group_by(ModelCall.provider, ModelCall.outcome)
            )
            for provider, outcome, count, detail in rows:
                asked += count
                answered += count if outcome == "answered" else 0
                if outcome != "answered":
                    refusals.add(f"{provider}: {detail or outcome}")
    if not configured:
        return Finding("language model", "ok", "none is configured; drafts come from approved answers and passages")
    if asked and not answered:
        return Finding(
            "language model",
            "fail",
            f"none of {asked} calls of the last hour was answered: {'; '.join(sorted(refusals))}",
        )
    if refusals:
        return Finding(
            "language model",
            "warn",
            f"{answered} of {asked} calls of the last hour were answered: {'; '.join(sorted(refusals))}",
        )
    return Finding("language model", "ok", f"{answered} calls of the last hour were answered")
