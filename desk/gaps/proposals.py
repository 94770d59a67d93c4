"""One click from a gap to a proposed article or FAQ, and what an admin makes of it.

A proposal says whether something is to be created, which document or FAQ is to be updated, or why nothing is to be
done. It is neither searched nor seen by a customer before somebody accepts it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.identity import Actor
from desk.accounts.preferences import load_preferences
from desk.db.leases import database_time
from desk.db.unit_of_work import Database, announce
from desk.drafting.record import model_calls
from desk.errors import ConflictError, InvalidInputError, ModelUnavailableError, NotFoundError
from desk.faqs import LONGEST_QUESTION, FaqChange, FaqText, change_faq, create_faq
from desk.gaps.listing import gap_view
from desk.gaps.people import people_of
from desk.gaps.writing import (
    Form,
    Material,
    WrittenKnowledge,
    neutral_questions,
    neutral_replies,
    write_from_replies,
    write_with_model,
)
from desk.installation import Installation
from desk.knowledge import Upload, read_original, take_in
from desk.models import Document, DocumentVersion, Faq, KnowledgeGap, KnowledgeProposal
from desk.plain_text import clean_line, clean_text, fold
from desk.ports import FaqFound, Question

NEAR_DOCUMENT = 0.5
"""Fused similarity of the question to a passage from which its document is about the same."""
NEAR_FAQ = 0.75
_SAID = 0.85
"""Share of the text's words, and all of its numbers, that a passage has which says it already."""
_LONGEST_BODY = 20_000
_MOST_PHRASINGS = 5
_TEXT_ENDINGS = (".md", ".markdown", ".txt")
_FORMS: tuple[Form, ...] = ("article", "faq")


@dataclass(frozen=True, slots=True)
class _Target:
    action: Literal["create", "update", "nothing"]
    reason: str
    kind: str = ""
    id: UUID | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The proposal as somebody wants it."""

    title: str
    body: str
    as_new: bool = False
    """Create it whatever the proposal says."""
    category: str = ""


async def propose(installation: Installation, actor: Actor, gap_id: UUID, form: Form) -> KnowledgeProposal:
    """Make a proposal from the replies of people; an undecided one before it is replaced. Raises NotFoundError,
    InvalidInputError, ModelUnavailableError."""
    if form not in _FORMS:
        msg = f"form must be one of {', '.join(_FORMS)}"
        raise InvalidInputError(msg)
    material = await read_material(installation, actor, gap_id)
    near = await installation.faqs.search(actor.tenant_id, material.title, 1)
    replies = neutral_replies(material, installation.upkeep.letter_body)
    written: WrittenKnowledge | None = None
    model = await installation.models.for_tenant(actor.tenant_id) if replies else None
    try:
        if model is not None:
            written = await write_with_model(model, material, replies, form)
        elif replies:
            written = write_from_replies(material, replies)
    except ModelUnavailableError as error:
        async with installation.database.transaction(actor.scope) as session:
            session.add_all(model_calls(None, error.attempts, "knowledge"))
        raise
    async with installation.database.transaction(actor.scope) as session:
        target = await _target(session, actor, material, written, form, near)
        proposal = KnowledgeProposal(
            id=uuid7(),
            gap_id=gap_id,
            form=form,
            action=target.action,
            target_kind=target.kind,
            target_id=target.id,
            target_title=target.title,
            reason=target.reason,
            title=written.title if written else material.title,
            body=written.body if written else "",
            language=written.language if written else "",
            phrasings=_phrasings(material, written),
            evidence=len({reply.ticket_id for reply in material.replies}),
            checks=[check.to_json() for check in written.checks] if written else [],
            writer=written.writer if written else "",
            model=written.model if written else None,
            made_by=actor.label,
        )
        await session.execute(
            update(KnowledgeProposal)
            .where(KnowledgeProposal.gap_id == gap_id, KnowledgeProposal.state == "proposed")
            .values(state="replaced")
        )
        session.add(proposal)
        if written is not None:
            session.add_all(model_calls(None, written.attempts, "knowledge"))
        await announce(session, actor.tenant_id, "document", gap=gap_id)
    return proposal


def _phrasings(material: Material, written: WrittenKnowledge | None) -> list[str]:
    """Further ways the question was put, the shortest first, without those that name somebody."""
    put = {clean_line(question)[:LONGEST_QUESTION] for question in neutral_questions(material)}
    put -= {written.title} if written else set()
    return sorted(put, key=lambda words: (len(words), words))[:_MOST_PHRASINGS]


async def read_material(installation: Installation, actor: Actor, gap_id: UUID) -> Material:
    """Raises NotFoundError."""
    async with installation.database.transaction(actor.scope) as session:
        view = await gap_view(session, gap_id)
        people = await people_of(session, list({one.ticket_id for one in view.questions}))
        preferences = await load_preferences(session)
    evidence = await installation.retriever.gather(
        Question(
            tenant_id=actor.tenant_id, subject="", text=view.questions[0].question, sources=("global_kb", "tenant_kb")
        )
    )
    return Material(
        tenant_id=actor.tenant_id,
        title=view.line.gap.title,
        questions=tuple(one.question for one in view.questions),
        replies=tuple(view.replies),
        people=people,
        evidence=evidence,
        allowed_hosts=tuple(preferences.allowed_links),
    )


async def get_proposal(session: AsyncSession, proposal_id: UUID, *, lock: bool = False) -> KnowledgeProposal:
    """Raises NotFoundError."""
    found = await session.get(KnowledgeProposal, proposal_id, with_for_update=lock, populate_existing=lock)
    if found is None:
        msg = "there is no such proposal"
        raise NotFoundError(msg)
    return found


async def accept(installation: Installation, actor: Actor, proposal_id: UUID, wanted: Acceptance) -> KnowledgeProposal:
    """Publish the proposal as it was edited; its gap is answered. Raises NotFoundError, ConflictError, and
    InvalidInputError when the text holds what belongs to a customer."""
    title, body = clean_line(wanted.title), clean_text(wanted.body).strip()
    if not title or not body or len(title) > LONGEST_QUESTION or len(body) > _LONGEST_BODY:
        msg = f"a title of at most {LONGEST_QUESTION} and a text of at most {_LONGEST_BODY:,} characters are needed"
        raise InvalidInputError(msg)
    async with installation.database.transaction(actor.scope) as session:
        proposal = await get_proposal(session, proposal_id)
        _check_undecided(proposal)
    material = await read_material(installation, actor, proposal.gap_id)
    leaks = [
        check.detail
        for text in (title, body)
        for check in material.people.leaks(text, material.knowledge, only_theirs=True)
    ]
    if leaks:
        msg = f"this would be read by everybody; take out what belongs to a customer: {'; '.join(dict.fromkeys(leaks))}"
        raise InvalidInputError(msg)
    checked = replace(wanted, title=title, body=body)
    if proposal.form == "faq":
        result = await _accept_faq(installation, actor, proposal, checked)
    else:
        result = await _accept_article(installation, actor, proposal, checked)
    async with installation.database.transaction(actor.scope) as session:
        row = await get_proposal(session, proposal_id, lock=True)
        gap = await session.get(KnowledgeGap, row.gap_id, with_for_update=True)
        now = await database_time(session)
        row.title, row.body, row.state, row.result_id = title, body, "accepted", result
        row.decided_by, row.decided_at = actor.label, now
        if gap is not None:
            gap.state, gap.decided_by, gap.decided_at = "answered", actor.label, now
        await announce(session, actor.tenant_id, "document", gap=row.gap_id)
    return row


async def decline(database: Database, actor: Actor, proposal_id: UUID) -> KnowledgeProposal:
    """The gap stays open. Raises NotFoundError, ConflictError."""
    async with database.transaction(actor.scope) as session:
        row = await get_proposal(session, proposal_id, lock=True)
        _check_undecided(row)
        row.state, row.decided_by, row.decided_at = "declined", actor.label, await database_time(session)
        await announce(session, actor.tenant_id, "document", gap=row.gap_id)
    return row


def _check_undecided(proposal: KnowledgeProposal) -> None:
    if proposal.state != "proposed":
        words = {"replaced": "a newer proposal has replaced this one"}
        msg = words.get(proposal.state, f"{proposal.decided_by or 'somebody'} has decided about this proposal already")
        raise ConflictError(msg)


# What is to be done --------------------------------------------------------------------------------------------


async def _target(
    session: AsyncSession,
    actor: Actor,
    material: Material,
    written: WrittenKnowledge | None,
    form: Form,
    near: Sequence[FaqFound],
) -> _Target:
    if written is None:
        return _Target("nothing", "No person has answered these questions yet, so there is nothing to write from.")
    if not written.is_enough:
        return _Target("nothing", "What people replied does not answer the questions.")
    faq = await session.get(Faq, near[0].faq_id) if near and near[0].score >= NEAR_FAQ else None
    if (said := _said_already(material, written.body, faq)) is not None:
        return said
    if form == "article":
        return await _document_target(session, actor, material)
    if faq is None:
        return _Target("create", "No FAQ is asked by these questions.")
    why = "This FAQ is asked by these questions and answers otherwise."
    return _Target("update", why, "faq", faq.id, faq.question)


def _said_already(material: Material, body: str, faq: Faq | None) -> _Target | None:
    for hit in material.evidence.hits:
        if hit.score >= NEAR_DOCUMENT and _says(hit.text, body):
            return _Target("nothing", "This document says it already.", "document", hit.parent_id, hit.title)
    if faq is not None and _says(f"{faq.question}\n{faq.answer}", body):
        return _Target("nothing", "This FAQ says it already.", "faq", faq.id, faq.question)
    return None


async def _document_target(session: AsyncSession, actor: Actor, material: Material) -> _Target:
    near = [hit.parent_id for hit in material.evidence.hits if hit.score >= NEAR_DOCUMENT]
    rows = await session.execute(
        select(Document.id, Document.title).where(
            Document.id.in_(near), Document.tenant_id == actor.tenant_id, ~Document.is_deleted
        )
    )
    own = {row.id: row.title for row in rows}
    parent = next((document_id for document_id in near if document_id in own), None)
    if parent is None:
        return _Target("create", "No document of yours is about these questions.")
    return _Target("update", "This document is about the same and does not say it.", "document", parent, own[parent])


def _says(passage: str, body: str) -> bool:
    """Whether a passage has what a text tells: nearly all of its words, and every number."""
    words = {word for word in re.findall(r"\w{4,}", fold(body)) if not word.isdigit()}
    held = set(re.findall(r"\w+", fold(passage)))
    numbers = set(re.findall(r"\d+(?:[.,]\d+)*", body))
    return bool(words) and len(words & held) >= _SAID * len(words) and all(number in passage for number in numbers)


# Publishing ----------------------------------------------------------------------------------------------------


async def _accept_faq(
    installation: Installation, actor: Actor, proposal: KnowledgeProposal, wanted: Acceptance
) -> UUID:
    if proposal.action == "update" and not wanted.as_new and proposal.target_id is not None:
        change = FaqChange(question=wanted.title, answer=wanted.body, state="published")
        view = await change_faq(installation.database, installation.embedder, actor, proposal.target_id, change)
    else:
        text = FaqText(
            wanted.title, wanted.body, wanted.category, proposal.language, tuple(proposal.phrasings), "published"
        )
        view = await create_faq(installation.database, installation.embedder, actor, text)
    return view.faq.id


async def _accept_article(
    installation: Installation, actor: Actor, proposal: KnowledgeProposal, wanted: Acceptance
) -> UUID:
    upload = Upload(
        f"{wanted.title}.md",
        f"# {wanted.title}\n\n{wanted.body}\n".encode(),
        f"gap:{proposal.gap_id}:{proposal.id}",
        title=wanted.title,
        category=wanted.category,
    )
    if proposal.action == "update" and not wanted.as_new and proposal.target_id is not None:
        upload = await _continued(installation, actor, proposal.target_id, wanted) or upload
    version = await take_in(
        installation.database,
        installation.storage,
        actor.scope,
        upload,
        maximum_bytes=installation.settings.maximum_upload_bytes,
    )
    return version.document_id


async def _continued(installation: Installation, actor: Actor, document_id: UUID, wanted: Acceptance) -> Upload | None:
    """The document with a section more; None for a format the desk does not write, beside which an article goes."""
    async with installation.database.transaction(actor.scope) as session:
        document = await session.get(Document, document_id)
        found = await session.execute(
            select(DocumentVersion)
            .where(DocumentVersion.document_id == document_id, DocumentVersion.state == "indexed")
            .order_by(DocumentVersion.number.desc())
            .limit(1)
        )
        version = found.scalar_one_or_none()
    if document is None or document.is_deleted or version is None or document.tenant_id != actor.tenant_id:
        msg = "the document that was to be updated is gone; accept it as a new article"
        raise ConflictError(msg)
    if not version.file_name.lower().endswith(_TEXT_ENDINGS):
        return None
    before = (await read_original(installation.storage, version)).decode("utf-8", errors="replace").rstrip()
    section = f"## {wanted.title}\n\n{wanted.body}"
    text = before if before.endswith(section) else f"{before}\n\n{section}"
    return Upload(version.file_name, f"{text}\n".encode(), document.origin, title=document.title)
