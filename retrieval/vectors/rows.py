"""How an arena lays out its vectors: float32 while they are few, two int8 planes when they are more, a graph
(`retrieval.vectors.graph`) when they are many.

All layouts answer the same two questions: a quick score of every row, to choose candidates by, and an
accurate cosine of a few rows. The accurate one is computed row by row, so equal vectors score equally
wherever they stand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeVar, cast

import numkong
import numpy as np
from numpy.typing import NDArray

from desk.ports import Vectors

Scores = NDArray[np.float32]
Indices = NDArray[np.intp]
Item = TypeVar("Item", bound=np.generic)

RESCORE_BLOCK = 4_096
"""Rows copied at once: 6 MB of float32 at 384 dimensions."""


@dataclass(frozen=True, slots=True)
class AskedVector:
    """A query as the layouts scan it."""

    unit: Vectors
    """Of length 1."""
    planes: NDArray[np.int8]
    """The same as `QuantizedRows` holds a vector, the coarse plane and the fine one: shape (2, dimension)."""
    scale: float


@lru_cache(maxsize=8)
def asked_vector(raw: bytes) -> AskedVector:
    """Made once for all the arenas that are asked; `raw` are the bytes of a float32 vector. Raises ValueError."""
    (unit,) = unit_rows(np.frombuffer(raw, dtype=np.float32)[np.newaxis])
    scale = float(np.abs(unit).max()) / 127
    return AskedVector(unit, np.stack(_planes(unit / np.float32(scale))), scale)


def unit_rows(rows: Vectors) -> Vectors:
    """The rows at length 1. Raises ValueError for one that is zero or not finite."""
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        msg = "a vector is zero or has a number that is not finite"
        raise ValueError(msg)
    return rows / lengths[:, np.newaxis].astype(np.float32)


class Rows(Protocol):
    """Unit vectors under the indices 0 to capacity - 1."""

    @property
    def capacity(self) -> int: ...

    @property
    def nbytes(self) -> int: ...

    def resize(self, capacity: int) -> None:
        """Make room for `capacity` rows, keeping those below it."""
        ...

    def write(self, indices: Indices, vectors: Vectors) -> None: ...

    def take_out(self, hole: int, last: int) -> None:
        """The row at `last`, which is no longer used, takes the place of the one at `hole`; both may be the same."""
        ...

    def read(self, indices: Indices) -> Vectors:
        """A copy of the vectors at `indices`."""
        ...

    def cosines(self, asked: AskedVector, indices: Indices) -> Scores:
        """To the vectors at `indices`, at most RESCORE_BLOCK; equal vectors give equal ones wherever they stand."""
        ...

    def candidates(self, asked: AskedVector, count: int, wanted: int) -> Indices:
        """Rows below `count` that hold the best `wanted` of them, in any order; but for a graph every tie included."""
        ...


class FloatRows:
    """One float32 matrix, scanned by BLAS; exact to rounding."""

    def __init__(self, dimension: int) -> None:
        self._matrix: Vectors = np.empty((0, dimension), dtype=np.float32)

    @property
    def capacity(self) -> int:
        return len(self._matrix)

    @property
    def nbytes(self) -> int:
        return self._matrix.nbytes

    def resize(self, capacity: int) -> None:
        self._matrix = _resized(self._matrix, capacity)

    def write(self, indices: Indices, vectors: Vectors) -> None:
        self._matrix[indices] = vectors

    def take_out(self, hole: int, last: int) -> None:
        self._matrix[hole] = self._matrix[last]

    def read(self, indices: Indices) -> Vectors:
        return self._matrix[indices]

    def cosines(self, asked: AskedVector, indices: Indices) -> Scores:
        return np.vecdot(self._matrix[indices], asked.unit)

    def candidates(self, asked: AskedVector, count: int, wanted: int) -> Indices:
        # BLAS may round equal rows differently, by some units of the last place.
        return _best(self._matrix[:count] @ asked.unit, wanted, slack=1e-6)


class QuantizedRows:
    """v = scale * (coarse + fine / 254): a plane of int8 to scan, and one of what its rounding left over.

    The scan reads a quarter of the bytes of float32 and errs by about 0.0007 in the cosine; the best of it
    are rescored with both planes, which together take half the bytes of float32. A bfloat16 copy to rescore
    from would take twice the bytes of the second plane and be less exact.
    """

    RESCORED = 40
    """Fewest rows rescored; on real questions the recall at 10 is then .998 or more."""
    RESCORED_PER_WANTED = 2
    """Rows rescored for each one asked for, which gives a recall at 60 of .999."""

    def __init__(self, dimension: int) -> None:
        self._coarse = np.empty((0, dimension), dtype=np.int8)
        self._fine = np.empty((0, dimension), dtype=np.int8)
        self._scale = np.empty(0, dtype=np.float32)

    @property
    def capacity(self) -> int:
        return len(self._scale)

    @property
    def nbytes(self) -> int:
        return self._coarse.nbytes + self._fine.nbytes + self._scale.nbytes

    def resize(self, capacity: int) -> None:
        self._coarse = _resized(self._coarse, capacity)
        self._fine = _resized(self._fine, capacity)
        self._scale = _resized(self._scale, capacity)

    def write(self, indices: Indices, vectors: Vectors) -> None:
        for start in range(0, len(indices), RESCORE_BLOCK):
            part = slice(start, start + RESCORE_BLOCK)
            block = vectors[part]
            scale = np.abs(block).max(axis=1) / np.float32(127)
            self._coarse[indices[part]], self._fine[indices[part]] = _planes(block / scale[:, np.newaxis])
            self._scale[indices[part]] = scale

    def take_out(self, hole: int, last: int) -> None:
        for plane in (self._coarse, self._fine, self._scale):
            plane[hole] = plane[last]

    def read(self, indices: Indices) -> Vectors:
        vectors = self._coarse[indices].astype(np.float32)
        vectors *= np.float32(254)
        vectors += self._fine[indices]
        vectors *= (self._scale[indices] / np.float32(254))[:, np.newaxis]
        return vectors

    def cosines(self, asked: AskedVector, indices: Indices) -> Scores:
        """From both planes of both sides: products of integers are exact, and never widened to float32."""
        coarse = _products(asked.planes, self._coarse.take(indices, axis=0))
        fine = _products(asked.planes, self._fine.take(indices, axis=0))
        sums = coarse[0] + (coarse[1] + fine[0]) / 254 + fine[1] / 254**2
        return (sums * (self._scale[indices] * asked.scale)).astype(np.float32)

    def candidates(self, asked: AskedVector, count: int, wanted: int) -> Indices:
        products = _products(asked.planes[:1], self._coarse[:count])[0]
        rescored = max(self.RESCORED, self.RESCORED_PER_WANTED * wanted)
        return _best(products * self._scale[:count], rescored, slack=0.0)


def _planes(steps: Vectors) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Numbers in [-127, 127] as whole steps, and 254ths of a step that are left over."""
    coarse = np.rint(steps)
    return coarse.astype(np.int8), np.rint((steps - coarse) * np.float32(254)).astype(np.int8)


def _products(first: NDArray[np.int8], second: NDArray[np.int8]) -> NDArray[np.float64]:
    """Of every row with every row; numkong knows no empty side."""
    if not len(first) or not len(second):
        return np.zeros((len(first), len(second)))
    return cast("NDArray[np.float64]", np.asarray(numkong.cdist(first, second, "dot")))


def _best(scores: NDArray[np.floating], wanted: int, slack: float) -> Indices:
    if wanted >= len(scores):
        return np.arange(len(scores))
    threshold = np.partition(scores, len(scores) - wanted)[len(scores) - wanted]
    return np.flatnonzero(scores >= threshold - slack)


def _resized(array: NDArray[Item], capacity: int) -> NDArray[Item]:
    kept = min(len(array), capacity)
    result = np.empty((capacity, *array.shape[1:]), dtype=array.dtype)
    result[:kept] = array[:kept]
    return result
