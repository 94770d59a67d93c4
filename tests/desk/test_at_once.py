"""Two who do the same thing at the same moment: both get what they asked for, and nothing is lost or left over."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Sequence
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from sqlalchemy import delete, func, select
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from connectors.storage.folder import FolderStorage
from desk.accounts.preferences import load_preferences, save_weights
from desk.accounts.registration import register
from desk.accounts.tenants import all_tenants, ensure_global_tenant
from desk.db.index_log import put_items
from desk.db.tenancy import OPERATOR_SCOPE
from desk.db.unit_of_work import Database
from desk.drafting.prompts import STANDARD_PROMPT, activate, add_version, ensure_standard_prompt
from desk.errors import InvalidInputError
from desk.intake import CustomerDetails, NewTicket, accept_ticket
from desk.knowledge import Upload, take_in
from desk.learned import purge_example
from desk.models import DocumentVersion, Embedding, Example, PromptVersion, Tenant
from desk.policy.tenant_policy import PolicyChange, change_policy
from desk.ports import SourceWeights, Vectors
from retrieval.reembedding import embed_again
from tests.conftest import new_owner


async def _all(*calls: Awaitable[object]) -> None:
    async with asyncio.timeout(30):
        await asyncio.gather(*calls)


async def test_several_processes_prepare_an_empty_database_at_once(fresh_database: Database) -> None:
    async with fresh_database.transaction(OPERATOR_SCOPE) as session:
        await session.execute(delete(Tenant))
    await _all(*[ensure_global_tenant(fresh_database) for _ in range(4)])
    await _all(*[ensure_standard_prompt(fresh_database) for _ in range(4)])
    async with fresh_database.transaction(OPERATOR_SCOPE) as session:
        assert (await session.execute(select(func.count()).select_from(PromptVersion))).scalar_one() == 1


async def test_prompt_versions_made_and_activated_at_once_follow_each_other(fresh_database: Database) -> None:
    actor = await new_owner(fresh_database)
    made: list[UUID] = []

    async def add() -> None:
        async with fresh_database.transaction(actor.scope) as session:
            made.append((await add_version(session, STANDARD_PROMPT, created_by="ada")).id)

    async def switch_to(prompt_id: UUID) -> None:
        async with fresh_database.transaction(actor.scope) as session:
            await activate(session, prompt_id)

    await _all(*[add() for _ in range(4)])
    await _all(*[switch_to(prompt_id) for prompt_id in made])
    async with fresh_database.transaction(actor.scope) as session:
        own = select(PromptVersion).where(PromptVersion.tenant_id == actor.tenant_id)
        versions = list((await session.execute(own)).scalars())
    assert sorted(version.number for version in versions) == [1, 2, 3, 4]
    assert sum(version.is_active for version in versions) == 1


async def test_the_same_file_uploaded_twice_at_once_is_one_document(fresh_database: Database, tmp_path: Path) -> None:
    actor = await new_owner(fresh_database)
    uploads = [Upload("a.md", f"text {number}".encode(), "a.md") for number in range(4)]
    storage = FolderStorage(tmp_path)
    await _all(*[take_in(fresh_database, storage, actor.scope, upload, maximum_bytes=100) for upload in uploads])
    async with fresh_database.transaction(actor.scope) as session:
        rows = await session.execute(select(DocumentVersion.document_id, DocumentVersion.number))
        versions = [(row.document_id, row.number) for row in rows]
    assert len({document_id for document_id, _ in versions}) == 1
    assert sorted(number for _, number in versions) == [1, 2, 3, 4]


async def test_two_people_who_tune_different_things_keep_both(fresh_database: Database) -> None:
    actor = await new_owner(fresh_database)
    changed = asyncio.Event()

    async def links() -> None:
        async with fresh_database.transaction(actor.scope) as session:
            await change_policy(session, PolicyChange(allowed_links=["a.example"]))
            changed.set()
            await asyncio.sleep(0.2)

    async def weights() -> None:
        await changed.wait()
        async with fresh_database.transaction(actor.scope) as session:
            await save_weights(session, SourceWeights(1, 1, 1, 1))

    await _all(links(), weights())
    async with fresh_database.transaction(actor.scope) as session:
        preferences = await load_preferences(session)
    assert (preferences.allowed_links, preferences.weights.example) == (("a.example",), 0.25)


async def test_a_tenant_without_an_owner_is_not_left_behind(fresh_database: Database) -> None:
    with pytest.raises(DBAPIError):
        await register(fresh_database, tenant="Foo", email="a@b.example", password="x" * 12, name="A\x00")
    assert await all_tenants(fresh_database) == []


@pytest.mark.parametrize("whose", ["ticket", "customer"])
async def test_an_id_too_long_to_look_up_is_refused(fresh_database: Database, whose: str) -> None:
    actor = await new_owner(fresh_database)
    long = secrets.token_hex(5_000)
    customer = CustomerDetails(external_id=long if whose == "customer" else "1")
    ticket = NewTicket("Subject", "Body", customer, external_id=long if whose == "ticket" else None)
    with pytest.raises(InvalidInputError):
        await accept_ticket(fresh_database, actor, ticket, debounce_seconds=0)


async def test_a_document_of_more_pieces_than_a_statement_takes(fresh_database: Database) -> None:
    actor = await new_owner(fresh_database)
    ids = [uuid7() for _ in range(4_000)]
    async with fresh_database.transaction(actor.scope) as session:
        await put_items(session, "knowledge", ids, np.ones((len(ids), 2), dtype=np.float32), "m")
        assert (await session.execute(select(func.count()).select_from(Embedding))).scalar_one() == 4_000


async def test_what_is_purged_while_it_is_embedded_again_does_not_come_back(fresh_database: Database) -> None:
    actor, example_id = await new_owner(fresh_database), uuid7()
    async with fresh_database.transaction(actor.scope) as session:
        session.add(Example(id=example_id, question="q", answer="a", origin="approved", answered_at=func.now()))
        await session.flush()
        await put_items(session, "example", [example_id], np.ones((1, 4), dtype=np.float32), "old")

    class Embedder:
        model = "new"
        dimension = 4

        async def embed(self, texts: Sequence[str]) -> Vectors:
            async with fresh_database.transaction(actor.scope) as session:
                await purge_example(session, example_id)
            return np.ones((len(texts), 4), dtype=np.float32)

    await embed_again(fresh_database, Embedder(), actor.tenant_id)
    async with fresh_database.transaction(actor.scope) as session:
        assert (await session.execute(select(func.count()).select_from(Embedding))).scalar_one() == 0
