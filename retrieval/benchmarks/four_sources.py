"""Measures a search over the four sources of a tenant beside the plain design: float32, dot product, argsort.

    OPENBLAS_NUM_THREADS=1 python -m retrieval.benchmarks.four_sources [--full]

Prints one JSON object a line: what was searched, what it is measured against, and medians over interleaved rounds. The
number of BLAS threads is the caller's choice, since it decides how fast the plain design is. Vectors lie around topics,
as those of texts do; nobody's texts are needed.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import sys
import tempfile
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from time import perf_counter
from uuid import UUID

import numkong
import numpy as np
from numpy.typing import NDArray
from usearch.index import Index

from desk.ports import Vectors
from retrieval.benchmarks.ranking import temporary_folder
from retrieval.source_index import SourceIndex
from retrieval.vectors import VectorArena
from retrieval.vectors.graph import CONNECTIVITY, EXPANSION, GRAPH_ABOVE

SOURCES = 4
_QUESTIONS = 40
_ROUNDS = 5
_K = 24
_TOPICS = 300
_SCATTER = 1.0
"""Of texts about their topic, in terms of the topics' distance from each other."""
_SHARES = list(accumulate(1 / (rank + 2.7) for rank in range(20_000)))
"""Running sum of how often each word comes in a text, the most frequent first (Mandelbrot 1953)."""
_ITEM_WORDS, _QUESTION_WORDS = 60, 30


@dataclass(frozen=True, slots=True)
class Size:
    items: int
    """In each of the four sources."""
    dimension: int
    words: bool = False
    """Whether words are searched as well."""
    cold: bool = False
    """Whether the plain design is also measured reading its files for each search."""
    shared: bool = False
    """One source searched four times instead of four: a graph takes minutes to build."""


QUICK = (Size(500, 384, words=True), Size(2_000, 384, words=True), Size(2_000, 1_536, words=True))
FULL = (Size(10_000, 1_536, cold=True), Size(20_000, 1_536), Size(100_000, 1_536, shared=True))


@dataclass(frozen=True, slots=True)
class Measured:
    items: int
    dimension: int
    searched: str
    milliseconds: float
    yardstick: str
    yardstick_milliseconds: float
    recall_at_10: float
    """Of the exact ten best by cosine, how many are among ours; for vectors alone."""
    bytes_share: float
    """Memory of our vectors in terms of float32."""
    index_share: float | None
    """Likewise of whole indexes, words and ids included; None where no words are searched."""
    rounds: int


@dataclass(frozen=True, slots=True)
class _Sources:
    matrices: list[Vectors]
    arenas: list[VectorArena]
    indexes: list[SourceIndex]
    planes: list[NDArray[np.int8]]
    """For the bare kernel: what an int8 scan reads."""
    graphs: list[Index]
    """For bare usearch, where ours are graphs."""
    files: list[Path]
    questions: Vectors
    words: list[str]


_Search = Callable[[_Sources, int], object]


def measure(size: Size) -> list[Measured]:
    with tempfile.TemporaryDirectory(prefix="desk-") as folder:
        sources = _made(size, Path(folder))
        searches: dict[str, _Search] = {"vectors": _search_vectors, "plain": _search_plainly}
        if size.words:
            searches["vectors and words"] = _search_both
        if size.cold:
            searches["cold"] = _search_files
        searches["bare"] = _search_graphs if sources.graphs else _scan
        times = _medians(sources, searches)
    bare = "bare usearch at the same setting" if sources.graphs else "a bare int8 scan, nothing chosen from it"
    beside = [("vectors", "plain", "numpy float32 dot product and argsort"), ("vectors", "bare", bare)]
    if size.words:
        beside.append(("vectors and words", "plain", "numpy float32 dot product and argsort, vectors only"))
    if size.cold:
        beside.append(("vectors", "cold", "the same numpy, reading its four .npy files for each search"))
    recall = _recall(sources)
    share = sum(arena.nbytes for arena in sources.arenas) / sum(matrix.nbytes for matrix in sources.matrices)
    held = sum(index.nbytes for index in sources.indexes)
    whole = held / sum(matrix.nbytes for matrix in sources.matrices) if sources.indexes else None
    return [
        Measured(size.items, size.dimension, ours, times[ours], told, times[theirs], recall, share, whole, _ROUNDS)
        for ours, theirs, told in beside
    ]


def _medians(sources: _Sources, searches: Mapping[str, _Search]) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(_ROUNDS):
        rounds: dict[str, list[float]] = {name: [] for name in searches}
        for at in range(_QUESTIONS):
            for name, search in searches.items():
                started = perf_counter()
                search(sources, at)
                rounds[name].append(1000 * (perf_counter() - started))
        for name, times in rounds.items():
            taken[name].append(statistics.median(times))
    return {name: statistics.median(times) for name, times in taken.items()}


def _made(size: Size, folder: Path) -> _Sources:
    random = np.random.default_rng(7)
    topics = random.standard_normal((_TOPICS, size.dimension), dtype=np.float32)
    made = _Sources([], [], [], [], [], [], _unit(random, topics, _QUESTIONS), [])
    made.words.extend(_text(random, _QUESTION_WORDS) for _ in range(_QUESTIONS))
    for number in range(1 if size.shared else SOURCES):
        _add_source(made, size, random, topics, folder / f"{number}.npy")
    if size.shared:
        made.matrices.extend(made.matrices * (SOURCES - 1))
        made.arenas.extend(made.arenas * (SOURCES - 1))
        made.planes.extend(made.planes * (SOURCES - 1))
        made.graphs.extend(made.graphs * (SOURCES - 1))
    return made


def _add_source(made: _Sources, size: Size, random: np.random.Generator, topics: Vectors, file: Path) -> None:
    rows = _unit(random, topics, size.items)
    ids = [UUID(int=number) for number in range(size.items)]
    arena = _arena(rows, ids)
    made.matrices.append(rows)
    made.arenas.append(arena)
    if size.words:
        index = SourceIndex(size.dimension)
        for item_id, row in zip(ids, rows, strict=True):
            index.upsert(item_id, _text(random, _ITEM_WORDS), row)
        made.indexes.append(index)
    if size.cold:
        np.save(file, rows)
        made.files.append(file)
    if arena.is_graph:
        graph = Index(ndim=size.dimension, metric="ip", dtype="bf16", connectivity=CONNECTIVITY)
        graph.load(arena.saved()[1])  # pyright: ignore[reportUnknownMemberType] -- usearch leaves out a type
        graph.expansion_search = EXPANSION
        made.graphs.append(graph)
    else:
        made.planes.append(np.rint(rows * (127 / np.abs(rows).max(axis=1, keepdims=True))).astype(np.int8))


def _arena(rows: Vectors, ids: list[UUID]) -> VectorArena:
    """As the product would hold them. A graph is kept in the folder for temporary files: to build one takes minutes."""
    dimension = rows.shape[1]
    if len(rows) <= GRAPH_ABOVE:
        arena = VectorArena(dimension)
        arena.upsert_many(ids, rows)
        return arena
    digest = hashlib.sha256(rows[:: len(rows) // 100].tobytes() + bytes((CONNECTIVITY, EXPANSION))).hexdigest()[:32]
    kept = temporary_folder() / f"{len(rows)}-{dimension}-{digest}.graph"
    if kept.is_file():
        return VectorArena.restored(dimension, ids, kept.read_bytes())
    arena = VectorArena(dimension)
    arena.upsert_many(ids, rows)
    arena.build_graph()
    fresh = kept.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(arena.saved()[1])
    fresh.replace(kept)
    return arena


def _unit(random: np.random.Generator, topics: Vectors, count: int) -> Vectors:
    rows = topics[random.integers(0, len(topics), count)]
    rows += np.float32(_SCATTER) * random.standard_normal(rows.shape, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


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


def _search_files(sources: _Sources, at: int) -> None:
    question = sources.questions[at] / np.linalg.norm(sources.questions[at])
    for file in sources.files:
        np.argsort(-(np.load(file) @ question))[:_K]


def _scan(sources: _Sources, at: int) -> None:
    question = np.rint(sources.questions[at] * (127 / np.abs(sources.questions[at]).max())).astype(np.int8)
    for plane in sources.planes:
        numkong.cdist(question[np.newaxis], plane, "dot")


def _search_graphs(sources: _Sources, at: int) -> None:
    for graph in sources.graphs:
        graph.search(sources.questions[at], _K)


def _recall(sources: _Sources) -> float:
    found = wanted = 0
    for question in sources.questions:
        for matrix, arena in zip(sources.matrices, sources.arenas, strict=True):
            best = {UUID(int=int(row)) for row in np.argsort(-(matrix @ question))[:10]}
            found += len(best & {item_id for item_id, _ in arena.search(question, 10)})
            wanted += 10
    return found / wanted


def main() -> None:
    for size in (*QUICK, *FULL) if "--full" in sys.argv[1:] else QUICK:
        for measured in measure(size):
            sys.stdout.write(json.dumps(asdict(measured)) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
