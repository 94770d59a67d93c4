"""From reviews in the database to a certificate, to replies that go out under it, and to its end."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update
from uuid_utils.compat import uuid7

from desk.accounts.identity import Actor
from desk.accounts.preferences import CertificationTerms
from desk.db.leases import claim, database_time
from desk.db.unit_of_work import Database
from desk.errors import ConflictError, InvalidInputError
from desk.judging import judge, replies_to_check, sent_under
from desk.models import Correction, Delivery, Draft, Review, SendingCertificate, Ticket
from desk.policy.decide import ChannelRules
from desk.policy.looks import end_all, look_again, revoke
from desk.policy.overview import simulate_policy, standing
from desk.policy.rules import rules_of_new_ticket, set_channel_policy
from desk.policy.tenant_policy import PolicyChange, change_policy
from desk.review import queue_delivery
from learning.edits import Analyser
from learning.store import ReviewLearner
from retrieval.embedding.minilm import MiniLMEmbedder
from tests.conftest import new_owner
from tests.desk.conversations import new_ticket, reload
from tests.desk.test_delivery import ScriptedChannel, work_all


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
                confidence={"calibrated": score, "score": 80.0, "level": "high"}, blind_review=drawn,
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


async def look(database: Database, actor: Actor) -> list[SendingCertificate]:
    async with database.transaction(actor.scope) as session:
        await look_again(session, actor.tenant_id)
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
    delivery = await _let_out(fresh_database, actor, ticket, granted.id)
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


async def test_what_changes_the_drafts_ends_every_certificate_and_the_labels_begin_anew(
    fresh_database: Database,
) -> None:
    actor, ticket = await certified_tenant(fresh_database)
    await review_drafts(fresh_database, actor, ticket, 72)
    await look(fresh_database, actor)
    async with fresh_database.transaction(actor.scope) as session:
        assert await end_all(session, actor.tenant_id, "the prompt was changed") == 1
    (ended,) = await look(fresh_database, actor)
    assert (ended.state, ended.ended_because) == ("revoked", "the prompt was changed")
    async with fresh_database.transaction(actor.scope) as session:
        (group,) = (await standing(session)).groups
    assert (group.labels, group.progress.look) == (0, 2), "looks that were spent stay spent"
    with pytest.raises(ConflictError):
        async with fresh_database.transaction(actor.scope) as session:
            await revoke(session, ended.id, "again")


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
    delivery = await _let_out(fresh_database, actor, ticket, granted.id, asked=True)
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
    learner = ReviewLearner(fresh_database, MiniLMEmbedder())
    for held in await claim(fresh_database, "reviews", 10, 30):
        await learner.learn(held.tenant_id, held.row_id, held.fence)
    async with fresh_database.transaction(actor.scope) as session:
        (learned,) = (await session.execute(select(Correction))).scalars()
        (group,) = (await standing(session)).groups
    assert learned.instead == "Backups are kept for 30 days."
    assert group.labels == 73


async def _let_out(
    database: Database, actor: Actor, ticket: Ticket, certificate_id: UUID, *, asked: bool = False
) -> Delivery:
    async with database.transaction(actor.scope) as session:
        draft = Draft(
            id=uuid7(), ticket_id=ticket.id, state="approved", based_on_seq=1, body="Backups are kept for 14 days.",
            confidence={"calibrated": 0.97, "score": 80.0, "level": "high"}, blind_review=asked, writer="passages",
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
