"""Which question may be answered by a FAQ without a person: never one that differs in what it asks."""

from __future__ import annotations

import functools
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.embedding.minilm import MODEL, MiniLMEmbedder
from retrieval.faq.answering import Verdict, judge, probability_of
from retrieval.faq.index import FaqIndex
from retrieval.faq.wording import difference, same_word

EMBEDDER = MiniLMEmbedder()
CONFUSABLE = [
    tuple(line.split("|"))
    for line in (Path(__file__).parent / "confusable.txt").read_text(encoding="utf-8").splitlines()
]
"""Pairs of hosting questions that look alike and need different answers."""
OTHERS = (
    "How do I write to an agent?",
    "Where is your data centre?",
    "Do you offer reseller accounts?",
    "How do I leave a review?",
)


@functools.cache
def vector(text: str):
    return EMBEDDER.embed_now([text])[0]


def index_of(*questions: str) -> FaqIndex:
    index = FaqIndex(EMBEDDER.dimension)
    for number, question in enumerate(questions):
        index.upsert(UUID(int=1000 + number), UUID(int=1 + number), question, vector(question))
    return index


def verdict(question: str, *faqs: str, model: str = MODEL) -> Verdict | None:
    return judge(question, index_of(*faqs).search(question, vector(question), 8), model)


@pytest.mark.parametrize(("faq", "asked"), CONFUSABLE, ids=lambda text: text[:40])
def test_a_question_that_only_looks_like_the_faq_is_never_answered_by_it(faq: str, asked: str):
    for one, other in ((faq, asked), (asked, faq)):
        found = verdict(other, one, *OTHERS)
        assert found is None or not found.certain, found
        both = verdict(other, one, other, *OTHERS)
        assert both is not None
        assert (both.phrasing.text, both.how, both.certain) == (other, "exact", True)


@pytest.mark.parametrize(
    ("asked", "how"),
    [
        ("how do i reset my password", "exact"),
        ("How can I reset the password?", "same_words"),
        ("How do I reset my pasword?", "misspelt"),
        ("Please, how do I reset my password?", "same_words"),
    ],
)
def test_the_same_question_in_nearly_the_same_words_is_answered(asked: str, how: str):
    found = verdict(asked, "How do I reset my password?", *OTHERS)
    assert found is not None
    assert (found.how, found.certain) == (how, True)


def test_a_real_paraphrase_is_answered_a_likely_one_is_for_an_agent():
    faq = "What can I do when my website shows an error 500?"
    near = verdict("My website gives an error 500, how do I fix this?", faq, *OTHERS)
    assert near is not None
    assert (near.how, near.certain) == ("reworded", True)
    far = verdict("Since an hour visitors of my website get error 500, please repair it", faq, *OTHERS)
    assert far is not None
    assert (far.certain, far.probability > 0.5) == (False, True)


@pytest.mark.parametrize(
    ("asked", "faq"),
    [
        ("I have reset my password", "How do I reset my password?"),
        ("Must I change my password?", "How do I change my password?"),
        ("How can I pay?", "Can I pay?"),
        ("How do I restore my backups?", "Do you restore backups?"),
    ],
)
def test_the_same_words_in_another_sentence_are_left_to_a_person(asked: str, faq: str):
    found = verdict(asked, faq, *OTHERS)
    assert found is None or not found.certain


def test_two_faqs_that_both_fit_are_for_a_person():
    faqs = ("How do I reset my password?", "How can I reset the password?")
    found = verdict("Please, how do I reset my password please", *faqs)
    assert found is not None
    assert not found.certain
    slip = verdict("How do I chnage my card?", "How do I change my card?", "How do I change my cards?")
    assert slip is not None
    assert not slip.certain
    twice = verdict("How do I reset my password?", "How do I reset my password?", "how do i reset my PASSWORD")
    assert twice is not None
    assert (twice.how, twice.certain) == ("ambiguous", False)


UNRELATED = st.lists(
    st.sampled_from(["invoice", "printer", "holiday", "my", "the", "buy", "how", "train", "password", "not", "please"]),
    min_size=1,
    max_size=12,
).map(" ".join)


@settings(max_examples=80, deadline=None)
@given(UNRELATED)
def test_unrelated_words_are_never_answered(asked: str):
    found = verdict(asked, "How do I restore a backup of my website?", "Which name servers do I need?", *OTHERS)
    assert found is None or not found.certain


def test_vectors_of_another_model_answer_nothing_only_wordings_do():
    faq = "How do I reset my password?"
    assert verdict("How can I get back in when I forgot my password?", faq, *OTHERS, model="another") is None
    near = verdict("How can I reset the password?", faq, *OTHERS, model="another")
    assert near is not None
    assert not near.certain
    exact = verdict("how do I reset my password", faq, *OTHERS, model="another")
    assert exact is not None
    assert exact.certain


def test_a_foreign_paraphrase_is_left_to_a_person():
    """The model was made for English; in other languages only wordings are trusted."""
    faq = "Wie kann ich mein Passwort für das Kundenkonto zurücksetzen?"
    asked = "Wie kann ich das Passwort für mein Kundenkonto wieder neu setzen?"
    assert not (found := verdict(asked, faq, *OTHERS)) or not found.certain


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("domain", "domains", True),
        ("connect", "connection", True),
        ("password", "pasword", True),
        ("certificate", "certifcate", True),
        ("charged", "changed", False),
        ("unlock", "unblock", False),
        ("install", "uninstall", False),
        ("php8.2", "php8.3", False),
        ("mail", "main", False),
        ("price", "prize", False),
        ("c", "c++", False),
    ],
)
def test_words_that_are_the_same(first: str, second: str, *, same: bool):
    assert same_word(first, second) is same
    assert same_word(second, first) is same


def test_wanting_something_and_wanting_it_gone_are_opposed():
    asked = "While copying text from a mail I would like to leave out the formatting, how can I do this?"
    wording = "I would like to keep the formatting when copying text into my mail, how can I do this?"
    assert difference(asked, wording).is_opposed
    assert not difference("How do I erase my mails?", "How do I delete the messages?").is_opposed


def test_direction_and_order_count():
    assert difference("How do I move from Plesk to cPanel?", "How do I move from Plesk to cPanel").is_none
    assert not difference("How do I move from cPanel to Plesk?", "How do I move from Plesk to cPanel?").is_none
    assert difference("Why can't I send mail?", "Why can I send mail?").asked_only == ("not",)


def test_a_nearer_match_and_a_greater_lead_are_never_less_likely():
    steps = [number / 20 for number in range(21)]
    for lower, higher in pairwise(steps):
        assert probability_of(lower, 0.1) < probability_of(higher, 0.1)
        assert probability_of(0.7, lower) <= probability_of(0.7, higher)
