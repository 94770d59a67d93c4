"""Embeddings from a compatible endpoint, over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from connectors.llm.configuration import EmbeddingConfiguration
from connectors.llm.embeddings import RemoteEmbedder
from desk.egress import EgressRules
from desk.errors import ModelUnavailableError, RefusedAddressError
from desk.secret import Secret
from tests.connectors.llm.scripted_server import ScriptedServer, Step, scripted_server, vector_of

KEY = "sk-never-to-be-seen-0123456789"
RULES = EgressRules(allowed_hosts=frozenset({"127.0.0.1"}))


class Now:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def embedder(*steps: Step, model: str = "bge-small") -> AsyncIterator[tuple[RemoteEmbedder, ScriptedServer]]:
    async with scripted_server(*steps) as (server, url):
        remote = RemoteEmbedder(EmbeddingConfiguration(url, Secret(KEY), model, 8), RULES, Now(), 0.01)
        try:
            yield remote, server
        finally:
            await remote.close()


def rows(*vectors: list[float], start: int = 0) -> Step:
    return {"json": {"data": [{"index": start + i, "embedding": vector} for i, vector in enumerate(vectors)]}}


async def test_rows_come_in_the_order_of_the_texts_with_length_one() -> None:
    texts = [f"text {number}" for number in range(150)] + ["", "x" * 20_000, "broken \ud800"]
    async with embedder() as (remote, server):
        vectors = await remote.embed(texts)
        assert (remote.model, remote.dimension) == ("127.0.0.1/bge-small", 8)
    assert vectors.shape == (153, 8)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    expected = np.array([vector_of(text, 8) for text in texts[:150]])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.allclose(vectors[:150], expected, atol=1e-6)  # the server answers in reverse order
    assert [len(body["input"]) for body in server.bodies] == [64, 64, 25]
    assert all(0 < len(text) <= 8000 for body in server.bodies for text in body["input"])
    assert "dimensions" not in server.bodies[0]


async def test_no_texts_are_no_call() -> None:
    async with embedder() as (remote, server):
        assert (await remote.embed([])).shape == (0, 8)
    assert server.requests == []


async def test_the_dimension_is_asked_for_where_it_can_be_chosen() -> None:
    async with embedder(model="text-embedding-3-small") as (remote, server):
        await remote.embed(["a"])
    assert server.bodies[0]["dimensions"] == 8


@pytest.mark.parametrize(
    "step",
    [
        {"status": 500, "text": "oops"},
        {"status": 429, "headers": {"retry-after": "0"}, "json": {"error": {"message": "slow down"}}},
        {"reset": True},
        {"text": "<html>"},
        rows([0.0] * 8),
        rows([1.0] * 8, [1.0] * 8),
        rows([1.0] * 8, start=1),
    ],
)
async def test_a_passing_trouble_or_unusable_answer_is_tried_again(step: Step) -> None:
    async with embedder(step) as (remote, server):
        assert (await remote.embed(["a"])).shape == (1, 8)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("steps", "reason", "calls"),
    [
        ([{"status": 500, "text": "oops"}] * 3, "500", 3),
        ([{"status": 401, "json": {"error": {"message": f"bad key {KEY}"}}}], "401", 1),
        ([{"status": 429, "headers": {"retry-after": "300"}, "text": ""}], "429", 1),
        ([rows([1.0] * 9)], "not 8", 1),
    ],
)
async def test_what_does_not_pass_is_an_error_that_says_why(steps: list[Any], reason: str, calls: int) -> None:
    async with embedder(*steps) as (remote, server):
        with pytest.raises(ModelUnavailableError, match=reason) as caught:
            await remote.embed(["a"])
    assert KEY not in caught.value.detail
    assert len(server.requests) == calls


def test_an_inside_address_is_refused_from_the_start() -> None:
    with pytest.raises(RefusedAddressError):
        RemoteEmbedder(EmbeddingConfiguration("https://10.0.0.1/v1", Secret(KEY), "m", 8), EgressRules(), Now())
