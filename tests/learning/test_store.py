"""What a review teaches is found by the very next search, stored once, and only for its tenant."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select, text

from desk import review
from desk.accounts.identity import Actor
from desk.db.leases import claim
from desk.db.unit_of_work import Database
from desk.knowledge import delete_document
from desk.models import Correction, Example, Review
from desk.ports import Evidence, Question
from desk.set_aside import set_aside_outdated
from learning.edits import Analyser
from learning.store import ReviewLearner
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.open_indexes import OpenIndexes
from retrieval.retriever import FourSourceRetriever
from tests.conftest import new_owner
from tests.desk.conversations import DRAFT, new_ticket, ready_draft
from tests.retrieval.test_retriever import BACKUPS, Desk

EMBEDDER = MiniLMEmbedder()


async def _learn_all(database: Database) -> int:
    claims = await claim(database, "reviews", 50, 30)
    for held in claims:
        retriever = FourSourceRetriever(database, EMBEDDER, OpenIndexes(EMBEDDER))
        await ReviewLearner(database, EMBEDDER, retriever).learn(held.tenant_id, held.row_id, held.fence)
    return len(claims)


async def _ask(database: Database, actor: Actor) -> Evidence:
    retriever = FourSourceRetriever(database, EMBEDDER, OpenIndexes(EMBEDDER))
    return await retriever.gather(Question(actor.tenant_id, "", "Backups\n\nHow long are my backups kept?"))


async def _approve(database: Database, actor: Actor, body: str, undo_seconds: float = 0) -> review.Approval:
    draft = await ready_draft(database, actor, await new_ticket(database, actor))
    return await review.approve(
        database, actor, Analyser(), draft.id, body=body, based_on_seq=1, resolve=True, undo_seconds=undo_seconds
    )


async def test_an_approved_draft_becomes_an_example_that_the_next_draft_finds(fresh_database: Database) -> None:
    actor = await new_owner(fresh_database)
    before = await _ask(fresh_database, actor)
    await _approve(fresh_database, actor, f"Hello Ada,\n\n{DRAFT}\n\nKind regards")
    assert await _learn_all(fresh_database) == 1
    after = await _ask(fresh_database, actor)
    assert before.confidence.parts.example_similarity == 0
    assert after.confidence.parts.example_similarity > 0.9
    assert [hit.text for hit in after.neighbours] == [f"Hello Ada,\n\n{DRAFT}\n\nKind regards"]
    assert (await _ask(fresh_database, await new_owner(fresh_database))).neighbours == ()


async def test_what_is_learned_is_in_the_language_that_was_sent(fresh_database: Database) -> None:
    actor = await new_owner(fresh_database)
    ticket = await new_ticket(fresh_database, actor)
    german = "Wir heben Sicherungen 14 Tage auf, und die Wiederherstellung ist für Sie kostenlos."
    await review.reply(fresh_database, actor, ticket.id, german, based_on_seq=1, resolve=True, undo_seconds=0)
    await _learn_all(fresh_database)
    (hit,) = (await _ask(fresh_database, actor)).neighbours
    assert hit.language == "de"


async def test_a_changed_meaning_becomes_a_correction_that_lowers_safety(fresh_database: Database) -> None:
    actor = await new_owner(fresh_database)
    await _approve(fresh_database, actor, DRAFT.replace("14 days", "30 days"))
    await _learn_all(fresh_database)
    evidence = await _ask(fresh_database, actor)
    (hit,) = [hit for hit in evidence.hits if hit.kind == "correction"]
    assert (hit.avoid, hit.text) == (DRAFT, DRAFT.replace("14 days", "30 days"))
    assert "30" in hit.notes
    assert evidence.confidence.parts.correction_safety < 0.5
    assert evidence.neighbours[0].text == DRAFT.replace("14 days", "30 days")


async def test_nothing_is_learned_before_the_window_closes_or_after_an_undo(fresh_database: Database) -> None:
    actor = await new_owner(fresh_database)
    approval = await _approve(fresh_database, actor, DRAFT, undo_seconds=60)
    assert await _learn_all(fresh_database) == 0
    await review.cancel_delivery(fresh_database, actor, approval.delivery.id)
    async with fresh_database.transaction(actor.scope) as session:
        await session.execute(text("UPDATE reviews SET due_at = now() WHERE due_at IS NOT NULL"))
    assert await _learn_all(fresh_database) == 0
    assert (await _ask(fresh_database, actor)).neighbours == ()


async def test_learning_twice_stores_once(fresh_database: Database) -> None:
    actor = await new_owner(fresh_database)
    await _approve(fresh_database, actor, DRAFT)
    await _learn_all(fresh_database)
    async with fresh_database.transaction(actor.scope) as session:
        await session.execute(text("UPDATE reviews SET state = 'waiting', due_at = now()"))
    await _learn_all(fresh_database)
    async with fresh_database.transaction(actor.scope) as session:
        assert len((await session.execute(select(Example))).scalars().all()) == 1
        assert (await session.execute(select(Review.state))).scalar_one() == "learned"


async def test_a_rejection_with_a_reason_warns_the_next_draft(fresh_database: Database) -> None:
    actor = await new_owner(fresh_database)
    draft = await ready_draft(fresh_database, actor, await new_ticket(fresh_database, actor))
    await review.reject(fresh_database, actor, draft.id, reason="we stopped free restores", correct_reply=None)
    await _learn_all(fresh_database)
    async with fresh_database.transaction(actor.scope) as session:
        (correction,) = (await session.execute(select(Correction))).scalars()
        assert (correction.avoid, correction.notes) == (DRAFT, "we stopped free restores")
    evidence = await _ask(fresh_database, actor)
    assert evidence.neighbours == ()
    assert evidence.confidence.parts.correction_safety < 1


async def _examples(database: Database, actor: Actor) -> list[tuple[str, str, int]]:
    async with database.transaction(actor.scope) as session:
        rows = await session.execute(select(Example).order_by(Example.id))
        return [(row.answer, row.state, row.times) for row in rows.scalars()]


async def test_the_same_answer_to_the_same_question_is_one_with_a_count(fresh_database: Database) -> None:
    actor, stranger = await new_owner(fresh_database), await new_owner(fresh_database)
    for who in (stranger, actor, actor):
        await _approve(fresh_database, who, DRAFT)
        await _learn_all(fresh_database)
    assert await _examples(fresh_database, actor) == [(DRAFT, "active", 2), (DRAFT, "retired", 1)]
    assert await _examples(fresh_database, stranger) == [(DRAFT, "active", 1)], "another tenant's is not counted"
    assert len((await _ask(fresh_database, actor)).neighbours) == 1


async def test_a_newer_answer_with_another_meaning_retires_the_older_one_of_this_tenant(
    fresh_database: Database,
) -> None:
    actor, stranger = await new_owner(fresh_database), await new_owner(fresh_database)
    newer = DRAFT.replace("14 days", "30 days")
    for who, body in ((stranger, DRAFT), (actor, DRAFT), (actor, newer)):
        draft = await ready_draft(fresh_database, who, await new_ticket(fresh_database, who), body)
        await review.approve(
            fresh_database, who, Analyser(), draft.id, body=None, based_on_seq=1, resolve=True, undo_seconds=0
        )
        await _learn_all(fresh_database)
    assert await _examples(fresh_database, actor) == [(DRAFT, "retired", 1), (newer, "active", 1)]
    assert await _examples(fresh_database, stranger) == [(DRAFT, "active", 1)]
    assert [hit.text for hit in (await _ask(fresh_database, actor)).neighbours] == [newer]


async def test_what_rests_on_a_document_that_changes_is_set_aside_until_somebody_keeps_it(
    fresh_database: Database, tmp_path: Path
) -> None:
    actor = await new_owner(fresh_database)
    desk = Desk(fresh_database, tmp_path)
    version = await desk.add(actor.scope, "backups.md", BACKUPS)
    await _approve(fresh_database, actor, DRAFT)
    await _learn_all(fresh_database)
    async with fresh_database.transaction(actor.scope) as session:
        await session.execute(
            text("UPDATE examples SET document_ids = ARRAY[CAST(:id AS uuid)]"), {"id": version.document_id}
        )
    await desk.add(actor.scope, "backups.md", BACKUPS.replace(b"14", b"30"))
    async with fresh_database.transaction(actor.scope) as session:
        (example,) = (await session.execute(select(Example))).scalars()
        assert (example.state, "Backups" in example.state_reason) == ("set_aside", True)
    assert (await _ask(fresh_database, actor)).neighbours == ()
    await ReviewLearner(fresh_database, EMBEDDER, desk.retriever).keep(actor.tenant_id, "example", example.id)
    async with fresh_database.transaction(actor.scope) as session:
        assert await set_aside_outdated(session) == 0, "somebody has looked since"
    assert [hit.text for hit in (await _ask(fresh_database, actor)).neighbours] == [DRAFT]
    async with fresh_database.transaction(actor.scope) as session:
        await delete_document(session, version.document_id)
    assert (await _ask(fresh_database, actor)).neighbours == ()
