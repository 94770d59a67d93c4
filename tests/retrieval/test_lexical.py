"""The lexical index: what it finds, what its scores mean, and that its history does not matter."""

from __future__ import annotations

import math
from collections import Counter
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval import lexical
from retrieval.lexical import LexicalIndex
from retrieval.tokens import fold, search_terms, terms


def item(number: int) -> UUID:
    return UUID(int=number)


def index_of(*texts: str) -> LexicalIndex:
    index = LexicalIndex()
    for number, text in enumerate(texts):
        index.add(item(number), text)
    return index


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PHP8.2 läuft", ["php8.2", "php8", "2", "lauft"]),
        ("see example.com.", ["see", "example.com", "example", "com"]),
        ("ERR_TIMED_OUT", ["err_timed_out", "err", "timed", "out"]),
        ("Straße ﬁle", ["strasse", "file"]),
        ("証明書", ["証明", "明書"]),
        ("ไทย", ["ไท", "ทย"]),
    ],
)
def test_terms_keep_codes_and_fold_letters(text: str, expected: list[str]):
    assert terms(text) == expected


def test_vowel_signs_are_no_diacritics():
    assert fold("हिन्दी") == "हिन्दी"


def test_another_form_of_a_word_is_found_below_the_word_itself():
    index = index_of("migrations", "migrating", "billing")
    assert [found for found, _ in index.search("migrating", 3)] == [item(1), item(0)]


def test_an_error_code_finds_its_article_first():
    index = index_of(
        "Mail is refused with 550-5.7.26 when SPF is missing",
        "Mail is refused with 550-5.1.1 when the mailbox does not exist",
        "Mail is refused when the mailbox is full",
    )
    assert index.search("why 550-5.1.1?", 3)[0][0] == item(1)


def test_the_same_words_score_one_and_foreign_words_nothing():
    index = index_of("How do I renew my certificate?", "Restore a backup", "Where are the DNS records?")
    assert index.search("how do I renew my certificate", 1)[0] == (item(0), pytest.approx(1.0))
    assert index.search("quantum chromodynamics", 5) == []


def test_words_nobody_has_make_a_match_weaker():
    index = index_of("renew certificate", "restore backup", "change nameserver")
    plain = index.search("renew certificate", 1)[0][1]
    diluted = index.search("renew certificate of flugelhorn zeppelin", 1)[0][1]
    assert diluted < 0.7 * plain


def test_scores_are_bm25_divided_by_what_the_question_itself_would_score():
    texts = ["mail mail dns", "dns", "dns ssl slow slow slow", "mail", "cron php"]
    average = 12 / 5

    def gain(frequency: int, count: int, length: int) -> float:
        norm = 0.9 * (0.6 + 0.4 * length / average)
        return math.log(1 + (5 - frequency + 0.5) / (frequency + 0.5)) * count / (count + norm)

    best = gain(2, 2, 4) + gain(3, 1, 4) + gain(0, 1, 4)
    index = index_of(*texts)
    for asked in ("ssl php", "mail mail dns zzz", "dns"):
        index.search(asked, 1)
    found = dict(index.search("mail mail dns zzz", 9))
    assert found == {
        item(0): pytest.approx((gain(2, 2, 3) + gain(3, 1, 3)) / best),
        item(1): pytest.approx(gain(3, 1, 1) / best),
        item(2): pytest.approx(gain(3, 1, 5) / best),
        item(3): pytest.approx(gain(2, 1, 1) / best),
    }


def test_a_long_question_is_matched_by_its_rare_words():
    asked = " ".join(["the", *(f"r{number}" for number in range(64))])
    index = index_of(asked, *["the"] * 20)
    assert index.search(asked, 5) == [(item(0), pytest.approx(1.0))]


def test_adding_again_replaces():
    index = index_of("old words here", "something else")
    index.add(item(0), "new text")
    assert index.search("old words", 5) == []
    assert len(index) == 2


def test_ties_come_in_the_order_of_ids():
    index = LexicalIndex()
    for number in (5, 1, 9, 3, 7):
        index.add(item(number), "same text")
    assert [found for found, _ in index.search("same text", 3)] == [item(1), item(3), item(5)]


WORDS = st.lists(st.sampled_from(["ssl", "dns", "mail", "backup", "backups", "renew", "php8.2", "a"]), max_size=8).map(
    " ".join
)
STEPS = st.lists(st.tuples(st.integers(0, 6), st.one_of(st.none(), WORDS)), max_size=30)


@given(steps=STEPS, query=WORDS)
def test_history_leaves_the_index_that_building_anew_gives(steps: list[tuple[int, str | None]], query: str):
    index = LexicalIndex()
    left: dict[int, str] = {}
    for number, text in steps:
        if text is None:
            index.remove(item(number))
            left.pop(number, None)
        else:
            index.add(item(number), text)
            left[number] = text
    fresh = LexicalIndex()
    for number, text in left.items():
        fresh.add(item(number), text)
    found = index.search(query, 10)
    assert found == fresh.search(query, 10)
    assert all(0 < score <= 1 for _, score in found)


def plain_scores(texts: dict[int, str], query: str) -> dict[UUID, float]:
    """BM25 as one would write it down, over counted words."""
    items = {number: Counter(search_terms(text)) for number, text in texts.items()}
    asked = Counter(search_terms(query))
    average = max(sum(counts.total() for counts in items.values()) / max(len(items), 1), 1.0)

    def gain(term: str, counts: Counter[str]) -> float:
        frequency = sum(term in one for one in items.values())
        norm = 0.9 * (0.6 + 0.4 * counts.total() / average)
        return math.log(1 + (len(items) - frequency + 0.5) / (frequency + 0.5)) * counts[term] / (counts[term] + norm)

    best = sum(gain(term, asked) for term in asked)
    sums = {number: sum(gain(term, counts) for term in asked if counts[term]) for number, counts in items.items()}
    return {item(number): min(one / best, 1.0) for number, one in sums.items() if one}


@given(steps=STEPS, query=WORDS, searched=st.sets(st.integers(0, 30)))
def test_the_packed_index_scores_as_the_plain_formula(
    steps: list[tuple[int, str | None]], query: str, searched: set[int]
):
    index = LexicalIndex()
    left: dict[int, str] = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lexical, "_FEWEST_DEAD", 2)
        for at, (number, text) in enumerate(steps):
            index.remove(item(number)) if text is None else index.add(item(number), text)
            left.pop(number, None)
            if text is not None:
                left[number] = text
            if at in searched:
                index.search(query, 3)
        assert dict(index.search(query, 10)) == pytest.approx(plain_scores(left, query), abs=1e-6)


def test_a_busy_index_stays_as_small_as_a_fresh_one():
    texts = [" ".join(f"word{number * part % 997}" for part in range(40)) for number in range(300)]
    index, fresh = index_of(*texts), index_of(*texts)
    fresh.search("word1", 1)
    for number in range(3_000):
        index.add(item(number % 300), texts[number % 300])
        if number % 7 == 0:
            index.search("word1", 1)
    index.search("word1", 1)
    assert index.nbytes < 1.4 * fresh.nbytes
    vectors = 300 * 384 * 4
    assert fresh.nbytes < vectors
    for number in range(300):
        index.remove(item(number))
    assert index.search("word1", 1) == []
    assert index.nbytes < 0.05 * fresh.nbytes


@given(st.text(max_size=60))
def test_any_text_can_be_indexed_and_finds_itself(text: str):
    index = index_of(text, "unrelated words entirely")
    found = dict(index.search(text, 2))
    assert not terms(text) or found[item(0)] == pytest.approx(1.0, abs=1e-5)
