"""`run_backtest`: from ticket histories to the figures of api.md, in memory, sending and leaving nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from desk.errors import InvalidInputError
from desk.policy.certification import Terms
from desk.ports import Vectors
from learning.backtest import figures
from learning.backtest.history import HistoryTicket, RefusedLine, history_files, read_history
from learning.backtest.memory import Embed, Knowledge, MemoryDesk, searched_text
from learning.backtest.replay import GOOD, Judged, TenantReplay
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.intents import IntentClassifier, hosting_categories, texts_of

_EMBEDDED_TOGETHER = 256
_COVERAGES = (0.05, 0.1, 0.2)


@dataclass(frozen=True, slots=True)
class BacktestOptions:
    path: Path
    """A history file (one tenant) or a folder with one per tenant."""
    knowledge: Path | None = None
    """Documents that every tenant can quote from."""
    limit: int | None = None
    """Replay only so many tickets, the oldest over all tenants."""
    risk: float = 0.05
    confidence: float = 0.95
    learning: bool = True


class BacktestProgress(Protocol):
    """Where a backtest says how far it is, and what it could not read."""

    def advanced(self, stage: str, done: int, total: int) -> None: ...

    def refused_line(self, line: RefusedLine) -> None: ...

    def refused_document(self, path: Path, reason: str) -> None: ...


class BlockingEmbedder(Protocol):
    @property
    def dimension(self) -> int: ...

    def embed_now(self, texts: Sequence[str]) -> Vectors: ...


@dataclass(frozen=True, slots=True)
class ReplayedTenant:
    name: str
    tickets: int
    judged: list[Judged]
    was_certified: bool


@dataclass(frozen=True, slots=True)
class Replayed:
    """All drafts of a backtest, before anything is counted."""

    of_tenants: list[ReplayedTenant]
    seconds: float

    @property
    def judged(self) -> list[Judged]:
        return [one for tenant in self.of_tenants for one in tenant.judged]

    @property
    def tickets(self) -> int:
        return sum(tenant.tickets for tenant in self.of_tenants)


@dataclass(frozen=True, slots=True)
class History:
    """One tenant's tickets in time order."""

    name: str
    tickets: list[HistoryTicket]
    vectors: Vectors
    """One row per ticket, of `searched_text`."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything a replay reads, embedded; it can be replayed more than once.

    Embedding up front gives nothing away: a vector depends on its own text alone.
    """

    histories: list[History]
    knowledge: Knowledge
    intents: IntentClassifier
    dimension: int
    seconds: float
    """What reading and embedding took."""


def run_backtest(
    options: BacktestOptions, progress: BacktestProgress, embedder: BlockingEmbedder | None = None
) -> dict[str, Any]:
    """The JSON of `desk backtest` (api.md). Raises InvalidInputError when there is nothing to replay.

    A ticket the desk could write nothing for counts as a draft that is nothing like the reply.
    """
    replayed = replay(options, progress, embedder or MiniLMEmbedder())
    return figures_of(replayed, options.risk, options.confidence)


def replay(options: BacktestOptions, progress: BacktestProgress, embedder: BlockingEmbedder) -> Replayed:
    """Every tenant's tickets in time order."""
    prepared = prepare(options, progress, embedder)
    return replay_prepared(
        prepared, options.risk, options.confidence, learning=options.learning, advanced=progress.advanced
    )


def prepare(options: BacktestOptions, progress: BacktestProgress, embedder: BlockingEmbedder) -> Prepared:
    """Raises InvalidInputError when there is nothing to replay."""
    started = time.perf_counter()
    check_terms(options.risk, options.confidence)
    if options.limit is not None and options.limit < 1:
        raise InvalidInputError(f"The limit must be at least 1, not {options.limit}.")
    tenants = _read(options, progress)
    vectors = _embed_tickets(list(tenants.values()), embedder, progress)
    knowledge = Knowledge(embedder.dimension)
    if options.knowledge is not None:
        embed = _counted(embedder, progress)
        knowledge = Knowledge.read(options.knowledge, embed, embedder.dimension, progress.refused_document)
    categories = hosting_categories()
    return Prepared(
        [History(name, tickets, rows) for (name, tickets), rows in zip(tenants.items(), vectors, strict=True)],
        knowledge,
        IntentClassifier(categories, embedder.embed_now(texts_of(categories))),
        embedder.dimension,
        time.perf_counter() - started,
    )


def replay_prepared(
    prepared: Prepared,
    risk: float,
    confidence: float,
    *,
    learning: bool,
    advanced: Callable[[str, int, int], None],
) -> Replayed:
    """`advanced` is told the stage, how many tickets are done, and of how many."""
    started = time.perf_counter()
    stage = "replay" if learning else "replay without learning"
    total = sum(len(history.tickets) for history in prepared.histories)
    done = 0

    def one_done() -> None:
        nonlocal done
        done += 1
        advanced(stage, done, total)

    replayed: list[ReplayedTenant] = []
    for history in prepared.histories:
        desk = MemoryDesk(prepared.dimension, prepared.intents, prepared.knowledge)
        tenant = TenantReplay(desk, Terms(risk, confidence), learning=learning)
        judged = list(tenant.run(history.tickets, history.vectors, one_done))
        replayed.append(ReplayedTenant(history.name, len(history.tickets), judged, tenant.was_certified))
    return Replayed(replayed, prepared.seconds + time.perf_counter() - started)


def check_terms(risk: float, confidence: float) -> None:
    """Raises InvalidInputError when one of them is no share."""
    for name, value in (("risk", risk), ("confidence", confidence)):
        if not 0.0 < value < 1.0:
            raise InvalidInputError(f"The {name} must lie between 0 and 1, not {value}.")


def _read(options: BacktestOptions, progress: BacktestProgress) -> dict[str, list[HistoryTicket]]:
    """By the names of their files."""
    tenants = {
        file.name: sorted(read_history(file, progress.refused_line), key=lambda ticket: ticket.created_at)
        for file in history_files(options.path)
    }
    if options.limit is not None:
        oldest = sorted(
            (ticket.created_at, name, at) for name, all_of in tenants.items() for at, ticket in enumerate(all_of)
        )
        kept = {(name, at) for _, name, at in oldest[: options.limit]}
        tenants = {
            name: [one for at, one in enumerate(all_of) if (name, at) in kept] for name, all_of in tenants.items()
        }
    tenants = {name: tickets for name, tickets in tenants.items() if tickets}
    if not tenants:
        raise InvalidInputError(f"There is no usable ticket in {options.path}.")
    return tenants


def _embed_tickets(
    tenants: Sequence[Sequence[HistoryTicket]], model: BlockingEmbedder, progress: BacktestProgress
) -> list[Vectors]:
    """One row per ticket, a repeated text embedded once."""
    texts = [[searched_text(ticket) for ticket in tickets] for tickets in tenants]
    row_of = {text: row for row, text in enumerate(dict.fromkeys(text for of_one in texts for text in of_one))}
    rows = _counted(model, progress)(list(row_of))
    return [rows[[row_of[text] for text in of_one]] for of_one in texts]


def _counted(model: BlockingEmbedder, progress: BacktestProgress) -> Embed:
    def embed(texts: Sequence[str]) -> Vectors:
        rows = np.empty((len(texts), model.dimension), dtype=np.float32)
        for at in range(0, len(texts), _EMBEDDED_TOGETHER):
            part = texts[at : at + _EMBEDDED_TOGETHER]
            rows[at : at + len(part)] = model.embed_now(part)
            progress.advanced("embed", at + len(part), len(texts))
        return rows

    return embed


def figures_of(replayed: Replayed, risk: float, confidence: float) -> dict[str, Any]:
    """The JSON of api.md."""
    in_time = sorted(replayed.judged, key=lambda one: one.created_at)
    similarity = np.array([one.similarity for one in in_time], dtype=np.float64)
    probability = np.array([one.probability for one in in_time], dtype=np.float64)
    good = similarity >= GOOD
    sent = [one for one in in_time if one.sent]
    drafts = len(in_time)
    draft_ms = [one.draft_ms for one in in_time]
    return {
        "tenants": len(replayed.of_tenants),
        "tickets": replayed.tickets,
        "drafted": drafts,
        "skipped": replayed.tickets - drafts,
        "seconds": round(replayed.seconds, 1),
        "similarity": {
            "mean": _rounded(similarity.mean() if drafts else 0.0),
            "share_at_least_0.70": _rounded(good.mean() if drafts else 0.0),
            "by_decile": [_rounded(value) for value in figures.by_decile(similarity.tolist())],
            "ceiling_share_at_least_0.70": _rounded(
                sum(one.best_earlier >= GOOD for one in in_time) / drafts if drafts else 0.0
            ),
        },
        "confidence": {
            "auroc": _rounded(figures.auroc(probability, good)),
            "ece": _rounded(figures.expected_calibration_error(probability, good)),
            "brier": _rounded(figures.brier(probability, good)),
        },
        "risk_coverage": [
            {"coverage": coverage, "precision": _rounded(figures.precision_at(coverage, probability, good))}
            for coverage in _COVERAGES
        ],
        "auto_send": {
            "risk": risk,
            "confidence": confidence,
            "sent": len(sent),
            "coverage": _rounded(len(sent) / drafts if drafts else 0.0),
            "realised_error": _rounded(sum(not one.good for one in sent) / len(sent) if sent else 0.0),
            "certified_tenants": sum(tenant.was_certified for tenant in replayed.of_tenants),
        },
        "timings_ms": {
            "retrieve_p50": _rounded(figures.percentile([one.retrieve_ms for one in in_time], 0.5)),
            "draft_p50": _rounded(figures.percentile(draft_ms, 0.5)),
            "draft_p99": _rounded(figures.percentile(draft_ms, 0.99)),
        },
    }


def _rounded(value: float | np.floating[Any]) -> float:
    return round(float(value), 4)
