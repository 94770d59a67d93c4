"""The backtest: its JSON, its honesty about time, and that it leaves nothing behind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from desk.errors import InvalidInputError
from desk.ports import Vectors
from learning.backtest.history import RefusedLine
from learning.backtest.run import BacktestOptions, run_backtest
from retrieval.tokens import terms

START = datetime(2024, 1, 1, tzinfo=UTC)
TOPICS = {
    "folders empty after update": "Right click the folder, choose Properties and then Repair Folder.",
    "cannot send smtp password refused": "Your provider needs an app password; make one on its security page.",
    "change sort order threaded view": "Click the column header twice, then choose View, Sort by, Unthreaded.",
    "spam filter deletes wanted mail": "Open the junk settings of the account and mark the sender as trusted.",
}


class WordEmbedder:
    """Texts with the same words are near, and it costs nothing."""

    dimension = 64

    def embed_now(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for term in terms(text):
                row[hashlib.sha256(term.encode()).digest()[0] % self.dimension] += 1
            row[0] += 0.01
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Progress:
    def __init__(self) -> None:
        self.lines: list[RefusedLine] = []
        self.documents: list[str] = []
        self.stages: list[tuple[str, int, int]] = []

    def advanced(self, stage: str, done: int, total: int) -> None:
        self.stages.append((stage, done, total))

    def refused_line(self, line: RefusedLine) -> None:
        self.lines.append(line)

    def refused_document(self, path: Path, reason: str) -> None:
        self.documents.append(f"{path.name}: {reason}")


def ticket(at: int, body: str, reply: str, *, answered_after: timedelta = timedelta(minutes=5)) -> dict[str, Any]:
    created = START + timedelta(hours=at)
    return {
        "id": f"t-{at}",
        "created_at": created.isoformat(),
        "subject": "",
        "body": body,
        "messages": [{"from": "agent", "at": (created + answered_after).isoformat(), "body": reply}],
    }


def steady(count: int) -> list[dict[str, Any]]:
    topics = list(TOPICS.items())
    return [ticket(at, f"{topics[at % 4][0]} please help {at}", topics[at % 4][1]) for at in range(count)]


def write(path: Path, tickets: Sequence[object]) -> Path:
    path.write_text("\n".join(one if isinstance(one, str) else json.dumps(one) for one in tickets), encoding="utf-8")
    return path


def run(path: Path, **options: Any) -> dict[str, Any]:
    return run_backtest(BacktestOptions(path=path, **options), Progress(), WordEmbedder())


def test_the_json_is_that_of_the_contract(tmp_path: Path) -> None:
    write(tmp_path / "one.jsonl", steady(60))
    write(tmp_path / "two.jsonl", steady(40))

    result = json.loads(json.dumps(run(tmp_path)))

    assert list(result) == [
        "tenants", "tickets", "drafted", "skipped", "seconds", "similarity", "confidence", "risk_coverage",
        "auto_send", "timings_ms",
    ]  # fmt: skip
    assert (result["tenants"], result["tickets"], result["drafted"], result["skipped"]) == (2, 100, 60, 40)
    assert list(result["similarity"]) == ["mean", "share_at_least_0.70", "by_decile", "ceiling_share_at_least_0.70"]
    assert len(result["similarity"]["by_decile"]) == 10
    assert list(result["confidence"]) == ["auroc", "ece", "brier"]
    assert [one["coverage"] for one in result["risk_coverage"]] == [0.05, 0.1, 0.2]
    assert list(result["auto_send"]) == [
        "risk",
        "confidence",
        "sent",
        "coverage",
        "realised_error",
        "certified_tenants",
    ]
    assert list(result["timings_ms"]) == ["retrieve_p50", "draft_p50", "draft_p99"]
    assert result["similarity"]["share_at_least_0.70"] == 1.0


def test_an_answer_from_the_future_is_not_found(tmp_path: Path) -> None:
    unique = "The quick brown fox must be told about the lazy dog in person."
    tickets = steady(30)
    # Asked before, answered only after the last ticket came: it existed for nobody.
    tickets[25] = ticket(25, "zebra crossing colours", unique, answered_after=timedelta(days=30))
    tickets.append(ticket(40, "zebra crossing colours", unique))

    late = run(write(tmp_path / "late.jsonl", tickets))
    tickets[25] = ticket(25, "zebra crossing colours", unique)
    early = run(write(tmp_path / "early.jsonl", tickets))

    assert late["drafted"] == early["drafted"] == 11
    assert late["similarity"]["ceiling_share_at_least_0.70"] == pytest.approx(9 / 11, abs=1e-3)
    assert late["similarity"]["share_at_least_0.70"] == pytest.approx(9 / 11, abs=1e-3)
    assert early["similarity"]["share_at_least_0.70"] == pytest.approx(10 / 11, abs=1e-3)


def test_a_reply_of_the_very_moment_is_not_earlier(tmp_path: Path) -> None:
    tickets = steady(20)
    tickets.append(ticket(30, "zebra crossing", "Paint it black and white.", answered_after=timedelta(hours=1)))
    tickets.append(ticket(31, "zebra crossing", "Paint it black and white."))

    assert run(write(tmp_path / "t.jsonl", tickets))["similarity"]["share_at_least_0.70"] == 0.0


def test_without_learning_only_the_first_twenty_tickets_are_known(tmp_path: Path) -> None:
    tickets = steady(20) + [
        ticket(at, f"invoice copy wanted {at}", "You find every invoice under Billing, Invoices.")
        for at in range(20, 50)
    ]
    path = write(tmp_path / "t.jsonl", tickets)

    assert run(path)["similarity"]["share_at_least_0.70"] > 0.9
    assert run(path, learning=False)["similarity"]["share_at_least_0.70"] == 0.0


def test_tenants_do_not_learn_from_each_other(tmp_path: Path) -> None:
    reply = "You find every invoice under Billing, Invoices."
    write(tmp_path / "a.jsonl", steady(20) + [ticket(at, "invoice copy", reply) for at in range(20, 60)])
    write(tmp_path / "b.jsonl", [*steady(20), ticket(100, "invoice copy", reply)])
    alone = run(tmp_path / "a.jsonl")

    together = run(tmp_path)

    good = round(together["similarity"]["share_at_least_0.70"] * together["drafted"])
    assert good == round(alone["similarity"]["share_at_least_0.70"] * alone["drafted"])


def test_bad_lines_are_reported_and_the_rest_is_replayed(tmp_path: Path) -> None:
    progress = Progress()
    path = write(tmp_path / "t.jsonl", ["{broken", *steady(25), '{"created_at": 5}'])

    result = run_backtest(BacktestOptions(path=path), progress, WordEmbedder())

    assert [line.line for line in progress.lines] == [1, 27]
    assert result["tickets"] == 25
    assert progress.stages[-1] == ("replay", 25, 25)


def test_a_limit_takes_the_oldest_tickets_of_all_tenants(tmp_path: Path) -> None:
    write(tmp_path / "one.jsonl", steady(40))
    write(tmp_path / "two.jsonl", steady(40))

    result = run(tmp_path, limit=60)

    assert (result["tenants"], result["tickets"], result["drafted"]) == (2, 60, 20)


def test_a_predictable_tenant_is_certified_and_a_fickle_one_is_not(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    write(tmp_path / "steady.jsonl", steady(400))
    fickle = [{**one, "id": f"f-{n}"} for n, one in enumerate(steady(400))]
    for one in fickle:
        one["messages"][0]["body"] = " ".join(draw.choice(list("abcdefghijklmnopqrstuvwxyz"), size=40))
    write(tmp_path / "fickle.jsonl", fickle)

    sending = run(tmp_path)["auto_send"]

    assert sending["certified_tenants"] == 1
    assert 0.2 < sending["coverage"] < 0.5
    assert sending["realised_error"] == 0.0


def test_knowledge_can_be_quoted_and_unreadable_files_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "kb"
    folder.mkdir()
    (folder / "zebra.md").write_text("# Zebra crossing colours\n\nA zebra crossing is painted black and white.\n")
    (folder / "broken.pdf").write_bytes(b"not a pdf")
    progress = Progress()
    path = write(tmp_path / "t.jsonl", [*steady(20), ticket(30, "zebra crossing colours painted", "Black and white.")])

    with_knowledge = run_backtest(BacktestOptions(path=path, knowledge=folder), progress, WordEmbedder())

    assert with_knowledge["similarity"]["mean"] != run(path)["similarity"]["mean"]
    assert [one.split(":")[0] for one in progress.documents] == ["broken.pdf"]


def test_nothing_usable_is_said_and_not_divided_by(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no usable ticket"):
        run(write(tmp_path / "t.jsonl", ["{}"]))
    few = run(write(tmp_path / "few.jsonl", steady(5)))
    assert (few["drafted"], few["skipped"], few["confidence"]["auroc"]) == (0, 5, 0.5)
    with pytest.raises(InvalidInputError, match="risk"):
        run(tmp_path / "few.jsonl", risk=1.5)
