"""Work that cannot be done comes back to a person; nothing goes out, or stays away, without anybody knowing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import update

from connectors.storage.folder import FolderStorage
from desk import review
from desk.conversation import lock_ticket
from desk.db.leases import Claim, claim
from desk.db.unit_of_work import Database
from desk.delivery import resolve_uncertain
from desk.giving_up import note_failure
from desk.intake import NewMessage, accept_message
from desk.jobs import Duty, WorkLoop
from desk.knowledge import Upload, reindex_document, take_in
from desk.models import Delivery, DocumentVersion, Draft, Ticket
from desk.policy.rules import stop_sending
from desk.ports import SendOutcome
from desk.tickets import TicketChange, change_ticket
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.indexer import ChunkIndexer
from tests.conftest import new_owner
from tests.desk.conversations import new_ticket, reload
from tests.desk.test_delivery import ScriptedChannel, automatic_delivery, queued_delivery, work_all


async def _claimed(database: Database) -> Claim:
    (held,) = await claim(database, "deliveries", 1, 30)
    return held


@pytest.mark.parametrize(("state", "end"), [("pending", "failed"), ("sending", "uncertain")])
async def test_a_reply_that_is_given_up_puts_its_ticket_back_into_the_queue(
    fresh_database: Database, state: str, end: str
) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    ticket, delivery_id = await queued_delivery(database, actor)
    async with database.transaction(actor.scope) as session:
        await session.execute(update(Delivery).values(state=state))
    await note_failure(database, await _claimed(database), "the channel is gone", most_attempts=0)
    delivery = await reload(database, actor, Delivery, delivery_id)
    assert (delivery.state, delivery.due_at, delivery.detail) == (end, None, "the channel is gone")
    reopened = await reload(database, actor, Ticket, ticket.id)
    assert (reopened.status, reopened.waiting_since is not None) == ("open", end == "failed")


async def test_giving_up_waits_for_whoever_has_the_ticket(fresh_database: Database) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    ticket, delivery_id = await queued_delivery(database, actor)
    held = await _claimed(database)
    async with database.transaction(actor.scope) as session:
        await lock_ticket(session, ticket.id)
        giving_up = asyncio.create_task(note_failure(database, held, "broken", most_attempts=0))
        await asyncio.sleep(0.2)
        await session.get_one(Delivery, delivery_id, with_for_update=True, populate_existing=True)
    await giving_up
    assert (await reload(database, actor, Delivery, delivery_id)).state == "failed"


async def test_a_draft_that_is_given_up_is_marked_in_the_queue(fresh_database: Database) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    ticket = await new_ticket(database, actor)
    (held,) = await claim(database, "drafts", 1, 30)
    await note_failure(database, held, "broken", most_attempts=0)
    assert (await reload(database, actor, Draft, held.row_id)).state == "failed"
    assert (await reload(database, actor, Ticket, ticket.id)).level == "very_low"


@pytest.mark.parametrize("change", [TicketChange(spam=True), TicketChange(status="closed")])
async def test_nothing_goes_out_by_itself_into_a_ticket_that_a_person_put_away(
    fresh_database: Database, change: TicketChange
) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    ticket, draft, _ = await automatic_delivery(database, actor)
    before = await change_ticket(database, actor, ticket.id, change)
    channel = ScriptedChannel()
    await work_all(database, channel)
    assert channel.sent == []
    assert (await reload(database, actor, Ticket, ticket.id)).status == before.status
    assert (await reload(database, actor, Draft, draft.id)).state == "ready"


async def test_a_persons_reply_goes_out_in_the_place_of_the_machines(fresh_database: Database) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    ticket, draft, _ = await automatic_delivery(database, actor)
    await review.reply(database, actor, ticket.id, "Mine", based_on_seq=None, resolve=False, undo_seconds=0)
    channel = ScriptedChannel()
    await work_all(database, channel)
    assert [reply.body for reply in channel.sent] == ["Mine"]
    assert (await reload(database, actor, Ticket, ticket.id)).status == "pending"
    assert (await reload(database, actor, Draft, draft.id)).state == "superseded"


async def test_a_stopped_reply_makes_way_for_the_draft_that_was_asked_for_since(fresh_database: Database) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    ticket, draft, delivery_id = await automatic_delivery(database, actor)
    newer = await review.regenerate(database, actor, ticket.id, instruction="shorter", tone="")
    async with database.transaction(actor.scope) as session:
        await stop_sending(session, stopped=True)
    await work_all(database, ScriptedChannel())
    assert (await reload(database, actor, Delivery, delivery_id)).state == "cancelled"
    assert (await reload(database, actor, Draft, draft.id)).state == "superseded"
    assert (await reload(database, actor, Draft, newer.id)).state == "writing"


@pytest.mark.parametrize("decision", ["sent", "send_again"])
async def test_deciding_about_an_old_reply_leaves_the_newer_question_in_the_queue(
    fresh_database: Database, decision: str
) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    ticket, delivery_id = await queued_delivery(database, actor)
    await work_all(database, ScriptedChannel(SendOutcome("uncertain", "no answer")))
    await accept_message(database, actor, ticket.id, NewMessage("And another thing"), debounce_seconds=0)
    await resolve_uncertain(database, actor, delivery_id, decision)
    waiting = await reload(database, actor, Ticket, ticket.id)
    assert (waiting.status, waiting.waiting_since is not None) == ("open", True)


async def test_a_document_can_be_read_again_as_often_as_one_likes(fresh_database: Database, tmp_path: Path) -> None:
    database, actor = fresh_database, await new_owner(fresh_database)
    storage = FolderStorage(tmp_path)
    indexer = ChunkIndexer(database, storage, MiniLMEmbedder(), 30)

    async def index(held: Claim) -> None:
        await indexer.index(held.tenant_id, held.row_id, held.fence)

    most = 1
    duty = Duty("document_versions", index, 1, most_attempts=most)
    upload = Upload("a.md", b"# Backups\n\nWe keep backups for 14 days.", "a.md")
    version = await take_in(database, storage, actor.scope, upload, maximum_bytes=1_000)
    for _ in range(6 * most):
        (held,) = await claim(database, "document_versions", 1, 30)
        await WorkLoop(database, (duty,), lease_seconds=30, poll_seconds=1).do(duty, held)
        read = await reload(database, actor, DocumentVersion, version.id)
        assert (read.state, read.reason) == ("indexed", "")
        async with database.transaction(actor.scope) as session:
            await reindex_document(session, version.document_id)
