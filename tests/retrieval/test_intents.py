"""Intent categories and the classifier, with vectors made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from desk.errors import InvalidInputError
from retrieval.intents import OTHER, IntentCategory, IntentClassifier, hosting_categories
from retrieval.tokens import terms


def axis(*weights: float) -> np.ndarray:
    vector = np.array(weights, dtype=np.float32)
    return vector / np.linalg.norm(vector)


MAIL = IntentCategory("mail", "Mail", {"mailbox*": 1.0, "let's encrypt": 0.1}, 0.9, False, ("a", "b"))
BILLS = IntentCategory("bills", "Bills", {"invoice": 1.0, "credit card": 1.0}, 0.8, True, ("c", "d"))
VECTORS = np.stack([axis(1, 0, 0, 0.1), axis(1, 0.1, 0, 0), axis(0, 1, 0, 0.1), axis(0.1, 1, 0, 0)])


def classifier() -> IntentClassifier:
    return IntentClassifier((MAIL, BILLS), VECTORS)


def test_the_nearest_examples_decide():
    guess = classifier().guess("hello", axis(0.1, 1, 0, 0))
    assert (guess.label, guess.needs_tenant_knowledge) == ("bills", True)
    assert 0.7 < guess.certainty <= 0.8, "at most the base certainty"
    assert classifier().guess("hello", axis(1, 0.1, 0, 0)).label == "mail"


@pytest.mark.parametrize("text", ["Two invoice copies, paid by credit card", "INVOICE! Credit Card?"])
def test_keywords_tip_the_scale_whatever_their_case(text: str):
    between = axis(1, 0.95, 0, 0)
    assert classifier().guess("hello", between).label == "mail"
    assert classifier().guess(text, between).label == "bills"


def test_an_open_keyword_matches_any_ending_and_a_closed_one_only_itself():
    nowhere = axis(0, 0, 1, 0)
    assert classifier().evidence("my mailboxes", nowhere)[0] > 0
    assert classifier().evidence("invoices", nowhere)[1] == 0
    assert classifier().evidence("credit for the card", nowhere)[1] == 0
    assert classifier().evidence("Let's Encrypt", nowhere)[0] > 0


def test_nothing_near_is_other_with_little_certainty():
    guess = classifier().guess("what is the weather like", axis(0, 0, 1, 0))
    assert guess.label == OTHER
    assert guess.certainty < 0.1
    assert not guess.needs_tenant_knowledge


def test_two_likely_intents_leave_little_certainty():
    assert classifier().guess("hello", axis(1, 0.98, 0, 0)).certainty < 0.6


def test_it_learns_from_labelled_questions_one_by_one():
    learner = classifier()
    asked = axis(0, 0, 1, 0)
    for _ in range(40):
        learner.learn("bills", asked)
    assert learner.guess("hello", asked).label == "bills"
    assert learner.guess("hello", axis(1, 0, 0, 0)).label == "mail", "what was known is kept"
    with pytest.raises(InvalidInputError, match="weather"):
        learner.learn("weather", asked)


@given(
    text=st.one_of(st.text(max_size=40), st.sampled_from(["invoice mailbox", "mailbox " * 50])),
    raw=arrays.arrays(np.float32, 4, elements=st.floats(-1, 1, width=32)),
)
def test_certainty_stays_in_bounds(text: str, raw: np.ndarray):
    length = float(np.linalg.norm(raw))
    guess = classifier().guess(text, raw / length if length > 1e-3 else axis(1, 0, 0, 0))
    assert 0 <= guess.certainty <= 0.9
    assert guess.label in {"mail", "bills", OTHER}


def test_wrong_data_is_refused_with_the_reason():
    with pytest.raises(InvalidInputError, match="4 example vectors are needed, 3"):
        IntentClassifier((MAIL, BILLS), VECTORS[:3])
    with pytest.raises(InvalidInputError, match="label of its own"):
        IntentClassifier((MAIL, MAIL), VECTORS)
    with pytest.raises(InvalidInputError, match="label of its own"):
        IntentCategory(OTHER, "Other", {}, 0.5, False, ())
    with pytest.raises(InvalidInputError, match="base certainty"):
        IntentCategory("x", "X", {}, 1.5, False, ())
    with pytest.raises(InvalidInputError, match="keyword weights"):
        IntentCategory("x", "X", {"word": 0.0}, 0.5, False, ())


def test_the_hosting_categories_are_complete():
    categories = hosting_categories()
    assert len({category.label for category in categories}) == 12
    for category in categories:
        assert 8 <= len(category.examples) <= 12
        assert len(set(category.examples)) == len(category.examples)
        assert len(category.keywords) >= 10
        assert all(terms(keyword) for keyword in category.keywords), "a keyword without words can never match"
