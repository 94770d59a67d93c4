"""The four sources behind one port: search in memory, read every hit again under the tenant's rights, score."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import GLOBAL_TENANT_ID, Chunk, Correction, Document, DocumentVersion, Example
from desk.plain_text import excerpt
from desk.ports import Embedder, Evidence, Hit, Question, Reranking, SourceKind, SourceWeights, Vectors
from retrieval.candidates import Candidate
from retrieval.confidence import assess
from retrieval.ingestion.languages import detect_language
from retrieval.intents import IntentClassifier, hosting_categories, texts_of
from retrieval.merge import merge
from retrieval.open_indexes import OpenIndexes
from retrieval.query import clean_question, question_text
from retrieval.reranking import CANDIDATES, RerankingStage
from retrieval.tenant_index import TenantIndex

PER_SOURCE = 24
"""Candidates of each source that go into the merge."""


class FourSourceRetriever:
    """Fulfils `desk.ports.Retriever` (design section 5)."""

    def __init__(
        self,
        database: Database,
        embedder: Embedder,
        indexes: OpenIndexes,
        reranking: RerankingStage | None = None,
    ) -> None:
        self._database = database
        self._embedder = embedder
        self._indexes = indexes
        self._reranking = reranking
        self._classifier: IntentClassifier | None = None
        self._classifier_lock = asyncio.Lock()

    async def gather(self, question: Question) -> Evidence:
        started = time.perf_counter()
        text = clean_question(question.subject, question.text) if question.subject else question_text(question.text)
        vector = (await self._embedder.embed([text]))[0]
        intent = (await self._intents()).guess(text, vector)
        embedded = time.perf_counter()
        async with self._database.transaction(Scope(question.tenant_id)) as session:
            tenant, shared = self._indexes.of(question.tenant_id), self._indexes.of(GLOBAL_TENANT_ID)
            await tenant.refresh(session)
            await shared.refresh(session)
            refreshed = time.perf_counter()
            candidates = await _search(session, question, text, vector, tenant, shared)
            searched = time.perf_counter()
            hits = await _read_hits(session, candidates)
        weights = (question.weights or SourceWeights()).normalised()
        present: dict[SourceKind, list[Candidate]] = {
            kind: [found for found in candidates.get(kind, ()) if (kind, found.item_id) in hits] for kind in candidates
        }
        texts = {item_id: hit.text for (_, item_id), hit in hits.items()}
        merged = merge(
            {kind: found[:PER_SOURCE] for kind, found in present.items() if kind in question.sources},
            weights,
            question.top_k if self._reranking is None else max(question.top_k, CANDIDATES),
            texts,
        )
        shown = tuple(_hit(hits, item) for item in merged)
        finished = time.perf_counter()
        reranking: Reranking | None = None
        if self._reranking is not None:
            shown, reranking = await self._reranking.apply(question.tenant_id, text, shown, weights, question.top_k)
        reranked = time.perf_counter()
        return Evidence(
            hits=shown,
            reranking=reranking,
            neighbours=_neighbours(hits, present, weights, question.neighbours),
            intent=intent,
            confidence=assess(
                {kind: [one.score for one in found] for kind, found in present.items()},
                intent,
                max((one.score for one in present.get("correction", ())), default=0.0),
                _holding(tenant, shared),
                question.confidence,
            ),
            weights=weights,
            embedding_model=self._embedder.model,
            index_sequence=tenant.sequence,
            language=question.language or detect_language(question.text),
            timings_ms={
                "embed": _ms(started, embedded),
                "follow_index": _ms(embedded, refreshed),
                "search": _ms(refreshed, searched),
                "read_hits": _ms(searched, finished),
                **({} if reranking is None else {"rerank": _ms(finished, reranked)}),
            },
        )

    async def _intents(self) -> IntentClassifier:
        """The default categories; their labelled questions are embedded once per process."""
        async with self._classifier_lock:
            if self._classifier is None:
                categories = hosting_categories()
                vectors = await self._embedder.embed(texts_of(categories))
                self._classifier = await asyncio.to_thread(IntentClassifier, categories, vectors)
            return self._classifier


async def _search(
    session: AsyncSession, question: Question, text: str, vector: Vectors, tenant: TenantIndex, shared: TenantIndex
) -> dict[SourceKind, list[Candidate]]:
    return {
        "global_kb": await shared.search(session, "knowledge", text, vector, PER_SOURCE),
        "tenant_kb": []
        if question.tenant_id == GLOBAL_TENANT_ID
        else await tenant.search(session, "knowledge", text, vector, PER_SOURCE),
        "example": await tenant.search(session, "example", text, vector, max(PER_SOURCE, question.neighbours)),
        "correction": await tenant.search(session, "correction", text, vector, PER_SOURCE),
    }


def _holding(tenant: TenantIndex, shared: TenantIndex) -> set[SourceKind]:
    held: Mapping[SourceKind, int] = {
        "global_kb": len(shared.sources["knowledge"]),
        "tenant_kb": len(tenant.sources["knowledge"]),
        "example": len(tenant.sources["example"]),
        "correction": len(tenant.sources["correction"]),
    }
    return {kind for kind, count in held.items() if count}


Found = dict[tuple[SourceKind, UUID], Hit]


async def _read_hits(session: AsyncSession, candidates: Mapping[SourceKind, Sequence[Candidate]]) -> Found:
    """Every candidate as it stands in the database now; one that is gone, or not the tenant's, is left out."""
    hits: Found = {}
    for kind, found in candidates.items():
        by_id = {candidate.item_id: candidate for candidate in found}
        if not by_id:
            continue
        rows = await _rows(session, kind, by_id)
        hits |= {(kind, hit.item_id): hit for hit in rows}
    return hits


async def _rows(session: AsyncSession, kind: SourceKind, found: Mapping[UUID, Candidate]) -> Iterable[Hit]:
    if kind == "example":
        examples = await session.execute(select(Example).where(Example.id.in_(found), Example.state == "active"))
        return [_example_hit(row, found[row.id]) for row in examples.scalars()]
    if kind == "correction":
        rows = await session.execute(select(Correction).where(Correction.id.in_(found), Correction.state == "active"))
        return [_correction_hit(row, found[row.id]) for row in rows.scalars()]
    chunks = await session.execute(
        select(Chunk, Document, DocumentVersion.language)
        .join(Document, Document.id == Chunk.document_id)
        .join(DocumentVersion, DocumentVersion.id == Chunk.version_id)
        .where(Chunk.id.in_(found))
    )
    return [
        _chunk_hit(kind, chunk, document, language, found[chunk.id])
        for chunk, document, language in chunks
        if chunk.version == document.current_version
    ]


def _chunk_hit(kind: SourceKind, chunk: Chunk, document: Document, language: str, candidate: Candidate) -> Hit:
    return Hit(
        kind=kind,
        item_id=chunk.id,
        parent_id=document.id,
        title=document.title,
        text=chunk.text,
        score=candidate.score,
        weighted_score=0.0,
        dense=candidate.dense,
        lexical=candidate.lexical,
        version=chunk.version,
        url=document.url,
        span=(chunk.span_start, chunk.span_end),
        heading_path=tuple(chunk.heading_path),
        language=language,
    )


def _example_hit(row: Example, candidate: Candidate) -> Hit:
    return Hit(
        kind="example",
        item_id=row.id,
        parent_id=row.id,
        title=excerpt(row.question, 100),
        text=row.answer,
        score=candidate.score,
        weighted_score=0.0,
        dense=candidate.dense,
        lexical=candidate.lexical,
        question=row.question,
        language=row.language,
        created_at=row.answered_at,
        customer_name=row.customer_name,
    )


def _correction_hit(row: Correction, candidate: Candidate) -> Hit:
    return Hit(
        kind="correction",
        item_id=row.id,
        parent_id=row.id,
        title=excerpt(row.question, 100),
        text=row.instead,
        score=candidate.score,
        weighted_score=0.0,
        dense=candidate.dense,
        lexical=candidate.lexical,
        question=row.question,
        avoid=row.avoid,
        notes=row.notes,
        language=row.language,
        created_at=row.created_at,
        customer_name=row.customer_name,
    )


def _neighbours(
    hits: Found, present: Mapping[SourceKind, Sequence[Candidate]], weights: SourceWeights, most: int
) -> tuple[Hit, ...]:
    """Approved answers, and the 'say instead' of corrections, nearest first: both are what a person sent."""
    near = [hits["example", one.item_id] for one in present.get("example", ())]
    near += [hit for one in present.get("correction", ()) if (hit := hits["correction", one.item_id]).text]
    near.sort(key=lambda hit: (-hit.score, hit.item_id))
    share = {"example": weights.example, "correction": weights.correction}
    return tuple(_weighted(hit, share[hit.kind] * hit.score) for hit in near[:most])


def _hit(hits: Found, item: MergedHit) -> Hit:
    return _weighted(hits[item.kind, item.item_id], item.weighted_score)


def _weighted(hit: Hit, weighted_score: float) -> Hit:
    return replace(hit, weighted_score=weighted_score)


def _ms(start: float, end: float) -> float:
    return round(1000 * (end - start), 2)
