"""Filling an empty installation with the demo desk, once, however often it is started or killed on the way.

Every part finds what an earlier start has left and goes on from there: tenants by their slug, articles by their
origin, tickets by their external id, steps by counting what they leave behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import Actor
from desk.accounts.preferences import load_preferences, save_preferences
from desk.accounts.tenants import all_tenants, create_tenant
from desk.db.index_log import lock_index
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.demo.content import (
    GLOBAL_FOLDER,
    TENANT_FOLDERS,
    DemoTenant,
    DemoTicket,
    Stage,
    duration,
    load_articles,
    load_chats,
    load_faqs,
    load_tenant,
    load_tickets,
)
from desk.demo.history import FILE_NAME, old_tickets
from desk.demo.logins import Login, hand_out, is_seeded, make_logins
from desk.demo.story import StoryDesk, take
from desk.drafting.prompts import activate, active_prompt, add_version, duplicate, text_of
from desk.faqs import FaqText, checked_text, embed_wordings, faq_of_question, store_faq
from desk.history.imports import list_imports, upload_history
from desk.installation import Installation
from desk.knowledge import Upload, take_in
from desk.models import GLOBAL_TENANT_ID, Connection, DocumentVersion, PromptVersion
from desk.settings import Settings
from desk.widget.configuration import WidgetConfiguration, write_configuration

_log = structlog.get_logger(__name__)
_LOCK = 7361002
_ARTICLES_AT_ONCE = 16
_TICKETS_AT_ONCE = 3
_HOUSE_RULE = (
    "Name the place in the panel first, such as Backups > Restore, then say how long it takes and what it costs."
)


async def seed_demo(installation: Installation) -> None:
    """Make the demo tenants if this is the first start, or go on with a start that did not get to the end.

    Does nothing in an installation that already serves others. The drafts of tickets that nobody has answered yet
    are left to the worker. No language model is asked. Raises ModelUnavailableError when a remote embedder fails;
    the next start goes on.
    """
    database = Database(installation.database.engine)
    async with _alone(database):
        tenants = {folder: load_tenant(folder) for folder in TENANT_FOLDERS}
        known = {slug: tenant_id for tenant_id, slug in await all_tenants(database)}
        first = known.get(tenants[TENANT_FOLDERS[0]].slug)
        if (known and first is None) or (first is not None and await is_seeded(database, first)):
            return
        ids = {
            folder: await _tenant(database, tenant, known, installation.settings) for folder, tenant in tenants.items()
        }
        knowledge = asyncio.create_task(_seed_knowledge(installation, database, tenants, ids))
        try:
            logins = await _logins(database, tenants, ids)
            for folder, tenant in tenants.items():
                await _play(_story(installation, database, tenant, ids[folder], logins[folder]), folder, knowledge)
            await knowledge
        finally:
            knowledge.cancel()
            await asyncio.wait([knowledge])
        for folder, tenant in tenants.items():
            await _write_faqs(installation, database, folder, next(iter(logins[folder].values())).actor)
            story = _story(installation, database, tenant, ids[folder], logins[folder])
            for chat in load_chats(folder):
                await story.chat(chat)
        owner = logins[TENANT_FOLDERS[0]]["owner"].actor
        await _write_prompts(database, owner)
        await _bring_history(installation, database, TENANT_FOLDERS[0], owner)
        await hand_out(
            database,
            ids[TENANT_FOLDERS[0]],
            {folder: (tenant, logins[folder]) for folder, tenant in tenants.items()},
            data_dir=installation.settings.data_dir,
            public_url=installation.settings.public_url,
        )
        _log.info("demo_seeded", tenants=list(ids))


async def _write_faqs(installation: Installation, database: Database, folder: str, author: Actor) -> None:
    """After the stories, which are of a time without them. Those that are there already stay as they are."""
    texts = [
        checked_text(FaqText(told.question, told.answer, told.category, "en", told.phrasings, told.state))
        for told in load_faqs(folder)
    ]
    vectors = await embed_wordings(installation.embedder, texts)
    async with database.transaction(author.scope) as session:
        await lock_index(session)
        for text in texts:
            if await faq_of_question(session, text.question) is None:
                await store_faq(session, author, None, text, vectors, installation.embedder.model)


async def _bring_history(installation: Installation, database: Database, folder: str, author: Actor) -> None:
    """The tickets of an earlier desk, as if somebody had uploaded them; a worker takes them in and replays them."""
    async with database.transaction(author.scope) as session:
        if (await list_imports(session, limit=1, offset=0)).total:
            return
    raw = old_tickets(folder, installation.clock.now())
    if raw is not None:
        maximum = installation.settings.maximum_upload_bytes
        await upload_history(
            database, installation.storage, author, FILE_NAME, raw, then_backtest=True, maximum_bytes=maximum
        )


async def _write_prompts(database: Database, author: Actor) -> None:
    """Two versions of the tenant's own, the second in use; only while it has none."""
    async with database.transaction(author.scope) as session:
        own = select(PromptVersion.id).where(PromptVersion.tenant_id == author.tenant_id).limit(1)
        if (await session.execute(own)).scalar_one_or_none() is not None:
            return
        first = await duplicate(session, (await active_prompt(session)).id, created_by=author.label)
        changed = replace(text_of(first), system_prompt=f"{first.system_prompt}\n{_HOUSE_RULE}")
        second = await add_version(session, changed, created_by=author.label, copied_from=first.id)
        await activate(session, second.id)


@asynccontextmanager
async def _alone(database: Database) -> AsyncGenerator[None]:
    """Two processes that start at once must not both seed; the second waits and finds all done."""
    async with database.engine.connect() as connection:
        await connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
        await connection.commit()
        try:
            yield
        finally:
            await connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            await connection.commit()


async def _tenant(database: Database, tenant: DemoTenant, known: dict[str, UUID], settings: Settings) -> UUID:
    tenant_id = known.get(tenant.slug) or (await create_tenant(database, tenant.name, tenant.slug)).id
    async with database.transaction(Scope(tenant_id)) as session:
        preferences = await load_preferences(session)
        if tenant.help_host not in preferences.allowed_links:
            changed = msgspec.structs.replace(preferences, allowed_links=(tenant.help_host,), setup_put_away=True)
            await save_preferences(session, changed)
        await _open_widget(session, tenant, settings)
    return tenant_id


async def _open_widget(session: AsyncSession, tenant: DemoTenant, settings: Settings) -> None:
    """The demo's shop is a page of the desk's own address, by whatever name of this machine it is opened."""
    widget = (await session.execute(select(Connection).where(Connection.channel == "widget"))).scalars().first()
    if widget is None or widget.configuration:
        return
    local = [f"http://{host}:{settings.port}" for host in ("127.0.0.1", "localhost")]
    texts = {"en": {"title": f"Ask {tenant.name}"}}
    configuration = WidgetConfiguration(
        allowed_origins=(settings.public_url, *local), colour="#2f5f3a", texts=texts, show_agent_names=True
    )
    widget.configuration = write_configuration(configuration)


async def _logins(
    database: Database, tenants: dict[str, DemoTenant], ids: dict[str, UUID]
) -> dict[str, dict[str, Login]]:
    return {folder: await make_logins(database, ids[folder], tenant.people) for folder, tenant in tenants.items()}


async def _seed_knowledge(
    installation: Installation, database: Database, tenants: dict[str, DemoTenant], ids: dict[str, UUID]
) -> None:
    articles = {Scope(GLOBAL_TENANT_ID): load_articles(GLOBAL_FOLDER)}
    articles |= {Scope(ids[folder]): load_articles(folder, tenant.help_host) for folder, tenant in tenants.items()}
    for scope in articles:
        await _index(installation, database, scope, articles[scope])


async def _index(installation: Installation, database: Database, scope: Scope, articles: list[Upload]) -> None:
    """Many in one pass, so that the embedder gets their texts together."""
    largest = installation.settings.maximum_upload_bytes
    storage = installation.storage
    versions = [await take_in(database, storage, scope, article, maximum_bytes=largest) for article in articles]
    waiting = await take(database, scope, DocumentVersion, DocumentVersion.id.in_([each.id for each in versions]))
    for start in range(0, len(waiting), _ARTICLES_AT_ONCE):
        held = waiting[start : start + _ARTICLES_AT_ONCE]
        await installation.indexer.index_many(held[0].tenant_id, {each.row_id: each.fence for each in held})


def _story(
    installation: Installation, database: Database, tenant: DemoTenant, tenant_id: UUID, logins: dict[str, Login]
) -> StoryDesk:
    return StoryDesk(
        database,
        tenant,
        tenant_id,
        {key: login.actor for key, login in logins.items()},
        drafting=installation.drafting.without_models(),
        analyser=installation.analyser,
        learner=installation.learner,
        storage=installation.storage,
        started=installation.clock.now(),
    )


async def _play(story: StoryDesk, folder: str, knowledge: asyncio.Task[None]) -> None:
    """All tickets come in in the order of their age; then their stories are told, stage by stage.

    Within a stage they do not touch each other, so some are played at once.
    """
    tickets = [ticket for about in load_tickets(folder).values() for ticket in about]
    tickets.sort(key=lambda each: -duration(each.age))
    ids = await story.open(tickets)
    done = await story.done(ids.values())
    free = asyncio.Semaphore(_TICKETS_AT_ONCE)

    async def play(ticket: DemoTicket) -> None:
        async with free:
            await story.play(ticket, ids[ticket.id], done[ids[ticket.id]])

    for stage in Stage:
        if stage is Stage.WITH_KNOWLEDGE:
            await knowledge
        await _all(*(play(ticket) for ticket in tickets if ticket.steps and ticket.stage is stage))


async def _all(*work: Coroutine[Any, Any, None]) -> None:
    """At once; the first failure ends the others and is raised by itself, so that its sentence reaches the person."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
