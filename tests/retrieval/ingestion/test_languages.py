"""The language of what customers write, short as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from retrieval.benchmarks import languages
from retrieval.ingestion.languages import detect_language

SHORT_QUESTIONS = Path(__file__).with_name("short_questions.jsonl")


def test_most_short_questions_are_told_and_hardly_any_wrongly():
    run = CliRunner().invoke(languages.main, [str(SHORT_QUESTIONS), "--json"])
    assert run.exit_code == 0, run.output
    measured = [languages.Measured(**json.loads(line)) for line in run.stdout.splitlines()]
    assert {one.language for one in measured} == {"", "de", "en", "es", "fr", "it", "nl", "pl", "pt"}
    assert all(one.told >= 0.75 * one.texts for one in measured)
    assert sum(one.wrong for one in measured) <= 1


@pytest.mark.parametrize(
    "text",
    ["", "42", "502 / 403", "| 1 | 2 | 3 |\n| a | b | c |\n| d | e | f |", "https://example.com/de/die/das/und"],
)
def test_nothing_is_said_of_what_is_no_language(text: str):
    assert detect_language(text) == ""


def test_addresses_and_paths_do_not_count():
    text = (
        "Meine Seite zeigt nur einen Fehler: https://www.example.com/the/of/and/is/in/that/it/you/for/on/with/page.html"
    )
    assert detect_language(text) == "de"


def test_capitals_are_read_like_other_letters():
    assert detect_language("WHY IS MY WEBSITE STILL DOWN?") == "en"
