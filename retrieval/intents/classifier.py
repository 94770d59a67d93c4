"""Guesses a question's intent: keywords, what categories say of themselves, and what a tenant's people labelled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desk.errors import InvalidInputError
from desk.ports import IntentGuess, Vectors
from retrieval.intents.categories import OTHER, IntentCategory
from retrieval.intents.kernel_model import NONE, KernelModel, Texts, letters_of
from retrieval.tokens import fold, terms

_KEYWORD_SHARE = 0.5
"""Evidence that all keywords of a category together come to, beside up to 2 from the learned part."""
_MOST_COUNTED = 2
"""Times one keyword counts; a long message repeats the same word without meaning it more."""
_KEYWORD_HALF = 1.0
"""Keyword weight that earns half of the keyword evidence."""
_KEYWORD_TRUST = 0.9
"""How much of the keyword evidence says that a question is about one of the categories at all."""


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A question whose intent a person set or approved; `other` for one that is about none of them."""

    label: str
    text: str
    vector: NDArray[np.float32]
    """Of length 1, made by the embedder the categories' texts were embedded with."""


class IntentClassifier:
    """Pure: vectors come from the caller. Training takes from milliseconds to some seconds; asking is quick."""

    def __init__(
        self, categories: Sequence[IntentCategory], vectors: Vectors, labelled: Sequence[LabelledText] = ()
    ) -> None:
        """`vectors`: a row of length 1 for each of `texts_of(categories)`. Labels of no category are left out."""
        expected = len(texts_of(categories))
        if vectors.ndim != 2 or len(vectors) != expected:
            raise InvalidInputError(f"{expected} vectors are needed, {len(vectors)} were given.")
        self._categories = tuple(categories)
        position = {category.label: at for at, category in enumerate(self._categories)}
        if not categories or len(position) != len(self._categories):
            raise InvalidInputError("Intents need at least one category, each with a label of its own.")
        self._keywords = [_normal_keywords(category.keywords) for category in self._categories]
        own = [(example, at) for at, category in enumerate(self._categories) for example in category.examples]
        used = [one for one in labelled if one.label in position or one.label == OTHER]
        texts = [example for example, _ in own] + [one.text for one in used]
        labels = [at for _, at in own] + [position.get(one.label, NONE) for one in used]
        titles = len(self._categories)
        rows = np.concatenate((vectors[titles:], *(one.vector[np.newaxis] for one in used)))
        self._model = KernelModel(
            Texts(rows, letters_of(texts), np.array(labels, dtype=np.intp)), vectors[:titles], titles
        )

    def guess(self, text: str, vector: NDArray[np.float32]) -> IntentGuess:
        """The likeliest category, or `other`.

        Certainty in [0, 1] is the probability that the question is about any category, times the category's
        share among them, times its base certainty. For `other` it is half of the first at most, and near 0 where
        nothing fits at all: knowing that a question is about nothing known makes no draft better.
        """
        known, shares = self.judge(text, vector)
        best = int(np.argmax(shares))
        if known < 0.5:
            return IntentGuess(OTHER, known * float(shares[best]))
        category = self._categories[best]
        certainty = category.base_certainty * known * float(shares[best])
        return IntentGuess(category.label, certainty, category.needs_tenant_knowledge)

    def described(self, label: str) -> IntentGuess | None:
        """What a person said a question is about; None for a category there is no longer."""
        for category in self._categories:
            if category.label == label:
                return IntentGuess(label, category.base_certainty, category.needs_tenant_knowledge)
        return IntentGuess(OTHER, 0.0) if label == OTHER else None

    def judge(self, text: str, vector: NDArray[np.float32]) -> tuple[float, NDArray[np.float64]]:
        """The probability that the question is about any category, and the share of each if it is."""
        keywords = self._keyword_evidence(text)
        evidence = self._model.evidence(vector, letters_of([text])[0])
        unknown = (1 - self._model.known(vector)) * (1 - _KEYWORD_TRUST * float(keywords.max()))
        # What people said of such a question outweighs the words in it.
        known = (1 - unknown) * (1 - self._model.foreign(vector))
        return known, self._model.shares(evidence + _KEYWORD_SHARE * keywords)

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


def texts_of(categories: Sequence[IntentCategory]) -> list[str]:
    """What has to be embedded: every title, then every example, categories and examples in order."""
    return [category.title for category in categories] + [
        example for category in categories for example in category.examples
    ]


def _normal_keywords(keywords: Mapping[str, float]) -> list[tuple[str, float]]:
    """Keywords in the form they have in a text's joined terms, a blank at every closed end."""
    return [(form, weight) for keyword, weight in keywords.items() if (form := _normal_form(keyword)).strip()]


def _normal_form(keyword: str) -> str:
    open_end = keyword.endswith("*")
    stem = keyword.removesuffix("*")
    if open_end and " " not in stem.strip():
        return f" {fold(stem.strip())}"
    return f" {' '.join(terms(stem))}{'' if open_end else ' '}"
