"""The demo desk: its texts agree with each other, and however often it is interrupted it is there once."""

from __future__ import annotations

import asyncio
import re
import stat
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from desk.accounts.tenants import all_tenants, create_tenant, tenant_by_slug
from desk.accounts.users import actor_for, verify_login
from desk.db.roles import DatabaseAddress
from desk.db.tenancy import NO_TENANT, Scope
from desk.db.unit_of_work import Database
from desk.demo import logins, seed_demo, story
from desk.demo.content import (
    GLOBAL_FOLDER,
    REVIEWS,
    TENANT_FOLDERS,
    DemoTicket,
    duration,
    load_articles,
    load_chats,
    load_faqs,
    load_tenant,
    load_tickets,
)
from desk.errors import NotFoundError
from desk.faq_suggestions import suggest_faqs
from desk.installation import Installation
from desk.jobs import WorkLoop
from desk.models import (
    ApiKey,
    Correction,
    Delivery,
    Document,
    DocumentVersion,
    Draft,
    DraftSource,
    Example,
    Faq,
    InboxEntry,
    Message,
    Review,
    Ticket,
    TicketEvent,
)
from desk.settings import load_settings
from desk.tickets import VIEWS, ticket_view, view_counts
from desk.wiring import build
from desk.work import duties
from retrieval.intents import hosting_categories
from tests.database import ENCRYPTION_KEY, SECRET_KEY, TestServer

ARTICLES = {folder: load_articles(folder) for folder in (GLOBAL_FOLDER, *TENANT_FOLDERS)}
TICKETS = {folder: load_tickets(folder) for folder in TENANT_FOLDERS}
MONEY = re.compile(r"[€$]\d+(?:[.,]\d+)*")
pytestmark = pytest.mark.long  # seeding takes most of a minute: one process does it
ADDRESS = re.compile(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)")


def told(folder: str) -> list[DemoTicket]:
    return [ticket for about in TICKETS[folder].values() for ticket in about]


def words_of(ticket: DemoTicket) -> list[str]:
    return [ticket.subject, ticket.body, *(step.body for step in ticket.steps), *(step.reason for step in ticket.steps)]


# The texts ---------------------------------------------------------------------------------------------------


def test_every_intent_is_asked_about_and_no_other_is() -> None:
    known = {category.label for category in hosting_categories()}
    assert set(TICKETS["larkspur"]) == known | {"other"}
    assert len(known) == 12


def test_there_is_enough_to_read() -> None:
    assert len(ARTICLES["larkspur"]) >= 30
    assert len(ARTICLES[GLOBAL_FOLDER]) >= 8
    assert len(told("larkspur")) >= 60
    assert sum(faq.state == "published" for faq in load_faqs("larkspur")) >= 30
    for folder, articles in ARTICLES.items():
        for article in articles:
            assert 150 <= len(article.raw.split()) <= 500, f"{folder}: {article.file_name}"
            assert article.title
            assert article.category
    origins = [article.origin for articles in ARTICLES.values() for article in articles]
    assert len(set(origins)) == len(origins)


@pytest.mark.parametrize("folder", TENANT_FOLDERS)
def test_tickets_name_people_and_customers_that_exist_and_end_in_the_past(folder: str) -> None:
    tenant, tickets = load_tenant(folder), told(folder)
    people = {person.key for person in tenant.people}
    assert len({ticket.id for ticket in tickets}) == len(tickets)
    for ticket in tickets:
        assert ticket.customer in tenant.customers or (ticket.name and ticket.email), ticket.id
        assert ticket.assignee is None or ticket.assignee in people, ticket.id
        assert all(step.do in {"customer", "draft"} or step.by in people for step in ticket.steps), ticket.id
        assert sum((duration(step.after) for step in ticket.steps), timedelta()) < duration(ticket.age), ticket.id


@pytest.mark.parametrize("folder", TENANT_FOLDERS)
def test_replies_name_no_price_that_the_knowledge_base_does_not(folder: str) -> None:
    known = set(MONEY.findall(" ".join(article.raw.decode() for article in ARTICLES[folder])))
    for ticket in told(folder):
        for step in ticket.steps:
            if step.do in REVIEWS:
                assert set(MONEY.findall(step.body)) <= known, ticket.id
    for faq in load_faqs(folder):
        assert set(MONEY.findall(faq.answer)) <= known, faq.question


def test_global_knowledge_names_no_prices_and_nobody_has_a_real_address() -> None:
    assert not any(MONEY.search(article.raw.decode()) for article in ARTICLES[GLOBAL_FOLDER])
    texts = [article.raw.decode() for articles in ARTICLES.values() for article in articles]
    texts += [words for folder in TENANT_FOLDERS for ticket in told(folder) for words in words_of(ticket)]
    for folder in TENANT_FOLDERS:
        tenant = load_tenant(folder)
        texts += [one.email for one in (*tenant.people, *tenant.customers.values())]
        texts += [ticket.email for ticket in told(folder)]
    domains = {domain for words in texts for domain in ADDRESS.findall(words)} - {"9.9.9.9"}
    assert all(domain.endswith((".example", ".invalid")) for domain in domains), domains


# The desk made of them -----------------------------------------------------------------------------------------


@asynccontextmanager
async def opened(address: DatabaseAddress, data_dir: Path) -> AsyncGenerator[Installation]:
    settings = load_settings(
        {
            "DESK_DATA_DIR": str(data_dir),
            "DESK_SECRET_KEY": SECRET_KEY.reveal(),
            "DESK_ENCRYPTION_KEYS": ENCRYPTION_KEY.reveal(),
        }
    )
    installation = build(settings, address)
    try:
        yield installation
    finally:
        await installation.models.close()
        await installation.database.close()


class KilledError(Exception):
    """Stands for the end of the process."""


def fails_at(call: int, original: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Coroutine[Any, Any, None]]:
    calls = Counter[str]()

    async def counted(*arguments: Any) -> None:
        calls["made"] += 1
        if calls["made"] == call:
            raise KilledError
        await original(*arguments)

    return counted


async def killed_twice_then_seeded(address: DatabaseAddress, data_dir: Path, patch: pytest.MonkeyPatch) -> None:
    """Once between an approved reply and its sending, with the knowledge half indexed; once at the very end."""
    async with opened(address, data_dir) as installation:
        with patch.context() as patched:
            patched.setattr(story.StoryDesk, "_finish_replies", fails_at(4, story.StoryDesk._finish_replies))
            with pytest.raises(KilledError):
                await seed_demo(installation)
    async with opened(address, data_dir) as installation:
        with patch.context() as patched:
            patched.setattr(logins, "_write", lambda *_: (_ for _ in ()).throw(KilledError))
            with pytest.raises(KilledError):
                await seed_demo(installation)
        await seed_demo(installation)


async def worked_off(address: DatabaseAddress, data_dir: Path) -> None:
    """What the worker does after the start."""
    async with opened(address, data_dir) as installation:
        loop = WorkLoop(installation.database, duties(installation), lease_seconds=60, poll_seconds=0.1)
        running = asyncio.create_task(loop.run())
        for _ in range(600):
            if not await work_is_waiting(installation.database):
                break
            await asyncio.sleep(0.1)
        await loop.stop(30)
        await running


async def work_is_waiting(database: Database) -> bool:
    async with database.transaction(NO_TENANT) as session:
        rows = await session.execute(text("SELECT waiting FROM desk_work_waiting()"))
        return any(rows.scalars())


@pytest.fixture(scope="module")
def demo(
    database_server: TestServer, tmp_path_factory: pytest.TempPathFactory
) -> Generator[tuple[DatabaseAddress, Path]]:
    """A seeded desk whose worker has had its minute."""
    address, data_dir = database_server.clone(), tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        asyncio.run(killed_twice_then_seeded(address, data_dir, patch))
    asyncio.run(worked_off(address, data_dir))
    yield address, data_dir
    database_server.drop(address)


@pytest.fixture
async def demo_database(demo: tuple[DatabaseAddress, Path]) -> AsyncGenerator[Database]:
    database = Database.connect(demo[0].app, pool_size=2)
    yield database
    await database.close()


async def everything(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Id and last change of every row of both tenants."""
    rows: dict[str, list[tuple[Any, ...]]] = {}
    tables = (Ticket, Message, Draft, Review, Delivery, TicketEvent, Example, Correction, Document, InboxEntry, ApiKey)
    for tenant_id, slug in await all_tenants(database):
        async with database.transaction(Scope(tenant_id)) as session:
            for table in tables:
                found = await session.execute(select(table.id, table.updated_at).order_by(table.id))
                rows[f"{slug}.{table.__tablename__}"] = [tuple(row) for row in found]
    return rows


@pytest.mark.parametrize("folder", TENANT_FOLDERS)
async def test_an_interrupted_start_is_finished_without_doubles(folder: str, demo_database: Database) -> None:
    tenant_id = await tenant_by_slug(demo_database, load_tenant(folder).slug)
    tickets = told(folder)
    async with demo_database.transaction(Scope(tenant_id)) as session:
        rows = (
            await session.execute(
                select(Ticket.external_id, Message.author, func.count())
                .join(Message, Message.ticket_id == Ticket.id)
                .where(Ticket.channel == "rest")
                .group_by(Ticket.external_id, Message.author)
            )
        ).all()
        reviews = (await session.execute(select(func.count()).select_from(Review))).scalar_one()
        learned = {
            row: (await session.execute(select(func.count()).where(row.review_id.is_not(None)))).scalar_one()
            for row in (Example, Correction)
        }
        versions = await session.execute(
            select(DocumentVersion.state, func.count())
            .where(DocumentVersion.tenant_id == tenant_id)
            .group_by(DocumentVersion.state)
        )
        assert {row[0]: row[1] for row in versions} == {"indexed": len(ARTICLES[folder])}
    found = {(row[0], row[1]): row[2] for row in rows}
    expected = Counter[tuple[str, str]]()
    for ticket in tickets:
        name = f"demo-{ticket.id}"
        expected[name, "customer"] += 1
        for step in ticket.steps:
            if step.do in {"customer", "note"}:
                expected[name, step.do] += 1
            elif step.do in REVIEWS - {"reject"} and step.outcome == "sent":
                expected[name, "agent"] += 1
    assert found == expected
    assert reviews == sum(step.do in REVIEWS for ticket in tickets for step in ticket.steps)
    assert sum(learned.values()) == reviews


async def test_a_second_start_changes_nothing(demo: tuple[DatabaseAddress, Path], demo_database: Database) -> None:
    address, data_dir = demo
    before = await everything(demo_database), (data_dir / logins.FILE_NAME).read_bytes()
    async with opened(address, data_dir) as installation:
        await seed_demo(installation)
    assert (await everything(demo_database), (data_dir / logins.FILE_NAME).read_bytes()) == before


async def test_the_logins_in_the_file_work(demo: tuple[DatabaseAddress, Path], demo_database: Database) -> None:
    address, data_dir = demo
    file = data_dir / logins.FILE_NAME
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    lines = re.findall(r"^  (owner|admin|agent) +(\S+@\S+) +(\S+)$", file.read_text(), re.MULTILINE)
    assert Counter(role for role, _, _ in lines) == {"owner": 2, "admin": 1, "agent": 3}
    for role, email, password in lines:
        actor, _ = await actor_for(demo_database, await verify_login(demo_database, email, password))
        assert actor.role == role
    key = re.search(r"dk_\S+", file.read_text())
    assert key is not None
    async with opened(address, data_dir) as installation:
        actor = await installation.tokens.identify(key[0])
    assert actor.tenant_id == await tenant_by_slug(demo_database, "larkspur")


async def test_everything_a_desk_can_show_is_on_show(demo_database: Database) -> None:
    tenant_id = await tenant_by_slug(demo_database, "larkspur")
    async with demo_database.transaction(Scope(tenant_id)) as session:
        tickets = (await session.execute(select(Ticket))).scalars().all()
        open_drafts = select(Draft.presentation).join(Ticket, Ticket.id == Draft.ticket_id)
        shown = set((await session.execute(open_drafts.where(Draft.state == "ready"))).scalars())
        draft_states = set((await session.execute(select(Draft.state))).scalars())
        deliveries = set((await session.execute(select(Delivery.state))).scalars())
        assignee = next(ticket.assignee_id for ticket in tickets if ticket.assignee_id)
        counts = await view_counts(session, assignee)
    assert {ticket.status for ticket in tickets} == {"open", "pending", "on_hold", "resolved", "closed"}
    assert any(ticket.snoozed_until for ticket in tickets)
    assert any(ticket.is_spam for ticket in tickets)
    assert {"prefilled", "banner", "collapsed"} <= shown
    assert {"ready", "rejected", "failed", "sent", "approved"} <= draft_states
    assert deliveries == {"sent", "failed", "uncertain"}
    assert all(counts[view] for view in VIEWS), counts


async def test_the_past_looks_like_the_past(demo_database: Database) -> None:
    """Messages are in order, nothing is answered before it was asked, and nothing old bears today's date."""
    tenant_id = await tenant_by_slug(demo_database, "larkspur")
    ages = {f"demo-{ticket.id}": duration(ticket.age) for ticket in told("larkspur")}
    async with demo_database.transaction(Scope(tenant_id)) as session:
        now = (await session.execute(select(func.now()))).scalar_one()
        written = select(Ticket).where(Ticket.channel == "rest").order_by(Ticket.number)
        for ticket in (await session.execute(written)).scalars():
            view = await ticket_view(session, ticket.id)
            times = [message.sent_at for message in view.messages]
            assert times == sorted(times)
            assert abs((now - times[0]) - ages[ticket.external_id or ""]) < timedelta(minutes=15)
            assert ticket.created_at <= times[0]
            assert all(delivery.created_at < now - timedelta(minutes=5) for delivery in view.deliveries)


async def test_chats_are_answered_from_faqs_or_left_to_a_person_once(demo_database: Database) -> None:
    tenant_id = await tenant_by_slug(demo_database, "larkspur")
    async with demo_database.transaction(Scope(tenant_id)) as session:
        sent = func.count(Delivery.id).filter(Delivery.state == "sent", Delivery.is_automatic)
        statement = (
            select(Ticket.subject, Ticket.escalated_at, sent)
            .outerjoin(Delivery, Delivery.ticket_id == Ticket.id)
            .where(Ticket.channel == "chat")
            .group_by(Ticket.id)
        )
        chats = (await session.execute(statement)).all()
        faqs = (await session.execute(select(Faq.state, func.count()).group_by(Faq.state))).all()
    assert len(chats) == len(load_chats("larkspur"))
    assert Counter((count, escalated is not None) for _, escalated, count in chats) == {(1, False): 3, (0, True): 2}
    assert dict(Counter(faq.state for faq in load_faqs("larkspur"))) == {row[0]: row[1] for row in faqs}


async def test_there_are_faqs_to_suggest_that_name_nobody(demo_database: Database) -> None:
    larkspur = load_tenant("larkspur")
    owner_id = await owner_id_of(demo_database)
    actor, _ = await actor_for(demo_database, owner_id, await tenant_by_slug(demo_database, larkspur.slug))
    suggestions = await suggest_faqs(demo_database, actor, 10)
    assert len(suggestions) >= 3
    assert all(one.times >= 3 and len(one.ticket_ids) >= 3 for one in suggestions)
    names = {name for customer in larkspur.customers.values() for name in customer.name.split()}
    words = " ".join(text for one in suggestions for text in (one.question, one.answer, *one.phrasings))
    assert not names & set(re.findall(r"\w+", words))


async def owner_id_of(database: Database) -> UUID:
    async with database.transaction(NO_TENANT) as session:
        found = await session.execute(text("SELECT id FROM desk_find_login('owner@larkspur.example')"))
        return found.scalar_one()


async def test_the_intents_are_recognised(demo_database: Database) -> None:
    tenant_id = await tenant_by_slug(demo_database, "larkspur")
    meant = {f"demo-{ticket.id}": about for about, tickets in TICKETS["larkspur"].items() for ticket in tickets}
    async with demo_database.transaction(Scope(tenant_id)) as session:
        rows = (
            await session.execute(
                select(Ticket.external_id, Ticket.intent).where(Ticket.intent.is_not(None), Ticket.channel == "rest")
            )
        ).all()
    right = sum(meant[row[0]] == row[1] for row in rows)
    assert len(rows) >= 40
    assert right / len(rows) >= 0.8


async def test_the_second_tenant_sees_and_cites_nothing_of_the_first(demo_database: Database) -> None:
    larkspur = await tenant_by_slug(demo_database, "larkspur")
    tidewell = await tenant_by_slug(demo_database, "tidewell")
    first, second = await contents(demo_database, larkspur), await contents(demo_database, tidewell)
    assert first["cited"]
    assert second["cited"]
    for kind in ("tickets", "documents", "cited"):
        assert not first[kind] & second[kind], kind
    async with demo_database.transaction(Scope(tidewell)) as session:
        with pytest.raises(NotFoundError):
            await ticket_view(session, min(first["tickets"]))


async def contents(database: Database, tenant_id: UUID) -> dict[str, set[UUID]]:
    """Ids of what a tenant sees of its own; global articles, which both may cite, are left out."""
    async with database.transaction(Scope(tenant_id)) as session:
        own = select(Document.id).where(Document.tenant_id == tenant_id)
        cited = select(DraftSource.parent_id).where(DraftSource.kind != "global_kb")
        return {
            "tickets": set((await session.execute(select(Ticket.id))).scalars()),
            "documents": set((await session.execute(own)).scalars()),
            "cited": set((await session.execute(cited)).scalars()),
        }


async def test_an_installation_that_serves_others_is_left_alone(fresh_address: DatabaseAddress, tmp_path: Path) -> None:
    async with opened(fresh_address, tmp_path) as installation:
        await create_tenant(installation.database, "Real customers")
        await seed_demo(installation)
        assert [slug for _, slug in await all_tenants(installation.database)] == ["real-customers"]
    assert not (tmp_path / logins.FILE_NAME).exists()
