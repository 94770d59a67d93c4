"""The product's search with the embedding reranker behind it, for the benchmarks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import numpy as np

from desk.ports import Vectors
from retrieval.benchmarks.ranking import DEPTH, Search, Task, index_of, item_ids
from retrieval.embedding.minilm import MiniLMEmbedder
from retrieval.reranking import CANDIDATES, EmbeddingReranker

_NOBODY = UUID(int=0)


def reranked(task: Task, text_vectors: Vectors) -> Search:
    """The first hits in the order of their best sentences, the rest behind them as they were."""
    index = index_of(task, text_vectors)
    text_of = dict(zip(item_ids(task), task.texts, strict=True))
    reranker = EmbeddingReranker(_KeptSentences())

    def search(text: str, vector: Vectors) -> list[UUID]:
        found = [one.item_id for one in index.search(text, vector, DEPTH)]
        looked_at = found[:CANDIDATES]
        grades = asyncio.run(reranker.relevance(_NOBODY, text, [text_of[item_id] for item_id in looked_at]))
        order = sorted(range(len(looked_at)), key=lambda at: -grades[at])
        return [looked_at[at] for at in order] + found[CANDIDATES:]

    return search


class _KeptSentences:
    """Fulfils `desk.ports.Embedder`: every sentence is embedded once, however many questions meet it."""

    def __init__(self) -> None:
        self._embedder = MiniLMEmbedder()
        self._rows: dict[str, Vectors] = {}

    @property
    def model(self) -> str:
        return self._embedder.model

    @property
    def dimension(self) -> int:
        return self._embedder.dimension

    async def embed(self, texts: Sequence[str]) -> Vectors:
        unknown = [text for text in dict.fromkeys(texts) if text not in self._rows]
        if unknown:
            self._rows.update(zip(unknown, self._embedder.embed_now(unknown), strict=True))
        return np.stack([self._rows[text] for text in texts])
