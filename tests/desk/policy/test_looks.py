"""From reviews in the database to a certificate, to replies that go out under it, and to its end."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.identity import Actor
from desk.accounts.preferences import CertificationTerms, load_preferences, save_preferences, save_weights
from desk.accounts.providers import NewProvider, ProviderChange, add_provider, change_provider
from desk.db.leases import claim, database_time
from desk.db.tenancy import OPERATOR_SCOPE
from desk.db.unit_of_work import Database
from desk.drafting.prompts import activate, active_prompt, deactivate_own, duplicate, ensure_standard_prompt
from desk.errors import ConflictError, InvalidInputError
from desk.judging import judge, replies_to_check, sent_under
from desk.models import Correction, Delivery, Draft, ModelProvider, Review, SendingCertificate, Ticket
from desk.policy.decide import ChannelRules
from desk.policy.endings import revoke
from desk.policy.looks import SharedModels, look_again
from desk.policy.overview import simulate_policy, standing
from desk.policy.rules import rules_of_new_ticket, set_channel_policy
from desk.policy.tenant_policy import PolicyChange, change_policy
from desk.ports import ConfidenceSettings, SourceWeights
from desk.review import queue_delivery
from learning.edits import Analyser
from learning.store import ReviewLearner
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.open_indexes import OpenIndexes
from retrieval.retriever import FourSourceRetriever
from tests.conftest import new_owner
from tests.desk.conversations import new_ticket, reload
from tests.desk.test_delivery import ScriptedChannel, work_all

PARTS = ("example_similarity", "kb_similarity", "intent_certainty", "correction_safety")
CONFIDENCE = {"calibrated": 0.97, "score": 80.0, "level": "high", "parts": dict.fromkeys(PARTS, 0.8)}


async def certified_tenant(database: Database, mode: str = "certified") -> tuple[Actor, Ticket]:
    actor = await new_owner(database)
    ticket = await new_ticket(database, actor)
    async with database.transaction(actor.scope) as session:
        await session.execute(update(Draft).values(state="superseded", due_at=None))
        await set_channel_policy(
            session, channel="rest", mode=mode, threshold=75, daily_cap=100, ticket_cap=100, delay_seconds=0
        )
    return actor, ticket


async def review_drafts(
    database: Database, actor: Actor, ticket: Ticket, count: int, *, good: bool = True, drawn: bool = True,
    score: float = 0.97,
) -> None:  # fmt: skip
    """So many drafts that could have gone out, decided by a person."""
    async with database.transaction(actor.scope) as session:
        for _ in range(count):
            draft = Draft(
                id=uuid7(), ticket_id=ticket.id, state="sent", based_on_seq=1, body="Backups are kept for 14 days.",
                confidence={**CONFIDENCE, "calibrated": score}, blind_review=drawn,
                intent={"label": "backup", "certainty": 0.9},
            )  # fmt: skip
            session.add(draft)
            await session.flush()
            session.add(
                Review(
                    id=uuid7(),
                    ticket_id=ticket.id,
                    draft_id=draft.id,
                    action="approved" if good else "rejected",
                    reviewer="Ada",
                    question="?",
                    state="learned",
                    meaning_changed=not good,
                )
            )


MODELS = SharedModels("https://api.example.com/v1 first", "minilm")


async def look(database: Database, actor: Actor, models: SharedModels = MODELS) -> list[SendingCertificate]:
    async with database.transaction(actor.scope) as session:
        await look_again(session, actor.tenant_id, models)
    async with database.transaction(actor.scope) as session:
        found = await session.execute(select(SendingCertificate).order_by(SendingCertificate.id))
        return list(found.scalars())


async def rules(database: Database, actor: Actor) -> ChannelRules:
    async with database.transaction(actor.scope) as session:
        return await rules_of_new_ticket(session, "rest")


async def test_the_label_that_was_missing_brings_the_certificate_and_looking_twice_changes_nothing(
    fresh_database: Database,
) -> None:
    actor, ticket = await certified_tenant(fresh_database)
    await review_drafts(fresh_database, actor, ticket, 71)
    assert await look(fresh_database, actor) == []
    async with fresh_database.transaction(actor.scope) as session:
        (group,) = (await standing(session)).groups
    assert (group.progress.labels, group.progress.needed, group.certificate) == (71, 72, None)
    await review_drafts(fresh_database, actor, ticket, 1)

    (granted,) = await look(fresh_database, actor)

    assert (granted.state, granted.labels, granted.errors, granted.channels) == ("active", 72, 0, ["rest"])
    assert granted.bound <= 0.05
    assert [each.id for each in await look(fresh_database, actor)] == [granted.id]
    assert [held.id for held in (await rules(fresh_database, actor)).certificates] == [granted.id]


async def test_no_mode_no_certificate_and_another_tenants_labels_count_for_nobody_else(
    fresh_database: Database,
) -> None:
    plain, its_ticket = await certified_tenant(fresh_database, "off")
    await review_drafts(fresh_database, plain, its_ticket, 80)
    assert await look(fresh_database, plain) == []
    other, _ = await certified_tenant(fresh_database)
    assert await look(fresh_database, other) == []
    async with fresh_database.transaction(plain.scope) as session:
        found = await simulate_policy(session, mode="certified", threshold=90, last=60)
    assert (found.drafts, found.sent, found.changed) == (60, 60, 0)


async def test_drift_revokes_and_what_waited_to_be_sent_under_it_stays(fresh_database: Database) -> None:
    actor, ticket = await certified_tenant(fresh_database)
    await review_drafts(fresh_database, actor, ticket, 72)
    (granted,) = await look(fresh_database, actor)
    delivery = await let_out(fresh_database, actor, ticket, granted.id)
    await review_drafts(fresh_database, actor, ticket, 8, good=False, drawn=False)
    assert [each.state for each in await look(fresh_database, actor)] == ["active"], "nobody drew those for review"
    await review_drafts(fresh_database, actor, ticket, 4, good=False)

    (ended,) = await look(fresh_database, actor)

    assert (ended.state, bool(ended.ended_because), ended.ended_at is not None) == ("revoked", True, True)
    outbox = ScriptedChannel()
    await work_all(fresh_database, outbox)
    assert outbox.sent == []
    assert (await reload(fresh_database, actor, Delivery, delivery.id)).state == "cancelled"
    async with fresh_database.transaction(actor.scope) as session:
        page = await sent_under(session, granted.id, limit=50, offset=0)
    assert page.total == 0, "what never went out needs no recall"


Turn = Callable[[AsyncSession], Awaitable[object]]


async def new_prompt(session: AsyncSession) -> None:
    version = await duplicate(session, (await active_prompt(session)).id, created_by="Ada")
    await activate(session, version.id)


async def new_scoring(session: AsyncSession) -> None:
    preferences = await load_preferences(session)
    await save_preferences(session, replace(preferences, confidence=ConfidenceSettings(high=80)))


async def new_weights(session: AsyncSession) -> None:
    await save_weights(session, SourceWeights(0.1, 0.4, 0.4, 0.1))


async def new_provider(session: AsyncSession) -> ModelProvider:
    return await add_provider(session, NewProvider("One", "https://api.example.com/v1", "m"))


async def other_words(session: AsyncSession) -> None:
    await save_preferences(session, replace(await load_preferences(session), disclaimer="Ask us for a person."))


@pytest.mark.parametrize(
    ("turn", "why"),
    [
        (new_prompt, "the prompt Standard reply, version 1, was activated"),
        (new_weights, "the weights of the sources were changed"),
        (new_scoring, "the way drafts are scored was changed"),
        (new_provider, "the language models were changed"),
    ],
)
async def test_what_changes_the_drafts_ends_every_certificate_and_the_labels_begin_anew(
    fresh_database: Database, turn: Turn, why: str
) -> None:
    await ensure_standard_prompt(fresh_database)
    actor, ticket = await certified_tenant(fresh_database)
    await review_drafts(fresh_database, actor, ticket, 72)
    await look(fresh_database, actor)
    async with fresh_database.transaction(actor.scope) as session:
        await other_words(session)
    assert [each.state for each in await look(fresh_database, actor)] == ["active"], "that changes no draft's worth"

    async with fresh_database.transaction(actor.scope) as session:
        await turn(session)

    (ended,) = await look(fresh_database, actor)
    assert (ended.state, ended.ended_because) == ("revoked", why)
    async with fresh_database.transaction(actor.scope) as session:
        (group,) = (await standing(session)).groups
    assert (group.labels, group.progress.look) == (0, 2), "looks that were spent stay spent"
    with pytest.raises(ConflictError):
        async with fresh_database.transaction(actor.scope) as session:
            await revoke(session, ended.id, "again")


async def test_the_same_again_ends_nothing_and_back_to_the_standard_prompt_does(fresh_database: Database) -> None:
    await ensure_standard_prompt(fresh_database)
    actor, ticket = await certified_tenant(fresh_database)
    async with fresh_database.transaction(actor.scope) as session:
        await new_prompt(session)
        provider = await new_provider(session)
    await review_drafts(fresh_database, actor, ticket, 72)
    assert [each.state for each in await look(fresh_database, actor)] == ["active"]

    async with fresh_database.transaction(actor.scope) as session:
        await activate(session, (await active_prompt(session)).id)
        await save_weights(session, SourceWeights(*(2 * each for each in (0.2, 0.3, 0.35, 0.15))))
        await change_provider(session, provider.id, ProviderChange(name="The first", api_key="changed"))
    assert [each.state for each in await look(fresh_database, actor)] == ["active"]
    async with fresh_database.transaction(actor.scope) as session:
        await deactivate_own(session)
    assert [each.ended_because for each in await look(fresh_database, actor)] == ["the standard prompt is used again"]


async def test_a_new_standard_prompt_ends_the_certificates_of_those_who_use_it(fresh_database: Database) -> None:
    await ensure_standard_prompt(fresh_database)
    actor, ticket = await certified_tenant(fresh_database)
    own, its_ticket = await certified_tenant(fresh_database)
    async with fresh_database.transaction(own.scope) as session:
        await new_prompt(session)
    for who, of in ((actor, ticket), (own, its_ticket)):
        await review_drafts(fresh_database, who, of, 72)
        await look(fresh_database, who)

    async with fresh_database.transaction(OPERATOR_SCOPE) as session:
        await new_prompt(session)

    assert [each.ended_because for each in await look(fresh_database, actor)] == ["the standard prompt has changed"]
    assert [each.state for each in await look(fresh_database, own)] == ["active"]


async def test_drafts_written_before_the_change_count_for_nothing_whenever_they_are_reviewed(
    fresh_database: Database,
) -> None:
    actor, ticket = await certified_tenant(fresh_database, "off")
    await review_drafts(fresh_database, actor, ticket, 40)
    async with fresh_database.transaction(actor.scope) as session:
        await new_scoring(session)
        await session.execute(update(Review).values(created_at=await database_time(session) + timedelta(minutes=1)))
        await set_channel_policy(
            session, channel="rest", mode="certified", threshold=75, daily_cap=9, ticket_cap=9, delay_seconds=0
        )
    await review_drafts(fresh_database, actor, ticket, 3)

    await look(fresh_database, actor)

    async with fresh_database.transaction(actor.scope) as session:
        (group,) = (await standing(session)).groups
    assert group.labels == 3


async def test_terms_nobody_should_accept_are_refused(fresh_database: Database) -> None:
    actor, _ = await certified_tenant(fresh_database)
    for terms in (
        CertificationTerms(risk=0.0),
        CertificationTerms(confidence=1.0),
        CertificationTerms(review_share=0.0),
    ):
        with pytest.raises(InvalidInputError):
            async with fresh_database.transaction(actor.scope) as session:
                await change_policy(session, PolicyChange(certification=terms))


async def test_a_reply_looked_at_afterwards_is_a_label_and_teaches(fresh_database: Database) -> None:
    actor, ticket = await certified_tenant(fresh_database)
    await review_drafts(fresh_database, actor, ticket, 72)
    (granted,) = await look(fresh_database, actor)
    delivery = await let_out(fresh_database, actor, ticket, granted.id, asked=True)
    await work_all(fresh_database, ScriptedChannel())
    async with fresh_database.transaction(actor.scope) as session:
        page = await replies_to_check(session, limit=50, offset=0)
    assert [row[0].id for row in page.items] == [delivery.id]
    with pytest.raises(InvalidInputError):
        await judge(fresh_database, actor, Analyser(), delivery.id, good=False)

    await judge(
        fresh_database, actor, Analyser(), delivery.id, good=False, correct_reply="Backups are kept for 30 days."
    )

    with pytest.raises(ConflictError):
        await judge(fresh_database, actor, Analyser(), delivery.id, good=True)
    embedder = MiniLMEmbedder()
    retriever = FourSourceRetriever(fresh_database, embedder, OpenIndexes(embedder))
    learner = ReviewLearner(fresh_database, embedder, retriever)
    for held in await claim(fresh_database, "reviews", 10, 30):
        await learner.learn(held.tenant_id, held.row_id, held.fence)
    async with fresh_database.transaction(actor.scope) as session:
        (learned,) = (await session.execute(select(Correction))).scalars()
        (group,) = (await standing(session)).groups
    assert learned.instead == "Backups are kept for 30 days."
    assert group.labels == 73


async def let_out(
    database: Database, actor: Actor, ticket: Ticket, certificate_id: UUID, *, asked: bool = False
) -> Delivery:
    async with database.transaction(actor.scope) as session:
        draft = Draft(
            id=uuid7(), ticket_id=ticket.id, state="approved", based_on_seq=1, body="Backups are kept for 14 days.",
            confidence=CONFIDENCE, blind_review=asked, writer="passages",
        )  # fmt: skip
        session.add(draft)
        await session.flush()
        ticket = await session.get_one(Ticket, ticket.id)
        delivery = await queue_delivery(
            session, ticket, draft.body, draft=draft, actor=None, undo_seconds=0, resolve=False
        )
        delivery.certificate_id, delivery.judgement = certificate_id, "asked" if asked else None
        delivery.due_at = await database_time(session) - timedelta(seconds=1)
    return delivery


async def test_another_model_of_the_installations_ends_certificates_of_those_who_write_with_it(
    fresh_database: Database,
) -> None:
    actor, ticket = await certified_tenant(fresh_database)
    await review_drafts(fresh_database, actor, ticket, 72)
    (granted,) = await look(fresh_database, actor)
    assert granted.state == "active"
    (ended,) = await look(
        fresh_database, actor, dataclasses.replace(MODELS, writing="https://api.example.com/v1 second")
    )
    assert (ended.state, ended.ended_because) == ("revoked", "the installation's language models were changed")


async def test_a_tenant_with_a_provider_of_its_own_keeps_its_certificate_until_search_changes(
    fresh_database: Database,
) -> None:
    actor, ticket = await certified_tenant(fresh_database)
    async with fresh_database.transaction(actor.scope) as session:
        await add_provider(session, NewProvider("Own", "https://llm.example.com/v1", "own"))
    await review_drafts(fresh_database, actor, ticket, 72)
    (granted,) = await look(fresh_database, actor)
    (kept,) = await look(fresh_database, actor, dataclasses.replace(MODELS, writing=""))
    assert (granted.state, kept.state) == ("active", "active")
    (ended,) = await look(fresh_database, actor, dataclasses.replace(MODELS, writing="", searching="other"))
    assert (ended.state, ended.ended_because) == ("revoked", "texts are searched by another embedding model")
