"""Trying a question out, and reading what a draft was decided from."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template
from sqlalchemy import select

from desk.accounts.identity import Actor, Permission
from desk.accounts.preferences import load_preferences
from desk.drafting.prompt_history import list_prompts
from desk.drafting.trials import try_question
from desk.errors import InvalidInputError, NotFoundError
from desk.installation import Installation
from desk.models import GLOBAL_TENANT_ID, Decision, PromptVersion, Ticket
from desk.paging import LARGEST_PAGE
from desk.tickets import draft_view
from desk.web.permissions import needs
from ui.pages.shell import page_or_content, part_of_page
from ui.pages.tuning import weights_from
from ui.presenting.trial import shown_decision, shown_trial
from ui.presenting.tuning import shown_weights


class QuestionForm(msgspec.Struct):
    subject: str = ""
    body: str = ""
    prompt_id: str = ""
    global_kb: str = ""
    tenant_kb: str = ""
    example: str = ""
    correction: str = ""


class Playground(Controller):
    path = "/playground"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            preferences = await load_preferences(session)
            prompts = (await list_prompts(session, limit=LARGEST_PAGE, offset=0)).items
        return await page_or_content(
            request,
            installation,
            actor,
            "playground.html",
            area="playground",
            weights=shown_weights(preferences.weights),
            prompts=[(str(row.id), _prompt_words(row)) for row in prompts],
            trial=None,
            has_model=await installation.models.for_tenant(actor.tenant_id) is not None,
        )

    @post("/", status_code=200)
    async def attempt(
        self,
        data: URLEncodedBody[QuestionForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """Stores nothing."""
        trial = await try_question(
            installation.database,
            installation.drafting,
            actor,
            subject=data.subject,
            body=data.body,
            prompt_id=_prompt_id(data.prompt_id),
            weights=weights_from(
                {
                    "global_kb": data.global_kb,
                    "tenant_kb": data.tenant_kb,
                    "example": data.example,
                    "correction": data.correction,
                }
            ),
        )
        return part_of_page("playground.html", ["result"], trial=shown_trial(trial))


@get("/drafts/{draft_id:uuid}/decision", opt=needs(Permission.TICKETS), include_in_schema=False)
async def decision(
    request: Request[Any, Any, Any],
    draft_id: FromPath[UUID],
    actor: NamedDependency[Actor],
    installation: NamedDependency[Installation],
) -> Template:
    """Everything a draft was decided from."""
    async with installation.database.transaction(actor.scope) as session:
        draft = (await draft_view(session, draft_id)).draft
        found = await session.execute(select(Decision.record).where(Decision.draft_id == draft_id))
        record = found.scalar_one_or_none()
        ticket = (await session.execute(select(Ticket).where(Ticket.id == draft.ticket_id))).scalar_one()
    if record is None:
        msg = "nothing has been decided about this draft"
        raise NotFoundError(msg)
    return await page_or_content(
        request,
        installation,
        actor,
        "decision.html",
        area="queue",
        decision=shown_decision(record),
        body=draft.body,
        ticket_words=f"#{ticket.number} {ticket.subject}",
        ticket_address=f"/tickets/{ticket.id}?view=all",
        moment=draft.created_at,
    )


def _prompt_words(row: PromptVersion) -> str:
    origin = ", global" if row.tenant_id == GLOBAL_TENANT_ID else ""
    return f"{row.name}, version {row.number}{origin}{', active' if row.is_active else ''}"


def _prompt_id(given: str) -> UUID | None:
    try:
        return UUID(given) if given else None
    except ValueError as error:
        msg = "there is no such prompt"
        raise InvalidInputError(msg) from error
