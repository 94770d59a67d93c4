"""Passages that say the same or disagree: listing them, and keeping one, or both.

What is not kept is no longer searched: a FAQ is retired, a passage of a document set aside; the document itself stays
as it is. A decision is remembered with the two texts, so that reading a document again does not bring it up anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from desk.accounts.identity import Actor
from desk.db.index_log import lock_index, remove_items
from desk.db.leases import database_time
from desk.db.tenancy import session_scope
from desk.db.unit_of_work import Database, announce
from desk.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from desk.faqs import FaqChange, change_faq
from desk.models import Chunk, Document, Faq, PassagePair
from desk.paging import Page, read_page
from desk.ports import Embedder, KnowledgeUpkeep, Span

Choice = Literal["first", "second", "both"]
STATES = ("open", "decided")
KINDS = ("contradiction", "duplicate")
_DECISIONS: dict[Choice, str] = {"first": "kept_first", "second": "kept_second", "both": "both_right"}


@dataclass(frozen=True, slots=True)
class PassageSide:
    kind: str
    """document or faq."""
    item_id: UUID
    parent_id: UUID
    title: str
    heading_path: tuple[str, ...]
    text: str
    version: int
    span: Span | None
    is_own: bool
    """Not global knowledge seen from inside a tenant: it can be set aside here."""
    is_searched: bool
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class PairView:
    pair: PassagePair
    first: PassageSide
    second: PassageSide

    @property
    def differences(self) -> list[dict[str, Any]]:
        return self.pair.differences


async def list_pairs(session: AsyncSession, *, state: str, kind: str | None, limit: int, offset: int) -> Page[PairView]:
    """Contradictions first, then the most alike. Raises InvalidInputError."""
    if state not in STATES or (kind is not None and kind not in KINDS):
        msg = f"state must be one of {', '.join(STATES)} and kind one of {', '.join(KINDS)}"
        raise InvalidInputError(msg)
    wanted = select(PassagePair).where(_is_there(PassagePair.first_item), _is_there(PassagePair.second_item))
    wanted = wanted.where(PassagePair.decision == "open" if state == "open" else PassagePair.decision != "open")
    if kind is not None:
        wanted = wanted.where(PassagePair.kind == kind)
    order = (PassagePair.kind, PassagePair.similarity.desc(), PassagePair.id)
    if state == "decided":
        order = (PassagePair.decided_at.desc(), PassagePair.id)
    rows, total = await read_page(session, wanted.order_by(*order), limit=limit, offset=offset)
    return Page(await _views(session, [row[0] for row in rows]), total, limit, offset)


async def count_open(session: AsyncSession) -> dict[str, int]:
    """By kind."""
    rows = await session.execute(
        select(PassagePair.kind, func.count())
        .where(PassagePair.decision == "open", _is_there(PassagePair.first_item), _is_there(PassagePair.second_item))
        .group_by(PassagePair.kind)
    )
    return dict(rows.all())


async def pair_view(session: AsyncSession, pair_id: UUID) -> PairView:
    """Raises NotFoundError."""
    pair = await session.get(PassagePair, pair_id)
    views = await _views(session, [pair]) if pair is not None else []
    if not views:
        msg = "these passages are no longer both in the knowledge base"
        raise NotFoundError(msg)
    return views[0]


async def decide_pair(database: Database, embedder: Embedder, actor: Actor, pair_id: UUID, choice: Choice) -> PairView:
    """Keep the first, the second, or both. Raises NotFoundError, NotAllowedError for global knowledge, and
    ConflictError when somebody else has decided."""
    async with database.transaction(actor.scope) as session:
        view = await pair_view(session, pair_id)
        other = view.second if choice == "first" else view.first
        if choice != "both" and not other.is_own:
            msg = f"'{other.title}' is global knowledge, which an operator changes; it can be kept, or both"
            raise NotAllowedError(msg)
        _check_open(view.pair)
        if choice == "both" or other.kind == "document":
            if choice != "both":
                await lock_index(session)
                await set_aside(session, other.item_id)
            await _write_decision(session, actor, pair_id, choice)
            return await pair_view(session, pair_id)
    await change_faq(database, embedder, actor, other.item_id, FaqChange(state="retired"))
    async with database.transaction(actor.scope) as session:
        await _write_decision(session, actor, pair_id, choice)
        return await pair_view(session, pair_id)


async def reopen_pair(
    database: Database, embedder: Embedder, upkeep: KnowledgeUpkeep, actor: Actor, pair_id: UUID
) -> PairView:
    """Take a decision back: what was set aside is searched again. Raises NotFoundError."""
    async with database.transaction(actor.scope) as session:
        view = await pair_view(session, pair_id)
    other = {"kept_first": view.second, "kept_second": view.first}.get(view.pair.decision)
    if other is not None and other.kind == "document":
        await upkeep.search_again(actor.tenant_id, other.item_id)
    elif other is not None and not other.is_searched:
        await change_faq(database, embedder, actor, other.item_id, FaqChange(state="published"))
    async with database.transaction(actor.scope) as session:
        pair = await session.get_one(PassagePair, pair_id, with_for_update=True)
        pair.decision, pair.decided_by, pair.decided_at = "open", "", None
        await announce(session, actor.tenant_id, "document", pair=pair_id)
        await session.flush()
        return await pair_view(session, pair_id)


async def set_aside(session: AsyncSession, chunk_id: UUID) -> None:
    """A passage of the transaction's own tenant is searched no longer."""
    chunk = await session.get_one(Chunk, chunk_id, with_for_update=True, populate_existing=True)
    if not chunk.is_set_aside:
        chunk.is_set_aside = True
        await remove_items(session, "knowledge", [chunk_id])


async def _write_decision(session: AsyncSession, actor: Actor, pair_id: UUID, choice: Choice) -> None:
    pair = await session.get_one(PassagePair, pair_id, with_for_update=True, populate_existing=True)
    _check_open(pair)
    pair.decision, pair.decided_by, pair.decided_at = _DECISIONS[choice], actor.label, await database_time(session)
    await announce(session, actor.tenant_id, "document", pair=pair_id)
    await session.flush()


def _check_open(pair: PassagePair) -> None:
    if pair.decision != "open":
        msg = f"{pair.decided_by or 'somebody'} has decided about these passages already"
        raise ConflictError(msg)


def _is_there(item: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Whether the passage belongs to what is searched, or would if it were not set aside."""
    chunk = exists().where(
        Chunk.id == item,
        Document.id == Chunk.document_id,
        ~Document.is_deleted,
        Chunk.version == Document.current_version,
    )
    return or_(chunk, exists().where(Faq.id == item))


async def _views(session: AsyncSession, pairs: Sequence[PassagePair]) -> list[PairView]:
    """Those whose passages are both there."""
    items = {item for pair in pairs for item in (pair.first_item, pair.second_item)}
    sides = {**await _document_sides(session, items), **await _faq_sides(session, items)}
    return [
        PairView(pair, sides[pair.first_item], sides[pair.second_item])
        for pair in pairs
        if pair.first_item in sides and pair.second_item in sides
    ]


async def _document_sides(session: AsyncSession, items: set[UUID]) -> dict[UUID, PassageSide]:
    own = session_scope(session.sync_session).tenant_id
    rows = await session.execute(
        select(Chunk, Document)
        .join(Document, and_(Document.id == Chunk.document_id, Document.tenant_id == Chunk.tenant_id))
        .where(Chunk.id.in_(items), ~Document.is_deleted, Chunk.version == Document.current_version)
    )
    return {
        chunk.id: PassageSide(
            kind="document",
            item_id=chunk.id,
            parent_id=document.id,
            title=document.title,
            heading_path=tuple(chunk.heading_path),
            text=chunk.text,
            version=chunk.version,
            span=(chunk.span_start, chunk.span_end),
            is_own=document.tenant_id == own,
            is_searched=not chunk.is_set_aside,
            changed_at=chunk.created_at,
        )
        for chunk, document in rows
    }


async def _faq_sides(session: AsyncSession, items: set[UUID]) -> dict[UUID, PassageSide]:
    rows = await session.execute(select(Faq).where(Faq.id.in_(items)))
    return {
        faq.id: PassageSide(
            kind="faq",
            item_id=faq.id,
            parent_id=faq.id,
            title=faq.question,
            heading_path=(),
            text=f"{faq.question}\n{faq.answer}",
            version=faq.version,
            span=None,
            is_own=True,
            is_searched=faq.state == "published",
            changed_at=faq.updated_at,
        )
        for faq in rows.scalars()
    }
