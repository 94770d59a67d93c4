"""The job that finds passages which say the same or disagree, by following the index log.

Each run looks at a bounded number of changed items; the first run, and one after a long rest, goes through all of
them. What somebody has decided about a pair is kept with its texts and applied again when a document is read anew.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.conflicts import set_aside
from desk.db.index_log import last_sequence
from desk.db.leases import Claim, hold
from desk.db.unit_of_work import Database
from desk.models import (
    GLOBAL_TENANT_ID,
    Chunk,
    Document,
    Embedding,
    Faq,
    FaqPhrasing,
    IndexLogEntry,
    KnowledgeJob,
    PassagePair,
)
from desk.plain_text import clean_line
from desk.ports import EditAnalyser, Embedder
from learning.conflicts.comparing import Comparison, compare
from learning.conflicts.near import SOURCES, near_items

ITEMS_AT_ONCE = 300


@dataclass(frozen=True, slots=True)
class Passage:
    """What is compared: a chunk of a document's searched version, or a published FAQ."""

    kind: str
    """document or faq."""
    item_id: UUID
    parent_id: UUID
    owner: UUID
    text: str

    @property
    def hash(self) -> str:
        return hashlib.sha256(clean_line(self.text).casefold().encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What one run looks at."""

    own: list[UUID]
    """Items as the index log names them: chunks, and phrasings of FAQs."""
    everybodys: list[UUID]
    """Of the global knowledge; compared with the tenant's own only."""
    cursor: dict[str, Any]
    is_all: bool


@dataclass(frozen=True, slots=True)
class _Found:
    first: Passage
    second: Passage
    comparison: Comparison

    @property
    def key(self) -> tuple[UUID, str, UUID, str]:
        return self.first.parent_id, self.first.hash, self.second.parent_id, self.second.hash


class PassageComparison:
    def __init__(self, database: Database, embedder: Embedder, analyser: EditAnalyser) -> None:
        self._database = database
        self._embedder = embedder
        self._analyser = analyser

    async def run(self, held: Claim) -> bool:
        """As `desk.ports.KnowledgeUpkeep.compare_passages`."""
        tenant_id, model = held.tenant_id, self._embedder.model
        async with self._database.transaction(held.scope) as session:
            job = await hold(session, KnowledgeJob, held)
            stretch = await _next_stretch(session, tenant_id, job.cursor, model)
        everybody = list(dict.fromkeys((tenant_id, GLOBAL_TENANT_ID)))
        near = await near_items(self._database, held.scope, model, stretch.own, everybody)
        near += await near_items(self._database, held.scope, model, stretch.everybodys, [tenant_id])
        touched = {*stretch.own, *stretch.everybodys}
        async with self._database.transaction(held.scope) as session:
            passages = await _passages(session, touched | {item_id for pair in near for item_id in pair})
        found = await asyncio.to_thread(self._compare, near, passages)
        async with self._database.transaction(held.scope) as session:
            job = await hold(session, KnowledgeJob, held)
            looked_at = {passages[item_id].item_id if item_id in passages else item_id for item_id in touched}
            await _store(session, tenant_id, looked_at, found)
            job.cursor = stretch.cursor
        return not stretch.is_all

    def _compare(self, near: Iterable[tuple[UUID, UUID]], passages: Mapping[UUID, Passage]) -> list[_Found]:
        found: dict[tuple[UUID, UUID], _Found] = {}
        for one, other in near:
            if one not in passages or other not in passages:
                continue
            first, second = sorted((passages[one], passages[other]), key=lambda each: (each.parent_id, each.item_id))
            pair = (first.item_id, second.item_id)
            if first.parent_id == second.parent_id or pair in found:
                continue
            comparison = compare(first.text, second.text, self._analyser)
            if comparison is not None:
                found[pair] = _Found(first, second, comparison)
        return list({one.key: one for one in found.values()}.values())


async def _next_stretch(session: AsyncSession, tenant_id: UUID, cursor: Mapping[str, Any], model: str) -> _Stretch:
    own, everybodys = await last_sequence(session, tenant_id), await last_sequence(session, GLOBAL_TENANT_ID)
    if (
        "own" not in cursor
        or "after" in cursor
        or await _is_pruned(session, tenant_id, int(cursor["own"]))
        or await _is_pruned(session, GLOBAL_TENANT_ID, int(cursor["global"]))
    ):
        going = "after" in cursor
        after = UUID(cursor["after"]) if going else UUID(int=0)
        reached = {"own": cursor["own"], "global": cursor["global"]} if going else {"own": own, "global": everybodys}
        rows = await session.execute(
            select(Embedding.item_id)
            .where(
                Embedding.tenant_id == tenant_id,
                Embedding.item_id > after,
                Embedding.model == model,
                Embedding.source.in_(SOURCES),
            )
            .order_by(Embedding.item_id)
            .limit(ITEMS_AT_ONCE)
        )
        items = list(rows.scalars())
        is_all = len(items) < ITEMS_AT_ONCE and reached["own"] == own and reached["global"] == everybodys
        next_cursor = reached if len(items) < ITEMS_AT_ONCE else {**reached, "after": str(items[-1])}
        return _Stretch(items, [], next_cursor, is_all)
    own_items, own_reached = await _logged(session, tenant_id, int(cursor["own"]), own)
    other_items: list[UUID] = []
    reached_global = everybodys
    if tenant_id != GLOBAL_TENANT_ID:
        other_items, reached_global = await _logged(session, GLOBAL_TENANT_ID, int(cursor["global"]), everybodys)
    is_all = own_reached == own and reached_global == everybodys
    return _Stretch(own_items, other_items, {"own": own_reached, "global": reached_global}, is_all)


async def _is_pruned(session: AsyncSession, owner: UUID, reached: int) -> bool:
    """Whether the log no longer holds all that came after `reached`."""
    first = await session.execute(select(func.min(IndexLogEntry.sequence)).where(IndexLogEntry.tenant_id == owner))
    oldest = first.scalar_one_or_none()
    return oldest > reached + 1 if oldest is not None else await last_sequence(session, owner) > reached


async def _logged(session: AsyncSession, owner: UUID, after: int, last: int) -> tuple[list[UUID], int]:
    """Items that changed after this sequence, and the sequence they reach to."""
    rows = (
        await session.execute(
            select(IndexLogEntry.sequence, IndexLogEntry.item_id, IndexLogEntry.source)
            .where(IndexLogEntry.tenant_id == owner, IndexLogEntry.sequence > after)
            .order_by(IndexLogEntry.sequence)
            .limit(ITEMS_AT_ONCE)
        )
    ).all()
    items = list(dict.fromkeys(row.item_id for row in rows if row.source in SOURCES))
    return items, rows[-1].sequence if rows and len(rows) == ITEMS_AT_ONCE else last


async def _passages(session: AsyncSession, item_ids: Iterable[UUID]) -> dict[UUID, Passage]:
    """By the ids of the index log; what is no longer searched is left out."""
    wanted = list(item_ids)
    chunks = await session.execute(
        select(Chunk.id, Chunk.document_id, Chunk.tenant_id, Chunk.text)
        .join(Document, Document.id == Chunk.document_id)
        .where(
            Chunk.id.in_(wanted),
            ~Document.is_deleted,
            ~Chunk.is_set_aside,
            Chunk.version == Document.current_version,
        )
    )
    found = {row.id: Passage("document", row.id, row.document_id, row.tenant_id, row.text) for row in chunks}
    faqs = await session.execute(
        select(FaqPhrasing.id, Faq.id.label("faq_id"), Faq.tenant_id, Faq.question, Faq.answer)
        .join(Faq, Faq.id == FaqPhrasing.faq_id)
        .where(FaqPhrasing.id.in_(wanted), Faq.state == "published")
    )
    for row in faqs:
        found[row.id] = Passage("faq", row.faq_id, row.faq_id, row.tenant_id, f"{row.question}\n{row.answer}")
    return found


async def _store(session: AsyncSession, tenant_id: UUID, looked_at: set[UUID], found: Sequence[_Found]) -> None:
    """Pairs of what was looked at as they are now; those that are no longer there go unless they were decided."""
    of_these = or_(PassagePair.first_item.in_(looked_at), PassagePair.second_item.in_(looked_at))
    parents = {one.first.parent_id for one in found}
    of_parents = PassagePair.first_parent.in_(parents)
    rows = (await session.execute(select(PassagePair).where(or_(of_these, of_parents)))).scalars().all()
    known = {(row.first_parent, row.first_hash, row.second_parent, row.second_hash): row for row in rows}
    keys = {one.key for one in found}
    for key, row in known.items():
        is_here = row.first_item in looked_at or row.second_item in looked_at
        if is_here and key not in keys and row.decision == "open":
            await session.delete(row)
    await session.flush()
    for kind, item in (
        (PassagePair.first_kind, PassagePair.first_item),
        (PassagePair.second_kind, PassagePair.second_item),
    ):
        retired = (kind == "faq") & ~exists().where(Faq.id == item, Faq.state == "published")
        await session.execute(delete(PassagePair).where(retired, PassagePair.decision == "open"))
    for one in found:
        row = known.get(one.key)
        if row is None:
            first_parent, first_hash, second_parent, second_hash = one.key
            row = PassagePair(
                id=uuid7(),
                first_parent=first_parent,
                first_hash=first_hash,
                second_parent=second_parent,
                second_hash=second_hash,
                decision="open",
            )
            session.add(row)
        row.kind = one.comparison.kind
        row.first_kind, row.first_item = one.first.kind, one.first.item_id
        row.second_kind, row.second_item = one.second.kind, one.second.item_id
        row.similarity = round(one.comparison.similarity, 4)
        row.differences = [asdict(each) for each in one.comparison.disagreements]
        await _keep_decision(session, tenant_id, row, one)
    await session.flush()


async def _keep_decision(session: AsyncSession, tenant_id: UUID, row: PassagePair, one: _Found) -> None:
    """The passage that was not kept is in search again, because its document was read anew: set it aside again.

    A FAQ is published by a person, so whoever did that has decided anew.
    """
    if row.decision not in {"kept_first", "kept_second"}:
        return
    other = one.second if row.decision == "kept_first" else one.first
    if other.kind == "document" and other.owner == tenant_id:
        await set_aside(session, other.item_id)
    else:
        row.decision, row.decided_by, row.decided_at = "open", "", None
