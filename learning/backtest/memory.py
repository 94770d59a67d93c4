"""A tenant's desk in memory: the product's own indexes, merge, scoring and writer over what has been learned so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from desk.drafting.local_writer import write_locally
from desk.drafting.slots import TicketFacts
from desk.drafting.written import WrittenDraft
from desk.errors import RefusedDocumentError
from desk.ports import ConfidenceSettings, Evidence, Hit, Question, SourceKind, SourceWeights
from learning.backtest.history import HistoryTicket
from retrieval.candidates import Candidate
from retrieval.confidence import assess
from retrieval.embedding.tokens import token_spans
from retrieval.ingestion.chunking import chunk
from retrieval.ingestion.discovery import discover
from retrieval.ingestion.languages import detect_language
from retrieval.ingestion.parse import parse
from retrieval.intents import IntentClassifier
from retrieval.merge import merge
from retrieval.query import clean_question
from retrieval.retriever import PER_SOURCE
from retrieval.source_index import SourceIndex

Vector = NDArray[np.float32]
Embed = Callable[[Sequence[str]], Vector]
"""Texts to rows of length 1, in order."""


@dataclass(frozen=True, slots=True)
class Drafted:
    written: WrittenDraft | None
    evidence: Evidence
    retrieve_ms: float
    total_ms: float


class Knowledge:
    """Documents every tenant of the backtest can quote from."""

    def __init__(self, dimension: int) -> None:
        self.index = SourceIndex(dimension)
        self._hits: dict[UUID, Hit] = {}

    @classmethod
    def read(cls, folder: Path, embed: Embed, dimension: int, refused: Callable[[Path, str], None]) -> Knowledge:
        """Every readable file of the folder; what cannot be read goes to `refused` with the reason."""
        knowledge = cls(dimension)
        for path in discover([folder], refused):
            try:
                document = parse(path.name, path.read_bytes())
            except RefusedDocumentError as error:
                refused(path, error.detail)
                continue
            chunks = chunk(document, token_spans)
            vectors = embed([one.embedding_text for one in chunks])
            parent = uuid5(NAMESPACE_URL, path.as_posix())
            for one, vector in zip(chunks, vectors, strict=True):
                item = uuid5(parent, str(one.ordinal))
                shown = "\n".join((document.title, *one.heading_path, one.text))
                knowledge.index.upsert(item, shown, vector, document=parent)
                knowledge._hits[item] = Hit(
                    kind="global_kb",
                    item_id=item,
                    parent_id=parent,
                    title=document.title,
                    text=one.text,
                    score=0.0,
                    weighted_score=0.0,
                    dense=0.0,
                    lexical=0.0,
                    span=one.span,
                    heading_path=one.heading_path,
                    language=document.language,
                )
        return knowledge

    def hit(self, found: Candidate, weight: float) -> Hit:
        return _scored(self._hits[found.item_id], found, weight)


class MemoryDesk:
    """One tenant: learns approved replies and drafts from them. Nothing it holds outlives it."""

    def __init__(self, dimension: int, intents: IntentClassifier, knowledge: Knowledge) -> None:
        self._examples = SourceIndex(dimension)
        self._hits: dict[UUID, Hit] = {}
        self._intents = intents
        self._knowledge = knowledge
        self._weights = SourceWeights().normalised()
        self._settings = ConfidenceSettings()

    @property
    def replies(self) -> list[str]:
        """The approved answers learned so far."""
        return [hit.text for hit in self._hits.values()]

    def learn(self, ticket: HistoryTicket, reply: str, at: datetime, vector: Vector) -> None:
        """Take a reply in as an approved answer, as an import does."""
        item = UUID(int=len(self._hits) + 1)
        self._examples.upsert(item, searched_text(ticket), vector)
        self._hits[item] = Hit(
            kind="example",
            item_id=item,
            parent_id=item,
            title=ticket.subject,
            text=reply,
            score=0.0,
            weighted_score=0.0,
            dense=0.0,
            lexical=0.0,
            question=f"{ticket.subject}\n\n{ticket.body}",
            language=detect_language(reply),
            created_at=at,
            customer_name=ticket.customer.name,
        )

    def draft(self, ticket: HistoryTicket, vector: Vector) -> Drafted:
        started = time.perf_counter()
        evidence = self._gather(searched_text(ticket), vector)
        retrieved = time.perf_counter()
        facts = TicketFacts(
            subject=ticket.subject,
            body=ticket.body,
            customer_name=ticket.customer.name,
            customer_email=ticket.customer.email,
        )
        written = write_locally(facts, evidence)
        finished = time.perf_counter()
        return Drafted(written, evidence, 1000 * (retrieved - started), 1000 * (finished - started))

    def _gather(self, text: str, vector: Vector) -> Evidence:
        near = self._examples.search(text, vector, max(PER_SOURCE, _NEIGHBOURS))
        known = self._knowledge.index.search(text, vector, PER_SOURCE)
        candidates: dict[SourceKind, list[Candidate]] = {"example": near, "global_kb": known}
        examples = [_scored(self._hits[found.item_id], found, self._weights.example) for found in near]
        passages = [self._knowledge.hit(found, self._weights.global_kb) for found in known]
        hits = {hit.item_id: hit for hit in (*examples, *passages)}
        merged = merge(
            {kind: found[:PER_SOURCE] for kind, found in candidates.items()},
            self._weights,
            _TOP_K,
            {item: hit.text for item, hit in hits.items()},
        )
        intent = self._intents.guess(text, vector)
        return Evidence(
            hits=tuple(hits[one.item_id] for one in merged),
            neighbours=tuple(examples),
            intent=intent,
            confidence=assess(
                {kind: [one.score for one in found] for kind, found in candidates.items()},
                intent,
                0.0,
                {kind for kind, found in candidates.items() if found},
                self._settings,
            ),
            weights=self._weights,
            embedding_model="",
            index_sequence=len(self._hits),
            approved_answers=len(self._hits),
            language=detect_language(text),
        )


_DEFAULTS = Question(tenant_id=UUID(int=0), subject="", text="")
_TOP_K, _NEIGHBOURS = _DEFAULTS.top_k, _DEFAULTS.neighbours


def searched_text(ticket: HistoryTicket) -> str:
    """What a ticket is searched with, embedded as, and found by."""
    return clean_question(ticket.subject, ticket.body)


def _scored(hit: Hit, found: Candidate, weight: float) -> Hit:
    return replace(
        hit, score=found.score, weighted_score=weight * found.score, dense=found.dense, lexical=found.lexical
    )
