"""A tenant with as much knowledge as a grown one, in a database that is thrown away."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from uuid import UUID

import numpy as np
from uuid_utils.compat import uuid7

from desk.accounts.identity import ROLES, Actor
from desk.accounts.tenants import create_tenant
from desk.db.index_log import Source, put_items
from desk.db.leases import database_time
from desk.db.tenancy import Scope
from desk.installation import Installation
from desk.models import GLOBAL_TENANT_ID, Chunk, Correction, Document, DocumentVersion, Example
from desk.ports import Vectors

ITEMS = 2_000
"""In each of the four sources."""
_BATCH = 500
_TOPICS = (
    "The SSL certificate of my shop has expired and the browser warns every visitor",
    "Mail to my customers bounces since I moved the domain to you",
    "How do I point my domain at the new server without losing mail",
    "The site answers with error 500 after the last update of the plugin",
    "I cannot log in to the control panel any more",
)
_ANSWER = (
    "Open the panel, choose the domain and press Repair; it takes a few minutes. Write again when it does not help."
)

_SHARES = list(accumulate(1 / (rank + 2.7) for rank in range(20_000)))
"""Running sum of how often each word comes, the most frequent first (Mandelbrot 1953)."""


@dataclass(frozen=True, slots=True)
class GrownTenant:
    actor: Actor
    questions: tuple[str, ...]
    """Of each, an approved answer is there; their embeddings are cached after the first draft."""


async def grow_tenant(installation: Installation) -> GrownTenant:
    tenant = await create_tenant(installation.database, "Bench")
    random = np.random.default_rng(11)
    for tenant_id in (GLOBAL_TENANT_ID, tenant.id):
        await _add_chunks(installation, tenant_id, random)
    known = await installation.embedder.embed(list(_TOPICS))
    for row in (Example, Correction):
        vectors = random_rows(random, ITEMS, known.shape[1])
        if row is Example:
            vectors[: len(known)] = known
        await _add_learned(installation, tenant.id, row, vectors)
    return GrownTenant(Actor(tenant.id, "owner", "bench", ROLES["owner"]), _TOPICS)


async def _add_chunks(installation: Installation, tenant_id: UUID, random: np.random.Generator) -> None:
    document_id, version_id = uuid7(), uuid7()
    async with installation.database.transaction(Scope(tenant_id)) as session:
        session.add(Document(id=document_id, title="Handbook", origin="text:bench", current_version=1))
        await session.flush()
        session.add(
            DocumentVersion(
                id=version_id,
                document_id=document_id,
                number=1,
                file_name="bench",
                raw=b"-",
                sha256="",
                state="indexed",
            )
        )
        await session.flush()
        for start in range(0, ITEMS, _BATCH):
            rows = [
                Chunk(
                    id=uuid7(),
                    document_id=document_id,
                    version_id=version_id,
                    version=1,
                    ordinal=start + offset,
                    text=random_text(random),
                    span_start=0,
                    span_end=1,
                    tokens=1,
                )
                for offset in range(_BATCH)
            ]
            session.add_all(rows)
            await session.flush()
            vectors = random_rows(random, _BATCH, installation.embedder.dimension)
            await put_items(session, "knowledge", [row.id for row in rows], vectors, installation.embedder.model)


async def _add_learned(
    installation: Installation, tenant_id: UUID, row: type[Example | Correction], vectors: Vectors
) -> None:
    random = np.random.default_rng(12)
    source: Source = "example" if row is Example else "correction"
    for start in range(0, len(vectors), _BATCH):
        async with installation.database.transaction(Scope(tenant_id)) as session:
            now = await database_time(session)
            questions = [
                _TOPICS[number] if number < len(_TOPICS) else random_text(random)
                for number in range(start, start + _BATCH)
            ]
            if row is Example:
                rows = [
                    Example(
                        id=uuid7(),
                        question=one,
                        answer=_ANSWER if one in _TOPICS else random_text(random),
                        origin="imported",
                        answered_at=now,
                    )
                    for one in questions
                ]
            else:
                rows = [
                    Correction(id=uuid7(), question=random_text(random), avoid="No.", instead=_ANSWER)
                    for _ in questions
                ]
            session.add_all(rows)
            await session.flush()
            model = installation.embedder.model
            await put_items(session, source, [one.id for one in rows], vectors[start : start + _BATCH], model)


def random_rows(random: np.random.Generator, count: int, dimension: int) -> Vectors:
    rows = random.standard_normal((count, dimension), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def random_text(random: np.random.Generator) -> str:
    """Sixty words, as frequent as in real text."""
    numbers = [bisect_left(_SHARES, drawn * _SHARES[-1]) for drawn in random.random(60).tolist()]
    return " ".join(f"word{number}" for number in numbers)
