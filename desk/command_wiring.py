"""The composition root's second half: what single commands need from the packages around the core.

Each function loads its package when it is called, so that comparing two texts does not load the web server, and
`desk --help` loads nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from desk.installation import Installation
    from learning.backtest.history import RefusedLine
    from learning.backtest.run import BacktestProgress
    from learning.history_import import ImportCounts
    from retrieval.index_check import IndexCheck


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
