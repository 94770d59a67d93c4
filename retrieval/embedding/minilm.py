"""all-MiniLM-L6-v2, the embedder that needs no key and no network."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np

from desk.ports import Vectors
from retrieval.embedding.encoder import DIMENSION, Encoder
from retrieval.embedding.model_files import checked_file, model_folder
from retrieval.embedding.tokens import model_input

MODEL = "all-MiniLM-L6-v2"

_WINDOW = 512
"""Texts tokenized and sorted by length together."""
_PASS_TOKENS = 1_024
"""Tokens of one forward pass, about a tenth of a second; bounds memory and how long a short query waits."""

_worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="minilm")
"""One thread for the whole process, first come first served: concurrent callers take turns pass by pass, so
a question is answered between two passes of a long ingestion. Its thread starts with the first text, hence
a server may still fork before that."""


class MiniLMEmbedder:
    """Fulfils `desk.ports.Embedder`; the weights are loaded with the first text, once per process.

    A text is read up to 256 tokens. Raises EmbeddingModelMissingError or EmbeddingModelChangedError.
    """

    @property
    def model(self) -> str:
        return MODEL

    @property
    def dimension(self) -> int:
        return DIMENSION

    async def embed(self, texts: Sequence[str]) -> Vectors:
        loop = asyncio.get_running_loop()
        vectors = np.empty((len(texts), DIMENSION), dtype=np.float32)
        passes = _passes(texts, vectors)
        while await loop.run_in_executor(_worker, _advance, passes):
            pass
        return vectors

    def embed_now(self, texts: Sequence[str]) -> Vectors:
        """The same for code without an event loop; blocks the calling thread."""
        vectors = np.empty((len(texts), DIMENSION), dtype=np.float32)
        passes = _passes(texts, vectors)
        while _worker.submit(_advance, passes).result():
            pass
        return vectors


@cache
def _encoder() -> Encoder:
    return Encoder.load(checked_file(model_folder(), "model.safetensors"))


def _advance(passes: Iterator[None]) -> bool:
    """Run one pass; False when there was none left."""
    return next(passes, False) is None


def _passes(texts: Sequence[str], vectors: Vectors) -> Iterator[None]:
    """Fill `vectors`, one forward pass per step, texts of like length together."""
    for offset in range(0, len(texts), _WINDOW):
        inputs = model_input(texts[offset : offset + _WINDOW])
        order = sorted(range(len(inputs)), key=lambda index: len(inputs[index]))
        for chosen in _groups(order, [len(ids) for ids in inputs]):
            vectors[[offset + index for index in chosen]] = _encoder().encode([inputs[i] for i in chosen])
            yield


def _groups(order: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Cut `order` into passes of at most _PASS_TOKENS tokens."""
    group: list[int] = []
    tokens = 0
    for index in order:
        if group and tokens + lengths[index] > _PASS_TOKENS:
            yield group
            group, tokens = [], 0
        group.append(index)
        tokens += lengths[index]
    if group:
        yield group
