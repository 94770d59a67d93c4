"""The measuring commands, on a few texts of our own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from retrieval.benchmarks import embedding, faq, kb, letters
from retrieval.benchmarks import tickets as tickets_benchmark
from retrieval.benchmarks.ranking import Measured, Task, measure
from tests.retrieval.test_source_index import axis

BACKUP = """---
title: "Restoring a backup"
---
Open the panel, choose the day you want back and press the button. Files of that day replace the present ones.

## How long copies are kept

Every night one copy of each account is made. It is deleted after thirty days, on larger plans after ninety.
"""
MAIL = """# Reading mail on a telephone

Enter the incoming and outgoing server, both with encryption, and your full address as the user name there.

## When messages come back undelivered

The returned message names the reason in its last lines. Most often the address of the recipient is misspelt.
"""


def results(output: str) -> dict[tuple[str, str], Measured]:
    measured = [Measured(**json.loads(line)) for line in output.splitlines()]
    return {(one.task, one.search): one for one in measured}


def test_knowledge_base(tmp_path: Path):
    (tmp_path / "backup.md").write_text(BACKUP, encoding="utf-8")
    (tmp_path / "mail.md").write_text(MAIL, encoding="utf-8")
    run = CliRunner().invoke(kb.main, [str(tmp_path), "--json"])
    assert run.exit_code == 0, run.output
    found = results(run.stdout)
    assert set(found) == {
        (task, search) for task in ("title to article", "heading to section") for search in ("words", "vectors", "both")
    }
    both = found["heading to section", "both"]
    assert (both.questions, both.first_hit, both.ndcg_at_10) == (2, 1.0, 1.0)
    options = ["--alternatives", "--rerank", "--json"]
    further = results(CliRunner().invoke(kb.main, [str(tmp_path), *options]).stdout)
    same = further["heading to section", "document 0.5"]
    assert (same.first_hit, same.ndcg_at_10) == (both.first_hit, both.ndcg_at_10)
    assert {"ranks", "document 0.5", "moved 0.25", "feedback 0.2", "reranked"} <= {search for _, search in further}


def test_questions_and_a_missing_file(tmp_path: Path):
    refused = CliRunner().invoke(faq.main, [str(tmp_path)])
    assert refused.exit_code == 1
    assert "faq.jsonl is missing" in refused.output
    entries = [{"id": 1, "question": "How do I pay?"}, {"id": 2, "question": "Where is my mailbox?"}]
    (tmp_path / "faq.jsonl").write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
    queries = [{"query": "which ways of payment are there", "faq_id": 1}, {"query": "mailbox location", "faq_id": 2}]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)), encoding="utf-8")
    (tmp_path / "other.jsonl").write_text('{"text": "Will it rain tomorrow?"}', encoding="utf-8")
    options = ["--unrelated", str(tmp_path / "other.jsonl"), "--size", "100"]
    run = CliRunner().invoke(faq.main, [str(tmp_path), *options])
    assert run.exit_code == 0, run.output
    for search in ("both", "lane"):
        assert f"{search}          first hit 1.000" in run.output
    assert "unrelated     sent    0, wrong 0" in run.output
    assert "100 FAQs: search p50" in run.output
    lines = CliRunner().invoke(faq.main, [str(tmp_path), "--size", "100", "--json"]).stdout.splitlines()
    assert {json.loads(line).get("measured") for line in lines} >= {"cross-validation", "constants", "as shipped"}


def test_questions_inside_letters(tmp_path: Path):
    entries = [{"id": 1, "question": "How do I pay?"}, {"id": 2, "question": "Where is my mailbox?"}]
    (tmp_path / "faq.jsonl").write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
    queries = [{"query": "which ways of payment are there", "faq_id": 1}, {"query": "mailbox location", "faq_id": 2}]
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)), encoding="utf-8")
    found = results(CliRunner().invoke(letters.main, [str(tmp_path), "--json"]).stdout)
    for name in ("as asked", "letter, cleaned", "reply, cleaned", "thread, cleaned"):
        assert found[name, "both"].first_hit == 1.0
    assert found["reply, as written", "words"].first_hit < 1.0, "the quoted question is another one"


def test_tickets_that_repeat(tmp_path: Path):
    asked = {
        "My parcel has not come": "It is on its way.",
        "I want my money back": "We have paid it back to your card.",
    }
    tickets = [
        {"subject": question, "body": "Please help.", "messages": [{"from": "agent", "body": reply}]}
        for _ in range(12)
        for question, reply in asked.items()
    ]
    (tmp_path / "one.jsonl").write_text("\n".join(map(json.dumps, tickets)), encoding="utf-8")
    run = CliRunner().invoke(tickets_benchmark.main, [str(tmp_path / "one.jsonl"), "--json"])
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert [(one["text"], one["drafts"], one["good"]) for one in found] == [("as written", 4, 1.0), ("cleaned", 4, 1.0)]


def test_the_plain_encoder_makes_the_same_vectors():
    run = CliRunner().invoke(embedding.main, ["--texts", "2", "--rounds", "1", "--json"])
    found = [json.loads(line) for line in run.stdout.splitlines()]
    assert [one["texts"] for one in found] == ["short", "long"]
    assert all(one["largest_difference"] < 1e-5 < one["texts_a_second"] for one in found)


def test_ndcg_counts_groups_not_texts():
    texts = np.stack([axis(0, 0.1), axis(0, 0.2), axis(0, 0.3), axis(4)])
    task = Task("t", ["a", "b", "c", "d"], ["A", "A", "B", "C"], ["x", "x"], ["B", "elsewhere"])
    vectors = measure(task, texts, np.stack([axis(0), axis(0)]))[1]
    assert vectors.first_hit == 0
    assert vectors.ndcg_at_10 == pytest.approx((1 / np.log2(3) + 0) / 2)
