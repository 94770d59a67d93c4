"""From a claimed request to a saved draft, with a scripted language model on loopback and without one."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text

from connectors.llm.chain import RetryRules, build_chat_model
from connectors.llm.configuration import configure
from desk.accounts.identity import Actor
from desk.accounts.preferences import EscalationRules, Preferences, save_preferences
from desk.clock import SystemClock
from desk.db.index_log import put_items
from desk.db.leases import claim, database_time
from desk.db.unit_of_work import Database
from desk.drafting.pipeline import DraftingDesk
from desk.egress import EgressRules
from desk.intake import NewMessage, accept_message
from desk.models import Correction, Decision, Delivery, Draft, DraftSource, Example, ModelCall, Ticket
from desk.policy.rules import set_channel_policy
from desk.ports import ChatModel
from desk.review import regenerate
from desk.secret import Secret
from learning.tenant_calibration import TenantCalibration
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.faq.lane import IndexedFaqLane
from retrieval.open_indexes import OpenIndexes
from retrieval.retriever import FourSourceRetriever
from tests.conftest import new_owner
from tests.connectors.llm.scripted_server import ScriptedServer, scripted_server
from tests.desk.conversations import new_ticket, reload
from tests.retrieval.test_retriever import BACKUPS, Desk

EMBEDDER = MiniLMEmbedder()


class OneModel:
    """Gives every tenant the same chain, or none."""

    def __init__(self, model: ChatModel | None = None) -> None:
        self.model = model

    async def for_tenant(self, tenant_id: UUID) -> ChatModel | None:  # noqa: ARG002 - of the port
        return self.model

    async def close(self) -> None:
        if self.model is not None:
            await self.model.close()


def reply(body: str, *cited: int, needs_person: bool = False) -> dict[str, Any]:
    answer = {"reply": body, "cited_sources": list(cited), "language": "en", "needs_person": needs_person}
    return {"content": json.dumps(answer)}


@pytest.fixture
async def server() -> AsyncGenerator[tuple[ScriptedServer, OneModel]]:
    async with scripted_server() as (scripted, url):
        rules = EgressRules(allowed_hosts=frozenset({"127.0.0.1"}))
        quick = RetryRules(first_wait_seconds=0.01)
        models = OneModel(build_chat_model([configure(url, Secret("k"), "m")], rules, SystemClock(), retries=quick))
        yield scripted, models
        await models.close()


def drafting(database: Database, models: OneModel) -> DraftingDesk:
    indexes = OpenIndexes(EMBEDDER)
    retriever = FourSourceRetriever(database, EMBEDDER, indexes)
    faqs = IndexedFaqLane(database, EMBEDDER, indexes)
    return DraftingDesk(database, retriever, faqs, models, TenantCalibration(database))


async def work(database: Database, models: OneModel) -> None:
    for held in await claim(database, "drafts", 10, 30):
        await drafting(database, models).work(held)


async def the_draft(database: Database, actor: Actor) -> Draft:
    async with database.transaction(actor.scope) as session:
        return (await session.execute(select(Draft).order_by(Draft.id.desc()).limit(1))).scalar_one()


async def tenant_with_knowledge(database: Database) -> Actor:
    actor = await new_owner(database)
    with tempfile.TemporaryDirectory() as folder:
        await Desk(database, Path(folder)).add(actor.scope, "backups.md", BACKUPS)
    return actor


async def test_a_model_writes_from_numbered_sources_and_what_it_cites_is_kept(
    fresh_database: Database, server: tuple[ScriptedServer, OneModel]
) -> None:
    scripted, models = server
    actor = await tenant_with_knowledge(fresh_database)
    scripted.steps = [reply("We keep backups for 14 days, and a restore is free.", 1)]
    ticket = await new_ticket(fresh_database, actor, "How long? {subject} {context}")
    await work(fresh_database, models)
    draft = await the_draft(fresh_database, actor)
    assert (draft.state, draft.writer, draft.model, draft.tokens_in > 0) == ("ready", "llm", "m", True)
    (request,) = scripted.bodies
    user = request["messages"][-1]["content"]
    assert "[1] Backups" in user
    assert "How long? {subject} {context}" in user, "a customer's words are never taken for placeholders"
    async with fresh_database.transaction(actor.scope) as session:
        (source,) = (await session.execute(select(DraftSource))).scalars()
        record = (await session.execute(select(Decision.record))).scalar_one()
        (call,) = (await session.execute(select(ModelCall))).scalars()
    assert (source.kind, source.used, source.ordinal) == ("tenant_kb", True, 1)
    assert record["prompt_as_sent"][1]["content"] == user
    assert (call.outcome, call.draft_id) == ("answered", draft.id)
    assert (await reload(fresh_database, actor, Ticket, ticket.id)).level == draft.confidence["level"]


async def test_an_invalid_answer_is_a_failed_draft_that_says_why_and_never_text(
    fresh_database: Database, server: tuple[ScriptedServer, OneModel]
) -> None:
    scripted, models = server
    actor = await tenant_with_knowledge(fresh_database)
    await new_ticket(fresh_database, actor)
    for _ in range(3):
        scripted.steps = [{"content": "Sure! We keep them for 30 days."}] * 9
        async with fresh_database.transaction(actor.scope) as session:
            await session.execute(text("UPDATE drafts SET due_at = now() - interval '1 s', lease_until = NULL"))
        await work(fresh_database, models)
    draft = await the_draft(fresh_database, actor)
    assert (draft.state, draft.body, draft.due_at) == ("failed", "", None)
    assert draft.last_error
    async with fresh_database.transaction(actor.scope) as session:
        calls = (await session.execute(select(ModelCall.outcome))).scalars().all()
    assert "invalid" in calls


async def test_a_made_up_number_a_foreign_link_and_an_unasked_promise_are_shown_and_never_sent(
    fresh_database: Database, server: tuple[ScriptedServer, OneModel]
) -> None:
    scripted, models = server
    actor = await tenant_with_knowledge(fresh_database)
    async with fresh_database.transaction(actor.scope) as session:
        await set_channel_policy(
            session, channel="rest", mode="threshold", threshold=0, daily_cap=9, ticket_cap=9, delay_seconds=0
        )
    wish = "We keep backups for 90 days. See https://evil.example/login. We will refund you today."
    scripted.steps = [reply(wish, 1)]
    await new_ticket(fresh_database, actor)
    await work(fresh_database, models)
    draft = await the_draft(fresh_database, actor)
    failed = {check["name"]: wish[slice(*check["span"])] for check in draft.checks if not check["passed"]}
    assert failed == {"facts": "90", "links": "https://evil.example/login", "promises": "We will refund you today"}
    assert (draft.presentation, draft.policy["decision"], draft.state) == ("notes", "notes", "ready")
    async with fresh_database.transaction(actor.scope) as session:
        assert (await session.execute(select(Delivery))).first() is None


async def test_corrections_reach_the_prompt_as_do_not_and_instead(
    fresh_database: Database, server: tuple[ScriptedServer, OneModel]
) -> None:
    scripted, models = server
    actor = await tenant_with_knowledge(fresh_database)
    question = "Backups\n\nHow long are my backups kept?"
    async with fresh_database.transaction(actor.scope) as session:
        correction = Correction(question=question, avoid="We keep 30 days.", instead="We keep 14 days.", notes="wrong")
        session.add(correction)
        await session.flush()
        await put_items(session, "correction", [correction.id], await EMBEDDER.embed([question]), EMBEDDER.model)
    scripted.steps = [reply("We keep 14 days.", 1)]
    await new_ticket(fresh_database, actor)
    await work(fresh_database, models)
    user = scripted.bodies[0]["messages"][-1]["content"]
    assert "Do not say: We keep 30 days." in user
    assert "Say instead: We keep 14 days." in user


async def test_a_draft_that_a_newer_message_overtook_is_dropped(
    fresh_database: Database, server: tuple[ScriptedServer, OneModel]
) -> None:
    scripted, models = server
    actor = await tenant_with_knowledge(fresh_database)
    ticket = await new_ticket(fresh_database, actor)
    (held,) = await claim(fresh_database, "drafts", 1, 30)
    desk, save = drafting(fresh_database, models), DraftingDesk._save

    async def overtaken(self: DraftingDesk, *rest: Any) -> None:
        await accept_message(fresh_database, actor, ticket.id, NewMessage("Solved, thanks"), debounce_seconds=0)
        await save(self, *rest)

    scripted.steps = [reply("We keep backups for 14 days.", 1)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DraftingDesk, "_save", overtaken)
        await desk.work(held)
    async with fresh_database.transaction(actor.scope) as session:
        drafts = (await session.execute(select(Draft.state, Draft.body).order_by(Draft.id))).all()
    assert [tuple(row) for row in drafts] == [("stale", ""), ("writing", "")]


async def test_without_a_model_and_without_evidence_there_is_plainly_no_draft(fresh_database: Database) -> None:
    actor = await new_owner(fresh_database)
    ticket = await new_ticket(fresh_database, actor)
    await work(fresh_database, OneModel())
    draft = await the_draft(fresh_database, actor)
    assert (draft.state, draft.body) == ("failed", "")
    assert "nothing in the knowledge base" in (draft.last_error or "")
    assert (await reload(fresh_database, actor, Ticket, ticket.id)).level == "very_low"


async def test_the_threshold_sends_by_itself_but_never_past_a_keyword(fresh_database: Database) -> None:
    actor = await tenant_with_knowledge(fresh_database)
    async with fresh_database.transaction(actor.scope) as session:
        await set_channel_policy(
            session, channel="rest", mode="threshold", threshold=10, daily_cap=9, ticket_cap=9, delay_seconds=5
        )
        await save_preferences(session, Preferences(escalation=EscalationRules(keywords=("refund",), topics=())))
    harmless = await new_ticket(fresh_database, actor, "How long are my backups kept?")
    asks_money = await new_ticket(fresh_database, actor, "How long are backups kept? If short, I want to be REFUNDED.")
    await work(fresh_database, OneModel())
    async with fresh_database.transaction(actor.scope) as session:
        (delivery,) = (await session.execute(select(Delivery))).scalars()
    assert (delivery.ticket_id, delivery.is_automatic, delivery.approved_by) == (harmless.id, True, "desk")
    escalated = await reload(fresh_database, actor, Ticket, asks_money.id)
    assert (escalated.escalation_reason, escalated.priority, escalated.status) == ("keyword", "high", "open")


async def test_an_answer_in_another_language_is_shown_as_notes_and_never_sent(fresh_database: Database) -> None:
    actor = await tenant_with_knowledge(fresh_database)
    async with fresh_database.transaction(actor.scope) as session:
        await set_channel_policy(
            session, channel="rest", mode="threshold", threshold=0, daily_cap=9, ticket_cap=9, delay_seconds=0
        )
    await new_ticket(fresh_database, actor, "Wie lange werden die Backups aufbewahrt, und was kostet ein Restore?")
    await work(fresh_database, OneModel())
    draft = await the_draft(fresh_database, actor)
    assert draft.body.startswith("Guten Tag Ada,")
    assert [check["detail"] for check in draft.checks if not check["passed"]] == [
        "the answer is in English, the customer wrote in German"
    ]
    assert (draft.language, draft.presentation, draft.policy and draft.policy["decision"]) == ("en", "notes", "notes")


async def test_a_draft_of_the_desks_own_is_signed_once_and_says_its_language(fresh_database: Database) -> None:
    actor = await tenant_with_knowledge(fresh_database)
    async with fresh_database.transaction(actor.scope) as session:
        await save_preferences(session, Preferences(signature="Best regards,\nAcme Hosting"))
    await new_ticket(fresh_database, actor, "How long are my backups kept?")
    await work(fresh_database, OneModel())
    passages = await the_draft(fresh_database, actor)
    assert passages.body.endswith("look into it with you.\n\nBest regards,\nAcme Hosting")
    assert (passages.writer, passages.language) == ("passages", "en")

    answer = "Hello Ada,\n\nwe keep them for 14 days.\n\nBest regards,\nAcme Hosting"
    question = "Backups\n\nHow long are my backups kept?"
    async with fresh_database.transaction(actor.scope) as session:
        now = await database_time(session)
        example = Example(
            question=question, answer=answer, origin="imported", language="en", document_ids=[], answered_at=now
        )
        session.add(example)
        await session.flush()
        await put_items(session, "example", [example.id], await EMBEDDER.embed([question]), EMBEDDER.model)
    await new_ticket(fresh_database, actor, "How long are my backups kept?")
    await work(fresh_database, OneModel())
    assert (await the_draft(fresh_database, actor)).body == answer


async def test_a_draft_asked_for_after_a_reply_by_machine_waits_for_a_person(fresh_database: Database) -> None:
    actor = await tenant_with_knowledge(fresh_database)
    async with fresh_database.transaction(actor.scope) as session:
        await set_channel_policy(
            session, channel="rest", mode="threshold", threshold=10, daily_cap=9, ticket_cap=9, delay_seconds=0
        )
    ticket = await new_ticket(fresh_database, actor)
    await work(fresh_database, OneModel())
    await regenerate(fresh_database, actor, ticket.id, instruction="shorter", tone="")
    await work(fresh_database, OneModel())
    draft = await the_draft(fresh_database, actor)
    assert (draft.state, draft.policy["decision"], draft.policy["reasons"]) == ("ready", "suggest", ["answered"])
    async with fresh_database.transaction(actor.scope) as session:
        assert len((await session.execute(select(Delivery))).all()) == 1


async def test_a_cap_holds_for_drafts_that_are_written_at_once(fresh_database: Database) -> None:
    actor = await tenant_with_knowledge(fresh_database)
    async with fresh_database.transaction(actor.scope) as session:
        await set_channel_policy(
            session, channel="rest", mode="threshold", threshold=10, daily_cap=1, ticket_cap=9, delay_seconds=5
        )
        await save_preferences(session, Preferences(escalation=EscalationRules(topics=())))
    for _ in range(3):
        await new_ticket(fresh_database, actor, "How long are my backups kept?")
    desk = drafting(fresh_database, OneModel())
    await asyncio.gather(*[desk.work(held) for held in await claim(fresh_database, "drafts", 10, 30)])
    async with fresh_database.transaction(actor.scope) as session:
        assert len((await session.execute(select(Delivery))).scalars().all()) == 1
        reasons = [policy["reasons"] for policy in (await session.execute(select(Draft.policy))).scalars() if policy]
    assert sum("daily_cap" in each for each in reasons) == 2
