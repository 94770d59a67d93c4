"""The learning part of the intent classifier: closed forms over embeddings, in numpy, retrained within a second or two.

Three looks at the same labelled texts, each a kernel ridge regression on one-hot labels (Rasmussen & Williams 2006,
section 2):

- in the space of the embeddings, the titles of the categories among the texts;
- in a space learned from the labels (neighbourhood components analysis, Goldberger et al. 2004, a few steps from the
  identity), blended with a kernel on letters, which tells product names and typing slips apart;
- in the space of the embeddings with a narrow kernel, which only says how near the question is to anything known.

The first two are added up for the label. The third is turned into the probability that the question is about any of
the categories, by what it gives to texts left out of the training, and to texts whose whole category was left out.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.ports import Vectors
from retrieval.tokens import terms

Numbers = NDArray[np.float64]
Labels = NDArray[np.intp]
NONE = -1
"""The label of a text that is known to be about none of the categories."""

_TITLE_WIDTH, _METRIC_WIDTH, _NEARNESS_WIDTH = 1.5, 1.0, 4.0
"""Of exp(-width x squared distance); distances of unit vectors."""
_RIDGE = 0.2
_MIXED_RIDGE = 0.1
_LETTERS_SHARE = 0.2
_LETTER_RUNS = (3, 4, 5)
_LETTER_BUCKETS = 4_096

_STEPS = 30
_STEP = 2e-3
_SOFTNESS = 0.2
"""Temperature of the neighbourhoods that the metric is learned on; smaller ones overfit ten texts a category."""
_MOST_FOR_METRIC = 900
"""Texts the metric is learned from; more cost much and change little."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Labelled texts: rows of length 1, their letters, and a label each."""

    vectors: Vectors
    letters: Vectors
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


class KernelModel:
    """Trained once, then only asked. Labels are 0 to `categories` - 1, or NONE."""

    def __init__(self, texts: Texts, titles: Vectors, categories: int) -> None:
        """`titles`: one row for every category. Every category has its title, so none is without a text."""
        self._texts = texts
        wanted = _one_hot(texts.labels, categories)
        self._metric = _learned_metric(texts, categories)
        self._moved = _unit(texts.vectors @ self._metric)
        mixed = self._mixed(self._moved, texts.letters)
        mixed_fit = _Ridge(mixed, wanted, _MIXED_RIDGE)
        self._titled = np.concatenate((texts.vectors, titles))
        titled_labels = np.concatenate((texts.labels, np.arange(categories)))
        titled_fit = _Ridge(
            _kernel(self._titled, self._titled, _TITLE_WIDTH), _one_hot(titled_labels, categories), _RIDGE
        )
        near_fit = _Ridge(
            _kernel(self._titled, self._titled, _NEARNESS_WIDTH), _one_hot(titled_labels, categories), _RIDGE
        )
        self._mixed_weights, self._titled_weights = mixed_fit.weights, titled_fit.weights
        self._near_weights = near_fit.weights
        self._foreign_weights = titled_fit.fitted((titled_labels == NONE).astype(np.float64))
        self._known = _known_curve(near_fit, titled_labels, len(texts))
        self._sharpness = _sharpness(mixed_fit.left_out() + titled_fit.left_out()[: len(texts)], texts.labels)

    def evidence(self, vector: NDArray[np.float32], letters: NDArray[np.float32]) -> Numbers:
        """How much speaks for each category; about 2 where everything does, 0 where nothing does."""
        moved = _unit(vector[np.newaxis] @ self._metric)
        titled = _kernel(vector[np.newaxis], self._titled, _TITLE_WIDTH) @ self._titled_weights
        return (self._mixed(moved, letters[np.newaxis]) @ self._mixed_weights + titled)[0]

    def known(self, vector: NDArray[np.float32]) -> float:
        """The probability, in (0, 1), that the question is about any of the categories."""
        nearness = (_kernel(vector[np.newaxis], self._titled, _NEARNESS_WIDTH) @ self._near_weights).max()
        slope, offset = self._known
        return float(1 / (1 + np.exp(-np.clip(slope * nearness + offset, -30, 30))))

    def foreign(self, vector: NDArray[np.float32]) -> float:
        """How near, from 0 to 1, the question is to what people said is about none of the categories."""
        nearness = _kernel(vector[np.newaxis], self._titled, _TITLE_WIDTH) @ self._foreign_weights
        return float(np.clip(nearness[0], 0.0, 1.0))

    def shares(self, evidence: Numbers) -> Numbers:
        """The probability of each category, if it is one of them."""
        powers = np.exp(self._sharpness * (evidence - evidence.max()))
        return powers / powers.sum()

    def _mixed(self, moved: Vectors, letters: Vectors) -> Numbers:
        own = self._texts.letters
        by_letters = np.exp(-2 * (1 - letters @ own.T))
        return (1 - _LETTERS_SHARE) * _kernel(moved, self._moved, _METRIC_WIDTH) + _LETTERS_SHARE * by_letters


class _Ridge:
    """Kernel ridge regression, with the predictions it would have made without one text or one category."""

    def __init__(self, kernel: Numbers, wanted: Numbers, ridge: float) -> None:
        self._inverse = np.linalg.inv(kernel + ridge * np.eye(len(kernel)))
        self._wanted = wanted
        self.weights: Numbers = self._inverse @ wanted

    def fitted(self, wanted: Numbers) -> Numbers:
        """The weights for something else that is wanted of the same texts."""
        return self._inverse @ wanted

    def left_out(self) -> Numbers:
        """Of every text, what is predicted without it (Rasmussen & Williams 2006, equation 5.12)."""
        return self._wanted - self.weights / np.diag(self._inverse)[:, np.newaxis]

    def category_left_out(self, members: Labels) -> Numbers:
        """Of `members`, what is predicted without any of them."""
        block = self._inverse[np.ix_(members, members)]
        return self._wanted[members] - np.linalg.solve(block, self.weights[members])


def letters_of(texts: Sequence[str]) -> Vectors:
    """Rows of length 1 (or 0): the runs of three to five letters in each text, hashed."""
    rows = np.zeros((len(texts), _LETTER_BUCKETS), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        joined = f" {' '.join(terms(text))} "
        for run in _LETTER_RUNS:
            for start in range(len(joined) - run + 1):
                row[zlib.crc32(joined[start : start + run].encode()) % _LETTER_BUCKETS] += 1
    return _unit(np.log1p(rows))


def _learned_metric(texts: Texts, categories: int) -> Vectors:
    """A linear map under which texts of one category are each other's neighbours (Adam, Kingma & Ba 2015)."""
    dimension = texts.vectors.shape[1]
    metric = np.eye(dimension, dtype=np.float32)
    chosen = _spread(texts.labels, categories)
    vectors, labels = texts.vectors[chosen], texts.labels[chosen]
    same = (labels[:, np.newaxis] == labels).astype(np.float32)
    np.fill_diagonal(same, 0)
    alone = (labels == NONE) | ~same.any(axis=1)
    if alone.all():
        return metric
    mean, square = np.zeros_like(metric), np.zeros_like(metric)
    for step in range(1, _STEPS + 1):
        moved = vectors @ metric
        lengths = np.linalg.norm(moved, axis=1, keepdims=True)
        moved /= lengths
        odds = moved @ moved.T / np.float32(_SOFTNESS)
        np.fill_diagonal(odds, -np.inf)
        odds = np.exp(odds - odds.max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        right = odds * same
        pull = (odds - right / (right.sum(axis=1, keepdims=True) + 1e-12)) / np.float32(_SOFTNESS * len(vectors))
        pull[alone] = 0
        turned = (pull + pull.T) @ moved
        turned -= moved * (turned * moved).sum(axis=1, keepdims=True)
        gradient = vectors.T @ (turned / lengths)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.99 * square + 0.01 * gradient**2
        metric -= np.float32(_STEP) * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.99**step)) + 1e-8)
    return metric


def _spread(labels: Labels, categories: int) -> Labels:
    """At most so many texts that the metric is learned quickly, the newest of every category alike."""
    if len(labels) <= _MOST_FOR_METRIC:
        return np.arange(len(labels))
    each = max(_MOST_FOR_METRIC // categories, 2)
    kept = [np.flatnonzero(labels == category)[:each] for category in range(categories)]
    return np.concatenate(kept)[:_MOST_FOR_METRIC]


def _known_curve(fit: _Ridge, labels: Labels, texts: int) -> tuple[float, float]:
    """Slope and offset of a logistic curve: texts left out one by one against whole categories left out."""
    left_out = fit.left_out()[:texts]
    strangers = [left_out[labels[:texts] == NONE].max(axis=1)]
    for label in np.unique(labels[labels != NONE]):
        members = np.flatnonzero(labels == label)
        others = fit.category_left_out(members)[members < texts]
        if others.shape[1] > 1:
            strangers.append(np.delete(others, label, axis=1).max(axis=1))
    inside = left_out[labels[:texts] != NONE].max(axis=1)
    return _logistic_fit(inside, np.concatenate(strangers))


def _logistic_fit(inside: Numbers, outside: Numbers) -> tuple[float, float]:
    """By Newton's method with a weak prior, both sides weighing the same; without either side it stays at the prior."""
    values = np.concatenate((inside, outside))
    truth = np.concatenate((np.ones(len(inside)), np.zeros(len(outside))))
    sizes = np.where(truth == 1, max(len(inside), 1), max(len(outside), 1))
    shares = len(values) / (2 * sizes) if len(values) else sizes
    design = np.stack((values, np.ones_like(values)), axis=1)
    prior_mean, prior = np.array([8.0, -2.0]), np.diag([0.05, 0.05])
    found = prior_mean.copy()
    for _ in range(25):
        odds = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        gradient = design.T @ (shares * (odds - truth)) + prior @ (found - prior_mean)
        curvature = (design.T * (shares * odds * (1 - odds))) @ design + prior
        found -= np.linalg.solve(curvature, gradient)
    return max(float(found[0]), 0.0), float(found[1])


def _sharpness(evidence: Numbers, labels: Labels) -> float:
    """The factor under which evidence turned into shares makes the left-out labels likeliest."""
    labelled = labels != NONE
    if not labelled.any():
        return 5.0
    evidence, labels = evidence[labelled], labels[labelled]

    def surprise(factor: float) -> float:
        scaled = factor * (evidence - evidence.max(axis=1, keepdims=True))
        right = scaled[np.arange(len(labels)), labels]
        return float((np.log(np.exp(scaled).sum(axis=1)) - right).mean())

    return min((2.0, 3.0, 5.0, 7.0, 10.0, 14.0, 20.0), key=surprise)


def _kernel(first: Vectors, second: Vectors, width: float) -> Numbers:
    return np.exp(-2 * width * (1 - (first @ second.T).astype(np.float64)))


def _one_hot(labels: Labels, categories: int) -> Numbers:
    wanted = np.zeros((len(labels), categories))
    told = np.flatnonzero(labels != NONE)
    wanted[told, labels[told]] = 1
    return wanted


def _unit(rows: Vectors) -> Vectors:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)
