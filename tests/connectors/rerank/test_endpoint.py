"""A cross-encoder over real HTTP: its scores in our order, and a reason whenever there are none."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from connectors.rerank.endpoint import EndpointReranker, RerankEndpoint, rerank_endpoint
from desk.egress import EgressRules
from desk.errors import ModelUnavailableError, RefusedAddressError, SettingMissingError
from desk.secret import Secret
from tests.connectors.llm.scripted_server import ScriptedServer, Step, scripted_server

KEY = "rk-never-to-be-seen-0123456789"
TENANT = UUID(int=7)
RULES = EgressRules(allowed_hosts=frozenset({"127.0.0.1"}))


@asynccontextmanager
async def reranker(*steps: Step, seconds: float = 5.0) -> AsyncGenerator[tuple[EndpointReranker, ScriptedServer]]:
    async with scripted_server(*steps) as (server, url):
        remote = EndpointReranker(RerankEndpoint(url, Secret(KEY), "rerank-v3.5"), RULES, seconds)
        try:
            yield remote, server
        finally:
            await remote.close()


def ranking(*scores: tuple[int, float], under: str = "results") -> Step:
    return {"json": {under: [{"index": at, "relevance_score": score} for at, score in scores]}}


@pytest.mark.parametrize("under", ["results", "data"])
async def test_scores_come_in_the_order_of_the_passages(under: str) -> None:
    async with reranker(ranking((2, 0.9), (0, 0.5), (1, 0.1), under=under)) as (remote, server):
        assert await remote.relevance(TENANT, "how?", ["a", "b", "c"]) == [0.5, 0.1, 0.9]
        assert remote.name == "127.0.0.1/rerank-v3.5"
    (request,) = server.requests
    assert request["path"].endswith("/rerank")
    assert request["body"] == {"model": "rerank-v3.5", "query": "how?", "documents": ["a", "b", "c"], "top_n": 3}


async def test_logits_become_shares_and_keep_their_order() -> None:
    async with reranker(ranking((0, -800.0), (1, 4.0), (2, 0.0))) as (remote, _):
        low, high, middle = await remote.relevance(TENANT, "how?", ["a", "b", "c"])
    assert 0 <= low < middle == 0.5 < high < 1


@pytest.mark.parametrize(
    "step",
    [
        ranking((0, 0.5)),
        ranking((0, 0.5), (1, 0.4), (5, 0.1)),
        {"json": {"results": "none"}},
        {"text": "<html>"},
        {"status": 503, "text": "busy"},
        {"status": 302, "text": "", "headers": {"location": "/elsewhere"}},
        {"reset": True},
        {"delay": 3.0, "json": {}},
    ],
)
async def test_without_a_score_for_every_passage_it_says_so(step: dict[str, Any]) -> None:
    async with reranker(step, seconds=0.5) as (remote, _):
        with pytest.raises(ModelUnavailableError, match=r"127\.0\.0\.1/rerank-v3\.5") as caught:
            await remote.relevance(TENANT, "how?", ["a", "b", "c"])
    assert KEY not in str(caught.value)


def test_half_of_its_settings_is_refused_by_name() -> None:
    with pytest.raises(SettingMissingError, match="DESK_RERANK_MODEL"):
        rerank_endpoint({"DESK_RERANK_BASE_URL": "https://rerank.example.com/v1"})
    with pytest.raises(SettingMissingError, match="DESK_RERANK_BASE_URL"):
        rerank_endpoint({"DESK_RERANK_MODEL": "m"})
    with pytest.raises(RefusedAddressError):
        EndpointReranker(RerankEndpoint("http://10.0.0.8/v1", Secret(""), "m"), EgressRules())
