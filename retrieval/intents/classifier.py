"""Guesses a question's intent from keyword counts and the nearest labelled examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from desk.errors import InvalidInputError
from desk.ports import IntentGuess, Vectors
from retrieval.intents.categories import OTHER, IntentCategory
from retrieval.tokens import fold, terms

_NEAREST = 2
"""Labelled examples of a category that are averaged; one alone may be a stray, many punish broad categories."""
_KEYWORD_SHARE = 0.25
_MOST_COUNTED = 2
"""Times one keyword counts; a long message repeats the same word without meaning it more."""
_KEYWORD_HALF = 1.0
"""Keyword weight that earns half of the keyword evidence."""
_OTHER_EVIDENCE = 0.23
"""What a text that fits no category reaches: two unrelated short texts have cosines up to about 0.3."""
_TEMPERATURE = 0.06
"""A lead of this much evidence makes a category 2.7 times as likely."""


class IntentClassifier:
    """Pure: vectors come from the caller, whose embedder made those of the categories' examples too.

    Not safe for use by several threads at once.
    """

    def __init__(self, categories: Sequence[IntentCategory], example_vectors: Vectors) -> None:
        """`example_vectors`: one row of length 1 for every example, categories and examples in order."""
        expected = sum(len(category.examples) for category in categories)
        if example_vectors.ndim != 2 or len(example_vectors) != expected:
            raise InvalidInputError(f"{expected} example vectors are needed, {len(example_vectors)} were given.")
        self._categories = tuple(categories)
        self._position = {category.label: at for at, category in enumerate(self._categories)}
        if not categories or len(self._position) != len(self._categories):
            raise InvalidInputError("Intents need at least one category, each with a label of its own.")
        self._keywords = [_normal_keywords(category.keywords) for category in self._categories]
        self._vectors = np.array(example_vectors, dtype=np.float32)
        self._labels = np.repeat(
            np.arange(len(self._categories)), [len(category.examples) for category in self._categories]
        )
        self._used = expected

    def learn(self, label: str, vector: NDArray[np.float32]) -> None:
        """Add one labelled question, `vector` of length 1. Raises InvalidInputError for an unknown label."""
        position = self._position.get(label)
        if position is None:
            raise InvalidInputError(f"There is no intent {label!r} to learn for.")
        if self._used == len(self._labels):
            room = max(16, self._used)
            self._vectors = np.vstack([self._vectors, np.zeros((room, self._vectors.shape[1]), dtype=np.float32)])
            self._labels = np.concatenate([self._labels, np.zeros(room, dtype=self._labels.dtype)])
        self._vectors[self._used] = vector
        self._labels[self._used] = position
        self._used += 1

    def guess(self, text: str, vector: NDArray[np.float32]) -> IntentGuess:
        """The likeliest category, or `other`.

        Certainty in [0, 1] is the category's share of the likelihood, which falls both with weak evidence
        and with a close second, times its base certainty. For `other` it is the share of the best
        category, so at most 0.5 and near 0 where nothing fits at all: knowing that a question is about
        nothing known makes no draft better.
        """
        likelihood = np.exp((self.evidence(text, vector) - _OTHER_EVIDENCE) / _TEMPERATURE)
        best = int(np.argmax(likelihood))
        strongest, total = float(likelihood[best]), 1.0 + float(likelihood.sum())
        if strongest <= 1.0:
            return IntentGuess(OTHER, strongest / total)
        category = self._categories[best]
        return IntentGuess(category.label, category.base_certainty * strongest / total, category.needs_tenant_knowledge)

    def evidence(self, text: str, vector: NDArray[np.float32]) -> NDArray[np.float64]:
        """How much speaks for each category, in [0, 1], in the order they were given."""
        nearest = self._nearest_evidence(vector)
        return _KEYWORD_SHARE * self._keyword_evidence(text) + (1 - _KEYWORD_SHARE) * nearest

    def _keyword_evidence(self, text: str) -> NDArray[np.float64]:
        padded = f" {' '.join(terms(text))} "
        found = np.array(
            [
                math.fsum(weight * min(padded.count(form), _MOST_COUNTED) for form, weight in keywords)
                for keywords in self._keywords
            ],
            dtype=np.float64,
        )
        return found / (found + _KEYWORD_HALF)

    def _nearest_evidence(self, vector: NDArray[np.float32]) -> NDArray[np.float64]:
        cosines = self._vectors[: self._used] @ vector
        labels = self._labels[: self._used]
        nearest = np.zeros(len(self._categories), dtype=np.float64)
        for position in range(len(self._categories)):
            own = cosines[labels == position]
            if own.size:
                nearest[position] = np.sort(own)[-_NEAREST:].mean()
        return np.clip(nearest, 0.0, 1.0)


def _normal_keywords(keywords: Mapping[str, float]) -> list[tuple[str, float]]:
    """Keywords in the form they have in a text's joined terms, a blank at every closed end."""
    return [(form, weight) for keyword, weight in keywords.items() if (form := _normal_form(keyword)).strip()]


def _normal_form(keyword: str) -> str:
    open_end = keyword.endswith("*")
    stem = keyword.removesuffix("*")
    if open_end and " " not in stem.strip():
        return f" {fold(stem.strip())}"
    return f" {' '.join(terms(stem))}{'' if open_end else ' '}"
