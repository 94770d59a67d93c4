"""How long one look-up takes among many FAQs, beside Python's own difflib over the same texts in the same run."""

from __future__ import annotations

import difflib
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from desk.ports import Vectors
from retrieval.benchmarks.faq_answers import Texts
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.faq.index import FaqIndex

_QUERIES = 100
_YARDSTICK_QUERIES = 5
_SEED = 7
_BLUR = 0.05
"""Of each number of a vector of length 1, so that no two FAQs are the same."""


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds."""

    faqs: int
    search_p50: float
    search_p95: float
    embed_p50: float
    """Of one question, by the local model."""
    both_p95: float
    difflib_p50: float


def time_search(faqs: Texts, queries: Texts, size: int) -> Timed:
    """Over `size` questions made of the words of the texts, with vectors around theirs."""
    shuffled = random.Random(_SEED)  # noqa: S311 - the same FAQs every time
    noise = np.random.default_rng(_SEED)
    texts = [*faqs.texts, *queries.texts]
    vectors: Vectors = np.vstack([faqs.vectors, queries.vectors])
    width: int = faqs.vectors.shape[1]
    index = FaqIndex(width)
    made: list[str] = []
    for number in range(size):
        first, second = shuffled.sample(range(len(texts)), 2)
        words = f"{texts[first]} {texts[second]}".split()
        made.append(" ".join(shuffled.sample(words, max(1, len(words) // 2))))
        blur: NDArray[np.float64] = _BLUR * noise.standard_normal(width)
        vector: Vectors = (vectors[first] + blur).astype(np.float32)
        index.upsert(UUID(int=number + 1), UUID(int=number + 1), made[-1], vector)
    embedder = MiniLMEmbedder()
    chosen = [shuffled.randrange(len(queries.texts)) for _ in range(_QUERIES)]
    embedding: list[float] = []
    searching: list[float] = []
    plain: list[float] = []
    for turn, at in enumerate(chosen):
        text, vector = queries.texts[at], queries.vectors[at]
        embedding.append(_milliseconds(partial(embedder.embed_now, [text])))
        searching.append(_milliseconds(partial(index.search, text, vector, 8)))
        if turn % (_QUERIES // _YARDSTICK_QUERIES) == 0:
            plain.append(_milliseconds(partial(_by_difflib, text, made)))
    return Timed(
        faqs=size,
        search_p50=float(np.median(searching)),
        search_p95=float(np.percentile(searching, 95)),
        embed_p50=float(np.median(embedding)),
        both_p95=float(np.percentile(np.add(embedding, searching), 95)),
        difflib_p50=float(np.median(plain)),
    )


def _by_difflib(text: str, texts: list[str]) -> float:
    matcher = difflib.SequenceMatcher(b=text)
    best = 0.0
    for other in texts:
        matcher.set_seq1(other)
        best = max(best, matcher.ratio())
    return best


def _milliseconds(call: Callable[[], object]) -> float:
    began = perf_counter()
    call()
    return 1_000 * (perf_counter() - began)
