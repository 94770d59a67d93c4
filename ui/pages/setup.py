"""The way from an empty desk to the first drafted ticket, step by step, each done when it really is."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.response import Template
from sqlalchemy import select

from desk.accounts.identity import Actor, Permission
from desk.installation import Installation
from desk.models import Draft, Ticket
from desk.setup import ask_test_question, put_setup_away, read_setup, skip_step
from desk.web.permissions import needs
from ui.pages.shell import leave_for, page_or_content, part_of_page, shell, told, wants_part
from ui.presenting.setup import shown_first_draft, shown_steps


class QuestionForm(msgspec.Struct):
    question: str = ""


class StepForm(msgspec.Struct):
    step: str = ""
    skipped: str = ""


class SetupPage(Controller):
    path = "/setup"
    opt = needs(Permission.TUNING)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """The page; for the page itself, how far it has come: what somebody types meanwhile stays."""
        if wants_part(request):
            return await _progress(request, installation, actor)
        context = await _context(installation, actor)
        return await page_or_content(request, installation, actor, "setup.html", area="setup", **context)

    @post("/question", status_code=200, opt=needs(Permission.TICKETS))
    async def ask(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[QuestionForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        await ask_test_question(installation.database, actor, data.question)
        return told(await _progress(request, installation, actor), "Asked. The draft appears by itself.")

    @post("/skip", status_code=200)
    async def skip(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[StepForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await skip_step(session, data.step, skipped=bool(data.skipped))
        return await _progress(request, installation, actor)

    @post("/away", status_code=200)
    async def put_away(
        self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Response[str]:
        """The page goes out of everybody's way, whatever is left."""
        async with installation.database.transaction(actor.scope) as session:
            await put_setup_away(session)
        return leave_for("/queue/needs_reply")


async def _progress(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> Any:
    around = await shell(request, installation, actor, area="setup")
    context = await _context(installation, actor)
    return part_of_page("setup_progress.html", ["progress"], shell=around, oob=True, **context)


async def _context(installation: Installation, actor: Actor) -> dict[str, Any]:
    async with installation.database.transaction(actor.scope) as session:
        setup = await read_setup(session)
        newest = (await session.execute(select(Ticket).order_by(Ticket.number.desc()).limit(1))).scalar_one_or_none()
        draft = None
        if newest is not None:
            drafts = select(Draft).where(Draft.ticket_id == newest.id).order_by(Draft.id.desc()).limit(1)
            draft = (await session.execute(drafts)).scalar_one_or_none()
    has_shared_model = await installation.models.for_tenant(actor.tenant_id) is not None
    return {
        "setup": setup,
        "steps": {step.name: step for step in shown_steps(setup, has_model=has_shared_model)},
        "first": None if newest is None else shown_first_draft(newest, draft),
        "may_invite": actor.may(Permission.ACCOUNTS),
    }
