"""The four sources behind one port: search in memory, read every hit again under the tenant's rights, score."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row as ResultRow
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.index_log import last_sequences
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import GLOBAL_TENANT_ID, Chunk, Correction, Document, DocumentVersion, Example
from desk.plain_text import excerpt
from desk.ports import Embedder, Evidence, Hit, Question, Reranking, SourceKind, SourceWeights, Vectors
from retrieval.candidates import Candidate
from retrieval.confidence import assess
from retrieval.ingestion.languages import detect_language
from retrieval.intents.tenant import TenantIntents
from retrieval.merge import merge, preferring
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
        self._intents = TenantIntents(database, embedder)

    async def gather(self, question: Question) -> Evidence:
        started = time.perf_counter()
        weights = (question.weights or SourceWeights()).normalised()
        text = clean_question(question.subject, question.text) if question.subject else question_text(question.text)
        vector = (await self._embedder.embed([text]))[0]
        embedded = time.perf_counter()
        async with self._database.transaction(Scope(question.tenant_id)) as session:
            tenant, shared = self._indexes.of(question.tenant_id), self._indexes.of(GLOBAL_TENANT_ID)
            reached = await last_sequences(session, (question.tenant_id, GLOBAL_TENANT_ID))
            await tenant.follow(session, reached[question.tenant_id])
            await shared.follow(session, reached[GLOBAL_TENANT_ID])
            refreshed = time.perf_counter()
            candidates = await _search(session, question, text, vector, tenant, shared)
            searched = time.perf_counter()
            hits = await _read_hits(session, candidates, weights)
            learned = await self._intents.read(session, question.tenant_id, tenant.sequence)
        read = time.perf_counter()
        classifier = await self._intents.classifier(learned)
        intent = (classifier.described(question.intent) if question.intent else None) or classifier.guess(text, vector)
        guessed = time.perf_counter()
        present: dict[SourceKind, list[Candidate]] = {
            kind: [found for found in candidates.get(kind, ()) if (kind, found.item_id) in hits] for kind in candidates
        }
        texts = {item_id: hit.text for (_, item_id), hit in hits.items()}
        merged = merge(
            {kind: found[:PER_SOURCE] for kind, found in present.items() if kind in question.sources},
            weights,
            max(question.top_k, CANDIDATES),
            texts,
        )
        # In a thread: the first call of a process loads the model.
        language = question.language or await asyncio.to_thread(detect_language, question.text)
        shown = tuple(preferring([hits[item.kind, item.item_id] for item in merged], language))
        finished = time.perf_counter()
        reranking: Reranking | None = None
        if self._reranking is not None:
            shown, reranking = await self._reranking.apply(
                question.tenant_id, text, shown, weights, question.top_k, language
            )
        shown = shown[: question.top_k]
        reranked = time.perf_counter()
        return Evidence(
            hits=shown,
            reranking=reranking,
            neighbours=_neighbours(hits, present, question.neighbours),
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
            approved_answers=len(tenant.sources["example"]),
            language=language,
            timings_ms={
                "embed": _ms(started, embedded),
                "follow_index": _ms(embedded, refreshed),
                "search": _ms(refreshed, searched),
                "read_hits": _ms(searched, read),
                "intent": _ms(read, guessed),
                "merge": _ms(guessed, finished),
                **({} if reranking is None else {"rerank": _ms(finished, reranked)}),
            },
        )


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


async def _read_hits(
    session: AsyncSession, candidates: Mapping[SourceKind, Sequence[Candidate]], weights: SourceWeights
) -> Found:
    """Every candidate as it stands in the database now; one that is gone, or not the tenant's, is left out.

    Columns instead of rows of the ORM: there are more than a hundred candidates, and most of a row is not shown.
    """
    found = {candidate.item_id: (kind, candidate) for kind, some in candidates.items() for candidate in some}
    ids = {kind: [candidate.item_id for candidate in some] for kind, some in candidates.items()}
    share = {
        "global_kb": weights.global_kb,
        "tenant_kb": weights.tenant_kb,
        "example": weights.example,
        "correction": weights.correction,
    }
    hits: list[Hit] = []

    def placed(hit: Callable[..., Hit], row: ResultRow[*tuple[Any, ...]]) -> None:
        kind, candidate = found[row[0]]
        hits.append(hit(kind, row, candidate, share[kind] * candidate.score))

    if chunks := [*ids["global_kb"], *ids["tenant_kb"]]:
        for row in await session.execute(_CHUNKS.where(Chunk.id.in_(chunks))):
            placed(_chunk_hit, row)
    if ids["example"]:
        for row in await session.execute(_EXAMPLES.where(Example.id.in_(ids["example"]))):
            placed(_example_hit, row)
    if ids["correction"]:
        for row in await session.execute(_CORRECTIONS.where(Correction.id.in_(ids["correction"]))):
            placed(_correction_hit, row)
    return {(hit.kind, hit.item_id): hit for hit in hits}


_CHUNKS = (
    select(
        Chunk.id,
        Chunk.document_id,
        Chunk.text,
        Chunk.version,
        Chunk.span_start,
        Chunk.span_end,
        Chunk.heading_path,
        Document.title,
        Document.url,
        DocumentVersion.language,
    )
    .join(Document, Document.id == Chunk.document_id)
    .join(DocumentVersion, DocumentVersion.id == Chunk.version_id)
    .where(Chunk.version == Document.current_version)
)
_EXAMPLES = select(
    Example.id, Example.question, Example.answer, Example.language, Example.answered_at, Example.customer_name
).where(Example.state == "active")
_CORRECTIONS = select(
    Correction.id,
    Correction.question,
    Correction.avoid,
    Correction.instead,
    Correction.notes,
    Correction.language,
    Correction.created_at,
    Correction.customer_name,
).where(Correction.state == "active")


def _chunk_hit(kind: SourceKind, row: ResultRow[*tuple[Any, ...]], candidate: Candidate, weighted_score: float) -> Hit:
    return Hit(
        kind=kind,
        item_id=row.id,
        parent_id=row.document_id,
        title=row.title,
        text=row.text,
        score=candidate.score,
        weighted_score=weighted_score,
        dense=candidate.dense,
        lexical=candidate.lexical,
        version=row.version,
        url=row.url,
        span=(row.span_start, row.span_end),
        heading_path=tuple(row.heading_path),
        language=row.language,
    )


def _example_hit(
    kind: SourceKind, row: ResultRow[*tuple[Any, ...]], candidate: Candidate, weighted_score: float
) -> Hit:
    return Hit(
        kind=kind,
        item_id=row.id,
        parent_id=row.id,
        title=excerpt(row.question, 100),
        text=row.answer,
        score=candidate.score,
        weighted_score=weighted_score,
        dense=candidate.dense,
        lexical=candidate.lexical,
        question=row.question,
        language=row.language,
        created_at=row.answered_at,
        customer_name=row.customer_name,
    )


def _correction_hit(
    kind: SourceKind, row: ResultRow[*tuple[Any, ...]], candidate: Candidate, weighted_score: float
) -> Hit:
    return Hit(
        kind=kind,
        item_id=row.id,
        parent_id=row.id,
        title=excerpt(row.question, 100),
        text=row.instead,
        score=candidate.score,
        weighted_score=weighted_score,
        dense=candidate.dense,
        lexical=candidate.lexical,
        question=row.question,
        avoid=row.avoid,
        notes=row.notes,
        language=row.language,
        created_at=row.created_at,
        customer_name=row.customer_name,
    )


def _neighbours(hits: Found, present: Mapping[SourceKind, Sequence[Candidate]], most: int) -> tuple[Hit, ...]:
    """Approved answers, and the 'say instead' of corrections, nearest first: both are what a person sent."""
    near = [hits["example", one.item_id] for one in present.get("example", ())]
    near += [hit for one in present.get("correction", ()) if (hit := hits["correction", one.item_id]).text]
    near.sort(key=lambda hit: (-hit.score, hit.item_id))
    return tuple(near[:most])


def _ms(start: float, end: float) -> float:
    return round(1000 * (end - start), 2)
