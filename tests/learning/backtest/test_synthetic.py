"""A desk whose questions repeat: what may be sent by itself, and where good drafts are lost."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from desk.policy.certificate import binomial_tail
from desk.ports import Vectors
from learning.backtest.losses import losses_of
from learning.backtest.replay import Judged
from learning.backtest.run import BacktestOptions, replay, run_backtest
from learning.backtest.synthetic import synthetic_history
from retrieval.tokens import terms
from tests.learning.backtest.test_run import Progress

LETTER = frozenset(
    terms(
        "hello hi good morning dear support there can you help since yesterday what should i do need some tried it "
        "twice already this is rather urgent for us my colleague sees the same worked fine last week am on phone "
        "right now nothing in pages matched sorry if was asked before we are a small team of four me to"
    )
)


class TopicEmbedder:
    """Knows a letter's own words from those of its topic, as a real model does, and costs nothing."""

    dimension = 512

    def embed_now(self, texts: Sequence[str]) -> Vectors:
        rows = np.full((len(texts), self.dimension), 0.01, dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for term in set(terms(text)) - LETTER:
                row[int.from_bytes(hashlib.sha256(term.encode()).digest()[:4]) % self.dimension] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synthetic") / "steady.jsonl"
    path.write_text("\n".join(json.dumps(ticket) for ticket in synthetic_history(600)), encoding="utf-8")
    return path


def test_at_least_three_in_ten_go_out_at_five_percent_risk_and_the_risk_holds(history: Path) -> None:
    sending = run_backtest(BacktestOptions(path=history, risk=0.05), Progress(), TopicEmbedder())["auto_send"]

    assert sending["coverage"] >= 0.30
    errors = round(sending["realised_error"] * sending["sent"])
    assert 1 - binomial_tail(errors - 1, sending["sent"], 0.05) > 1e-4 if errors else True


@pytest.fixture(scope="module")
def judged(history: Path) -> list[Judged]:
    return replay(BacktestOptions(path=history, limit=200), Progress(), TopicEmbedder()).judged


def test_the_steps_from_written_to_drafted_only_lose(judged: list[Judged]) -> None:
    losses = losses_of(judged)

    assert len(judged) == 180
    assert 1.0 >= losses.written >= losses.found >= losses.chosen >= losses.drafted > 0.9
    assert losses.drafted >= losses.nearest > 0.5


def test_a_greeted_name_is_the_customers_own(judged: list[Judged]) -> None:
    """Every answer greets somebody by name; drafts that kept a stranger's would be less alike."""
    assert sum(one.similarity - one.chosen for one in judged) > 0


def test_the_same_seed_makes_the_same_history() -> None:
    assert list(synthetic_history(50, seed=3)) == list(synthetic_history(50, seed=3))
    assert list(synthetic_history(50, seed=3)) != list(synthetic_history(50, seed=4))
