"""Texts cut for WhatsApp, and the words by which people stop a sender."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.whatsapp.texts import consent_of, split


@given(st.text(min_size=1, max_size=400), st.integers(min_value=20, max_value=90))
def test_no_piece_is_too_long_and_nothing_but_white_space_at_the_cuts_is_lost(text: str, longest: int) -> None:
    pieces = split(text, longest)
    assert all(len(piece) <= longest for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_it_is_cut_between_paragraphs_before_sentences_before_words() -> None:
    paragraphs = "One sentence here. And another.\n\nA second paragraph that is longer."
    assert split(paragraphs, 50) == ("One sentence here. And another.", "A second paragraph that is longer.")
    assert split("First it is this. Then it is that one there.", 30) == (
        "First it is this.",
        "Then it is that one there.",
    )
    assert split("word " * 10, 24) == ("word word word word word"[:24], "word word word word word")
    assert split("x" * 25, 10) == ("x" * 10, "x" * 10, "x" * 5)
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert family in split("y" * 28 + family, 30)[1]


@pytest.mark.parametrize(
    ("body", "meaning"),
    [
        ("STOP", "stop"),
        (" stop. ", "stop"),
        ("Unsubscribe", "stop"),
        ("START", "start"),
        ("please stop the backup", ""),
        ("cancel", ""),
        ("yes", ""),
        ("", ""),
    ],
)
def test_only_the_word_alone_stops_or_starts(body: str, meaning: str) -> None:
    assert consent_of(body) == meaning
