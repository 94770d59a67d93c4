"""Ranking FAQs: the very words first, then meaning, then letters; what was taken out is not found."""

from __future__ import annotations

from uuid import UUID

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.faq.index import FaqIndex

EMBEDDER = MiniLMEmbedder()
QUESTIONS = (
    "How do I reset my password?",
    "How long do you keep backups?",
    "Which name servers do I need?",
    "Can I pay by invoice?",
)


def faq(number: int) -> UUID:
    return UUID(int=number + 1)


def index_of(questions: tuple[str, ...]) -> FaqIndex:
    index = FaqIndex(EMBEDDER.dimension)
    for number, (question, vector) in enumerate(zip(questions, EMBEDDER.embed_now(questions), strict=True)):
        index.upsert(UUID(int=1000 + number), faq(number), question, vector)
    return index


def first(index: FaqIndex, question: str) -> tuple[UUID, bool]:
    best = index.search(question, EMBEDDER.embed_now([question])[0], 3)[0]
    return best.faq_id, best.best.exact


def test_paraphrases_and_misspelt_questions_find_their_faq():
    index = index_of(QUESTIONS)
    assert first(index, "how many days are my backups stored") == (faq(1), False)
    assert first(index, "I forgot my password, what now?") == (faq(0), False)
    assert first(index, "Wich nmae severs do i ned") == (faq(2), False)
    assert first(index, "  HOW LONG do you keep backups ") == (faq(1), True)


def test_every_phrasing_leads_to_its_faq_which_is_listed_once():
    index = index_of(QUESTIONS)
    phrasing = "When are old copies of my site deleted?"
    index.upsert(UUID(int=2000), faq(1), phrasing, EMBEDDER.embed_now([phrasing])[0])
    found = index.search(phrasing, EMBEDDER.embed_now([phrasing])[0], 4)
    assert [one.faq_id for one in found].count(faq(1)) == 1
    assert (found[0].faq_id, found[0].best.text) == (faq(1), phrasing)
    assert len(found[0].phrasings) == 2


WORDS = st.lists(
    st.sampled_from(
        ["how", "do", "my", "password", "domain", "mail", "not", "off", "c", "c#", "c++", "7", "ärger", "straße"]
    ),
    min_size=1,
    max_size=6,
).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(st.lists(WORDS, min_size=2, max_size=12, unique=True), st.randoms(use_true_random=False))
def test_an_exact_question_always_wins_and_no_trace_stays_of_what_was_removed(questions, random):
    """Whatever the vectors say: here a question's vector is that of another FAQ."""
    axes = np.eye(EMBEDDER.dimension, dtype=np.float32)
    index = FaqIndex(EMBEDDER.dimension)
    for number, question in enumerate(questions):
        index.upsert(UUID(int=1000 + number), faq(number), question, axes[number])
    removed = set(random.sample(range(len(questions)), k=len(questions) // 2))
    for number in removed:
        index.remove(UUID(int=1000 + number))
    assert len(index) == len(questions) - len(removed)
    for number, question in enumerate(questions):
        found = index.search(f" {question.upper()}? ", axes[(number + 1) % len(questions)], len(questions))
        assert not {faq(gone) for gone in removed} & {one.faq_id for one in found}
        if number in removed:
            assert not any(one.best.exact for one in found)
        else:
            assert (found[0].faq_id, found[0].best.exact) == (faq(number), True)


def test_a_phrasing_put_in_again_replaces_the_one_before():
    index = index_of(QUESTIONS)
    new = "Do you have a telephone number?"
    index.upsert(UUID(int=1001), faq(1), new, EMBEDDER.embed_now([new])[0])
    assert len(index) == len(QUESTIONS)
    assert first(index, new) == (faq(1), True)
    assert not first(index, QUESTIONS[1])[1]
    index.remove(UUID(int=1001))
    index.remove(UUID(int=1001))
    assert len(index) == len(QUESTIONS) - 1
    assert UUID(int=1001) not in index
