"""Trying drafts out keeps nothing but what the model was paid, whichever model is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import func, select

from connectors.llm.chain import RetryRules, build_chat_model
from connectors.llm.configuration import configure
from desk.clock import SystemClock
from desk.db.unit_of_work import Database
from desk.drafting.trials import decisions_by_channel, replay_draft, try_question
from desk.egress import EgressRules
from desk.errors import ModelUnavailableError
from desk.models import Draft, ModelCall
from desk.policy.rules import set_channel_policy
from desk.secret import Secret
from tests.connectors.llm.scripted_server import ScriptedServer, scripted_server
from tests.desk.conversations import new_ticket
from tests.desk.drafting.test_pipeline import OneModel, drafting, reply, tenant_with_knowledge, the_draft, work


@pytest.fixture
async def other() -> AsyncGenerator[tuple[ScriptedServer, OneModel]]:
    """A model beside the one that is configured."""
    async with scripted_server() as (scripted, url):
        rules = EgressRules(allowed_hosts=frozenset({"127.0.0.1"}))
        quick = RetryRules(first_wait_seconds=0.01)
        models = OneModel(build_chat_model([configure(url, Secret("k"), "other")], rules, SystemClock(), retries=quick))
        yield scripted, models
        await models.close()


async def test_a_real_draft_is_replayed_with_another_model_and_only_its_cost_is_kept(
    fresh_database: Database, other: tuple[ScriptedServer, OneModel]
) -> None:
    scripted, models = other
    assert models.model is not None
    actor = await tenant_with_knowledge(fresh_database)
    await new_ticket(fresh_database, actor)
    await work(fresh_database, OneModel())
    before = await the_draft(fresh_database, actor)
    scripted.steps = [reply("We keep backups for 14 days.", 1)]
    desk = drafting(fresh_database, OneModel()).with_only(models.model)
    trial = await replay_draft(fresh_database, desk, actor, before.id, prompt_id=None, weights=None)
    assert (trial.finished.written.writer, trial.finished.written.model) == ("llm", "other")
    async with fresh_database.transaction(actor.scope) as session:
        calls = (await session.execute(select(ModelCall.purpose, ModelCall.model, ModelCall.draft_id))).all()
        drafts = (await session.execute(select(func.count()).select_from(Draft))).scalar_one()
    assert [tuple(call) for call in calls] == [("playground", "other", None)]
    after = await the_draft(fresh_database, actor)
    assert (drafts, after.body, after.writer) == (1, before.body, before.writer)


async def test_a_try_that_got_no_answer_was_paid_for_all_the_same(
    fresh_database: Database, other: tuple[ScriptedServer, OneModel]
) -> None:
    scripted, models = other
    actor = await tenant_with_knowledge(fresh_database)
    scripted.steps = [{"content": "no JSON"}] * 6
    with pytest.raises(ModelUnavailableError):
        await try_question(
            fresh_database,
            drafting(fresh_database, models),
            actor,
            subject="",
            body="How long are backups kept?",
            prompt_id=None,
            weights=None,
        )
    async with fresh_database.transaction(actor.scope) as session:
        purposes = set((await session.execute(select(ModelCall.purpose))).scalars())
    assert purposes == {"playground"}


async def test_what_would_become_of_a_draft_is_said_for_every_channel(fresh_database: Database) -> None:
    actor = await tenant_with_knowledge(fresh_database)
    await new_ticket(fresh_database, actor)
    async with fresh_database.transaction(actor.scope) as session:
        await set_channel_policy(
            session, channel="rest", mode="threshold", threshold=0, daily_cap=9, ticket_cap=9, delay_seconds=0
        )
    trial = await try_question(
        fresh_database,
        drafting(fresh_database, OneModel()),
        actor,
        subject="",
        body="How long are my backups kept?",
        prompt_id=None,
        weights=None,
    )
    async with fresh_database.transaction(actor.scope) as session:
        decisions = await decisions_by_channel(session, trial)
    assert decisions["rest"].decision == "send"
    assert trial.finished.policy.decision != "send"
