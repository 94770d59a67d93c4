"""The pure parts: texts are cut without losing a character, ages and chips say what they should."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.live import LiveEvent
from desk.tickets import TicketFilter
from learning.edits import Analyser
from ui.pages.live import messages_for
from ui.pages.signing_in import safe_address
from ui.presenting.learning import learned_words, shown_learning
from ui.presenting.queue import query_of
from ui.presenting.settings import listed
from ui.presenting.texts import LONGEST_SHOWN, linked, marked, passage, word_difference
from ui.presenting.words import age, initials

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
words = st.text(st.sampled_from("ab <>&\"'\n.:/?=htps-"), max_size=80)


@given(words, words)
def test_links_lose_nothing_and_lead_only_to_the_web(before: str, after: str) -> None:
    text = f"{before}https://example.com/{after}"
    pieces = linked(text)
    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.href.lower().startswith(("http://", "https://")) for piece in pieces if piece.href)


@given(words, st.lists(st.tuples(st.integers(-5, 90), st.integers(-5, 90), st.just("why")), max_size=6))
def test_marking_loses_nothing_whatever_the_ranges(text: str, marks: list[tuple[int, int, str]]) -> None:
    assert "".join(piece.text for piece in marked(text, marks)) == text


@given(words, words)
def test_a_difference_holds_both_texts(before: str, after: str) -> None:
    pieces = word_difference(before, after)
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == before
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == after


@given(st.integers(0, 3 * LONGEST_SHOWN), st.integers(1, 500))
def test_a_cited_passage_is_shown_however_long_the_document(start: int, length: int) -> None:
    text = "x" * start + "y" * length + "x" * LONGEST_SHOWN
    shown = passage(text, start, start + length)
    assert [piece.text for piece in shown.pieces if piece.reason] == ["y" * length]


@given(st.text(max_size=40))
def test_an_address_to_go_on_to_is_a_path_of_this_desk(wanted: str) -> None:
    found = safe_address(wanted)
    assert found == "" or (found.startswith("/") and not found.startswith(("//", "/\\")))


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "now"), (59, "now"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (86_400, "1 d"), (14 * 86_400, "2 wk")],
)
def test_ages_use_the_largest_fitting_unit(seconds: int, said: str) -> None:
    assert age(NOW - timedelta(seconds=seconds), NOW) == said


def test_old_things_have_a_date() -> None:
    assert age(NOW - timedelta(days=100), NOW) == "Nov 21, 2025"


def test_initials_are_of_names_and_addresses() -> None:
    assert [initials(name) for name in ("Marta Nowak", "kim@example.com", "Ü", "", "'quoted' x")] == [
        "MN",
        "KE",
        "Ü",
        "?",
        "X",
    ]


def test_a_filter_survives_its_address_and_leaves_out_what_is_standard() -> None:
    assert query_of(TicketFilter(view="mine", q="a&b=c")) == "view=mine&q=a%26b%3Dc"


def test_lists_come_from_commas_and_lines() -> None:
    assert listed(" cancel, refund\n\nlegal,cancel ") == ("cancel", "refund", "legal")


def test_a_burst_is_told_once_and_a_gap_refreshes_everything() -> None:
    burst = [
        LiveEvent("ticket", {"ticket": "1"}),
        LiveEvent("draft", {"ticket": "1"}),
        LiveEvent("ticket", {"ticket": "2"}),
    ]
    assert [(each.event, each.data) for each in messages_for(burst)] == [
        ("queue", "1"),
        ("ticket", "1"),
        ("ticket", "2"),
    ]
    assert [each.event for each in messages_for([*burst, LiveEvent("refresh", {})])] == ["refresh"]


def test_an_edit_says_what_it_would_teach_and_which_changes_matter_most() -> None:
    draft = "Hi Anna,\n\nyou can return it within 5 days."
    learning = shown_learning(draft, "Hello Anna,\n\nyou cannot return it within 15 days.", Analyser())
    assert learning.chip.words == "Will be learned as a correction"
    assert learning.kinds == "negation, duration, greeting"
    assert [change.meaning for change in learning.changes] == [True, True, False]
    assert learning.said == f"{learning.chip.words}. The meaning changes. Changed: {learning.kinds}."
    assert learning.left_out == 0
    ports = "\n".join(f"Use port {n} for site{n}." for n in range(20))
    many = shown_learning(ports, ports.replace("Use port ", "Use port 7"), Analyser())
    assert len(many.changes) + many.left_out >= 20


def test_a_sent_reply_says_what_it_teaches() -> None:
    analysis = Analyser().analyse("It takes 5 days.", "It takes 15 days.")
    assert learned_words("correction", analysis) == "Learns a correction: duration."
    assert learned_words("example", analysis) == "Learns an example."
    assert learned_words("none", analysis) == ""
