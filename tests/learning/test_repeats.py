"""A draft that says again what was corrected is found out, and one that does not is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning.repeats import MistakeFinder

FINDER = MistakeFinder()
AVOID = "Hello Ada,\n\nbackups are kept for 14 days. You can restore them yourself in the panel.\n\nKind regards"
INSTEAD = "Hello Ada,\n\nbackups are kept for 30 days. You can restore them yourself in the panel.\n\nKind regards"


@pytest.mark.parametrize(
    ("avoid", "instead", "draft"),
    [
        (AVOID, INSTEAD, AVOID),
        (AVOID, INSTEAD, "Hi,\n\nthank you for asking. Our backups are kept for 14 days.\n\nBest wishes"),
        ("You can cancel at any time.", "You cannot cancel at any time.", "Sure. You can cancel at any time."),
        (
            "We answer within 2 hours. Call us at any time.",
            "We answer within 2 hours.",
            "Good day. Call us at any time. The form works too.",
        ),
        ("Restart the server.", "Restart the server. Make a backup first, please.", "Restart the server."),
        ("Please see our terms.", "", "Please see our terms."),
    ],
    ids=["the same", "in other words around it", "negation", "a step too many", "a step left out", "rejected"],
)
def test_what_was_corrected_is_found_again(avoid: str, instead: str, draft: str) -> None:
    assert FINDER.mistakes(avoid, instead, draft)


@pytest.mark.parametrize(
    ("avoid", "instead", "draft"),
    [
        (AVOID, INSTEAD, INSTEAD),
        (AVOID, INSTEAD, "Hi,\n\nour backups are kept for 30 days.\n\nBest wishes"),
        (AVOID, INSTEAD, "We have handed your question to a colleague."),
        (AVOID, INSTEAD, "The trial lasts for 14 days."),
        (AVOID, INSTEAD, ""),
        ("Restart the server.", "Restart the server. Make a backup first, please.", "The invoice is in the panel."),
        ("Please see our terms.", "", "You find the price of each plan on the page of plans."),
    ],
    ids=["what was sent", "what was sent, elsewhere", "something else", "its number elsewhere", "none", "aside", "new"],
)
def test_a_draft_that_says_something_else_is_left_alone(avoid: str, instead: str, draft: str) -> None:
    assert FINDER.mistakes(avoid, instead, draft) == ()


def test_it_says_where_and_what_instead() -> None:
    draft = "Hi Bo,\n\nbackups are kept for 14 days.\n\nBye"
    (mistake,) = FINDER.mistakes(AVOID, INSTEAD, draft)
    assert (mistake.kind, mistake.instead) == ("duration", "backups are kept for 30 days.")
    assert draft[slice(*mistake.span)] == mistake.said == "backups are kept for 14 days."


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_what_was_sent_never_counts_as_a_mistake(avoid: str, instead: str) -> None:
    assert instead.strip() == "" or FINDER.mistakes(avoid, instead, instead) == ()
