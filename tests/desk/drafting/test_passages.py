"""What is quoted reads as a person would have copied it: whole, without headings, lists as lists, code as code."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from desk.drafting.passages import joined, marked, quote, source_line, wanted_words
from desk.ports import Hit, Span


def passage(text: str, *headings: str, title: str = "Billing", span: Span | None = None, number: int = 1) -> Hit:
    return Hit(
        kind="tenant_kb",
        item_id=UUID(int=number),
        parent_id=UUID(int=99),
        title=title,
        text=text,
        score=0.8,
        weighted_score=0.8,
        dense=0.8,
        lexical=0.8,
        heading_path=headings,
        span=span,
    )


def quoted(hit: Hit, question: str) -> str:
    found = quote(hit, wanted_words(question, [hit]))
    return "" if found is None else found.text


@pytest.mark.parametrize("gap", ["\n\n", "\n"])
def test_headings_stay_out_of_the_quote(gap: str) -> None:
    text = f"Where to find an invoice{gap}Invoices are in the customer area under Billing."

    assert quoted(passage(text, "Where to find an invoice"), "Where is my invoice?") == (
        "Invoices are in the customer area under Billing."
    )


def test_a_heading_that_only_looks_like_one_stays_out_too_and_parts_what_is_quoted() -> None:
    text = "SSL certificates\n\nWe renew certificates at night.\n\nMail\n\nMailboxes hold 10 GB of mail."

    assert quoted(passage(text), "How are certificates renewed?") == "We renew certificates at night."
    assert quoted(passage("Prices\n\nInvoices and reminders"), "Prices?") == ""


def test_steps_stay_lines_and_come_with_the_sentence_that_announces_them() -> None:
    steps = "1. Open the customer area.\n2. Press Invoices:\n   the newest stands on top.\n3. Press Download."
    text = f"Invoices\n\nTo get an invoice:\n\n{steps}\n\n" + "Offices are closed on public holidays. " * 12

    assert quoted(passage(text, "Invoices"), "How do I download my invoice?") == f"To get an invoice:\n{steps}"


def test_steps_without_a_sentence_stand_under_their_heading() -> None:
    text = "Deleting a database\n\n1. Hover over the database.\n2. Click the delete icon beside it."

    assert quoted(passage(text, "Deleting a database"), "delete a database") == (
        "Deleting a database:\n1. Hover over the database.\n2. Click the delete icon beside it."
    )


def test_code_is_quoted_line_by_line_with_what_announces_it() -> None:
    code = "backup --all \\\n    --destination /backup\nsystemctl restart backup"
    text = f"By hand\n\nRun these commands as root:\n\n{code}"

    found = quoted(passage(text, "By hand"), "How do I start a backup by hand?")

    assert found == f"Run these commands as root:\n{code}"
    assert marked(found, "[1]").endswith("restart backup\n[1]")


def test_a_sentence_is_not_quoted_without_what_it_announces() -> None:
    listing = "\n".join(f"    setting_{number} = {number * 1000}" for number in range(100))
    text = f"We send reminders after two weeks.\n\nThe settings of your invoice are these:\n\n[invoice]\n{listing}"

    assert quoted(passage(text), "What are the settings of my invoice?") == "We send reminders after two weeks."


def test_a_row_of_a_long_table_comes_with_the_row_that_names_the_columns() -> None:
    rows = [f"Plan {number} | {number} GB | nothing special to say about this one here" for number in range(60)]
    text = "\n".join(["Plan | Space | Remarks", *rows, "Business | 500 GB | dedicated support"])

    lines = quoted(passage(text, "Plans"), "Has the Business plan dedicated support?").split("\n")

    assert lines[:2] == ["Plans:", "Plan | Space | Remarks"]
    assert lines[-1] == "Business | 500 GB | dedicated support"
    assert set(lines[2:]) <= {*rows, "Business | 500 GB | dedicated support"}


def test_a_quote_begins_with_a_capital_and_ends_with_a_full_stop() -> None:
    assert quoted(passage("invoices are sent by mail on the first day of every month"), "invoices") == (
        "Invoices are sent by mail on the first day of every month."
    )
    assert quoted(passage("php.ini is in the folder above the site."), "php.ini") == (
        "php.ini is in the folder above the site."
    )


WORDS = st.lists(
    st.sampled_from(["invoice", "backup", "server", "bzw.", "e.g.", "Dr.", "3.5", "certificate", "renew"]), min_size=5
)
SENTENCES = st.lists(WORDS.map(lambda words: f"The {' '.join(words)} is done."), min_size=1, max_size=30)


@settings(max_examples=60)
@given(SENTENCES, st.sampled_from(["invoice", "How do I renew a certificate?", "", "backup mail"]))
def test_no_sentence_is_cut(sentences: list[str], question: str) -> None:
    rest = quoted(passage(" ".join(sentences)), question)
    assert rest
    whole = " ".join(sentences)
    assert rest in whole
    assert rest.startswith("The ")
    assert rest.endswith(" is done.")


def test_passages_that_follow_each_other_are_quoted_as_one() -> None:
    first = passage("To pay:\n\n1. Open Billing.\n2. Press Pay", "Paying", span=(100, 138), number=1)
    second = passage("3. Choose a card.", "Paying", span=(139, 156), number=2)
    overlapping = passage("Press Pay\n3. Choose a card.", "Paying", span=(129, 156), number=3)
    elsewhere = passage("4. Wait.", "Waiting", span=(157, 165), number=4)

    for other in (second, overlapping):
        whole, ids = joined(first, [other, elsewhere])
        assert whole.text == "To pay:\n\n1. Open Billing.\n2. Press Pay\n3. Choose a card."
        assert set(ids) == {first.item_id, other.item_id}
        assert joined(other, [elsewhere, first])[0].text == whole.text


@pytest.mark.parametrize(
    ("hit", "line"),
    [
        (passage("", "Payment", "Refunds"), "Billing \u2013 Refunds"),
        (passage("", "Billing"), "Billing"),
        (passage("", "Refunds", title="Billing and refunds"), "Billing and refunds"),
        (passage(""), "Billing"),
    ],
)
def test_the_source_names_the_heading_where_it_helps(hit: Hit, line: str) -> None:
    assert source_line(hit) == line
