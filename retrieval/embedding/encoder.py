"""The BERT encoder of all-MiniLM-L6-v2 in numpy.

Architecture: Devlin et al. 2019, "BERT"; mean pooling: Reimers and Gurevych 2019, "Sentence-BERT".
Texts of one pass are laid end to end without padding: the dense layers see one tall matrix, and attention
runs over the texts of each length together, so no text is slowed down or changed by a longer neighbour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType] -- a bare PathLike

from desk.ports import Vectors

LAYERS = 6
HEADS = 12
DIMENSION = 384
HEAD_WIDTH = DIMENSION // HEADS
NORM_EPSILON = np.float32(1e-12)

_GELU_BLOCK = 65_536
"""Numbers activated at once: 256 KB of float32, which stays in the second-level cache."""
_ATTENTION_BLOCK = 1_048_576
"""Attention scores held at once (4 MB of float32)."""

Matrix = NDArray[np.float32]
Tensors = Mapping[str, Matrix]
"""Name in the file to float32 array; dense weights have the shape (outputs, inputs)."""


@dataclass(frozen=True, slots=True)
class _Dense:
    weight: Matrix
    """Shape (inputs, outputs), row-major, as matmul likes it best."""
    bias: Matrix

    def __call__(self, rows: Matrix) -> Matrix:
        result = rows @ self.weight
        result += self.bias
        return result


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: Matrix
    bias: Matrix

    def apply(self, rows: Matrix) -> None:
        rows -= rows.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", rows, rows) / np.float32(DIMENSION)
        rows /= np.sqrt(variance + NORM_EPSILON)[:, np.newaxis]
        rows *= self.weight
        rows += self.bias


@dataclass(frozen=True, slots=True)
class _Layer:
    query_key_value: _Dense
    """The three projections in one matrix; the query's part carries the factor 1 / sqrt(HEAD_WIDTH)."""
    attention_out: _Dense
    attention_norm: _Norm
    feed_in: _Dense
    feed_out: _Dense
    feed_norm: _Norm


@dataclass(frozen=True, slots=True)
class _Run:
    """Texts of the same length that follow each other in a pass."""

    start: int
    texts: int
    length: int


@dataclass(frozen=True, slots=True)
class Encoder:
    words: Matrix
    positions: Matrix
    """Position and the one token type added up."""
    norm: _Norm
    layers: tuple[_Layer, ...]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a safetensors file of the model; the caller has checked its hash."""
        tensors = load_file(path)
        token_type = tensors["embeddings.token_type_embeddings.weight"][0]
        return cls(
            words=tensors["embeddings.word_embeddings.weight"],
            positions=tensors["embeddings.position_embeddings.weight"] + token_type,
            norm=_norm(tensors, "embeddings.LayerNorm"),
            layers=tuple(_layer(tensors, f"encoder.layer.{number}") for number in range(LAYERS)),
        )

    def encode(self, texts: Sequence[Sequence[int]]) -> Vectors:
        """One row of length 1 per text of token ids, special tokens included; no text may be empty.

        Best given sorted by length: texts of one length that stand together share their attention step.
        """
        lengths = np.array([len(ids) for ids in texts], dtype=np.intp)
        starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
        rows: Matrix = self.words[np.concatenate([np.array(ids, dtype=np.intp) for ids in texts])]
        rows += self.positions[np.arange(len(rows)) - np.repeat(starts, lengths)]
        self.norm.apply(rows)
        runs = _runs(lengths)
        for layer in self.layers:
            rows += layer.attention_out(_attend(layer.query_key_value(rows), runs))
            layer.attention_norm.apply(rows)
            inner = layer.feed_in(rows)
            _gelu(inner)
            rows += layer.feed_out(inner)
            layer.feed_norm.apply(rows)
        # The sum over a text's tokens points where their mean points: only the direction is kept.
        pooled: Vectors = np.add.reduceat(rows, starts, axis=0)
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
        return pooled


def _runs(lengths: NDArray[np.intp]) -> list[_Run]:
    runs: list[_Run] = []
    start = 0
    for length, group in groupby(lengths.tolist()):
        remaining = sum(1 for _ in group)
        at_once = max(1, _ATTENTION_BLOCK // (HEADS * length * length))
        while remaining:
            texts = min(remaining, at_once)
            runs.append(_Run(start, texts, length))
            start += texts * length
            remaining -= texts
    return runs


def _attend(projected: Matrix, runs: Sequence[_Run]) -> Matrix:
    """Scaled dot-product attention inside each text; (tokens, 3 * DIMENSION) to (tokens, DIMENSION)."""
    context = np.empty((len(projected), DIMENSION), dtype=np.float32)
    for run in runs:
        part = slice(run.start, run.start + run.texts * run.length)
        heads = projected[part].reshape(run.texts, run.length, 3, HEADS, HEAD_WIDTH)
        query, key, value = heads.transpose(2, 0, 3, 1, 4)
        scores = query @ key.swapaxes(2, 3)
        scores -= scores.max(axis=3, keepdims=True)
        np.exp(scores, out=scores)
        mixed = scores @ value
        mixed /= scores.sum(axis=3, keepdims=True)
        context[part].reshape(run.texts, run.length, HEADS, HEAD_WIDTH)[...] = mixed.swapaxes(1, 2)
    return context


def _gelu(rows: Matrix) -> None:
    """x * Phi(x) in place, with erf by Abramowitz and Stegun 7.1.26 (absolute error below 1.5e-7).

    With z = |x| / sqrt(2): x * Phi(x) = max(x, 0) - |x| / 2 * poly(t) * exp(-z * z), t = 1 / (1 + p z).
    """
    flat = rows.reshape(-1)
    for start in range(0, flat.size, _GELU_BLOCK):
        x = flat[start : start + _GELU_BLOCK]
        size = np.abs(x)
        t = size * np.float32(0.3275911 * 0.5**0.5)
        t += np.float32(1)
        np.reciprocal(t, out=t)
        tail = t * np.float32(1.061405429)
        for coefficient in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
            tail += np.float32(coefficient)
            tail *= t
        np.square(size, out=t)
        t *= np.float32(-0.5)
        np.exp(t, out=t)
        tail *= t
        tail *= size
        tail *= np.float32(0.5)
        np.maximum(x, np.float32(0), out=x)
        x -= tail


def _dense(tensors: Tensors, *names: str) -> _Dense:
    weight = np.concatenate([tensors[f"{name}.weight"] for name in names]).T
    return _Dense(np.ascontiguousarray(weight), np.concatenate([tensors[f"{name}.bias"] for name in names]))


def _norm(tensors: Tensors, name: str) -> _Norm:
    return _Norm(tensors[f"{name}.weight"], tensors[f"{name}.bias"])


def _layer(tensors: Tensors, name: str) -> _Layer:
    attention = f"{name}.attention.self"
    projections = _dense(tensors, f"{attention}.query", f"{attention}.key", f"{attention}.value")
    projections.weight[:, :DIMENSION] *= np.float32(HEAD_WIDTH**-0.5)
    projections.bias[:DIMENSION] *= np.float32(HEAD_WIDTH**-0.5)
    return _Layer(
        query_key_value=projections,
        attention_out=_dense(tensors, f"{name}.attention.output.dense"),
        attention_norm=_norm(tensors, f"{name}.attention.output.LayerNorm"),
        feed_in=_dense(tensors, f"{name}.intermediate.dense"),
        feed_out=_dense(tensors, f"{name}.output.dense"),
        feed_norm=_norm(tensors, f"{name}.output.LayerNorm"),
    )
