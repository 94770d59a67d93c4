"""Which answers say the same, which follow another, and which only differ in what is personal."""

from __future__ import annotations

import pytest

from learning.hygiene import Answered, relation

QUESTION = "Shipping\n\nWhere is my order 4711, and when will it come?"
ANSWER = "Orders are delivered within 5 days. Yours, 4711, left our house today."


@pytest.mark.parametrize(
    ("question", "answer", "name", "expected"),
    [
        (QUESTION, ANSWER, "Ada", "repeats"),
        (QUESTION, f"Hello Ada,\n\n{ANSWER}\n\nKind regards", "Ada", "repeats"),
        (QUESTION.replace("4711", "4712"), ANSWER.replace("4711", "4712"), "Bo", "other"),
        (QUESTION, ANSWER.replace("5 days", "9 days"), "Ada", "supersedes"),
        ("Invoice\n\nHow can I download all of my invoices at once?", ANSWER.replace("5", "9"), "Ada", "other"),
    ],
    ids=["the same", "made courteous", "another order", "another promise", "another question"],
)
def test_how_a_new_answer_stands_to_an_older_one(question: str, answer: str, name: str, expected: str) -> None:
    assert relation(Answered(QUESTION, ANSWER, "Ada"), Answered(question, answer, name)) == expected


def test_short_questions_are_asked_about_everything() -> None:
    old = Answered("Any news?", "Your order left today.", "Ada")
    assert relation(old, Answered("Any news?", "Your order did not leave today.", "Ada")) == "other"
