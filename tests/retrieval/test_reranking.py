"""The second look: a new order under the tenant's weights, a cut, and the first order when it cannot be taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest

from connectors.llm.chain import build_chat_model
from connectors.llm.configuration import configure
from desk.clock import SystemClock
from desk.egress import EgressRules
from desk.errors import ModelUnavailableError
from desk.ports import ChatModel, Hit, SourceKind, SourceWeights, Vectors
from desk.secret import Secret
from retrieval.reranking import EmbeddingReranker, LlmReranker, RerankingStage, passage_of
from tests.connectors.llm.scripted_server import scripted_server

TENANT = UUID(int=7)
EVEN = SourceWeights(1, 1, 1, 1)


def hit(number: int, kind: SourceKind = "tenant_kb") -> Hit:
    return Hit(kind, UUID(int=number), UUID(int=number), f"Title {number}", f"Text {number}", 0.5, 0.1, 0.5, 0.0)


class Graded:
    name = "graded"

    def __init__(self, *grades: float) -> None:
        self.grades = grades
        self.read: Sequence[str] = ()

    async def relevance(self, tenant_id: UUID, question: str, passages: Sequence[str]) -> Sequence[float]:
        del tenant_id, question
        self.read = passages
        return self.grades[: len(passages)]


class Silent:
    name = "silent"

    async def relevance(self, tenant_id: UUID, question: str, passages: Sequence[str]) -> Sequence[float]:
        del tenant_id, question, passages
        raise ModelUnavailableError("nobody answered")


async def test_the_order_is_that_of_relevance_and_what_is_below_the_threshold_goes() -> None:
    hits = [hit(1), hit(2), hit(3), hit(4)]
    kept, record = await RerankingStage(Graded(0.3, 0.1, 0.9, 0.2), 0.2).apply(TENANT, "how?", hits, EVEN, 8)
    assert [(one.item_id.int, one.relevance) for one in kept] == [(3, 0.9), (1, 0.3), (4, 0.2)]
    assert (record.considered, record.dropped, record.moved, record.failure) == (4, 1, 2, "")
    assert all(one.score == 0.5 for one in kept), "confidence goes by the search, not by the second look"


async def test_the_weights_of_the_sources_keep_their_say() -> None:
    hits = [hit(1, "global_kb"), hit(2, "tenant_kb")]
    weights = SourceWeights(global_kb=0.1, tenant_kb=0.9, example=0, correction=0)
    kept, _ = await RerankingStage(Graded(0.9, 0.5), 0).apply(TENANT, "how?", hits, weights, 8)
    assert [one.item_id.int for one in kept] == [2, 1]
    assert kept[0].weighted_score == pytest.approx(0.45)


async def test_of_passages_that_fit_about_equally_the_customer_still_gets_one_she_can_read() -> None:
    hits = [replace(hit(1), language="en"), replace(hit(2), language="de"), replace(hit(3), language="en")]
    kept, _ = await RerankingStage(Graded(0.8, 0.75, 0.95), 0).apply(TENANT, "wie?", hits, EVEN, 8, "de")
    assert [one.item_id.int for one in kept] == [3, 2, 1], "a clearly better one in another language stays ahead"


async def test_only_as_many_as_are_wanted_are_kept_of_more_that_are_read() -> None:
    graded = Graded(*[number / 40 for number in range(40)])
    kept, record = await RerankingStage(graded, 0).apply(TENANT, "?", [hit(n) for n in range(1, 41)], EVEN, 3)
    assert [one.item_id.int for one in kept] == [20, 19, 18]
    assert len(graded.read) == record.considered == 20


async def test_the_first_order_stays_when_nobody_can_say_and_the_record_has_the_reason() -> None:
    kept, record = await RerankingStage(Silent(), 0.5).apply(TENANT, "how?", [hit(1), hit(2), hit(3)], EVEN, 2)
    assert [one.item_id.int for one in kept] == [1, 2]
    assert (record.failure, record.dropped) == ("nobody answered", 0)


async def test_one_good_sentence_in_a_long_passage_counts() -> None:
    class Topics:
        model, dimension = "topics", 2

        async def embed(self, texts: Sequence[str]) -> Vectors:
            return np.array([[1, 0] if "backup" in text else [0.6, 0.8] for text in texts], dtype=np.float32)

    reranker = EmbeddingReranker(Topics())
    passages = ["Prices changed. Offices moved.", "Prices changed. We keep every backup. Offices moved."]
    assert list(await reranker.relevance(TENANT, "backup?", passages)) == pytest.approx([0.6, 1.0])


class Models:
    def __init__(self, model: ChatModel | None) -> None:
        self.model = model

    async def for_tenant(self, tenant_id: UUID) -> ChatModel | None:
        del tenant_id
        return self.model

    async def close(self) -> None: ...


async def test_a_model_grades_all_passages_in_one_call() -> None:
    async with scripted_server() as (server, url):
        rules = EgressRules(allowed_hosts=frozenset({"127.0.0.1"}))
        model = build_chat_model((configure(url, Secret(""), "m"),), rules, SystemClock())
        try:
            reranker = LlmReranker(Models(model))
            server.answer = {"grades": [{"passage": 2, "grade": 10}, {"passage": 1, "grade": 3}]}
            assert list(await reranker.relevance(TENANT, "how?", ["one", "two"])) == [0.3, 1.0]
            assert len(server.requests) == 1
            server.answer = {"grades": [{"passage": 2, "grade": 10}]}
            with pytest.raises(ModelUnavailableError, match="graded 1 of 2"):
                await reranker.relevance(TENANT, "how?", ["one", "two"])
        finally:
            await model.close()
    with pytest.raises(ModelUnavailableError, match="no language model"):
        await LlmReranker(Models(None)).relevance(TENANT, "how?", ["one"])


def test_a_passage_is_read_under_its_headings_and_an_answer_under_its_question() -> None:
    document = Hit("tenant_kb", TENANT, TENANT, "Backups", "Kept for 14 days.", 0, 0, 0, 0, heading_path=("Retention",))
    assert passage_of(document) == "Backups > Retention\nKept for 14 days."
    example = Hit("example", TENANT, TENANT, "How l…", "14 days.", 0, 0, 0, 0, question="How long are backups kept?")
    assert passage_of(example) == "How long are backups kept?\n14 days."
