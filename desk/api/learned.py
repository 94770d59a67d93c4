"""Examples and corrections: what was learned, from whom, and taking it back."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from desk.accounts.identity import Actor, Permission
from desk.api.fields import Answer, Limit, Listed, Offset
from desk.installation import Installation
from desk.learned import (
    get_correction,
    get_example,
    list_corrections,
    list_examples,
    purge_correction,
    purge_example,
)
from desk.models import Correction, Example
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs


class Provenance(Answer):
    ticket_id: UUID | None
    draft_id: UUID | None
    review_id: UUID | None
    author: str
    document_ids: list[UUID]
    """What the draft had cited."""


class ExampleAnswer(Answer):
    id: UUID
    question: str
    answer: str
    origin: str
    """approved, authored, or imported."""
    state: str
    state_reason: str
    language: str
    intent: str | None
    external_id: str | None
    provenance: Provenance
    times: int
    """How often it was approved, what repeats it counted in."""
    answered_at: datetime
    created_at: datetime


class CorrectionAnswer(Answer):
    id: UUID
    question: str
    avoid: str
    instead: str
    notes: str
    model_note: str
    """What the edit teaches in a language model's words, where that is switched on; nothing is decided by it."""
    model_note_by: str
    changes: list[dict[str, Any]]
    state: str
    state_reason: str
    language: str
    provenance: Provenance
    created_at: datetime


class ExampleController(Controller):
    path = "/examples"
    tags = ("learning",)

    @get("/", opt=needs(Permission.SIGNED_IN))
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        example_state: FromQuery[str | None] = None,
        q: FromQuery[str | None] = None,
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[ExampleAnswer]:
        """Newest first."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_examples(session, state=example_state, q=q, limit=limit, offset=offset)
        return Listed([_example(row) for row in page.items], page.total, page.limit, page.offset)

    @get("/{example_id:uuid}", opt=needs(Permission.SIGNED_IN))
    async def show(
        self, example_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> ExampleAnswer:
        async with installation.database.transaction(actor.scope) as session:
            return _example(await get_example(session, example_id))

    @delete("/{example_id:uuid}", opt=needs(Permission.KNOWLEDGE))
    async def purge(
        self, example_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> None:
        """Unlearn it: the row and its vector go, no search finds it any more."""
        async with installation.database.transaction(actor.scope) as session:
            await purge_example(session, example_id)

    @post("/{example_id:uuid}/keep", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def keep(
        self, example_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> ExampleAnswer:
        """It still holds, although it was set aside or retired: found again from now on."""
        await installation.learner.keep(actor.tenant_id, "example", example_id)
        async with installation.database.transaction(actor.scope) as session:
            return _example(await get_example(session, example_id))


class CorrectionController(Controller):
    path = "/corrections"
    tags = ("learning",)

    @get("/", opt=needs(Permission.SIGNED_IN))
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        correction_state: FromQuery[str | None] = None,
        q: FromQuery[str | None] = None,
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[CorrectionAnswer]:
        """Newest first."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_corrections(session, state=correction_state, q=q, limit=limit, offset=offset)
        return Listed([_correction(row) for row in page.items], page.total, page.limit, page.offset)

    @get("/{correction_id:uuid}", opt=needs(Permission.SIGNED_IN))
    async def show(
        self, correction_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> CorrectionAnswer:
        async with installation.database.transaction(actor.scope) as session:
            return _correction(await get_correction(session, correction_id))

    @delete("/{correction_id:uuid}", opt=needs(Permission.KNOWLEDGE))
    async def purge(
        self, correction_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> None:
        """Unlearn it: the row and its vector go, no search finds it any more."""
        async with installation.database.transaction(actor.scope) as session:
            await purge_correction(session, correction_id)

    @post("/{correction_id:uuid}/keep", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def keep(
        self, correction_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> CorrectionAnswer:
        """It still holds, although it was set aside or retired: found again from now on."""
        await installation.learner.keep(actor.tenant_id, "correction", correction_id)
        async with installation.database.transaction(actor.scope) as session:
            return _correction(await get_correction(session, correction_id))


def _example(row: Example) -> ExampleAnswer:
    return ExampleAnswer(
        id=row.id,
        question=row.question,
        answer=row.answer,
        origin=row.origin,
        state=row.state,
        state_reason=row.state_reason,
        language=row.language,
        intent=row.intent,
        external_id=row.external_id,
        provenance=_provenance(row),
        times=row.times,
        answered_at=row.answered_at,
        created_at=row.created_at,
    )


def _correction(row: Correction) -> CorrectionAnswer:
    return CorrectionAnswer(
        id=row.id,
        question=row.question,
        avoid=row.avoid,
        instead=row.instead,
        notes=row.notes,
        model_note=row.model_note,
        model_note_by=row.model_note_by,
        changes=list(row.changes),
        state=row.state,
        state_reason=row.state_reason,
        language=row.language,
        provenance=_provenance(row),
        created_at=row.created_at,
    )


def _provenance(row: Example | Correction) -> Provenance:
    return Provenance(row.ticket_id, row.draft_id, row.review_id, row.author, list(row.document_ids))
