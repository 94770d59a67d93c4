"""The labelled edits: every verdict right, and the kinds found as well as stated here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from learning.edits.report import LabelledEdit, main, read_corpus, score

CORPUS = Path(__file__).parent / "corpus"
FRESH = Path(__file__).parent / "fresh"
FLOOR = 0.95
EDITS = read_corpus(CORPUS)


def test_every_verdict_of_the_corpus_is_right() -> None:
    assert len(EDITS) >= 300
    wrong = [f"{e.source}: {e.draft!r} -> {e.sent!r}" for e in EDITS if score([e]).verdicts == 0]
    assert wrong == []


@pytest.mark.parametrize(
    "kind",
    [
        "number", "date", "amount", "duration", "url", "email", "phone", "entity", "negation", "modality", "step_added",
        "step_removed", "promise", "apology", "tone", "greeting",
    ],
)  # fmt: skip
def test_kinds_are_found_and_not_invented(kind: str) -> None:
    scores = score(EDITS)
    assert scores.labelled[kind] >= 5
    assert scores.precision(kind) >= FLOOR
    assert scores.recall(kind) >= FLOOR


def test_replies_of_other_trades_keep_the_verdicts_they_reached() -> None:
    scores = score(read_corpus(FRESH))
    assert scores.edits >= 200
    assert scores.verdicts >= FLOOR * scores.edits
    for kind in ("number", "date", "amount", "duration", "url", "email", "negation", "modality", "promise"):
        assert scores.labelled[kind] >= 3
        assert min(scores.precision(kind), scores.recall(kind)) >= FLOOR, kind


def test_the_report_counts_what_was_missed_and_what_was_invented() -> None:
    edits = [
        LabelledEdit("right", "Use port 25.", "Use port 26.", "correction", frozenset({"number"})),
        LabelledEdit("missed", "Use port 25.", "Use port 25.", "correction", frozenset({"number"})),
        LabelledEdit("invented", "Use port 25.", "Use port 26.", "correction", frozenset({"date"})),
    ]
    scores = score(edits)
    assert (scores.precision("number"), scores.recall("number"), scores.verdicts) == (0.5, 0.5, 2)
    assert scores.recall("date") == 0.0
    assert len(scores.wrong) == 2


def test_the_report_command_prints_a_line_per_kind_for_each_corpus() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "learning.edits.report", str(CORPUS), str(FRESH)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"of {len(EDITS)}" in printed
    assert f"of {len(read_corpus(FRESH))}" in printed
    assert printed.count("negation") == 2


def test_the_report_says_which_line_is_malformed(tmp_path: Path) -> None:
    broken = tmp_path / "edits.jsonl"
    broken.write_text('{"draft": "a"}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"edits\.jsonl:1"):
        read_corpus(broken)
    assert main([]) == 2
