"""Mood and urgency: read from words in four languages, raising priority, never touching a guard."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import desk
from desk.accounts.identity import Actor
from desk.db.unit_of_work import Database
from desk.intake import NewMessage, accept_message
from desk.models import Ticket
from desk.models.tickets import PRIORITIES
from desk.signals.raising import asked_priority, raise_for_waiting, raised
from desk.signals.reading import read_signals
from desk.tickets.changes import TicketChange, change_ticket
from tests.desk.conversations import new_ticket, reload


@pytest.mark.parametrize(
    ("text", "sentiment", "urgency"),
    [
        ("How long are backups kept?", "neutral", "none"),
        ("This is unacceptable, I am furious.", "negative", "none"),
        ("I am not happy with this at all.", "negative", "none"),
        ("It is not terrible, thank you.", "positive", "none"),
        ("My site is down, please help as soon as possible", "neutral", "high"),
        ("It is not urgent, take your time.", "neutral", "none"),
        ("WHY DOES NOBODY ANSWER THIS IS UNACCEPTABLE", "negative", "raised"),
        ("Das ist eine Frechheit, ich bin enttäuscht.", "negative", "none"),
        ("Bitte dringend helfen, wir warten sofort auf Hilfe", "neutral", "high"),
        ("Ich bin nicht zufrieden.", "negative", "none"),
        ("C'est inacceptable, je suis très déçu.", "negative", "none"),
        ("Merci de répondre au plus vite, c'est urgent.", "positive", "high"),
        ("Es una vergüenza, quiero una queja.", "negative", "none"),
        ("No es urgente, gracias.", "positive", "none"),
        ("> this is terrible and urgent\nThanks, all good.", "positive", "none"),
        ("", "neutral", "none"),
    ],
)
def test_words_are_read_in_four_languages_and_negation_turns_them(text: str, sentiment: str, urgency: str) -> None:
    signals = read_signals(text)
    assert (signals.sentiment, signals.urgency) == (sentiment, urgency), signals.reasons


def test_waiting_and_asking_again_press() -> None:
    assert read_signals("Hello?").urgency == "none"
    assert read_signals("Hello?", repeated=2).urgency == "raised"
    pressed = read_signals("Hello?", repeated=2, waiting_hours=30)
    assert (pressed.urgency, pressed.reasons) == ("high", ("3 messages without an answer", "waiting for 30 hours"))


@settings(max_examples=200)
@given(
    st.text(max_size=300),
    st.sampled_from(PRIORITIES),
    st.sampled_from(PRIORITIES),
    st.integers(0, 9),
    st.floats(0, 1000),
)
def test_no_words_ever_lower_a_priority(text: str, priority: str, before: str, repeated: int, waiting: float) -> None:
    signals = read_signals(text, repeated=repeated, waiting_hours=waiting)
    assert signals == read_signals(text, repeated=repeated, waiting_hours=waiting)
    then = raised(priority, signals, before)
    assert PRIORITIES.index(then) >= PRIORITIES.index(priority)
    if PRIORITIES.index(asked_priority(signals)) <= PRIORITIES.index(before):
        assert then == priority


def test_nothing_that_decides_or_writes_reads_signals_or_priority() -> None:
    """Guards cannot be lowered by what they do not see: policy, drafting, delivery and checks know of neither."""
    root = Path(desk.__file__).parent
    files = [*(root / "policy").glob("**/*.py"), *(root / "drafting").glob("**/*.py"), root / "delivery.py"]
    assert len(files) > 30
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            read = node.attr if isinstance(node, ast.Attribute) else ""
            module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            assert read not in {"signals", "priority"}, file
            assert not module.startswith("desk.signals"), file


async def test_a_ticket_is_raised_and_stays_where_a_person_puts_it_until_more_is_said(
    database: Database, actor: Actor
) -> None:
    calm = await new_ticket(database, actor)
    assert (calm.priority, calm.signals["sentiment"]) == ("normal", "neutral")
    upset = await new_ticket(database, actor, "This is unacceptable. I am furious.")
    assert (upset.priority, upset.signals["reasons"]) == ("high", ["“unacceptable”", "“furious”"])
    await change_ticket(database, actor, upset.id, TicketChange(priority="low"))
    again = NewMessage("It is still unacceptable.")
    await accept_message(database, actor, upset.id, again, debounce_seconds=0)
    assert (await reload(database, actor, Ticket, upset.id)).priority == "low", "nothing new was said"
    worse = NewMessage("Our site is down, this is an emergency and unacceptable!!!")
    await accept_message(database, actor, upset.id, worse, debounce_seconds=0)
    assert (await reload(database, actor, Ticket, upset.id)).priority == "urgent"


async def test_waiting_alone_raises_a_ticket_once_and_what_a_person_put_down_stays_down(
    database: Database, actor: Actor
) -> None:
    waiting, fresh = await new_ticket(database, actor), await new_ticket(database, actor)
    async with database.transaction(actor.scope) as session:
        row = await session.get_one(Ticket, waiting.id)
        row.waiting_since = datetime.now(UTC) - timedelta(hours=25)
    async with database.transaction(actor.scope) as session:
        assert await raise_for_waiting(session) == 1
    raised_one = await reload(database, actor, Ticket, waiting.id)
    assert (raised_one.priority, raised_one.signals["reasons"]) == ("high", ["waiting for 25 hours"])
    assert (await reload(database, actor, Ticket, fresh.id)).priority == "normal"
    await change_ticket(database, actor, waiting.id, TicketChange(priority="low"))
    async with database.transaction(actor.scope) as session:
        assert await raise_for_waiting(session) == 0
    assert (await reload(database, actor, Ticket, waiting.id)).priority == "low"
