"""Passages that contradict each other are told from passages about two things, and from two of the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.conflicts.comparing import compare
from learning.edits import Analyser

ANALYSER = Analyser()


@pytest.mark.parametrize(
    ("first", "second", "kind", "words"),
    [
        ("Backups are kept for 14 days.", "We keep backups for 30 days.", "duration", ("14 days", "30 days")),
        ("A restore costs 15 EUR per mailbox.", "A restore costs 25 EUR per mailbox.", "amount", ("15 EUR", "25 EUR")),
        (
            "The maintenance starts on 3 May 2024 at 22:00.",
            "The maintenance starts on 5 May 2024 at 22:00.",
            "date",
            ("3 May 2024", "5 May 2024"),
        ),
        (
            "Uploads may be at most 20 MB large.",
            "Uploads may be at most 50 MB large.",
            "number",
            ("20 MB", "50 MB"),
        ),
        (
            "SSH access is included in the Business plan.",
            "SSH access is not included in the Business plan.",
            "negation",
            ("is", "is not"),
        ),
        (
            "Die Kündigungsfrist beträgt 30 Tage zum Monatsende.",
            "Die Kündigungsfrist beträgt 14 Tage zum Monatsende.",
            "duration",
            ("30 Tage", "14 Tage"),
        ),
    ],
)
def test_passages_about_the_same_that_differ_contradict_each_other(
    first: str, second: str, kind: str, words: tuple[str, str]
) -> None:
    around = "Our service is described here. Other things follow in the next chapter."
    found = compare(f"{around}\n{first}", second, ANALYSER)
    assert found is not None
    assert found.kind == "contradiction"
    (one,) = found.disagreements
    assert (one.kind, one.first, one.second) == (kind, *words)
    assert f"{around}\n{first}"[slice(*one.first_span)] == words[0]
    assert second[slice(*one.second_span)] == words[1]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Basic costs 5 EUR a month.", "Pro costs 9 EUR a month."),
        ("The Basic plan costs 5 EUR a month.", "The Pro plan costs 9 EUR a month."),
        ("Use port 587 for outgoing mail.", "Use port 993 for incoming mail."),
        ("Invoices are sent on the 1st of each month.", "Backups are made at 2 o'clock each night."),
        ("Version 1.8 was released in March 2023.", "Version 1.9 brings a new file manager."),
    ],
)
def test_facts_about_two_things_do_not_contradict_each_other(first: str, second: str) -> None:
    assert compare(first, second, ANALYSER) is None


ARTICLE = (
    "To move a domain to us, ask your present registrar for the transfer code. "
    "Enter the code in the customer area under Domains. The transfer takes five to seven days. "
    "Mail and website keep working meanwhile."
)


def test_the_same_passage_twice_is_a_duplicate_however_it_is_broken_and_cased() -> None:
    lines = ARTICLE.replace(". ", ".\n")
    found = compare(ARTICLE, f"Moving a domain\n{lines}", ANALYSER)
    assert found is not None
    assert (found.kind, found.disagreements) == ("duplicate", ())
    assert found.similarity > 0.95
    assert compare(ARTICLE, ARTICLE.upper(), ANALYSER) is not None


def test_one_changed_value_makes_a_duplicate_a_contradiction() -> None:
    found = compare(ARTICLE, ARTICLE.replace("five to seven days", "five to nine days"), ANALYSER)
    assert found is not None
    assert found.kind == "contradiction"


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_two_texts_can_be_compared_in_either_order(first: str, second: str) -> None:
    one, other = compare(first, second, ANALYSER), compare(second, first, ANALYSER)
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert one.kind == other.kind
        for each in one.disagreements:
            assert first[slice(*each.first_span)] == each.first
            assert second[slice(*each.second_span)] == each.second
