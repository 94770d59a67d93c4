"""Approving compares and sets: one wins, a stale one is refused, undo undoes everything."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from desk import review
from desk.accounts.identity import Actor
from desk.db.unit_of_work import Database
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.escalation import escalate_ticket
from desk.intake import NewMessage, accept_message
from desk.models import Delivery, Draft, Review, Ticket
from learning.edits import Analyser
from tests.conftest import new_owner
from tests.desk.conversations import DRAFT, new_ticket, ready_draft, reload


async def _approve(
    database: Database,
    actor: Actor,
    draft: Draft,
    body: str | None = None,
    undo_seconds: float = 60,
    *,
    resolve: bool = True,
) -> review.Approval:
    return await review.approve(
        database,
        actor,
        Analyser(),
        draft.id,
        body=body,
        based_on_seq=draft.based_on_seq,
        resolve=resolve,
        undo_seconds=undo_seconds,
    )


async def test_of_thirty_parallel_approvals_one_wins(database: Database, actor: Actor) -> None:
    draft = await ready_draft(database, actor, await new_ticket(database, actor))
    answers = await asyncio.gather(*[_approve(database, actor, draft) for _ in range(30)], return_exceptions=True)
    assert sum(isinstance(answer, review.Approval) for answer in answers) == 1
    assert sum(isinstance(answer, ConflictError) for answer in answers) == 29
    async with database.transaction(actor.scope) as session:
        for row in (Delivery, Review):
            assert (await session.execute(select(func.count()).select_from(row))).scalar_one() == 1


async def test_a_draft_older_than_the_newest_message_is_refused(database: Database, actor: Actor) -> None:
    ticket = await new_ticket(database, actor)
    draft = await ready_draft(database, actor, ticket)
    await accept_message(database, actor, ticket.id, NewMessage("Wait, something else"), debounce_seconds=0)
    with pytest.raises(ConflictError, match="written again"):
        await _approve(database, actor, draft)
    with pytest.raises(ConflictError, match="written again"):
        await review.reply(database, actor, ticket.id, "Hello", based_on_seq=1, resolve=False, undo_seconds=0)


async def test_an_approved_draft_is_sent_as_the_agent_left_it(database: Database, actor: Actor) -> None:
    ticket = await new_ticket(database, actor)
    draft = await ready_draft(database, actor, ticket)
    approval = await _approve(database, actor, draft, DRAFT.replace("14", "30"))
    assert approval.learned == "correction"
    assert [change.kind for change in approval.analysis.changes if change.meaning] == ["duration"] or any(
        change.kind == "number" for change in approval.analysis.changes
    )
    delivery = await reload(database, actor, Delivery, approval.delivery.id)
    assert (delivery.body, delivery.state, delivery.inbound_seq) == (DRAFT.replace("14", "30"), "pending", 1)
    assert delivery.recipient["email"] == "ada@example.com"
    after = await reload(database, actor, Ticket, ticket.id)
    assert (after.status, after.waiting_since) == ("resolved", None)


async def test_undo_sends_nothing_learns_nothing_and_gives_the_draft_back(database: Database, actor: Actor) -> None:
    ticket = await new_ticket(database, actor)
    draft = await ready_draft(database, actor, ticket)
    approval = await _approve(database, actor, draft)
    await review.cancel_delivery(database, actor, approval.delivery.id)
    assert (await reload(database, actor, Delivery, approval.delivery.id)).state == "cancelled"
    assert (await reload(database, actor, Draft, draft.id)).state == "ready"
    restored = await reload(database, actor, Ticket, ticket.id)
    assert (restored.status, restored.level) == ("open", "high")
    assert restored.waiting_since is not None
    async with database.transaction(actor.scope) as session:
        assert set((await session.execute(select(Review.state))).scalars()) == {"cancelled"}
    assert (await _approve(database, actor, draft)).delivery.id != approval.delivery.id


@pytest.mark.parametrize("resolve", [True, False])
@pytest.mark.parametrize("drafted", [True, False])
async def test_a_persons_reply_settles_the_escalation_and_undo_brings_it_back(
    database: Database, actor: Actor, *, drafted: bool, resolve: bool
) -> None:
    ticket = await new_ticket(database, actor)
    draft = await ready_draft(database, actor, ticket)
    await escalate_ticket(database, actor, ticket.id, reason="keyword: refund", requested_by=None)
    since = (await reload(database, actor, Ticket, ticket.id)).escalated_at
    if drafted:
        approval = await _approve(database, actor, draft, resolve=resolve)
        delivery = approval.delivery
    else:
        delivery = await review.reply(
            database, actor, ticket.id, "I see to it.", based_on_seq=1, resolve=resolve, undo_seconds=60
        )
    settled = await reload(database, actor, Ticket, ticket.id)
    assert (settled.escalated_at, settled.escalation_reason) == (None, None)
    await review.cancel_delivery(database, actor, delivery.id)
    restored = await reload(database, actor, Ticket, ticket.id)
    assert (restored.escalated_at, restored.escalation_reason) == (since, "keyword: refund")


async def test_a_reply_sent_by_machine_leaves_the_escalation_for_a_person(database: Database, actor: Actor) -> None:
    ticket = await new_ticket(database, actor)
    await escalate_ticket(database, actor, ticket.id, reason="keyword: refund", requested_by=None)
    async with database.transaction(actor.scope) as session:
        held = await session.get_one(Ticket, ticket.id)
        await review.queue_delivery(session, held, DRAFT, draft=None, actor=None, undo_seconds=0, resolve=False)
    assert (await reload(database, actor, Ticket, ticket.id)).escalated_at is not None


async def test_undoing_an_own_reply_gives_the_set_aside_draft_back(database: Database, actor: Actor) -> None:
    ticket = await new_ticket(database, actor)
    draft = await ready_draft(database, actor, ticket)
    delivery = await review.reply(
        database, actor, ticket.id, "My own words", based_on_seq=1, resolve=False, undo_seconds=60
    )
    assert (await reload(database, actor, Draft, draft.id)).state == "superseded"
    await review.cancel_delivery(database, actor, delivery.id)
    assert (await reload(database, actor, Draft, draft.id)).state == "ready"


async def test_of_two_agents_who_answer_without_a_draft_at_once_one_wins(database: Database, actor: Actor) -> None:
    ticket = await new_ticket(database, actor)
    both = [
        review.reply(database, actor, ticket.id, f"Reply {number}", based_on_seq=1, resolve=False, undo_seconds=60)
        for number in range(2)
    ]
    answers = await asyncio.gather(*both, return_exceptions=True)
    assert sorted(type(answer).__name__ for answer in answers) == ["ConflictError", "Delivery"]


async def test_an_approval_is_refused_while_another_reply_is_on_its_way(database: Database, actor: Actor) -> None:
    ticket = await new_ticket(database, actor)
    await _approve(database, actor, await ready_draft(database, actor, ticket))
    await review.regenerate(database, actor, ticket.id, instruction="shorter", tone="")
    second = await ready_draft(database, actor, ticket)
    with pytest.raises(ConflictError, match="on its way"):
        await _approve(database, actor, second)


async def test_undo_after_the_customer_wrote_again_leaves_the_old_draft_stale(database: Database, actor: Actor) -> None:
    ticket = await new_ticket(database, actor)
    draft = await ready_draft(database, actor, ticket)
    approval = await _approve(database, actor, draft)
    await accept_message(database, actor, ticket.id, NewMessage("One more thing"), debounce_seconds=0)
    await review.cancel_delivery(database, actor, approval.delivery.id)
    assert (await reload(database, actor, Draft, draft.id)).state == "stale"


async def test_after_the_window_undo_is_refused(database: Database, actor: Actor) -> None:
    draft = await ready_draft(database, actor, await new_ticket(database, actor))
    approval = await _approve(database, actor, draft, undo_seconds=0)
    with pytest.raises(ConflictError, match="too late"):
        await review.cancel_delivery(database, actor, approval.delivery.id)


async def test_a_rejection_needs_a_reason_and_happens_once(database: Database, actor: Actor) -> None:
    draft = await ready_draft(database, actor, await new_ticket(database, actor))
    with pytest.raises(InvalidInputError, match="why"):
        await review.reject(database, actor, draft.id, reason=" ", correct_reply=None)
    await review.reject(database, actor, draft.id, reason="wrong product", correct_reply="Backups stay 30 days.")
    with pytest.raises(ConflictError):
        await review.reject(database, actor, draft.id, reason="wrong product", correct_reply=None)
    with pytest.raises(ConflictError):
        await _approve(database, actor, draft)
    async with database.transaction(actor.scope) as session:
        (row,) = (await session.execute(select(Review))).scalars()
        assert (row.learns, row.draft_body, row.sent_body, row.notes) == (
            "correction",
            DRAFT,
            "Backups stay 30 days.",
            "wrong product",
        )


async def test_regenerating_supersedes_and_only_one_draft_is_current(database: Database, actor: Actor) -> None:
    ticket = await new_ticket(database, actor)
    draft = await ready_draft(database, actor, ticket)
    wishes = [
        review.regenerate(database, actor, ticket.id, instruction=f"shorter {number}", tone="") for number in range(5)
    ]
    await asyncio.gather(*wishes)
    assert (await reload(database, actor, Draft, draft.id)).state == "superseded"
    async with database.transaction(actor.scope) as session:
        states = list((await session.execute(select(Draft.state).where(Draft.ticket_id == ticket.id))).scalars())
    assert sorted(states) == ["superseded"] * 5 + ["writing"]


async def test_another_tenants_draft_is_like_an_unknown_one(database: Database, actor: Actor) -> None:
    draft = await ready_draft(database, actor, await new_ticket(database, actor))
    stranger = await new_owner(database)
    messages: list[str] = []
    for draft_id in (draft.id, uuid4()):
        with pytest.raises(NotFoundError) as refused:
            await review.reject(database, stranger, draft_id, reason="no", correct_reply=None)
        messages.append(str(refused.value))
    assert messages[0] == messages[1]
