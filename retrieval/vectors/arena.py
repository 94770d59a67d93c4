"""A growing set of vectors of one tenant and source: searched exactly while it is small, by a graph when large."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from threading import Lock
from uuid import UUID

import numpy as np
from numpy.typing import ArrayLike

from desk.ports import Vectors
from retrieval.vectors.graph import GRAPH_ABOVE, GraphRows
from retrieval.vectors.rows import (
    RESCORE_BLOCK,
    AskedVector,
    FloatRows,
    Indices,
    QuantizedRows,
    Rows,
    Scores,
    asked_vector,
    unit_rows,
)

QUANTIZE_ABOVE = 600_000
"""Numbers (vectors times dimension) above which int8 is scanned. Measured with four arenas searched in turn:
below it (1,560 vectors of 384 dimensions, 390 of 1,536) float32 still fits the processor's caches and wins."""

_GROWTH = 1.125
"""Spare room when growing; small, because the arenas are most of the index's memory."""


class VectorArena:
    """Vectors by item id; every vector is kept with length 1, so a product is a cosine.

    Search is exact but for the choice of candidates, in an int8 arena (recall at 10 above .99) and in a graph (above
    .95); every cosine given out is within 1e-4 of the true one, in a graph 1e-3. Safe to use from several threads:
    calls take turns on a lock, each for the milliseconds it needs.
    """

    def __init__(
        self, dimension: int, *, quantize_above: int | None = QUANTIZE_ABOVE, graph_above: int = GRAPH_ABOVE
    ) -> None:
        """With `quantize_above` None the vectors stay float32 until a graph is built."""
        if dimension < 1:
            msg = f"vectors have at least one number, not {dimension}"
            raise ValueError(msg)
        self.dimension = dimension
        self._quantize_above = quantize_above
        self._graph_above = graph_above
        self._building = False
        self._meanwhile: set[int] = set()
        self._rows: Rows = FloatRows(dimension)
        self._ids: list[UUID] = []
        self._index: dict[UUID, int] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._ids)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._index

    @property
    def nbytes(self) -> int:
        """Bytes of the vectors, spare room included, ids not."""
        return self._rows.nbytes

    def upsert(self, item_id: UUID, vector: ArrayLike) -> None:
        """Add or replace one vector. Raises ValueError as `upsert_many` does."""
        self.upsert_many([item_id], np.asarray(vector, dtype=np.float32)[np.newaxis])

    def upsert_many(self, item_ids: Sequence[UUID], vectors: ArrayLike) -> None:
        """Add or replace `vectors`, shape (item_ids, dimension); of an id given twice the last vector counts.

        Raises ValueError, with nothing changed, for another shape and for a vector that is zero or not
        finite, which no cosine can be taken of.
        """
        unit = self._unit(vectors, len(item_ids))
        latest = {item_id: position for position, item_id in enumerate(item_ids)}
        with self._lock:
            new = [item_id for item_id in latest if item_id not in self._index]
            held = len(self._ids)
            self._fit(held, held + len(new))
            self._index.update((item_id, held + position) for position, item_id in enumerate(new))
            self._ids.extend(new)
            targets = np.array([self._index[item_id] for item_id in latest], dtype=np.intp)
            self._rows.write(targets, unit[list(latest.values())])
            self._note(targets.tolist())

    def remove(self, item_id: UUID) -> bool:
        """Take an item out; False when it was not there."""
        with self._lock:
            hole = self._index.pop(item_id, None)
            if hole is None:
                return False
            last = len(self._ids) - 1
            moved = self._ids.pop()
            self._rows.take_out(hole, last)
            if hole != last:
                self._ids[hole] = moved
                self._index[moved] = hole
                self._note([hole])
            self._fit(last, last)
            return True

    def search(self, query: ArrayLike, k: int) -> list[tuple[UUID, float]]:
        """The `k` items of the greatest cosine to `query`, best first, equal ones by id.

        Raises ValueError for k below 1, and for a query of another shape, zero or not finite.
        """
        if k < 1:
            msg = f"ask for at least one item, not {k}"
            raise ValueError(msg)
        asked = self._asked(query)
        with self._lock:
            rows, cosines = self._nearest(asked, k)
            items = self._items_at(rows)
        found = zip((-cosines).tolist(), items, strict=True)
        return [(item_id, -negated) for negated, item_id in sorted(found)[:k]]

    def nearest(self, query: ArrayLike, k: int) -> tuple[Indices, Scores]:
        """As `search`, for who keeps other figures by row: rows and cosines, in any order.

        They hold the best `k`, every tie for the last place included. Raises ValueError as `search` does.
        """
        asked = self._asked(query)
        with self._lock:
            return self._nearest(asked, k)

    def cosines(self, query: ArrayLike, rows: Indices) -> Scores:
        """The cosine of each row to the query."""
        asked = self._asked(query)
        with self._lock:
            return self._cosines(asked, rows)

    def row_of(self, item_id: UUID) -> int:
        """Valid until an item is removed, which may move the last row into its place. Raises KeyError."""
        return self._index[item_id]

    def item_ids(self) -> set[UUID]:
        """All that are in the arena."""
        with self._lock:
            return set(self._ids)

    def vectors_at(self, rows: Indices) -> Vectors:
        """A copy, of length 1 each but for rounding."""
        with self._lock:
            return self._rows.read(rows)

    def items_at(self, rows: Indices) -> list[UUID]:
        with self._lock:
            return self._items_at(rows)

    def similarities(self, query: ArrayLike, item_ids: Iterable[UUID]) -> dict[UUID, float]:
        """The cosine of each of `item_ids` to `query`; ids that are not in the arena are left out."""
        asked = self._asked(query)
        with self._lock:
            indices = {item_id: self._index[item_id] for item_id in item_ids if item_id in self._index}
            scores = self._cosines(asked, np.array(list(indices.values()), dtype=np.intp))
        return dict(zip(indices, scores.tolist(), strict=True))

    @property
    def is_graph(self) -> bool:
        return isinstance(self._rows, GraphRows)

    @property
    def outgrown(self) -> bool:
        """Large enough for a graph, which `build_graph` makes."""
        return len(self._ids) > self._graph_above and not self.is_graph and not self._building

    def build_graph(self) -> None:
        """Takes seconds to minutes; for a thread of its own. Searches and changes go on meanwhile."""
        with self._lock:
            if not self.outgrown:
                return
            self._building, self._meanwhile = True, set()
        graph, start = GraphRows(self.dimension), 0
        try:
            while True:
                with self._lock:
                    indices = np.arange(start, min(start + RESCORE_BLOCK, len(self._ids)), dtype=np.intp)
                    vectors = self._rows.read(indices)
                if not len(indices):
                    break
                graph.write(indices, vectors)
                start = int(indices[-1]) + 1
            with self._lock:
                self._catch_up(graph, start)
        finally:
            self._building = False

    def _catch_up(self, graph: GraphRows, reached: int) -> None:
        """Take what changed while the graph was built, and search it from now on."""
        count = len(self._ids)
        changed = {index for index in self._meanwhile if index < count} | set(range(reached, count))
        if changed:
            indices = np.array(sorted(changed), dtype=np.intp)
            graph.write(indices, self._rows.read(indices))
        for index in range(count, reached):
            graph.take_out(index, index)
        self._rows = graph
        self._fit(count, count)

    def _note(self, changed: list[int]) -> None:
        if self._building:
            self._meanwhile.update(changed)

    def saved(self) -> tuple[list[UUID], bytes]:
        """The ids by row and the bytes of the graph. Raises ValueError while there is none."""
        with self._lock:
            if not isinstance(self._rows, GraphRows):
                msg = "only a graph is saved"
                raise ValueError(msg)  # noqa: TRY004 - of the arena's state, not of an argument
            return list(self._ids), self._rows.saved()

    @classmethod
    def restored(cls, dimension: int, item_ids: list[UUID], raw: bytes | memoryview) -> VectorArena:
        """From what `saved` gave; `raw` must be known to be whole. Raises ValueError when the two do not agree."""
        arena = cls(dimension)
        graph = GraphRows.restored(dimension, raw)
        if len(graph) != len(item_ids):
            msg = f"{len(item_ids)} ids do not belong to {len(graph)} vectors"
            raise ValueError(msg)
        arena._rows, arena._ids = graph, item_ids
        arena._index = {item_id: row for row, item_id in enumerate(item_ids)}
        return arena

    def _items_at(self, rows: Indices) -> list[UUID]:
        indices: list[int] = rows.tolist()
        return [self._ids[row] for row in indices]

    def _asked(self, query: ArrayLike) -> AskedVector:
        vector = np.ascontiguousarray(query, dtype=np.float32)
        if vector.shape != (self.dimension,):
            msg = f"expected 1 vectors of {self.dimension} numbers, not the shape {vector.shape}"
            raise ValueError(msg)
        return asked_vector(vector.tobytes())

    def _nearest(self, asked: AskedVector, k: int) -> tuple[Indices, Scores]:
        if not self._ids:
            return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.float32)
        if isinstance(self._rows, GraphRows):
            return self._rows.nearest(asked, len(self._ids), k)
        chosen = self._rows.candidates(asked, len(self._ids), k)
        cosines = self._cosines(asked, chosen)
        if len(chosen) > k:
            best = cosines >= np.partition(cosines, len(chosen) - k)[len(chosen) - k]
            chosen, cosines = chosen[best], cosines[best]
        return chosen, cosines

    def _unit(self, vectors: ArrayLike, count: int) -> Vectors:
        rows = np.asarray(vectors, dtype=np.float32)
        if rows.shape != (count, self.dimension):
            msg = f"expected {count} vectors of {self.dimension} numbers, not the shape {rows.shape}"
            raise ValueError(msg)
        return unit_rows(rows)

    def _cosines(self, asked: AskedVector, indices: Indices) -> Scores:
        if len(indices) <= RESCORE_BLOCK:
            cosines = self._rows.cosines(asked, indices)
        else:
            starts = range(0, len(indices), RESCORE_BLOCK)
            blocks = [self._rows.cosines(asked, indices[start : start + RESCORE_BLOCK]) for start in starts]
            cosines = np.concatenate(blocks)
        np.minimum(cosines, 1.0, out=cosines)  # np.clip would take longer than both
        return np.maximum(cosines, -1.0, out=cosines)

    def _fit(self, held: int, count: int) -> None:
        """Choose layout and room for `count` items, of which the first `held` are written."""
        if isinstance(self._rows, GraphRows) and count < self._graph_above // 2:
            self._convert(FloatRows(self.dimension), held)
        if self._quantize_above is not None:
            numbers = count * self.dimension
            # Going back only at half the size: an arena at the border must not change with every item.
            if numbers > self._quantize_above and isinstance(self._rows, FloatRows):
                self._convert(QuantizedRows(self.dimension), held)
            elif numbers < self._quantize_above // 2 and isinstance(self._rows, QuantizedRows):
                self._convert(FloatRows(self.dimension), held)
        if count > self._rows.capacity:
            self._rows.resize(max(count, int(self._rows.capacity * _GROWTH)))
        elif count < self._rows.capacity // 2:
            self._rows.resize(count)

    def _convert(self, target: Rows, held: int) -> None:
        target.resize(held)
        for start in range(0, held, RESCORE_BLOCK):
            indices = np.arange(start, min(start + RESCORE_BLOCK, held))
            target.write(indices, self._rows.read(indices))
        self._rows = target
