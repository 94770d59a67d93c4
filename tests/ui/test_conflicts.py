"""Passages that disagree are found after indexing, settled by a person, and stay settled."""

from __future__ import annotations

import pytest

from desk.conflicts import decide_pair, list_pairs, reopen_pair
from desk.db.unit_of_work import Database
from desk.documents import alike_passages, list_documents
from desk.errors import ConflictError
from desk.faqs import FaqText, create_faq
from desk.installation import Installation
from desk.knowledge import reindex_document
from desk.models import PassagePair
from desk.ports import Question
from desk.upkeep import ask_for_rebuild, rebuild_state
from retrieval.index_check import check_indexes
from tests.desk.conftest import Person
from tests.ui.upkeep import add_document, do_jobs, index_waiting, keep_up

OLD = "# Backups\n\nBackups of every web space are kept for 14 days. They are made every night at two o'clock."
NEW = "# Restoring\n\nBackups of every web space are kept for 30 days. A restore is asked for in the customer area."


async def _pairs(database: Database, owner: Person, state: str = "open") -> list[tuple[str, PassagePair]]:
    async with database.transaction(owner.actor.scope) as session:
        page = await list_pairs(session, state=state, kind=None, limit=20, offset=0)
    return [(one.pair.kind, one.pair) for one in page.items]


async def _found(installation: Installation, owner: Person) -> set[str]:
    evidence = await installation.retriever.gather(
        Question(owner.actor.tenant_id, "", "How long are backups of a web space kept?", sources=("tenant_kb",))
    )
    return {hit.title for hit in evidence.hits}


async def test_a_contradiction_is_found_settled_remembered_and_can_be_taken_back(
    installation: Installation, owner: Person
) -> None:
    database, embedder, actor = installation.database, installation.embedder, owner.actor
    await add_document(installation, actor, "Backups", OLD)
    second = await add_document(installation, actor, "Restoring", NEW)
    await keep_up(installation, actor.tenant_id)
    ((kind, pair),) = await _pairs(database, owner)
    assert kind == "contradiction"
    assert [(one["kind"], one["first"], one["second"]) for one in pair.differences] == [
        ("duration", "14 days", "30 days")
    ]
    assert await _found(installation, owner) == {"Backups", "Restoring"}
    await decide_pair(database, embedder, actor, pair.id, "first")
    assert await _found(installation, owner) == {"Backups"}
    assert (await check_indexes(database, embedder, actor.tenant_id)).problems() == []
    with pytest.raises(ConflictError):
        await decide_pair(database, embedder, actor, pair.id, "second")
    # Reading the document anew makes new rows of the same passages; what was decided still holds.
    async with database.transaction(actor.scope) as session:
        await reindex_document(session, second)
    await index_waiting(installation, actor)
    await keep_up(installation, actor.tenant_id)
    assert await _pairs(database, owner) == []
    assert await _found(installation, owner) == {"Backups"}
    ((_, decided),) = await _pairs(database, owner, "decided")
    await reopen_pair(database, embedder, installation.upkeep, actor, decided.id)
    assert await _found(installation, owner) == {"Backups", "Restoring"}


async def test_faqs_are_compared_too_and_both_may_be_right(installation: Installation, owner: Person) -> None:
    database, embedder, actor = installation.database, installation.embedder, owner.actor
    answer = "A restore of a mailbox costs 15 EUR. Write to us with the day it is to be restored to."
    text = FaqText("What does a restore of a mailbox cost?", answer, state="published")
    faq = await create_faq(database, embedder, actor, text)
    words = "# Restoring a mailbox\n\nA restore of a mailbox costs 25 EUR. It takes an hour."
    document_id = await add_document(installation, actor, "Restoring a mailbox", words)
    await keep_up(installation, actor.tenant_id)
    ((kind, pair),) = await _pairs(database, owner)
    assert (kind, {pair.first_parent, pair.second_parent}) == ("contradiction", {faq.faq.id, document_id})
    await decide_pair(database, embedder, actor, pair.id, "both")
    async with database.transaction(actor.scope) as session:
        await reindex_document(session, document_id)
    await index_waiting(installation, actor)
    await keep_up(installation, actor.tenant_id)
    assert await _pairs(database, owner) == []


async def test_a_pair_goes_when_its_document_changes(installation: Installation, owner: Person) -> None:
    await add_document(installation, owner.actor, "Backups", OLD)
    await add_document(installation, owner.actor, "Restoring", NEW)
    await keep_up(installation, owner.actor.tenant_id)
    await add_document(installation, owner.actor, "Restoring", NEW.replace("30", "14"))
    await keep_up(installation, owner.actor.tenant_id)
    assert await _pairs(installation.database, owner) == []


async def test_a_rebuild_reads_everything_anew_and_says_when_it_is_done(
    installation: Installation, owner: Person
) -> None:
    database, actor = installation.database, owner.actor
    await add_document(installation, actor, "Backups", OLD)
    state = await ask_for_rebuild(database, actor)
    assert (state.state, (await ask_for_rebuild(database, actor)).id) == ("reading", state.id)
    await do_jobs(installation, actor.tenant_id)
    async with database.transaction(actor.scope) as session:
        now = await rebuild_state(session)
    assert (now.state, now.documents_waiting) == ("reading", 1)
    await index_waiting(installation, actor)
    assert await _found(installation, owner) == {"Backups"}


async def test_documents_are_found_by_what_they_say(installation: Installation, owner: Person) -> None:
    await add_document(installation, owner.actor, "Backups", OLD)
    await add_document(installation, owner.actor, "Invoices", "# Invoices\n\nInvoices are sent as PDF on the first.")

    async def titles(q: str) -> list[tuple[str, str]]:
        alike = await alike_passages(installation.retriever, owner.actor.tenant_id, q)
        async with installation.database.transaction(owner.actor.scope) as session:
            page = await list_documents(session, category=None, state=None, q=q, limit=9, offset=0, alike=alike)
        return [(line.document.title, line.passage.text if line.passage else "") for line in page.items]

    ((title, passage),) = await titles("two o'clock night")
    assert title == "Backups"
    assert "every night at two o'clock" in passage
    assert [title for title, _ in await titles("how long do you keep my data saved")] == ["Backups"]
    assert await titles("zebra crossing") == []
