from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk.errors import ModelUnavailableError
from desk.ports import Vectors
from retrieval.embedding.cached import BULK_TEXTS, CachedEmbedder

POISON = "poison"


class RecordingEmbedder:
    """Deterministic vectors; a batch with the text POISON fails; remembers batches and how many ran at once."""

    def __init__(self, model: str = "first") -> None:
        self.model = model
        self.dimension = 4
        self.batches: list[list[str]] = []
        self.running = 0
        self.most_running = 0

    def vector(self, text: str) -> list[float]:
        digest = hashlib.sha256(f"{self.model}/{text}".encode()).digest()
        row = np.frombuffer(digest[:16], dtype=np.uint32).astype(np.float64) + 1
        return (row / np.linalg.norm(row)).tolist()

    def rows(self, texts: Sequence[str]) -> Vectors:
        return np.array([self.vector(text) for text in texts], dtype=np.float32).reshape(-1, self.dimension)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(list(texts))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        rows = self.rows(texts)
        for _ in range(5):
            await asyncio.sleep(0)
        self.running -= 1
        if POISON in texts:
            raise ModelUnavailableError("the endpoint is down")
        return rows


calls = st.lists(
    st.tuples(st.integers(0, 12), st.lists(st.sampled_from(["a", "b", "c", "d", "e", "", POISON]), max_size=4)),
    min_size=1,
    max_size=12,
)


@given(calls=calls, capacity=st.integers(1, 6))
async def test_any_concurrent_calls_get_the_inner_vectors_or_the_error_of_their_batch(calls, capacity):
    inner = RecordingEmbedder()
    cached = CachedEmbedder(inner, capacity)

    async def call(delay: int, texts: list[str]) -> Vectors:
        for _ in range(delay):
            await asyncio.sleep(0)
        return await cached.embed(texts)

    results = await asyncio.gather(*(call(*arguments) for arguments in calls), return_exceptions=True)

    failed_texts = {text for batch in inner.batches if POISON in batch for text in batch}
    for (_, texts), result in zip(calls, results, strict=True):
        if isinstance(result, BaseException):
            assert isinstance(result, ModelUnavailableError)
            assert failed_texts & set(texts)
        else:
            assert POISON not in texts
            assert result.shape == (len(texts), 4)
            np.testing.assert_array_equal(result, inner.rows(texts))
    assert inner.most_running <= 1
    assert all(len(batch) == len(set(batch)) for batch in inner.batches)


async def test_questions_that_arrive_while_a_batch_runs_become_one_batch():
    inner = RecordingEmbedder()
    cached = CachedEmbedder(inner, 10)

    first = asyncio.create_task(cached.embed(["a"]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await asyncio.gather(first, cached.embed(["b"]), cached.embed(["a", "c"]), cached.embed(["b", "c"]))
    await cached.embed(["c", "b", "a"])

    assert inner.batches == [["a"], ["b", "c"]]


async def test_an_error_reaches_only_its_batch_and_nothing_of_it_is_kept():
    inner = RecordingEmbedder()
    cached = CachedEmbedder(inner, 10)

    running = asyncio.create_task(cached.embed(["a"]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first, second, third = await asyncio.gather(
        running, cached.embed(["b"]), cached.embed([POISON]), return_exceptions=True
    )

    assert isinstance(first, np.ndarray)
    assert isinstance(second, ModelUnavailableError)
    assert isinstance(third, ModelUnavailableError)
    np.testing.assert_array_equal(await cached.embed(["b"]), inner.rows(["b"]))
    assert inner.batches == [["a"], ["b", POISON], ["b"]]


async def test_a_caller_who_gives_up_does_not_take_the_others_along():
    inner = RecordingEmbedder()
    cached = CachedEmbedder(inner, 10)

    impatient, patient = (asyncio.create_task(cached.embed(["a"])) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()

    np.testing.assert_array_equal(await patient, inner.rows(["a"]))
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_the_text_unused_for_longest_is_forgotten_first():
    inner = RecordingEmbedder()
    cached = CachedEmbedder(inner, 2)

    for text in ("a", "b", "a", "c", "a", "b"):
        await cached.embed([text])

    assert inner.batches == [["a"], ["b"], ["c"], ["b"]]


async def test_a_new_model_never_gets_vectors_of_the_old_one():
    inner = RecordingEmbedder()
    cached = CachedEmbedder(inner, 10)
    await cached.embed(["a"])

    during = asyncio.create_task(cached.embed(["a", "b"]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    inner.model = "second"

    np.testing.assert_array_equal(await during, inner.rows(["a", "b"]))
    np.testing.assert_array_equal(await cached.embed(["b", "a"]), inner.rows(["b", "a"]))


async def test_a_model_that_changes_before_a_batch_begins_leaves_nothing_under_the_old_name():
    inner = RecordingEmbedder()
    cached = CachedEmbedder(inner, 10)

    waiting = asyncio.create_task(cached.embed(["a"]))
    await asyncio.sleep(0)
    inner.model = "second"
    await waiting
    inner.model = "first"

    np.testing.assert_array_equal(await cached.embed(["a"]), inner.rows(["a"]))


async def test_an_ingestion_neither_blocks_questions_nor_pushes_them_out():
    inner = RecordingEmbedder()
    cached = CachedEmbedder(inner, 2)
    await cached.embed(["question"])
    pages = [f"page {number}" for number in range(BULK_TEXTS + 1)]

    ingestion = asyncio.create_task(cached.embed(pages))
    await asyncio.sleep(0)
    await cached.embed(["another"])
    np.testing.assert_array_equal(await ingestion, inner.rows(pages))
    await cached.embed(["question", "another"])

    assert inner.batches == [["question"], pages, ["another"]]


async def test_changing_a_returned_vector_does_not_change_the_kept_one():
    inner = RecordingEmbedder()
    cached = CachedEmbedder(inner, 2)

    (await cached.embed(["a"]))[:] = 0
    (await cached.embed(["a"]))[:] = 0

    np.testing.assert_array_equal(await cached.embed(["a"]), inner.rows(["a"]))
