"""The promises of `chunk`: exact spans, everything covered, nothing too long, borders where a reader expects them."""

from __future__ import annotations

import re
import time
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from retrieval.ingestion.chunking import Chunk, chunk
from retrieval.ingestion.document import ParsedDocument
from retrieval.ingestion.parse import parse

WORD = re.compile(r"\w{1,8}|[^\w\s]")


def token_spans(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in WORD.finditer(text)]


def check_promises(document: ParsedDocument, chunks: list[Chunk], maximum: int) -> None:
    covered = bytearray(len(document.text))
    for index, piece in enumerate(chunks):
        start, end = piece.span
        assert piece.ordinal == index
        assert piece.text == document.text[start:end]
        assert piece.text.strip()
        assert len(token_spans(piece.embedding_text)) <= maximum
        assert len(piece.text) <= 8 * maximum
        covered[start:end] = b"\x01" * (end - start)
    assert [piece.span for piece in chunks] == sorted(piece.span for piece in chunks)
    assert all(covered[i] or character.isspace() for i, character in enumerate(document.text))


WORDS = st.sampled_from(
    ["Save", "the", "file.", "Then", "e.g.", "1.5", "https://a.example/b", "z.", "x" * 90, "日本語。", "ok?"]
)
SENTENCES = st.lists(WORDS, max_size=60).map(" ".join)
BLOCKS = st.one_of(
    SENTENCES,
    SENTENCES.map(lambda text: f"## {text}"[:200]),
    st.lists(SENTENCES, max_size=5).map(lambda items: "\n".join(f"- {item}" for item in items)),
    st.lists(SENTENCES).map(lambda rows: "\n".join(["| a | b |", "|--|--|", *(f"| {row} | 1 |" for row in rows)])),
    st.lists(SENTENCES, max_size=12).map(lambda lines: "```\n" + "\n".join(f"    {line}" for line in lines) + "\n```"),
)  # fmt: skip


@settings(max_examples=150)
@example(["## Save Save", "Save", "## Save Save Save Save https://a.example/b " + "x" * 90], 32, 0)
@given(st.lists(BLOCKS, max_size=12), st.integers(16, 120), st.integers(0, 30))
def test_promises_hold_for_any_document(pieces: list[str], target: int, more: int) -> None:
    source = "# A title of the page\n\n" + "\n\n".join(pieces)
    document = parse("a.md", source.encode())
    maximum = target + more
    chunks = chunk(document, token_spans, target_tokens=target, maximum_tokens=maximum, overlap_tokens=target // 4)
    check_promises(document, chunks, maximum)


@pytest.mark.parametrize(
    "text",
    ["x" * 1_000_000, "." * 300_000, "\n" * 1_000_000 + "x", "a\u0301" * 200_000, "漢字" * 100_000, "a " * 200_000],
    ids=["one word", "only dots", "only newlines", "marks", "no spaces", "tiny words"],
)
def test_ends_in_time_proportional_to_the_text_whatever_it_is(text: str) -> None:
    document = parse("a.txt", text.encode())
    started = time.process_time()
    chunks = chunk(document, token_spans)
    assert time.process_time() - started < 10
    check_promises(document, chunks, 250)


def test_a_tokenizer_that_sees_one_token_cannot_make_an_endless_chunk() -> None:
    document = parse("a.txt", b"x" * 100_000)
    chunks = chunk(document, lambda text: [(0, len(text))])
    assert max(len(piece.text) for piece in chunks) <= 2000


def cut(source: str, **options: int) -> list[Chunk]:
    return chunk(parse("a.md", source.encode()), token_spans, **options)


def test_each_section_is_its_own_chunk_and_carries_its_path() -> None:
    chunks = cut("# Mail\nIntro.\n## Quota\n### Raise\nAsk us.\n## Spam\nFilter it.")
    assert [(piece.text, piece.heading_path) for piece in chunks] == [
        ("Mail\n\nIntro.", ()),
        ("Quota\n\nRaise\n\nAsk us.", ("Quota", "Raise")),
        ("Spam\n\nFilter it.", ("Spam",)),
    ]
    assert [piece.embedding_text for piece in chunks] == [
        "Mail\n\nIntro.",
        "Mail\nQuota\n\nRaise\n\nAsk us.",
        "Mail\nSpam\n\nFilter it.",
    ]


def test_a_cut_paragraph_ends_at_sentences_and_repeats_what_led_up_to_the_cut() -> None:
    text = " ".join(f"Sentence number {index} has several words in it." for index in range(30))
    chunks = cut(f"## Part\n\n{text}", target_tokens=60, maximum_tokens=80, overlap_tokens=12)
    assert len(chunks) > 3
    assert all(piece.text.endswith("in it.") for piece in chunks)
    for before, after in pairwise(chunks):
        assert after.span[0] < before.span[1]
        assert after.text.startswith("Sentence number")
        assert after.context == "A > Part"


def test_paragraphs_are_rather_kept_than_cut_and_not_repeated() -> None:
    paragraphs = [" ".join(f"Word{index} goes here." for _ in range(9)) for index in range(5)]
    chunks = cut("\n\n".join(paragraphs), target_tokens=100, maximum_tokens=120)
    assert "\n\n".join(piece.text for piece in chunks) == "\n\n".join(paragraphs)


@pytest.mark.parametrize(
    "whole",
    ["```\n" + "\n".join(f"line {i}" for i in range(40)) + "\n```", "| a | b |\n|--|--|\n" + "| x | y |\n" * 25],
    ids=["code", "table"],
)
def test_code_and_tables_that_fit_stay_whole_with_the_sentence_that_announces_them(whole: str) -> None:
    filler = "Some words to fill the chunk before it. " * 8
    chunks = cut(f"{filler}\n\nRun this:\n\n{whole}\n\n{filler}", target_tokens=110, maximum_tokens=130)
    holding = [piece for piece in chunks if "Run this:" in piece.text]
    assert len(holding) == 1
    assert holding[0].text.startswith("Run this:\n\n")
    assert holding[0].text.count("line") == 40 or holding[0].text.count("x | y") == 25


def test_long_tables_and_code_are_cut_between_lines() -> None:
    rows = "".join(f"| name {index} | value |\n" for index in range(100))
    for piece in cut("| a | b |\n|--|--|\n" + rows, target_tokens=60, maximum_tokens=70):
        assert all(re.fullmatch(r"(name \d+|a) \| (value|b)", line) for line in piece.text.split("\n"))


def test_no_scrap_is_left_at_the_end_of_a_section() -> None:
    chunks = cut(
        "\n\n".join(["Nine words stand here to make one sentence long."] * 12 + ["End."]),
        target_tokens=60,
        maximum_tokens=80,
    )
    assert all(piece.tokens > 10 for piece in chunks)


def test_addresses_behind_links_are_quoted_but_not_embedded() -> None:
    (piece,) = cut("See [our page](https://example.com/very/long) for it.")
    assert piece.text == "See our page (https://example.com/very/long) for it."
    assert piece.embedding_text == "A\nSee our page for it."


def test_a_very_long_title_leaves_room_for_the_text() -> None:
    chunks = cut(f"---\ntitle: {'long ' * 200}\n---\n" + "Some words here. " * 100)
    assert all(len(token_spans(piece.context)) <= 63 for piece in chunks)
