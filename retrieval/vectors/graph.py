"""The layout of the largest arenas: an HNSW graph (Malkov & Yashunin 2018) by usearch, its vectors in bfloat16."""

from __future__ import annotations

import os
from typing import cast

import numpy as np
from numpy.typing import NDArray
from usearch.index import Index

from desk.ports import Vectors
from retrieval.vectors.rows import AskedVector, Indices, Scores

GRAPH_ABOVE = 20_000
"""Vectors above which a graph is quicker than an exact scan, by `retrieval.benchmarks.four_sources`."""
CONNECTIVITY = 16
EXPANSION = 128
"""Candidates kept while searching and while adding; recall at 10 is then .96 and more."""


class GraphRows:
    """Fulfils `retrieval.vectors.rows.Rows`; a row's number is its key in the graph."""

    def __init__(self, dimension: int) -> None:
        self._graph = Index(
            ndim=dimension,
            metric="ip",
            dtype="bf16",
            connectivity=CONNECTIVITY,
            expansion_add=EXPANSION,
            expansion_search=EXPANSION,
        )

    @classmethod
    def restored(cls, dimension: int, raw: bytes | memoryview) -> GraphRows:
        """From the bytes of `saved`, which must be known to be whole: usearch crashes on others."""
        rows = cls(dimension)
        rows._graph.load(raw)  # pyright: ignore[reportUnknownMemberType] -- usearch leaves out a parameter's type
        rows._graph.expansion_add = EXPANSION
        rows._graph.expansion_search = EXPANSION
        return rows

    def saved(self) -> bytes:
        return cast("bytes", self._graph.save())  # pyright: ignore[reportUnknownMemberType] -- likewise

    def __len__(self) -> int:
        return len(self._graph)

    @property
    def capacity(self) -> int:
        return len(self._graph)

    @property
    def nbytes(self) -> int:
        return int(self._graph.memory_usage)

    def resize(self, capacity: int) -> None:
        """The graph grows and gives back its room by itself."""

    def write(self, indices: Indices, vectors: Vectors) -> None:
        keys = indices.astype(np.uint64)
        if len(self._graph):
            held = cast("NDArray[np.bool_]", self._graph.contains(keys))
            if held.any():
                self._graph.remove(keys[held])
        # Half of the machine: the other half goes on answering.
        self._graph.add(keys, vectors, threads=max(1, (os.cpu_count() or 2) // 2))

    def take_out(self, hole: int, last: int) -> None:
        self._graph.remove(hole)
        if last != hole:
            self._graph.rename(last, hole)

    def read(self, indices: Indices) -> Vectors:
        if not len(indices):
            return np.empty((0, self._graph.ndim), dtype=np.float32)
        found = cast("tuple[Vectors, ...]", self._graph.get(indices.astype(np.uint64), dtype="f32"))
        return np.stack(found)

    def cosines(self, asked: AskedVector, indices: Indices) -> Scores:
        return np.vecdot(self.read(indices), asked.unit)

    def candidates(self, asked: AskedVector, count: int, wanted: int) -> Indices:
        return self.nearest(asked, count, wanted)[0]

    def nearest(self, asked: AskedVector, count: int, wanted: int) -> tuple[Indices, Scores]:
        """Rows and their cosines, as the graph itself has measured them."""
        found = self._graph.search(asked.unit, min(wanted, count))
        cosines = np.float32(1) - cast("Scores", found.distances)
        return cast("NDArray[np.uint64]", found.keys).astype(np.intp), np.clip(cosines, -1.0, 1.0)
