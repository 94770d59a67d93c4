"""Questions that nothing answered come together, and what people replied becomes knowledge without its customers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from desk.errors import ConflictError, InvalidInputError
from desk.gaps.listing import dismiss_gap, gap_view, list_gaps, snooze_gap
from desk.gaps.proposals import Acceptance, accept, propose
from desk.installation import Installation
from desk.models import Faq, GapQuestion, KnowledgeGap, ModelCall
from tests.connectors.llm.scripted_server import ScriptedServer
from tests.desk.conftest import People, Person
from tests.desk.drafting.test_pipeline import OneModel
from tests.desk.drafting.test_pipeline import server as server  # noqa: PLC0414 - a fixture
from tests.ui.upkeep import add_document, ask, index_waiting, keep_up, reply

QUESTIONS = (
    ("Ada Lovelace", "How do I move my newsletter list to you?", "My list at example-list.com has order AB-77123."),
    ("Grace Hopper", "Moving a newsletter list to you", "How can I bring my newsletter list over to you?"),
    ("Linus Pauling", "Can I import my newsletter list?", "I want to move the newsletter list of pauling-shop.de."),
)
REPLIES = (
    (
        "Hello Ada,\n\nexport the list as a CSV file and upload it under Newsletter, Import. Up to 5,000 addresses "
        "can be imported at once. I have noted ada@lovelace.example and your order AB-77123.\n\nKind regards\nMarie"
    ),
    (
        "Hi Grace,\n\nexport the list as a CSV file and upload it under Newsletter, Import. Up to 5,000 addresses "
        "can be imported at once. Call +49 30 901820 if it fails for grace-newsletters.com.\n\nBest regards\nMarie"
    ),
)


async def _gap_of(installation: Installation, owner: Person) -> KnowledgeGap:
    async with installation.database.transaction(owner.actor.scope) as session:
        (line,) = (await list_gaps(session, state="open", limit=10, offset=0)).items
    return line.gap


async def _asked(installation: Installation, owner: Person) -> None:
    tickets = [await ask(installation, owner.actor, subject, body, name) for name, subject, body in QUESTIONS]
    await ask(installation, owner.actor, "Dark mode", "Is there a dark theme for the customer area?", "Emmy Noether")
    for ticket, words in zip(tickets, REPLIES, strict=False):
        await reply(installation, owner.actor, ticket, words)
    await keep_up(installation, owner.actor.tenant_id)


async def test_alike_questions_without_an_answer_are_one_gap_with_what_people_replied(
    installation: Installation, owner: Person, people: People
) -> None:
    await _asked(installation, owner)
    async with installation.database.transaction(owner.actor.scope) as session:
        page = await list_gaps(session, state="open", limit=10, offset=0)
        assert [line.tickets for line in page.items] == [3, 1]
        view = await gap_view(session, page.items[0].gap.id)
    assert (page.items[0].answered, page.items[0].signals) == (2, {"failed": 3, "authored": 2})
    assert [one.text for one in view.replies] == [REPLIES[1], REPLIES[0]]
    stranger = await people.person(await people.tenant("Other"), "owner", f"{view.line.gap.id}@other.test")
    async with installation.database.transaction(stranger.actor.scope) as session:
        assert (await list_gaps(session, state="open", limit=10, offset=0)).total == 0


async def test_the_job_done_twice_counts_nothing_twice_and_keeps_the_groups(
    installation: Installation, owner: Person
) -> None:
    await _asked(installation, owner)
    async with installation.database.transaction(owner.actor.scope) as session:
        before = {tuple(row) for row in await session.execute(select(GapQuestion.id, GapQuestion.gap_id))}
    await ask(installation, owner.actor, "Import a newsletter list", "How do I move a newsletter list?", "Max Planck")
    await keep_up(installation, owner.actor.tenant_id)
    await keep_up(installation, owner.actor.tenant_id)
    async with installation.database.transaction(owner.actor.scope) as session:
        after = {tuple(row) for row in await session.execute(select(GapQuestion.id, GapQuestion.gap_id))}
        lines = (await list_gaps(session, state="open", limit=10, offset=0)).items
    assert before < after
    assert [line.tickets for line in lines] == [4, 1]


@pytest.mark.parametrize("form", ["article", "faq"])
async def test_a_proposal_is_made_from_the_replies_and_names_no_customer(
    installation: Installation, owner: Person, form: str
) -> None:
    await _asked(installation, owner)
    gap = next(iter(await _lines(installation, owner)))
    made = await propose(installation, owner.actor, gap.id, "faq" if form == "faq" else "article")
    assert (made.action, made.evidence, made.state) == ("create", 2, "proposed")
    assert "upload it under Newsletter, Import" in made.body
    assert made.body.startswith("Export the list")
    assert "5,000" in made.body
    assert "noted" not in made.body, "what was said of one order is no knowledge"
    whole = f"{made.title}\n{made.body}\n{made.phrasings}".casefold()
    for planted in ("ada", "grace", "marie", "lovelace", "77123", "901820", "grace-newsletters", "kind regards"):
        assert planted not in whole, planted
    assert all(check["passed"] for check in made.checks)
    async with installation.database.transaction(owner.actor.scope) as session:
        assert (await session.execute(select(Faq.id))).first() is None


async def test_accepting_refuses_what_belongs_to_a_customer_and_publishes_the_rest_once(
    installation: Installation, owner: Person
) -> None:
    await _asked(installation, owner)
    gap = next(iter(await _lines(installation, owner)))
    made = await propose(installation, owner.actor, gap.id, "faq")
    for planted in ("Ask Grace about it.", "As with order AB-77123.", "Write to ada@lovelace.example."):
        with pytest.raises(InvalidInputError, match="belongs to a customer"):
            await accept(installation, owner.actor, made.id, Acceptance(made.title, f"{made.body} {planted}"))
    done = await accept(installation, owner.actor, made.id, Acceptance(made.title, f"{made.body} It takes a minute."))
    async with installation.database.transaction(owner.actor.scope) as session:
        faq = (await session.execute(select(Faq))).scalar_one()
    assert (faq.id, faq.state) == (done.result_id, "published")
    assert faq.answer.endswith("It takes a minute.")
    with pytest.raises(ConflictError):
        await accept(installation, owner.actor, made.id, Acceptance(made.title, made.body))
    found = await installation.faqs.answer_for(owner.actor.tenant_id, "", "How do I move my newsletter list to you?")
    assert found is not None
    async with installation.database.transaction(owner.actor.scope) as session:
        answered = (await list_gaps(session, state="answered", limit=10, offset=0)).items
    assert [line.gap.id for line in answered] == [gap.id]


async def test_a_document_that_is_about_it_is_updated_and_one_that_says_it_is_left_alone(
    installation: Installation, owner: Person
) -> None:
    await _asked(installation, owner)
    gap = next(iter(await _lines(installation, owner)))
    about = "# Newsletter list\n\nYou can move your newsletter list to us from most other services."
    document_id = await add_document(installation, owner.actor, "Newsletter list", about)
    made = await propose(installation, owner.actor, gap.id, "article")
    assert (made.action, made.target_id, made.target_title) == ("update", document_id, "Newsletter list")
    done = await accept(installation, owner.actor, made.id, Acceptance(made.title, made.body))
    await index_waiting(installation, owner.actor)
    assert done.result_id == document_id
    again = await propose(installation, owner.actor, gap.id, "article")
    assert (again.action, again.target_id) == ("nothing", document_id)


async def test_without_a_reply_there_is_nothing_to_propose(installation: Installation, owner: Person) -> None:
    await ask(installation, owner.actor, "Dark mode", "Is there a dark theme for the customer area?")
    await keep_up(installation, owner.actor.tenant_id)
    made = await propose(installation, owner.actor, (await _gap_of(installation, owner)).id, "faq")
    assert (made.action, made.body, made.evidence) == ("nothing", "", 0)
    async with installation.database.transaction(owner.actor.scope) as session:
        assert (await session.execute(select(ModelCall.id))).first() is None


async def test_a_dismissed_gap_stays_away_and_a_snoozed_one_comes_back(
    installation: Installation, owner: Person
) -> None:
    await _asked(installation, owner)
    first, second = await _lines(installation, owner)
    await dismiss_gap(installation.database, owner.actor, first.id)
    await snooze_gap(installation.database, owner.actor, second.id, 7)
    await ask(installation, owner.actor, "Newsletter list", "How do I move my newsletter list to you?", "Max Planck")
    await keep_up(installation, owner.actor.tenant_id)
    assert await _lines(installation, owner) == []
    async with installation.database.transaction(owner.actor.scope) as session:
        await session.execute(update(KnowledgeGap).values(snoozed_until=KnowledgeGap.created_at))
    assert [gap.id for gap in await _lines(installation, owner)] == [second.id]


async def _lines(installation: Installation, owner: Person) -> list[KnowledgeGap]:
    async with installation.database.transaction(owner.actor.scope) as session:
        return [line.gap for line in (await list_gaps(session, state="open", limit=10, offset=0)).items]


async def test_a_model_writes_from_neutral_replies_is_paid_for_and_cannot_slip_a_customer_in(
    installation: Installation, owner: Person, server: tuple[ScriptedServer, OneModel]
) -> None:
    await _asked(installation, owner)
    gap = next(iter(await _lines(installation, owner)))
    scripted, models = server
    told = "Export the list as a CSV file and upload it under Newsletter, Import. Up to 5,000 addresses fit at once."
    scripted.answer = {"title": "Moving a newsletter list", "text": told, "language": "en", "enough": True}
    with_model = replace(installation, models=models)
    made = await propose(with_model, owner.actor, gap.id, "article")
    assert (made.writer, made.title, made.body) == ("llm", "Moving a newsletter list", told)
    assert all(check["passed"] for check in made.checks)
    shown = json.dumps([body["messages"] for body in scripted.bodies]).casefold()
    assert "upload it under newsletter" in shown
    for planted in ("lovelace", "77123", "901820", "grace-newsletters", "marie"):
        assert planted not in shown, planted
    async with installation.database.transaction(owner.actor.scope) as session:
        assert [row.purpose for row in await session.scalars(select(ModelCall))] == ["knowledge"]

    scripted.answer = {**scripted.answer, "text": f"{told} Or write to ada@lovelace.example."}
    leaking = await propose(with_model, owner.actor, gap.id, "article")
    assert not all(check["passed"] for check in leaking.checks)
    with pytest.raises(InvalidInputError, match="belongs to a customer"):
        await accept(with_model, owner.actor, leaking.id, Acceptance(leaking.title, leaking.body))
