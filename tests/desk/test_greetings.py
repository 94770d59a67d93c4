"""Who only says hello is greeted back and asked what it is about, once; whoever says more has asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.greetings import is_only_greeting
from desk.installation import Installation
from tests.desk.api.world import call
from tests.desk.conftest import Client, Person
from tests.desk.live_chat import ANSWER, HARD, QUESTION, publish_faq, worker

GREETINGS = ("Hi", "hello!", "Hey there :)", "Good morning", "Guten Tag!", "Grüß Gott", "Bonjour à tous", "¡Hola!")
MORE_GREETINGS = (
    "Buenos días",
    "Olá",
    "Bom dia",
    "Ciao",
    "Goedemorgen",
    "مرحبا",
    "السلام عليكم",
    "שלום",
    "  HI  ",
    "👋 hi",
)


@pytest.mark.parametrize("text", GREETINGS + MORE_GREETINGS)
def test_a_greeting_is_known_in_every_language_of_the_widget(text: str) -> None:
    assert is_only_greeting(text)


@pytest.mark.parametrize(
    "text", ["", "?", "Hi, my site is down", "hello world server", "day", "team", "Tag löschen", HARD]
)
def test_whoever_says_more_has_asked(text: str) -> None:
    assert not is_only_greeting(text)


@given(st.text(max_size=200))
def test_any_text_is_looked_at_without_an_error(text: str) -> None:
    assert is_only_greeting(text) in {True, False}


async def test_a_greeting_is_greeted_back_once_and_the_question_after_it_is_answered(
    client: Client, owner: Person, installation: Installation
) -> None:
    await publish_faq(client, owner)
    async with worker(installation):
        greeted = await call(client, owner, "POST", "/chat", json={"message": "Hi"})
        assert (greeted["escalate"], greeted["suggested_actions"]) == (False, ["provide_details"])
        assert greeted["answer"].startswith("Hello!")
        more = {"session_id": greeted["session_id"]}
        answered = await call(client, owner, "POST", "/chat", json={"message": QUESTION, **more})
        assert (answered["answer"], answered["escalate"]) == (ANSWER, False)
        again = await call(client, owner, "POST", "/chat", json={"message": "Hello?", **more})
        assert again["escalate"]
