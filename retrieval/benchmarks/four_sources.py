"""Measures a search over the four sources of a tenant beside the plain design: float32, dot product, argsort.

    OPENBLAS_NUM_THREADS=1 python -m retrieval.benchmarks.four_sources

Prints one JSON object a line: items in each source, what was searched, and medians over interleaved rounds. The
number of BLAS threads is the caller's choice, since it decides how fast the plain design is.
"""

from __future__ import annotations

import json
import statistics
import sys
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import accumulate
from time import perf_counter
from uuid import UUID

import numpy as np

from desk.ports import Vectors
from retrieval.source_index import SourceIndex
from retrieval.vectors import VectorArena

SIZES = (500, 2_000)
DIMENSION = 384
SOURCES = 4
_QUESTIONS = 60
_ROUNDS = 5
_K = 24
_SHARES = list(accumulate(1 / (rank + 2.7) for rank in range(20_000)))
"""Running sum of how often each word comes in a text, the most frequent first (Mandelbrot 1953)."""
_ITEM_WORDS, _QUESTION_WORDS = 60, 30


@dataclass(frozen=True, slots=True)
class Measured:
    items: int
    """In each of the four sources."""
    searched: str
    """`vectors`, or `vectors and words`."""
    milliseconds: float
    plain_milliseconds: float
    """The plain design, which knows vectors only."""
    recall_at_10: float
    """Of the exact ten best by cosine, how many are among ours; for `vectors` alone."""
    rounds: int


@dataclass(frozen=True, slots=True)
class _Sources:
    matrices: list[Vectors]
    arenas: list[VectorArena]
    indexes: list[SourceIndex]
    questions: Vectors
    words: list[str]


def measure(items: int) -> list[Measured]:
    sources = _made(items)
    searches: dict[str, Callable[[_Sources, int], None]] = {
        "vectors": _search_vectors,
        "vectors and words": _search_both,
        "plain": _search_plainly,
    }
    taken: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(_ROUNDS):
        rounds: dict[str, list[float]] = {name: [] for name in taken}
        for at in range(_QUESTIONS):
            for name, search in searches.items():
                started = perf_counter()
                search(sources, at)
                rounds[name].append(1000 * (perf_counter() - started))
        for name, times in rounds.items():
            taken[name].append(statistics.median(times))
    plain = statistics.median(taken.pop("plain"))
    recall = _recall(sources)
    return [Measured(items, name, statistics.median(times), plain, recall, _ROUNDS) for name, times in taken.items()]


def _made(items: int) -> _Sources:
    random = np.random.default_rng(7)
    matrices: list[Vectors] = []
    arenas: list[VectorArena] = []
    indexes: list[SourceIndex] = []
    for _ in range(SOURCES):
        rows = random.standard_normal((items, DIMENSION), dtype=np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        ids = [UUID(int=number) for number in range(items)]
        arena, index = VectorArena(DIMENSION), SourceIndex(DIMENSION)
        arena.upsert_many(ids, rows)
        for item_id, row in zip(ids, rows, strict=True):
            index.upsert(item_id, _text(random, _ITEM_WORDS), row)
        matrices.append(rows)
        arenas.append(arena)
        indexes.append(index)
    near = random.standard_normal((_QUESTIONS, DIMENSION), dtype=np.float32) * np.float32(0.05)
    questions = matrices[0][random.integers(0, items, _QUESTIONS)] + near
    questions /= np.linalg.norm(questions, axis=1, keepdims=True)
    return _Sources(matrices, arenas, indexes, questions, [_text(random, _QUESTION_WORDS) for _ in range(_QUESTIONS)])


def _text(random: np.random.Generator, words: int) -> str:
    numbers = [bisect_left(_SHARES, drawn * _SHARES[-1]) for drawn in random.random(words).tolist()]
    return " ".join(f"word{number}" for number in numbers)


def _search_vectors(sources: _Sources, at: int) -> None:
    for arena in sources.arenas:
        arena.search(sources.questions[at], _K)


def _search_both(sources: _Sources, at: int) -> None:
    for index in sources.indexes:
        index.search(sources.words[at], sources.questions[at], _K)


def _search_plainly(sources: _Sources, at: int) -> None:
    question = sources.questions[at] / np.linalg.norm(sources.questions[at])
    for matrix in sources.matrices:
        np.argsort(-(matrix @ question))[:_K]


def _recall(sources: _Sources) -> float:
    found = wanted = 0
    for question in sources.questions:
        for matrix, arena in zip(sources.matrices, sources.arenas, strict=True):
            best = {UUID(int=int(row)) for row in np.argsort(-(matrix @ question))[:10]}
            found += len(best & {item_id for item_id, _ in arena.search(question, 10)})
            wanted += 10
    return found / wanted


def main() -> None:
    for items in SIZES:
        for measured in measure(items):
            sys.stdout.write(json.dumps(asdict(measured)) + "\n")


if __name__ == "__main__":
    main()
