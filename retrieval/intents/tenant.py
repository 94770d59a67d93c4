"""The classifier of each tenant: its own intents, what its people labelled, and what they approved.

What it was trained on is fingerprinted by one statement a question, so a label, a changed keyword or a purged example
shows in the very next guess, in every process. Tenants that changed and labelled nothing share one classifier.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import Embedding, Example, Intent, IntentLabel
from desk.ports import Embedder, Vectors
from retrieval.intents.categories import OTHER, IntentCategory, hosting_categories
from retrieval.intents.classifier import IntentClassifier, LabelledText, texts_of
from retrieval.query import question_text

MOST_LABELS = 1_000
MOST_APPROVED = 500
"""The newest; what customers ask about drifts, and the training's time grows with the square."""
MOST_KEPT = 64
"""Classifiers of tenants in memory, some megabytes each with a thousand labels."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What a tenant's classifier is to be trained on, as it was read in one transaction."""

    tenant_id: UUID
    fingerprint: tuple[Any, ...]
    intents: Sequence[IntentCategory] | None
    """None: the default ones."""
    labels: Sequence[tuple[UUID, str, str, str, bytes]]
    """Row, label, question, model and vector."""
    approved: Sequence[tuple[str, str, bytes]]
    """Label, question and vector."""


class TenantIntents:
    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder
        self._kept: OrderedDict[tuple[UUID | None, str], tuple[tuple[Any, ...], IntentClassifier]] = OrderedDict()
        self._with_default: dict[tuple[UUID, str], tuple[Any, ...]] = {}
        """Fingerprints of tenants that share the default one: a few bytes each, so all of them are remembered."""
        self._lock = asyncio.Lock()
        self._examples_at: dict[UUID, tuple[int, tuple[Any, ...]]] = {}

    async def read(self, session: AsyncSession, tenant_id: UUID, sequence: int) -> Learned | IntentClassifier:
        """The classifier in memory while it is what it would be trained to be, else all that one is trained on.

        `sequence`: of the tenant's index log, which every change of an example moves.
        """
        rows = await session.execute(
            select(
                select(func.count()).select_from(Intent).where(Intent.tenant_id == tenant_id).scalar_subquery(),
                select(func.max(Intent.updated_at)).where(Intent.tenant_id == tenant_id).scalar_subquery(),
                select(func.count())
                .select_from(IntentLabel)
                .where(IntentLabel.tenant_id == tenant_id)
                .scalar_subquery(),
                select(func.max(IntentLabel.updated_at)).where(IntentLabel.tenant_id == tenant_id).scalar_subquery(),
            )
        )
        fingerprint = (*rows.one(), *await self._examples(session, tenant_id, sequence))
        kept = self._kept.get((tenant_id, self._embedder.model))
        if kept is not None and kept[0] == fingerprint:
            self._kept.move_to_end((tenant_id, self._embedder.model))
            return kept[1]
        shared = self._kept.get((None, self._embedder.model))
        if shared is not None and self._with_default.get((tenant_id, self._embedder.model)) == fingerprint:
            self._kept.move_to_end((None, self._embedder.model))
            return shared[1]
        own = (await session.execute(select(Intent).order_by(Intent.position, Intent.label))).scalars().all()
        labels = await session.execute(
            select(IntentLabel.id, IntentLabel.label, IntentLabel.question, IntentLabel.model, IntentLabel.vector)
            .order_by(IntentLabel.updated_at.desc())
            .limit(MOST_LABELS)
        )
        labelled = select(IntentLabel.ticket_id)
        approved = await session.execute(
            select(Example.intent, Example.question, Embedding.vector)
            .join(Embedding, Embedding.item_id == Example.id)
            .where(
                Embedding.source == "example",
                Embedding.model == self._embedder.model,
                Example.state == "active",
                Example.intent.is_not(None),
                Example.intent != OTHER,
                Example.ticket_id.is_(None) | Example.ticket_id.not_in(labelled),
            )
            .order_by(Example.answered_at.desc())
            .limit(MOST_APPROVED)
        )
        return Learned(
            tenant_id,
            fingerprint,
            [_category(row) for row in own] or None,
            [(row[0], row[1], row[2], row[3], row[4]) for row in labels],
            [(str(row[0]), row[1], row[2]) for row in approved],
        )

    async def classifier(self, learned: Learned | IntentClassifier) -> IntentClassifier:
        """Trained where it has to be, with no transaction open but one of its own for missing vectors."""
        if isinstance(learned, IntentClassifier):
            return learned
        async with self._lock:
            key = (learned.tenant_id, self._embedder.model)
            kept = self._kept.get(key)
            if kept is not None and kept[0] == learned.fingerprint:
                return kept[1]
            if learned.intents is None and not learned.labels and not learned.approved:
                self._kept.pop(key, None)
                self._with_default[key] = learned.fingerprint
                return await self._default()
            trained = await self._trained(learned)
            self._with_default.pop(key, None)
            self._kept[key] = (learned.fingerprint, trained)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return trained

    async def _trained(self, learned: Learned) -> IntentClassifier:
        categories = learned.intents or hosting_categories()
        vectors = await self._embedder.embed(texts_of(categories))
        labelled = await self._labelled(learned)
        labelled += [LabelledText(label, question_text(text), _row(raw)) for label, text, raw in learned.approved]
        return await asyncio.to_thread(IntentClassifier, categories, vectors, labelled)

    async def _default(self) -> IntentClassifier:
        key = (None, self._embedder.model)
        if key not in self._kept:
            categories = hosting_categories()
            vectors = await self._embedder.embed(texts_of(categories))
            self._kept[key] = ((), await asyncio.to_thread(IntentClassifier, categories, vectors))
        self._kept.move_to_end(key)
        return self._kept[key][1]

    async def _labelled(self, learned: Learned) -> list[LabelledText]:
        """Labels that have no vector of this model get one, which is stored."""
        model = self._embedder.model
        missing = [(row_id, question_text(text)) for row_id, _, text, of, _ in learned.labels if of != model]
        made: dict[UUID, Vectors] = {}
        if missing:
            vectors = await self._embedder.embed([text for _, text in missing])
            made = {row_id: vector for (row_id, _), vector in zip(missing, vectors, strict=True)}
            async with self._database.transaction(Scope(learned.tenant_id)) as session:
                for row_id, vector in made.items():
                    raw = vector.astype("<f4").tobytes()
                    # The time of the label stays: a new vector is no new label.
                    await session.execute(
                        update(IntentLabel)
                        .where(IntentLabel.id == row_id)
                        .values(model=model, vector=raw, updated_at=IntentLabel.updated_at)
                    )
        return [
            LabelledText(label, question_text(text), made[row_id] if row_id in made else _row(raw))
            for row_id, label, text, _, raw in learned.labels
        ]

    async def _examples(self, session: AsyncSession, tenant_id: UUID, sequence: int) -> tuple[Any, ...]:
        """Counted anew only when the index log moved; an example that changes always moves it."""
        kept = self._examples_at.get(tenant_id)
        if kept is not None and kept[0] == sequence:
            return kept[1]
        counted = await session.execute(
            select(func.count(), func.max(Example.updated_at)).where(
                Example.state == "active", Example.intent.is_not(None), Example.intent != OTHER
            )
        )
        found = tuple(counted.one())
        self._examples_at[tenant_id] = (sequence, found)
        return found


def _category(row: Intent) -> IntentCategory:
    return IntentCategory(
        label=row.label,
        title=row.title,
        keywords={word: float(weight) for word, weight in row.keywords.items()},
        base_certainty=row.base_certainty,
        needs_tenant_knowledge=row.needs_tenant_knowledge,
        examples=tuple(row.examples),
    )


def _row(raw: bytes) -> Vectors:
    return np.frombuffer(raw, dtype="<f4").astype(np.float32, copy=False)
