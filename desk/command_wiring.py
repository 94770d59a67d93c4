"""The composition root's second half: what single commands need from the packages around the core.

Each function loads its package when it is called, so that comparing two texts does not load the web server, and
`desk --help` loads nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from desk.history.account import BacktestAccount
    from desk.installation import Installation
    from desk.measuring.figures import Figure
    from desk.settings import Settings
    from learning.backtest.history import RefusedLine
    from learning.backtest.run import BacktestProgress
    from learning.history_import import ImportCounts
    from retrieval.index_check import IndexCheck
    from retrieval.snapshots import SnapshotState


def find_documents(paths: Iterable[Path], skipped: Callable[[Path, str], None]) -> Iterator[Path]:
    """Files to ingest; what is left out goes to `skipped` with the reason. Raises InvalidInputError."""
    from retrieval.ingestion.discovery import discover

    return discover(paths, skipped)


async def embed_learned_anew(installation: Installation, tenant_id: UUID) -> int:
    """Every active example and correction of a tenant; returns how many."""
    from retrieval.reembedding import embed_learned_anew as embed

    return await embed(installation.database, installation.embedder, tenant_id)


async def check_indexes(installation: Installation, tenant_id: UUID) -> IndexCheck:
    """Whether what is searched agrees with what is stored."""
    from retrieval.index_check import check_indexes as check

    return await check(installation.database, installation.embedder, tenant_id)


def examine_snapshots(settings: Settings) -> list[SnapshotState]:
    """Every file of a large index, its hash computed anew."""
    from desk.wiring import snapshots

    return list(snapshots(settings).examine())


async def import_history(
    installation: Installation,
    tenant_id: UUID,
    path: Path,
    refused: Callable[[RefusedLine], None],
    done: Callable[[], None],
) -> ImportCounts:
    """One history file into a tenant; `done` is called for each ticket."""
    from learning.backtest.history import read_history
    from learning.history_import import HistoryImporter

    importer = HistoryImporter(installation.database, installation.embedder)
    return await importer.run(tenant_id, read_history(path, refused), done)


def explain_backtest(
    path: Path,
    progress: BacktestProgress,
    *,
    knowledge: Path | None,
    limit: int | None,
    risk: float,
    confidence: float,
    report: Callable[[BacktestAccount], None],
) -> dict[str, Any]:
    """The same JSON as `run_backtest`, and what a report shows beside it.

    Raises InvalidInputError when there is nothing to replay, or no ticket that could be drafted.
    """
    from desk.errors import InvalidInputError
    from learning.backtest.account import AccountTerms, account_of
    from learning.backtest.run import BacktestOptions, prepare
    from retrieval.embedding.minilm import MiniLMEmbedder

    prepared = prepare(BacktestOptions(path, knowledge, limit, risk, confidence), progress, MiniLMEmbedder())
    account = account_of(prepared, AccountTerms(risk, confidence, best=10, worst=20), progress.advanced)
    if account is None:
        msg = "No ticket could be drafted: the first 20 of a tenant are only learned from, and a reply must be there."
        raise InvalidInputError(msg)
    report(account)
    return account.figures


def write_backtest_report(
    account: BacktestAccount, target: Path, *, name: str, command: str, left_out: Sequence[str], documents: bool
) -> None:
    """One HTML file that needs nothing beside it."""
    from ui.backtest_report import backtest_report

    page = backtest_report(account, name=name, command=command, left_out=left_out, documents=documents)
    target.write_text(page, encoding="utf-8")


def run_backtest(
    path: Path,
    progress: BacktestProgress,
    *,
    knowledge: Path | None,
    limit: int | None,
    risk: float,
    confidence: float,
    learning: bool,
) -> dict[str, Any]:
    """The JSON of `desk backtest`. Raises InvalidInputError when there is nothing to replay."""
    from learning.backtest.run import BacktestOptions
    from learning.backtest.run import run_backtest as run

    return run(BacktestOptions(path, knowledge, limit, risk, confidence, learning), progress)


def edit_report(draft: str, sent: str) -> dict[str, Any]:
    """The analysis of an edit, as `desk check-edit --json` prints it."""
    from learning.edits import analyse, to_json

    return to_json(analyse(draft, sent))


def measure_search(blas_threads: int, *, full: bool = False) -> list[Figure]:
    """In a process of its own: the number of BLAS threads is settled when numpy is loaded."""
    from desk.measuring.figures import Figure

    answer = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "retrieval.benchmarks.four_sources", *(["--full"] if full else [])],
        env={**os.environ, "OPENBLAS_NUM_THREADS": str(blas_threads), "OMP_NUM_THREADS": str(blas_threads)},
        capture_output=True,
        text=True,
        check=True,
    )
    figures: list[Figure] = []
    for line in answer.stdout.splitlines():
        one = json.loads(line)
        name = (
            f"search of {one['searched']}, 4 x {one['items']} items of {one['dimension']} numbers,"
            f" recall at 10 {one['recall_at_10']:.3f}, {one['bytes_share']:.2f} of the bytes of float32"
        )
        if one["index_share"] is not None:
            name += f", {one['index_share']:.2f} with words and ids"
        yardstick = f"{one['yardstick']}, BLAS threads: {blas_threads}"
        figures.append(Figure(name, "ms", one["milliseconds"], yardstick, one["yardstick_milliseconds"], one["rounds"]))
    return figures


async def measure_edits() -> list[Figure]:
    """The edit analysis beside the bare distance of the texts."""
    from desk.measuring.figures import take_turns, timed
    from learning.edits.benchmark import edit_pairs

    figures: list[Figure] = []
    for pair in edit_pairs():
        taken = await take_turns(timed(pair.analyse), timed(pair.distance), samples=10)
        name = f"analysis of an edit, two texts of {pair.characters} characters"
        figures.append(taken.figure(name, "ms", "rapidfuzz's Levenshtein distance"))
    return figures
