"""FAQs from being written to answering: found at once, sent only where they may be, never another tenant's."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import select, update

from desk.accounts.identity import Actor
from desk.accounts.preferences import load_preferences, save_preferences
from desk.db.leases import claim_these, database_time
from desk.db.unit_of_work import Database
from desk.delivery import DeliveryDesk
from desk.drafting.pipeline import DraftingDesk
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.faq_suggestions import suggest_faqs
from desk.faqs import FaqChange, FaqText, change_faq, create_faq, delete_faq, faq_view, list_faqs
from desk.intake import NewMessage, accept_message
from desk.models import Decision, Delivery, Draft, DraftSource, Embedding, Example, Ticket
from desk.policy.rules import set_channel_policy, stop_sending
from desk.ports import ConnectionDetails, FaqMatch, HealthCheck, OutgoingReply, SendOutcome
from learning.tenant_calibration import TenantCalibration
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.faq.lane import IndexedFaqLane
from retrieval.index_check import check_indexes
from retrieval.open_indexes import OpenIndexes
from retrieval.reembedding import embed_again, embed_learned_anew
from retrieval.retriever import FourSourceRetriever
from tests.conftest import new_owner
from tests.desk.conversations import new_ticket, reload
from tests.memory_storage import MemoryStorage

EMBEDDER = MiniLMEmbedder()
BACKUPS = FaqText(
    "How long are my backups kept?",
    "We keep every nightly backup for 30 days: https://help.example.com/backups. We will restore one free of charge.",
    category="Backups",
    phrasings=("After how many days is a backup deleted?",),
    state="published",
)


class NoModels:
    async def for_tenant(self, _: UUID) -> None:
        return None

    async def close(self) -> None:
        """Nothing to close."""


class ArrivingChannel:
    kind = "rest"

    async def send(self, _: OutgoingReply) -> SendOutcome:
        return SendOutcome("sent")

    async def reconcile(self, _: OutgoingReply) -> SendOutcome:
        return SendOutcome("sent")

    async def check(self, _: ConnectionDetails) -> tuple[HealthCheck, ...]:
        return ()


class Desk:
    def __init__(self, database: Database) -> None:
        self.database = database
        indexes = OpenIndexes(EMBEDDER)
        self.lane = IndexedFaqLane(database, EMBEDDER, indexes)
        retriever = FourSourceRetriever(database, EMBEDDER, indexes)
        self.drafting = DraftingDesk(database, retriever, self.lane, NoModels(), TenantCalibration(database))
        self.deliveries = DeliveryDesk(database, {"rest": ArrivingChannel()}, MemoryStorage(), lease_seconds=30)

    async def ask(self, actor: Actor, text: str) -> FaqMatch | None:
        return await self.lane.answer_for(actor.tenant_id, "", text)

    async def ticket(self, actor: Actor, body: str, channel: str = "widget") -> Ticket:
        ticket = await new_ticket(self.database, actor, body)
        async with self.database.transaction(actor.scope) as session:
            await session.execute(update(Ticket).where(Ticket.id == ticket.id).values(channel=channel))
        return ticket

    async def draft(self, actor: Actor, ticket: Ticket) -> Draft:
        async with self.database.transaction(actor.scope) as session:
            waiting = select(Draft.id).where(Draft.ticket_id == ticket.id, Draft.state == "writing")
            held = await claim_these(session, Draft, list((await session.execute(waiting)).scalars()), 30)
        for one in held:
            await self.drafting.work(one)
        return await reload(self.database, actor, Draft, held[0].row_id)

    async def deliver(self, actor: Actor) -> None:
        async with self.database.transaction(actor.scope) as session:
            ids = list((await session.execute(select(Delivery.id))).scalars())
            held = await claim_these(session, Delivery, ids, 30)
        for one in held:
            await self.deliveries.work(one)

    async def publish(self, actor: Actor, text: FaqText = BACKUPS) -> UUID:
        return (await create_faq(self.database, EMBEDDER, actor, text)).faq.id

    async def deliveries_of(self, actor: Actor) -> list[Delivery]:
        async with self.database.transaction(actor.scope) as session:
            return list((await session.execute(select(Delivery))).scalars())


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


# Writing and finding ---------------------------------------------------------------------------------------


async def test_what_is_published_answers_the_next_question_and_what_is_retired_none(desk: Desk, actor: Actor) -> None:
    faq_id = await desk.publish(actor, replace(BACKUPS, state="draft"))
    assert await desk.ask(actor, BACKUPS.question) is None
    await change_faq(desk.database, EMBEDDER, actor, faq_id, FaqChange(state="published"))
    for question in (BACKUPS.question, *BACKUPS.phrasings):
        match = await desk.ask(actor, f"Hello,\n\n{question.upper()}\n\nKind regards\nAda")
        assert match is not None
        assert (match.hit.item_id, match.certain, match.hit.text) == (faq_id, True, BACKUPS.answer)
    new = FaqChange(question="What does a restore cost?", phrasings=(), answer="Nothing.")
    changed = await change_faq(desk.database, EMBEDDER, actor, faq_id, new)
    assert (changed.faq.version, changed.phrasings) == (2, ())
    assert not (old := await desk.ask(actor, BACKUPS.phrasings[0])) or not old.certain
    match = await desk.ask(actor, "what does a restore cost")
    assert match is not None
    assert (match.hit.text, match.hit.version) == ("Nothing.", 2)
    await change_faq(desk.database, EMBEDDER, actor, faq_id, FaqChange(state="retired"))
    assert await desk.ask(actor, "What does a restore cost?") is None


async def test_a_deleted_faq_leaves_nothing_that_could_be_found(desk: Desk, actor: Actor) -> None:
    faq_id = await desk.publish(actor)
    assert await desk.ask(actor, BACKUPS.question) is not None
    await delete_faq(desk.database, actor, faq_id)
    assert await desk.ask(actor, BACKUPS.question) is None
    async with desk.database.transaction(actor.scope) as session:
        assert (await session.execute(select(Embedding))).all() == []
    with pytest.raises(NotFoundError):
        await faq_view(desk.database, actor, faq_id)


async def test_the_same_question_is_not_kept_twice(desk: Desk, actor: Actor) -> None:
    await desk.publish(actor)
    with pytest.raises(ConflictError):
        await desk.publish(actor, replace(BACKUPS, question="  how long are my BACKUPS kept"))
    other = await desk.publish(actor, replace(BACKUPS, question="Is a restore free?", phrasings=()))
    with pytest.raises(ConflictError):
        await change_faq(desk.database, EMBEDDER, actor, other, FaqChange(question=BACKUPS.question))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"question": " ?! "}, "question is empty"),
        ({"answer": "\x00 \n"}, "answer is empty"),
        ({"question": "w" * 501}, "at most 500"),
        ({"phrasings": tuple(f"phrasing {number}" for number in range(51))}, "at most 50"),
        ({"state": "live"}, "draft, published, retired"),
    ],
)
async def test_what_cannot_be_used_says_why(desk: Desk, actor: Actor, change: dict[str, str], reason: str) -> None:
    with pytest.raises(InvalidInputError, match=reason):
        await desk.publish(actor, replace(BACKUPS, **change))


async def test_looking_up_finds_other_words_slips_and_drafts(desk: Desk, actor: Actor) -> None:
    first = await desk.publish(actor)
    second = await desk.publish(actor, FaqText("Which name servers do I need?", "ns1.example.com", "DNS"))

    async def found(query: str | None, **filters: str) -> list[UUID]:
        wanted = {"category": None, "state": None, **filters}
        page = await list_faqs(desk.database, desk.lane, actor, query=query, limit=10, offset=0, **wanted)
        assert page.total == len(page.items)
        return [view.faq.id for view in page.items]

    assert await found(None) == [first, second]
    assert (await found("how many days do you store a copy of my data"))[:1] == [first]
    assert await found("how lnog are my bakcups kept") == [first]
    assert await found("NAME SERVERS") == [second], "a draft is not searched by the lane, but it is found here"
    assert await found("backups", category="DNS") == []
    assert await found(None, state="draft") == [second]


async def test_another_tenant_neither_sees_nor_gets_the_answer(desk: Desk, actor: Actor) -> None:
    faq_id = await desk.publish(actor)
    stranger = await new_owner(desk.database)
    assert await desk.ask(actor, BACKUPS.question) is not None
    assert await desk.ask(stranger, BACKUPS.question) is None
    page = await list_faqs(
        desk.database, desk.lane, stranger, query="backups", category=None, state=None, limit=10, offset=0
    )
    assert page.items == []
    for forbidden in (
        faq_view(desk.database, stranger, faq_id),
        change_faq(desk.database, EMBEDDER, stranger, faq_id, FaqChange(answer="Mine")),
        delete_faq(desk.database, stranger, faq_id),
    ):
        with pytest.raises(NotFoundError):
            await forbidden
    await desk.publish(stranger, replace(BACKUPS, answer="Ours stay 7 days."))
    mine, theirs = await desk.ask(actor, BACKUPS.question), await desk.ask(stranger, BACKUPS.question)
    assert mine is not None
    assert theirs is not None
    assert (mine.hit.text, theirs.hit.text) == (BACKUPS.answer, "Ours stay 7 days.")


async def test_lost_vectors_come_back_and_the_index_agrees_with_the_rows(desk: Desk, actor: Actor) -> None:
    await desk.publish(actor)
    async with desk.database.transaction(actor.scope) as session:
        for row in (await session.execute(select(Embedding))).scalars():
            await session.delete(row)
    assert any(
        "2 of 2 faq" in problem
        for problem in (await check_indexes(desk.database, EMBEDDER, actor.tenant_id)).problems()
    )
    assert await embed_again(desk.database, EMBEDDER, actor.tenant_id) == 2
    assert await embed_again(desk.database, EMBEDDER, actor.tenant_id) == 0
    assert (await check_indexes(desk.database, EMBEDDER, actor.tenant_id)).problems() == []
    assert await embed_learned_anew(desk.database, EMBEDDER, actor.tenant_id) == 2
    assert await desk.ask(actor, BACKUPS.question) is not None


# Answering -------------------------------------------------------------------------------------------------


async def test_on_a_live_channel_a_sure_match_goes_out_without_a_person(desk: Desk, actor: Actor) -> None:
    faq_id = await desk.publish(actor)
    ticket = await desk.ticket(actor, "How long are my backups kept?")
    draft = await desk.draft(actor, ticket)
    assert (draft.state, draft.writer, draft.body, draft.presentation) == (
        "sent",
        "faq",
        BACKUPS.answer,
        "prefilled",
    )
    assert all(check["passed"] for check in draft.checks)
    (delivery,) = await desk.deliveries_of(actor)
    assert (delivery.is_automatic, delivery.body, delivery.state) == (True, BACKUPS.answer, "sent")
    async with desk.database.transaction(actor.scope) as session:
        source = (await session.execute(select(DraftSource).where(DraftSource.used))).scalar_one()
        record = (await session.execute(select(Decision.record))).scalar_one()
    assert (source.kind, source.item_id, source.title) == ("faq", faq_id, BACKUPS.question)
    assert (record["faq"]["id"], record["faq"]["how"], record["faq"]["certain"]) == (str(faq_id), "exact", True)
    view = await faq_view(desk.database, actor, faq_id)
    assert (view.asked, view.sent) == (1, 1)


@pytest.mark.parametrize(
    ("channel", "body", "reason"),
    [
        ("rest", "How long are my backups kept?", "faq_off"),
        ("email", "How long are my backups kept?", "faq_off"),
        ("widget", "For how many days will you be keeping the backups of my site?", "faq_uncertain"),
        ("chat", "How long are my backups not kept?", "faq_uncertain"),
    ],
)
async def test_elsewhere_or_when_it_is_only_likely_it_is_a_suggestion(
    desk: Desk, actor: Actor, channel: str, body: str, reason: str
) -> None:
    await desk.publish(actor)
    draft = await desk.draft(actor, await desk.ticket(actor, body, channel))
    assert (draft.state, draft.writer, draft.body) == ("ready", "faq", BACKUPS.answer)
    assert draft.policy is not None
    assert draft.policy["decision"] == "suggest"
    assert reason in draft.policy["reasons"]
    assert await desk.deliveries_of(actor) == []


async def test_the_switch_of_a_channel_holds_and_survives_other_changes_of_its_policy(desk: Desk, actor: Actor) -> None:
    await desk.publish(actor)
    numbers = {"threshold": 75.0, "daily_cap": 10, "ticket_cap": 3, "delay_seconds": 5}

    async def decision(channel: str) -> str:
        draft = await desk.draft(actor, await desk.ticket(actor, BACKUPS.question, channel))
        assert draft.policy is not None
        return str(draft.policy["decision"])

    async def policy(channel: str, **changes: object) -> None:
        async with desk.database.transaction(actor.scope) as session:
            await set_channel_policy(session, **{"channel": channel, "mode": "off", **numbers, **changes})

    await policy("widget")
    assert await decision("widget") == "send", "a new policy starts with the channel's default"
    await policy("widget", faq_send=False)
    await policy("widget", delay_seconds=9, mode="threshold")
    assert await decision("widget") == "suggest"
    await policy("rest", faq_send=True)
    assert await decision("rest") == "send"
    await policy("rest", daily_cap=1)
    assert await decision("rest") == "suggest"


async def test_what_always_goes_to_a_person_comes_before_the_faq(desk: Desk, actor: Actor) -> None:
    await desk.publish(actor)
    await desk.publish(
        actor, FaqText("How do I cancel my contract?", "With one click in your account.", state="published")
    )
    ticket = await desk.ticket(actor, "How do I cancel my contract?")
    draft = await desk.draft(actor, ticket)
    assert (draft.writer, draft.state, (draft.policy or {})["reasons"]) == ("faq", "ready", ["keyword"])
    assert (await reload(desk.database, actor, Ticket, ticket.id)).escalation_reason == "keyword"
    async with desk.database.transaction(actor.scope) as session:
        preferences = await load_preferences(session)
        intent = draft.intent or {}
        rules = msgspec.structs.replace(preferences.escalation, keywords=(), topics=(intent["label"],))
        await save_preferences(session, msgspec.structs.replace(preferences, escalation=rules))
    by_topic = await desk.draft(actor, await desk.ticket(actor, "How do I cancel my contract?"))
    assert (by_topic.policy or {})["reasons"] == ["topic"]
    async with desk.database.transaction(actor.scope) as session:
        await stop_sending(session, stopped=True)
    stopped = await desk.draft(actor, await desk.ticket(actor, BACKUPS.question))
    assert "stopped" in (stopped.policy or {})["reasons"]
    assert await desk.deliveries_of(actor) == []


async def test_the_same_answer_is_not_given_twice_on_a_ticket(desk: Desk, actor: Actor) -> None:
    await desk.publish(actor)
    ticket = await desk.ticket(actor, BACKUPS.question)
    assert (await desk.draft(actor, ticket)).writer == "faq"
    await desk.deliver(actor)
    await accept_message(desk.database, actor, ticket.id, NewMessage(BACKUPS.question), debounce_seconds=0)
    again = await desk.draft(actor, ticket)
    assert again.writer != "faq"
    assert len(await desk.deliveries_of(actor)) == 1


async def test_a_question_with_something_else_beside_it_is_not_answered_by_machine(desk: Desk, actor: Actor) -> None:
    await desk.publish(actor)
    body = f"{BACKUPS.question} And my shop shows an error 500 since this morning, please look at it."
    draft = await desk.draft(actor, await desk.ticket(actor, body))
    assert draft.state != "approved"
    match = await desk.lane.answer_for(actor.tenant_id, "My shop shows an error 500 since today", BACKUPS.question)
    assert match is not None
    assert not match.certain


# Suggestions -----------------------------------------------------------------------------------------------


async def test_answers_given_again_and_again_are_suggested_without_names(desk: Desk, actor: Actor) -> None:
    async with desk.database.transaction(actor.scope) as session:
        now = await database_time(session)

        def example(question: str, answer: str, customer: str) -> Example:
            return Example(
                question=question,
                answer=answer,
                origin="approved",
                ticket_id=uuid4(),
                customer_name=customer,
                answered_at=now,
            )

        text = "Hello {}, please clear the cache of your browser and load the page again. Then it will work."
        asked = ("Old page\n\nWhy do I still see the old page?", "Old page\n\nMy change does not show up", "Cache?")
        for question, name in zip(asked, ("Ada", "Ben", "Carla"), strict=True):
            session.add(example(question, text.format(name), name))
        session.add(example("Something else", "That happened only once, and we have repaired it.", "Dora"))
        for name in ("Ada", "Ben", "Carla", "Dora"):
            session.add(example(BACKUPS.question, BACKUPS.answer, name))
    await desk.publish(actor)
    (suggestion,) = await suggest_faqs(desk.database, actor, 10)
    assert (suggestion.times, len(suggestion.ticket_ids)) == (3, 3)
    assert "clear the cache" in suggestion.answer
    assert not any(name in suggestion.answer for name in ("Ada", "Ben", "Carla"))
    assert "Why do I still see the old page?" in (suggestion.question, *suggestion.phrasings)
    assert await suggest_faqs(desk.database, await new_owner(desk.database), 10) == []
