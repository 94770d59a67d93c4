"""Other ways to bring words and vectors together, over the same texts and questions: what `fuse` was chosen over."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from desk.ports import Vectors
from retrieval.benchmarks.ranking import DEPTH, Search, Task, item_ids
from retrieval.lexical import LexicalIndex

Scores = NDArray[np.float64]
Fusion = Callable[[Scores, Scores], Scores]
"""Cosines and lexical scores of all texts to one score each."""
_RANK_OFFSET = 60
"""As Cormack, Clarke & Buettcher 2009 have it."""
_FEEDBACK_HITS = 3


def alternatives(task: Task, text_vectors: Vectors, documents: Sequence[Hashable] = ()) -> dict[str, Search]:
    """Each by its name. `documents` the texts are parts of, where they are, for the share of their mean vectors."""
    ids = item_ids(task)
    words = LexicalIndex()
    for item_id, text in zip(ids, task.texts, strict=True):
        words.add(item_id, text)
    slots = np.array([words.slot_of(item_id) for item_id in ids])

    def lexical(text: str) -> Scores:
        return words.match(text).scores[slots]

    def fused(fusion: Fusion, vectors: Vectors, text: str, vector: Vectors) -> list[UUID]:
        return _best(ids, fusion((vectors @ vector).astype(np.float64), lexical(text)))

    def with_feedback(share: float, text: str, vector: Vectors) -> list[UUID]:
        first = np.argsort(-_lifted(0.3, (text_vectors @ vector).astype(np.float64), lexical(text)))[:_FEEDBACK_HITS]
        moved = vector + share * text_vectors[first].mean(axis=0)
        return fused(partial(_lifted, 0.3), text_vectors, text, moved / np.linalg.norm(moved))

    fusions: dict[str, Fusion] = {
        "ranks": _rank_fusion,
        **{f"lift {share}": partial(_lifted, share) for share in (0.2, 0.3, 0.4, 0.6)},
        **{f"mean {share}": partial(_mean, share) for share in (0.2, 0.3)},
        "z-scores 0.3": _standardised,
        "of best 0.3": _of_the_best,
    }
    searches: dict[str, Search] = {name: partial(fused, fusion, text_vectors) for name, fusion in fusions.items()}
    searches["feedback 0.2"] = partial(with_feedback, 0.2)
    if documents:
        searches["moved 0.25"] = partial(fused, partial(_lifted, 0.3), _with_means(text_vectors, documents, 0.25))
        means, of_text = _means(text_vectors, documents)

        def beside(share: float, text: str, vector: Vectors) -> list[UUID]:
            own, theirs = text_vectors @ vector, (means @ vector)[of_text]
            judged = (own + share * (theirs - own) * (1.0 - own)).astype(np.float64)
            return _best(ids, _lifted(0.3, judged, lexical(text)))

        searches |= {f"document {share}": partial(beside, share) for share in (0.25, 0.5, 0.75)}
    return searches


def _best(ids: Sequence[UUID], scores: Scores) -> list[UUID]:
    return [ids[row] for row in np.argsort(-scores, kind="stable")[:DEPTH].tolist()]


def _lifted(share: float, cosines: Scores, lexical: Scores) -> Scores:
    return cosines + share * lexical * (1.0 - cosines)


def _mean(share: float, cosines: Scores, lexical: Scores) -> Scores:
    return (1.0 - share) * cosines + share * lexical


def _rank_fusion(cosines: Scores, lexical: Scores) -> Scores:
    ranks = [np.argsort(np.argsort(-scores, kind="stable"), kind="stable") for scores in (cosines, lexical)]
    shared_words = np.where(lexical > 0, 1.0 / (_RANK_OFFSET + 1 + ranks[1]), 0.0)
    return 1.0 / (_RANK_OFFSET + 1 + ranks[0]) + shared_words


def _standardised(cosines: Scores, lexical: Scores) -> Scores:
    return _mean(0.3, *((scores - scores.mean()) / max(float(scores.std()), 1e-9) for scores in (cosines, lexical)))


def _of_the_best(cosines: Scores, lexical: Scores) -> Scores:
    return _lifted(0.3, cosines, lexical / max(float(lexical.max()), 1e-9))


def _means(vectors: Vectors, documents: Sequence[Hashable]) -> tuple[Vectors, NDArray[np.intp]]:
    """Of every document the direction of its texts' sum, and of every text the number of its document."""
    number = {document: at for at, document in enumerate(dict.fromkeys(documents))}
    of_text = np.array([number[document] for document in documents])
    sums = np.zeros((len(number), vectors.shape[1]), dtype=np.float32)
    np.add.at(sums, of_text, vectors)
    return sums / np.linalg.norm(sums, axis=1, keepdims=True), of_text


def _with_means(vectors: Vectors, documents: Sequence[Hashable], share: float) -> Vectors:
    """Every text moved towards the mean of its document, as long as before."""
    means, of_text = _means(vectors, documents)
    moved = (1.0 - share) * vectors + share * means[of_text]
    return moved / np.linalg.norm(moved, axis=1, keepdims=True)
