"""Two prompts at work at once: who gets which, and when one of them may be called better."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from desk import review
from desk.comparing.experiments import (
    ERROR,
    arm_of,
    difference_limits,
    end_experiment,
    newest_experiment,
    radius,
    start_experiment,
)
from desk.db.unit_of_work import Database
from desk.drafting.prompts import STANDARD_PROMPT, activate, active_prompt, add_version
from desk.errors import ConflictError, InvalidInputError
from desk.models import Draft
from learning.edits import Analyser
from tests.conftest import new_owner
from tests.connectors.llm.scripted_server import ScriptedServer
from tests.desk.conversations import new_ticket
from tests.desk.drafting.test_pipeline import OneModel, reply, tenant_with_knowledge, work
from tests.desk.drafting.test_pipeline import server as server  # noqa: PLC0414 - a fixture


async def test_a_ticket_keeps_its_prompt_and_outcomes_are_counted_for_it(
    fresh_database: Database, server: tuple[ScriptedServer, OneModel]
) -> None:
    scripted, models = server
    actor = await tenant_with_knowledge(fresh_database)
    async with fresh_database.transaction(actor.scope) as session:
        other = await add_version(
            session, replace(STANDARD_PROMPT, name="Short", system_prompt="Be very short."), created_by="owner"
        )
        experiment = await start_experiment(session, actor, other.id)
        with pytest.raises(ConflictError):
            await start_experiment(session, actor, other.id)
    tickets = [await new_ticket(fresh_database, actor) for _ in range(8)]
    scripted.steps = [reply("We keep backups for 14 days.", 1)] * 8
    await work(fresh_database, models)
    async with fresh_database.transaction(actor.scope) as session:
        drafts = list((await session.execute(select(Draft))).scalars())
    assert {draft.arm for draft in drafts} == {arm_of(experiment.id, ticket.id) for ticket in tickets}
    for draft in drafts:
        assert draft.arm == arm_of(experiment.id, draft.ticket_id)
        assert (draft.prompt_id == other.id) == (draft.arm == "b")
    short = [body for body in scripted.bodies if "Be very short." in str(body["messages"])]
    assert len(short) == sum(draft.arm == "b" for draft in drafts)
    sent = {"a": "We keep backups for 30 days.", "b": "We keep backups for 14 days."}
    for draft in drafts:
        await review.approve(
            fresh_database,
            actor,
            Analyser(),
            draft.id,
            body=sent[draft.arm or ""],
            based_on_seq=1,
            resolve=True,
            undo_seconds=0,
        )
    async with fresh_database.transaction(actor.scope) as session:
        view = await newest_experiment(session)
        assert view is not None
        assert (view.a.meaning_changed, view.a.unchanged) == (sum(draft.arm == "a" for draft in drafts), 0)
        assert (view.b.unchanged, view.b.meaning_changed) == (sum(draft.arm == "b" for draft in drafts), 0)
        assert view.clear_winner is None, "eight reviews say nothing for certain"
        await end_experiment(session, "b")
        assert (await active_prompt(session)).id == other.id
        with pytest.raises(ConflictError):
            await end_experiment(session, "b")


async def test_only_an_own_version_that_is_not_active_can_be_tried(database: Database) -> None:
    actor, stranger = await new_owner(database), await new_owner(database)
    async with database.transaction(stranger.scope) as session:
        foreign = await add_version(session, replace(STANDARD_PROMPT, name="Foreign"), created_by="x")
    async with database.transaction(actor.scope) as session:
        with pytest.raises(InvalidInputError):
            await start_experiment(session, actor, (await active_prompt(session)).id)
        with pytest.raises(Exception, match="no such prompt"):
            await start_experiment(session, actor, foreign.id)


async def test_publishing_another_prompt_ends_the_experiment(database: Database) -> None:
    actor = await new_owner(database)
    async with database.transaction(actor.scope) as session:
        own = await add_version(session, replace(STANDARD_PROMPT, name="Own"), created_by="x")
        await start_experiment(session, actor, own.id)
        await activate(session, own.id)
        view = await newest_experiment(session)
        assert view is not None
        assert (view.experiment.state, view.experiment.winner) == ("ended", None)


def test_half_of_the_tickets_go_either_way() -> None:
    experiment = uuid4()
    arms = [arm_of(experiment, uuid4()) for _ in range(2_000)]
    assert 880 < arms.count("a") < 1_120


def test_looking_again_and_again_does_not_make_equal_prompts_differ() -> None:
    """400 experiments without a difference, each looked at after every review; at most 5 % may ever be called clear."""
    rng = np.random.default_rng(7)
    number, runs = 400, 400
    reach = np.array([2 * radius(count, ERROR / 2) for count in range(1, number + 1)])
    good_a, good_b = (np.cumsum(rng.random((runs, number)) < 0.7, axis=1) for _ in range(2))
    difference = np.abs(good_a - good_b) / np.arange(1, number + 1)
    assert (difference > reach).any(axis=1).mean() <= ERROR


def test_a_real_difference_is_found() -> None:
    low, _ = difference_limits(150, 300, 270, 300)
    assert low > 0


@given(st.integers(0, 500), st.integers(0, 500), st.data())
def test_the_limits_hold_the_difference(number_a: int, number_b: int, data: st.DataObject) -> None:
    good_a, good_b = data.draw(st.integers(0, number_a)), data.draw(st.integers(0, number_b))
    low, high = difference_limits(good_a, number_a, good_b, number_b)
    assert -1 <= low <= high <= 1
    if number_a and number_b:
        assert low <= good_b / number_b - good_a / number_a <= high
