"""Corrections as regression cases: what a change would break is told before it is made, and nothing else is stored."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from desk import review
from desk.accounts.identity import Actor
from desk.accounts.preferences import load_preferences
from desk.comparing.candidates import PRESENT, Candidate
from desk.comparing.cases import spread
from desk.comparing.desk import ComparisonDesk
from desk.comparing.reading import ComparisonView, list_cases, view_comparison
from desk.comparing.requests import ask_for_regression, ask_for_replies, publish
from desk.db.leases import LostLeaseError, claim
from desk.db.unit_of_work import Database
from desk.drafting.pipeline import DraftingDesk
from desk.drafting.prompts import STANDARD_PROMPT, active_prompt, add_version
from desk.errors import ConflictError
from desk.models import ComparisonCase, Delivery, Draft, ModelCall, Review
from desk.ports import SourceWeights
from learning.edits import Analyser
from learning.repeats import MistakeFinder
from learning.store import ReviewLearner
from learning.tenant_calibration import TenantCalibration
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.faq.lane import IndexedFaqLane
from retrieval.open_indexes import OpenIndexes
from retrieval.retriever import FourSourceRetriever
from tests.conftest import new_owner
from tests.connectors.llm.scripted_server import ScriptedServer
from tests.desk.conversations import new_ticket, ready_draft
from tests.desk.drafting.test_pipeline import OneModel, reply
from tests.desk.drafting.test_pipeline import server as server  # noqa: PLC0414 - a fixture
from tests.retrieval.test_retriever import Desk as Knowledge

EMBEDDER = MiniLMEmbedder()
DRAFT = "Hello Ada,\n\nbackups are kept for 14 days. A restore is free.\n\nKind regards"
SENT = "Hello Ada,\n\nbackups are kept for 30 days. A restore is free.\n\nKind regards"
WITHOUT_LEARNED = SourceWeights(0.5, 0.5, 0.0, 0.0)


@dataclass
class World:
    """A tenant whose article says 14 days and whose agent said 30."""

    database: Database
    actor: Actor
    comparisons: ComparisonDesk

    async def correct(self, draft: str = DRAFT, sent: str = SENT) -> None:
        ready = await ready_draft(self.database, self.actor, await new_ticket(self.database, self.actor), draft)
        await review.approve(
            self.database, self.actor, Analyser(), ready.id, body=sent, based_on_seq=1, resolve=True, undo_seconds=0
        )
        for held in await claim(self.database, "reviews", 50, 30):
            retriever = FourSourceRetriever(self.database, EMBEDDER, OpenIndexes(EMBEDDER))
            await ReviewLearner(self.database, EMBEDDER, retriever).learn(held.tenant_id, held.row_id, held.fence)

    async def run(self, after: Candidate = PRESENT, most: int = 50) -> tuple[ComparisonView, list[ComparisonCase]]:
        async with self.database.transaction(self.actor.scope) as session:
            asked = await ask_for_regression(session, self.actor, after, most=most)
        for held in await claim(self.database, "comparisons", 5, 30):
            await self.comparisons.work(held)
        async with self.database.transaction(self.actor.scope) as session:
            page = await list_cases(session, asked.id, outcome=None, limit=50, offset=0)
            return await view_comparison(session, asked.id), page.items


def comparison_desk(database: Database, models: OneModel | None = None) -> ComparisonDesk:
    indexes = OpenIndexes(EMBEDDER)
    retriever = FourSourceRetriever(database, EMBEDDER, indexes)
    faqs = IndexedFaqLane(database, EMBEDDER, indexes)
    drafting = DraftingDesk(database, retriever, faqs, models or OneModel(), TenantCalibration(database))

    async def no_model(*_: object) -> None:
        return None

    return ComparisonDesk(database, retriever, drafting, Analyser(), MistakeFinder(), no_model)


@pytest.fixture
async def world(fresh_database: Database, tmp_path: Path) -> World:
    actor = await new_owner(fresh_database)
    article = b"# Backups\n\nBackups are kept for 14 days. A restore is free."
    await Knowledge(fresh_database, tmp_path).add(actor.scope, "backups.md", article)
    return World(fresh_database, actor, comparison_desk(fresh_database))


async def test_what_is_corrected_is_fixed_as_long_as_drafts_keep_to_the_correction(world: World) -> None:
    await world.correct()
    view, (case,) = await world.run()
    assert (view.comparison.state, view.total, view.counts) == ("finished", 1, {"fixed": 1})
    assert "30 days" in (case.after_body or "")
    assert (case.avoid, case.wanted) == (DRAFT, SENT)


async def test_a_change_that_would_bring_a_mistake_back_is_told_before_it_is_made(
    world: World,
    server: tuple[ScriptedServer, OneModel],
) -> None:
    scripted, models = server
    world.comparisons = comparison_desk(world.database, models)
    await world.correct()
    async with world.database.transaction(world.actor.scope) as session:
        prompt = await add_version(session, replace(STANDARD_PROMPT, name="Short"), created_by="owner")
    candidate = Candidate(prompt_id=prompt.id, weights=WITHOUT_LEARNED)
    scripted.steps = [reply(SENT, 1), reply(DRAFT, 1)]
    view, (case,) = await world.run(candidate)
    assert view.counts == {"broken": 1}
    assert (case.before_body, case.after_body, case.wanted) == (SENT, DRAFT, SENT)
    assert [(one["kind"], "14 days" in one["said"]) for one in case.reasons] == [("duration", True)]
    assert [body["temperature"] for body in scripted.bodies] == [0, 0]
    async with world.database.transaction(world.actor.scope) as session:
        assert (await load_preferences(session)).weights == SourceWeights(), "checked, not yet made"
        assert (await active_prompt(session)).id != prompt.id
        purposes = (await session.execute(select(ModelCall.purpose))).scalars().all()
        assert purposes == ["comparison", "comparison"]
        assert (await publish(session, view.comparison.id, "owner")).published_anyway_by == "owner"
        assert (await load_preferences(session)).weights == WITHOUT_LEARNED
        assert (await active_prompt(session)).id == prompt.id
        with pytest.raises(ConflictError):
            await publish(session, view.comparison.id, "owner")


async def test_it_comes_out_the_same_every_time_and_leaves_no_trace_but_the_result(world: World) -> None:
    await world.correct()
    await world.correct("You can restore them yourself.", "You cannot restore them yourself.")
    counts = [func.count(Draft.id), func.count(Delivery.id), func.count(Review.id)]
    async with world.database.transaction(world.actor.scope) as session:
        before = [(await session.execute(select(one))).scalar_one() for one in counts]
    runs = [(await world.run(Candidate(weights=WITHOUT_LEARNED)))[1] for _ in range(2)]
    bodies = [[(case.question, case.before_body, case.after_body, case.outcome) for case in run] for run in runs]
    assert bodies[0] == bodies[1]
    async with world.database.transaction(world.actor.scope) as session:
        assert [(await session.execute(select(one))).scalar_one() for one in counts] == before


async def test_of_many_corrections_a_part_is_checked_and_it_is_said_how_many_there_are(world: World) -> None:
    for days in (20, 21, 22):
        await world.correct(sent=SENT.replace("30", str(days)))
    view, cases = await world.run(most=2)
    assert (view.comparison.available, view.total, len(cases)) == (3, 2, 2)
    assert spread(range(100), 4) == [0, 1, 2, 51]


async def test_a_worker_that_dies_is_followed_by_one_that_goes_on(world: World) -> None:
    await world.correct()
    await world.correct(sent=SENT.replace("30", "60"))
    async with world.database.transaction(world.actor.scope) as session:
        asked = await ask_for_regression(session, world.actor, PRESENT, most=50)
    (dead,) = await claim(world.database, "comparisons", 1, 30)

    class DiedError(Exception):
        pass

    def die() -> None:
        raise DiedError

    with pytest.raises(DiedError):
        await world.comparisons.work(dead, die)
    async with world.database.transaction(world.actor.scope) as session:
        await session.execute(text("UPDATE comparisons SET lease_until = now() - interval '1 second'"))
        assert (await view_comparison(session, asked.id)).done == 1
    (second,) = await claim(world.database, "comparisons", 1, 30)
    with pytest.raises(LostLeaseError):
        await world.comparisons.work(dead)
    await world.comparisons.work(second)
    async with world.database.transaction(world.actor.scope) as session:
        assert (await view_comparison(session, asked.id)).comparison.state == "finished"


async def test_nobody_sees_or_replays_what_another_tenant_corrected(world: World) -> None:
    await world.correct("Write to secret-planted@example.com.", "Write to other-planted@example.com.")
    other = World(world.database, await new_owner(world.database), world.comparisons)
    view, cases = await other.run()
    assert (view.comparison.state, view.comparison.available, cases) == ("finished", 0, [])
    await other.correct()
    _, cases = await other.run(Candidate(weights=WITHOUT_LEARNED))
    assert "planted" not in "".join(f"{case.before_body}{case.after_body}{case.wanted}" for case in cases)


async def test_past_replies_are_drafted_without_what_they_themselves_taught(world: World) -> None:
    await world.correct()
    async with world.database.transaction(world.actor.scope) as session:
        asked = await ask_for_replies(
            session, world.actor, PRESENT, Candidate(weights=SourceWeights(0, 1, 0, 0)), most=5
        )
    for held in await claim(world.database, "comparisons", 5, 30):
        await world.comparisons.work(held)
    async with world.database.transaction(world.actor.scope) as session:
        (case,) = (await list_cases(session, asked.id, outcome=None, limit=5, offset=0)).items
        view = await view_comparison(session, asked.id)
    assert "14 days" in (case.before_body or ""), "what the agent sent to this very ticket is not to be seen"
    assert view.before_similarity is not None
    assert 0 < view.before_similarity < 1
