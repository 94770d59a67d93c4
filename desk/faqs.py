"""FAQs: writing, publishing and taking back, and looking them up.

Whatever is published is embedded before the transaction that makes it so, and found by the very next question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.identity import Actor
from desk.db.index_log import lock_index, put_items, remove_items
from desk.db.unit_of_work import Database, announce
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.models import Draft, DraftSource, Faq, FaqPhrasing
from desk.models.faqs import FAQ_STATES
from desk.paging import Page, check_page, read_page
from desk.plain_text import clean_line, clean_text, question_key
from desk.ports import Embedder, FaqLane

LONGEST_QUESTION = 500
LONGEST_ANSWER = 20_000
LONGEST_CATEGORY = 100
MOST_PHRASINGS = 50
_MOST_FOUND = 200
_RELATED = 0.35
"""Similarity below which a FAQ has nothing to do with what was looked for."""


@dataclass(frozen=True, slots=True)
class FaqText:
    """Everything about a FAQ that people write."""

    question: str
    answer: str
    category: str = ""
    language: str = ""
    phrasings: tuple[str, ...] = ()
    """Further ways the question is put."""
    state: str = "draft"

    @property
    def wordings(self) -> tuple[str, ...]:
        return (self.question, *self.phrasings)


@dataclass(frozen=True, slots=True)
class FaqChange:
    """What is None stays as it is."""

    question: str | None = None
    answer: str | None = None
    category: str | None = None
    language: str | None = None
    phrasings: tuple[str, ...] | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class FaqView:
    faq: Faq
    phrasings: tuple[str, ...]
    asked: int
    """Drafts that were its answer."""
    sent: int
    """How many of them reached the customer."""
    score: float | None = None
    """Similarity to what was looked for, in [0, 1]; None where it was found by its words only."""


def checked_text(text: FaqText) -> FaqText:
    """Cleaned, wordings each once. Raises InvalidInputError with what to change."""
    question, answer = clean_line(text.question), clean_text(text.answer).strip()
    _check(any(map(str.isalnum, question)), "the question is empty")
    _check(len(question) <= LONGEST_QUESTION, f"a question has at most {LONGEST_QUESTION} characters")
    _check(bool(answer), "the answer is empty")
    _check(len(answer) <= LONGEST_ANSWER, f"an answer has at most {LONGEST_ANSWER:,} characters")
    _check(text.state in FAQ_STATES, f"the state must be one of {', '.join(FAQ_STATES)}")
    category, language = clean_line(text.category), clean_line(text.language).lower()
    _check(len(category) <= LONGEST_CATEGORY, f"a category has at most {LONGEST_CATEGORY} characters")
    _check(len(language) <= 10, "the language is a code such as en or de")
    by_key = {question_key(phrasing): clean_line(phrasing) for phrasing in reversed(text.phrasings)}
    phrasings = tuple(by_key[key] for key in reversed(by_key) if key and key != question_key(question))
    _check(len(phrasings) <= MOST_PHRASINGS, f"a FAQ has at most {MOST_PHRASINGS} further phrasings")
    _check(all(len(phrasing) <= LONGEST_QUESTION for phrasing in phrasings), "a further phrasing is too long")
    return FaqText(question, answer, category, language, phrasings, text.state)


async def create_faq(database: Database, embedder: Embedder, actor: Actor, text: FaqText) -> FaqView:
    """Raises InvalidInputError, and ConflictError when the same question is there already."""
    wanted = checked_text(text)
    vectors = await embed_wordings(embedder, [wanted])
    async with database.transaction(actor.scope) as session:
        await lock_index(session)
        if await faq_of_question(session, wanted.question) is not None:
            raise ConflictError(_TAKEN)
        faq = await store_faq(session, actor, None, wanted, vectors, embedder.model)
        await announce(session, faq.tenant_id, "faq", faq=faq.id)
        return FaqView(faq, wanted.phrasings, 0, 0)


async def change_faq(database: Database, embedder: Embedder, actor: Actor, faq_id: UUID, change: FaqChange) -> FaqView:
    """Also publishes and retires. Raises NotFoundError, InvalidInputError, and ConflictError when somebody else
    changed it at the same moment or the new question is another FAQ's."""
    async with database.transaction(actor.scope) as session:
        faq, before = await _read(session, faq_id)
        seen = faq.updated_at
    given = {name: value for name in FaqChange.__slots__ if (value := getattr(change, name)) is not None}
    wanted = checked_text(replace(before, **given))
    vectors = await embed_wordings(embedder, [wanted])
    async with database.transaction(actor.scope) as session:
        await lock_index(session)
        faq, _ = await _read(session, faq_id)
        if faq.updated_at != seen:
            msg = "someone else has changed this FAQ just now; look at it again"
            raise ConflictError(msg)
        other = await faq_of_question(session, wanted.question)
        if other is not None and other.id != faq.id:
            raise ConflictError(_TAKEN)
        await store_faq(session, actor, faq, wanted, vectors, embedder.model)
        await announce(session, faq.tenant_id, "faq", faq=faq.id)
    return await faq_view(database, actor, faq_id)


async def delete_faq(database: Database, actor: Actor, faq_id: UUID) -> None:
    """The row, its phrasings and their vectors go; drafts that used it keep what they quoted. Raises NotFoundError."""
    async with database.transaction(actor.scope) as session:
        await lock_index(session)
        faq, _ = await _read(session, faq_id)
        await remove_items(session, "faq", await _phrasing_ids(session, faq.id))
        await session.delete(faq)
        await announce(session, faq.tenant_id, "faq", faq=faq.id)


async def faq_view(database: Database, actor: Actor, faq_id: UUID) -> FaqView:
    """Raises NotFoundError."""
    async with database.transaction(actor.scope) as session:
        faq, _ = await _read(session, faq_id)
        return (await _views(session, [faq]))[0]


async def list_faqs(
    database: Database,
    lane: FaqLane,
    actor: Actor,
    *,
    query: str | None,
    category: str | None,
    state: str | None,
    limit: int,
    offset: int,
) -> Page[FaqView]:
    """By category and question; with `query` the likest first, whatever their wording. Raises InvalidInputError."""
    _check(state is None or state in FAQ_STATES, f"state must be one of {', '.join(FAQ_STATES)}")
    check_page(limit, offset)
    where: list[ColumnElement[bool]] = []
    where += [Faq.category == clean_line(category)] if category is not None else []
    where += [Faq.state == state] if state is not None else []
    words = clean_line(query or "")[:LONGEST_QUESTION]
    if not words:
        async with database.transaction(actor.scope) as session:
            ordered = select(Faq).where(*where).order_by(func.lower(Faq.category), func.lower(Faq.question), Faq.id)
            rows, total = await read_page(session, ordered, limit=limit, offset=offset)
            return Page(await _views(session, [row[0] for row in rows]), total, limit, offset)
    found = await lane.search(actor.tenant_id, words, _MOST_FOUND)
    scores = {one.faq_id: one.score for one in found if one.score >= _RELATED}
    carries = Faq.question.icontains(words, autoescape=True) | Faq.answer.icontains(words, autoescape=True)
    async with database.transaction(actor.scope) as session:
        matching = select(Faq).where(Faq.id.in_(scores) | carries, *where).limit(_MOST_FOUND)
        faqs = list((await session.execute(matching)).scalars())
        faqs.sort(key=lambda faq: (-scores.get(faq.id, 0.0), faq.question.casefold(), faq.id))
        views = await _views(session, faqs[offset : offset + limit])
    items = [replace(view, score=scores.get(view.faq.id)) for view in views]
    return Page(items, len(faqs), limit, offset)


async def faq_categories(session: AsyncSession) -> list[str]:
    found = await session.execute(select(Faq.category).where(Faq.category != "").distinct().order_by(Faq.category))
    return list(found.scalars())


# Storing, for one FAQ and for whole files -----------------------------------------------------------------

Wordings = Mapping[str, NDArray[np.float32]]
"""The vector of every wording that is to be found."""
_TAKEN = "there is a FAQ with this question already"


async def embed_wordings(embedder: Embedder, texts: Sequence[FaqText]) -> Wordings:
    """Of those that are to be published; no transaction may be open."""
    wordings = list(dict.fromkeys(one for text in texts if text.state == "published" for one in text.wordings))
    if not wordings:
        return {}
    return dict(zip(wordings, await embedder.embed(wordings), strict=True))


async def faq_of_question(session: AsyncSession, question: str) -> Faq | None:
    found = await session.execute(select(Faq).where(Faq.question_key == question_key(question)))
    return found.scalar_one_or_none()


async def store_faq(
    session: AsyncSession, actor: Actor, faq: Faq | None, text: FaqText, vectors: Wordings, model: str
) -> Faq:
    """A new FAQ, or `faq` brought to `text`, which has been checked. The index must be locked."""
    was_found = faq is not None and faq.state == "published"
    if faq is None:
        faq = Faq(id=uuid7(), version=0, created_by=actor.label)
        session.add(faq)
    if (faq.question, faq.answer) != (text.question, text.answer):
        faq.version += 1
    faq.question, faq.question_key, faq.answer = text.question, question_key(text.question), text.answer
    faq.category, faq.language, faq.state, faq.changed_by = text.category, text.language, text.state, actor.label
    await session.flush()
    rows = await _phrasings(session, faq.id)
    reworded = tuple(row.text for row in rows) != text.wordings
    if was_found and (reworded or text.state != "published"):
        await remove_items(session, "faq", [row.id for row in rows])
    if reworded:
        for row in rows:
            await session.delete(row)
        await session.flush()
        rows = [FaqPhrasing(id=uuid7(), faq_id=faq.id, ordinal=at, text=one) for at, one in enumerate(text.wordings)]
        session.add_all(rows)
        await session.flush()
    if text.state == "published" and (reworded or not was_found):
        matrix = np.stack([vectors[row.text] for row in rows])
        await put_items(session, "faq", [row.id for row in rows], matrix, model)
    return faq


async def written_text(session: AsyncSession, faq: Faq) -> FaqText:
    wordings = [row.text for row in await _phrasings(session, faq.id)]
    return FaqText(faq.question, faq.answer, faq.category, faq.language, tuple(wordings[1:]), faq.state)


async def _read(session: AsyncSession, faq_id: UUID) -> tuple[Faq, FaqText]:
    faq = (await session.execute(select(Faq).where(Faq.id == faq_id))).scalar_one_or_none()
    if faq is None:
        msg = "there is no such FAQ"
        raise NotFoundError(msg)
    return faq, await written_text(session, faq)


async def _phrasings(session: AsyncSession, faq_id: UUID) -> list[FaqPhrasing]:
    rows = await session.execute(select(FaqPhrasing).where(FaqPhrasing.faq_id == faq_id).order_by(FaqPhrasing.ordinal))
    return list(rows.scalars())


async def _phrasing_ids(session: AsyncSession, faq_id: UUID) -> list[UUID]:
    return [row.id for row in await _phrasings(session, faq_id)]


async def _views(session: AsyncSession, faqs: Sequence[Faq]) -> list[FaqView]:
    if not faqs:
        return []
    ids = [faq.id for faq in faqs]
    further: dict[UUID, list[str]] = {}
    rows = await session.execute(
        select(FaqPhrasing.faq_id, FaqPhrasing.text)
        .where(FaqPhrasing.faq_id.in_(ids), FaqPhrasing.ordinal > 0)
        .order_by(FaqPhrasing.ordinal)
    )
    for faq_id, wording in rows.all():
        further.setdefault(faq_id, []).append(wording)
    counted = await session.execute(
        select(DraftSource.item_id, func.count(), func.count().filter(Draft.state == "sent"))
        .join(Draft, Draft.id == DraftSource.draft_id)
        .where(DraftSource.kind == "faq", DraftSource.used, Draft.writer == "faq", DraftSource.item_id.in_(ids))
        .group_by(DraftSource.item_id)
    )
    counts = {item_id: (asked, sent) for item_id, asked, sent in counted.all()}
    return [FaqView(faq, tuple(further.get(faq.id, ())), *counts.get(faq.id, (0, 0))) for faq in faqs]


def _check(is_fine: bool, otherwise: str) -> None:
    if not is_fine:
        raise InvalidInputError(otherwise)
