"""Examples and corrections: looking, searching, purging."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import Actor, Permission
from desk.installation import Installation
from desk.learned import (
    get_correction,
    get_example,
    list_corrections,
    list_examples,
    purge_correction,
    purge_example,
)
from desk.models import Correction, Document, Example, Ticket
from desk.paging import STANDARD_PAGE, Page
from desk.web.permissions import needs
from ui.pages.asked import asked_offset
from ui.pages.shell import gone, leave_for, page_or_content
from ui.presenting.learned import STATES, LearnedItem, Origins, shown_correction, shown_example
from ui.presenting.queue import page_links
from ui.presenting.words import counted, query_string


class Examples(Controller):
    path = "/examples"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        q, state, offset = _asked(request)
        async with installation.database.transaction(actor.scope) as session:
            page = await list_examples(session, state=state, q=q, limit=STANDARD_PAGE, offset=offset)
            origins = await _origins(session, page.items)
        items = [shown_example(row, origins) for row in page.items]
        return await _list_page(request, installation, actor, "examples", items, page)

    @get("/{example_id:uuid}")
    async def show_one(
        self,
        request: Request[Any, Any, Any],
        example_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            row = await get_example(session, example_id)
            origins = await _origins(session, [row])
        return await _list_page(request, installation, actor, "examples", [shown_example(row, origins)], None)

    @post("/{example_id:uuid}/purge", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def purge(
        self, example_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Response[str]:
        async with installation.database.transaction(actor.scope) as session:
            await purge_example(session, example_id)
        return gone("Purged. No draft can use it any more.")

    @post("/{example_id:uuid}/keep", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def keep(
        self, example_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Response[str]:
        await installation.learner.keep(actor.tenant_id, "example", example_id)
        return leave_for(f"/examples/{example_id}")


class Corrections(Controller):
    path = "/corrections"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        q, state, offset = _asked(request)
        async with installation.database.transaction(actor.scope) as session:
            page = await list_corrections(session, state=state, q=q, limit=STANDARD_PAGE, offset=offset)
            origins = await _origins(session, page.items)
        items = [shown_correction(row, origins) for row in page.items]
        return await _list_page(request, installation, actor, "corrections", items, page)

    @get("/{correction_id:uuid}")
    async def show_one(
        self,
        request: Request[Any, Any, Any],
        correction_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            row = await get_correction(session, correction_id)
            origins = await _origins(session, [row])
        return await _list_page(request, installation, actor, "corrections", [shown_correction(row, origins)], None)

    @post("/{correction_id:uuid}/purge", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def purge(
        self, correction_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Response[str]:
        async with installation.database.transaction(actor.scope) as session:
            await purge_correction(session, correction_id)
        return gone("Purged. No draft heeds it any more.")

    @post("/{correction_id:uuid}/keep", status_code=200, opt=needs(Permission.KNOWLEDGE))
    async def keep(
        self, correction_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Response[str]:
        await installation.learner.keep(actor.tenant_id, "correction", correction_id)
        return leave_for(f"/corrections/{correction_id}")


def _asked(request: Request[Any, Any, Any]) -> tuple[str | None, str | None, int]:
    given = request.query_params
    return given.get("q") or None, given.get("state") or None, asked_offset(request)


async def _origins(session: AsyncSession, rows: Sequence[Example] | Sequence[Correction]) -> Origins:
    tickets = {row.ticket_id for row in rows if row.ticket_id is not None}
    documents = {document_id for row in rows for document_id in row.document_ids}
    numbers = await session.execute(select(Ticket.id, Ticket.number).where(Ticket.id.in_(tickets)))
    titles = await session.execute(
        select(Document.id, Document.title).where(Document.id.in_(documents), ~Document.is_deleted)
    )
    return Origins({row.id: row.number for row in numbers}, {row.id: row.title for row in titles})


async def _list_page(
    request: Request[Any, Any, Any],
    installation: Installation,
    actor: Actor,
    kind: str,
    items: Sequence[LearnedItem],
    page: Page[Any] | None,
) -> Template:
    """`page` None: one item by itself."""
    q, state, _ = _asked(request)
    wanted = {"q": q or "", "state": state or ""}
    return await page_or_content(
        request,
        installation,
        actor,
        "learned.html",
        area=kind,
        kind=kind,
        items=items,
        wanted=wanted,
        states=STATES,
        is_single=page is None,
        is_filtered=any(wanted.values()),
        page=page_links(page, f"/{kind}", query_string(wanted)) if page else None,
        total_words=counted(page.total, kind.removesuffix("s"), kind) if page else "",
        may_purge=actor.may(Permission.KNOWLEDGE),
    )
