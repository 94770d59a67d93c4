"""Intent categories and the classifier, with vectors made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from desk.errors import InvalidInputError
from retrieval.intents import (
    OTHER,
    IntentCategory,
    IntentClassifier,
    LabelledText,
    hosting_categories,
    texts_of,
)
from retrieval.intents.kernel_model import NONE, KernelModel, Texts, letters_of
from retrieval.tokens import terms


def axis(*weights: float) -> np.ndarray:
    vector = np.array(weights, dtype=np.float32)
    return vector / np.linalg.norm(vector)


MAIL = IntentCategory("mail", "Mail", {"mailbox*": 1.0, "let's encrypt": 0.1}, 0.9, False, ("a", "b"))
BILLS = IntentCategory("bills", "Bills", {"invoice": 1.0, "credit card": 1.0}, 0.8, True, ("c", "d"))
VECTORS = np.stack(
    [
        axis(1, 0.05, 0, 0),
        axis(0.05, 1, 0, 0),
        axis(1, 0, 0, 0.1),
        axis(1, 0.1, 0, 0),
        axis(0, 1, 0, 0.1),
        axis(0.1, 1, 0, 0),
    ]
)
"""Of the titles, then of the examples."""
NOWHERE = axis(0, 0, 1, 0)


def classifier(*labelled: LabelledText) -> IntentClassifier:
    return IntentClassifier((MAIL, BILLS), VECTORS, labelled)


def test_the_nearest_examples_decide() -> None:
    guess = classifier().guess("hello", axis(0.1, 1, 0, 0))
    assert (guess.label, guess.needs_tenant_knowledge) == ("bills", True)
    assert 0.5 < guess.certainty <= 0.8, "at most the base certainty"
    assert classifier().guess("hello", axis(1, 0.1, 0, 0)).label == "mail"


@pytest.mark.parametrize("text", ["Two invoice copies, paid by credit card", "INVOICE! Credit Card?"])
def test_keywords_tip_the_scale_whatever_their_case(text: str) -> None:
    between = axis(1, 0.95, 0, 0)
    assert classifier().judge("hello", between)[1].argmax() == 0
    assert classifier().guess(text, between).label == "bills"


def test_an_open_keyword_matches_any_ending_and_a_closed_one_only_itself() -> None:
    known = classifier()
    nothing, _ = known.judge("hello", NOWHERE)
    assert known.judge("my mailboxes", NOWHERE)[0] > nothing
    assert known.judge("invoices", NOWHERE)[0] == nothing
    assert known.judge("credit for the card", NOWHERE)[0] == nothing
    assert known.judge("Let's Encrypt", NOWHERE)[0] > nothing


def test_nothing_near_is_other_with_little_certainty() -> None:
    guess = classifier().guess("what is the weather like", NOWHERE)
    assert guess.label == OTHER
    assert guess.certainty < 0.3
    assert not guess.needs_tenant_knowledge


def test_two_likely_intents_leave_little_certainty() -> None:
    assert classifier().guess("hello", axis(1, 1, 0, 0)).certainty < 0.55


def test_it_learns_what_people_labelled_and_what_they_said_is_none_of_them() -> None:
    corrected = LabelledText("bills", "the thing from last month", NOWHERE)
    assert classifier(corrected).guess("hello", NOWHERE).label == "bills"
    assert classifier(corrected).guess("hello", axis(1, 0, 0, 0)).label == "mail", "what was known is kept"
    foreign = axis(0.6, 0, 0, 0.8)
    before, _ = classifier().judge("hello", foreign)
    after, _ = classifier(*[LabelledText(OTHER, f"spam {n}", foreign) for n in range(3)]).judge("hello", foreign)
    assert after < before
    gone = LabelledText("weather", "rain?", NOWHERE)
    assert classifier(gone).guess("hello", NOWHERE).label == OTHER, "an intent that was deleted is no intent"


def test_what_a_person_said_is_taken_as_it_is() -> None:
    said = classifier().described("bills")
    assert said is not None
    assert (said.label, said.certainty, said.needs_tenant_knowledge) == ("bills", 0.8, True)
    assert classifier().described("weather") is None
    assert classifier().described(OTHER) is not None


@given(
    text=st.one_of(st.text(max_size=40), st.sampled_from(["invoice mailbox", "mailbox " * 50])),
    raw=arrays.arrays(np.float32, 4, elements=st.floats(-1, 1, width=32)),
)
def test_certainty_stays_in_bounds(text: str, raw: np.ndarray) -> None:
    length = float(np.linalg.norm(raw))
    guess = classifier().guess(text, raw / length if length > 1e-3 else axis(1, 0, 0, 0))
    assert 0 <= guess.certainty <= 0.9
    assert guess.label in {"mail", "bills", OTHER}


def clusters(categories: int, each: int, spread: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    middles = random.standard_normal((categories, 32)).astype(np.float32)
    labels = np.repeat(np.arange(categories), each)
    rows = middles[labels] + np.float32(spread) * random.standard_normal((len(labels), 32)).astype(np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit, labels, middles / np.linalg.norm(middles, axis=1, keepdims=True)


def test_strangers_are_told_from_what_is_known() -> None:
    rows, labels, middles = clusters(6, 12, 0.5, 1)
    texts = Texts(rows[::2], letters_of([""] * len(rows[::2])), labels[::2])
    model = KernelModel(texts, middles, 6)
    known = [model.known(row) for row in rows[1::2]]
    strangers = clusters(6, 6, 0.5, 99)[0]
    assert np.mean([one > 0.5 for one in known]) > 0.9
    assert np.mean([model.known(row) > 0.5 for row in strangers]) < 0.1
    right = [
        model.evidence(row, letters_of([""])[0]).argmax() == label
        for row, label in zip(rows[1::2], labels[1::2], strict=True)
    ]
    assert np.mean(right) > 0.95


@pytest.mark.parametrize("labels", [[], [0], [NONE, NONE], [0, 0, 0], [0, 1, NONE]])
def test_however_little_is_known_it_can_be_trained(labels: list[int]) -> None:
    rows, _, middles = clusters(2, max(len(labels), 1), 0.3, 3)
    texts = Texts(rows[: len(labels)], letters_of(["a"] * len(labels)), np.array(labels, dtype=np.intp))
    model = KernelModel(texts, middles, 2)
    assert 0 < model.known(rows[0]) < 1
    assert model.shares(model.evidence(rows[0], letters_of(["a"])[0])).sum() == pytest.approx(1)


def test_wrong_data_is_refused_with_the_reason() -> None:
    with pytest.raises(InvalidInputError, match="6 vectors are needed, 3"):
        IntentClassifier((MAIL, BILLS), VECTORS[:3])
    with pytest.raises(InvalidInputError, match="label of its own"):
        IntentClassifier((MAIL, MAIL), VECTORS)
    with pytest.raises(InvalidInputError, match="label of its own"):
        IntentCategory(OTHER, "Other", {}, 0.5, False, ())
    with pytest.raises(InvalidInputError, match="base certainty"):
        IntentCategory("x", "X", {}, 1.5, False, ())
    with pytest.raises(InvalidInputError, match="keyword weights"):
        IntentCategory("x", "X", {"word": 0.0}, 0.5, False, ())


def test_the_hosting_categories_are_complete() -> None:
    categories = hosting_categories()
    assert len({category.label for category in categories}) == 12
    assert len(texts_of(categories)) == 12 + sum(len(category.examples) for category in categories)
    for category in categories:
        assert 8 <= len(category.examples) <= 12
        assert len(set(category.examples)) == len(category.examples)
        assert len(category.keywords) >= 10
        assert all(terms(keyword) for keyword in category.keywords), "a keyword without words can never match"
