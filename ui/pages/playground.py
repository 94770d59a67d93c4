"""Trying a question or a real draft out with other settings, and reading what a draft was decided from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
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
from desk.drafting.pipeline import DraftingDesk
from desk.drafting.prompt_history import list_prompts
from desk.drafting.trials import (
    WITHOUT_MODEL,
    Trial,
    decisions_by_channel,
    drafting_with,
    replay_draft,
    try_question,
)
from desk.errors import InvalidInputError, ModelUnavailableError, NoEvidenceError, NotFoundError
from desk.installation import Installation
from desk.models import GLOBAL_TENANT_ID, Decision, PromptVersion, Ticket
from desk.paging import LARGEST_PAGE
from desk.ports import SourceWeights
from desk.tickets import draft_view
from desk.web.permissions import needs
from ui.pages.shell import page_or_content, part_of_page
from ui.pages.tuning import weights_from
from ui.presenting.trial import ShownAttempt, failed_attempt, shown_attempt, shown_decision
from ui.presenting.tuning import shown_weights


class QuestionForm(msgspec.Struct):
    subject: str = ""
    body: str = ""
    draft: str = ""
    """Id of a real draft that is replayed; its conversation stands in the place of subject and message."""
    prompt_id: str = ""
    model: str = ""
    global_kb: str = ""
    tenant_kb: str = ""
    example: str = ""
    correction: str = ""


@dataclass(frozen=True, slots=True)
class _Settings:
    """What one side of the comparison is made with."""

    prompt_id: UUID | None
    weights: SourceWeights
    model: str


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
        """`draft` in the address: the id of a draft to replay."""
        draft_id = _id(str(request.query_params.get("draft") or ""), "draft")
        replayed = None
        async with installation.database.transaction(actor.scope) as session:
            preferences = await load_preferences(session)
            prompts = (await list_prompts(session, limit=LARGEST_PAGE, offset=0)).items
            if draft_id is not None:
                actor.require(Permission.TICKETS)
                draft = (await draft_view(session, draft_id)).draft
                ticket = (await session.execute(select(Ticket).where(Ticket.id == draft.ticket_id))).scalar_one()
                replayed = (str(draft.id), f"#{ticket.number} {ticket.subject}", f"/tickets/{ticket.id}?view=all")
        offered = await installation.model_options.offered(actor.tenant_id)
        return await page_or_content(
            request,
            installation,
            actor,
            "playground.html",
            area="playground",
            weights=shown_weights(preferences.weights),
            prompts=[(str(row.id), _prompt_words(row)) for row in prompts],
            models=[*((one.key, one.words) for one in offered), (WITHOUT_MODEL, "No model: the desk's own writer")],
            replayed=replayed,
            attempts=[],
            has_model=bool(offered),
        )

    @post("/", status_code=200)
    async def attempt(
        self,
        data: URLEncodedBody[QuestionForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """The current settings, and beside them the chosen ones where they differ. Stores nothing but costs."""
        async with installation.database.transaction(actor.scope) as session:
            current = _Settings(None, (await load_preferences(session)).weights, "")
        wanted = _Settings(_id(data.prompt_id, "prompt"), _weights(data, current.weights), data.model)
        draft_id = _id(data.draft, "draft")
        if draft_id is not None:
            actor.require(Permission.TICKETS)
        sides = [("As it is now", current)] if wanted == current else [("As it is now", current), ("This try", wanted)]
        attempts = await asyncio.gather(
            *(_attempt(installation, actor, name, _composer(installation, actor, data, draft_id, each), each.model)
              for name, each in sides)
        )  # fmt: skip
        return part_of_page("playground.html", ["result"], attempts=attempts)


_Compose = Callable[[DraftingDesk], Awaitable[Trial]]


def _composer(
    installation: Installation, actor: Actor, data: QuestionForm, draft_id: UUID | None, given: _Settings
) -> _Compose:
    def compose(drafting: DraftingDesk) -> Awaitable[Trial]:
        if draft_id is not None:
            return replay_draft(
                installation.database,
                drafting,
                actor,
                draft_id,
                prompt_id=given.prompt_id,
                weights=given.weights,
            )
        return try_question(
            installation.database,
            drafting,
            actor,
            subject=data.subject,
            body=data.body,
            prompt_id=given.prompt_id,
            weights=given.weights,
        )

    return compose


async def _attempt(installation: Installation, actor: Actor, name: str, compose: _Compose, model: str) -> ShownAttempt:
    """A side that gave no draft says why; the other one is shown all the same."""
    drafting = await drafting_with(installation.drafting, installation.model_options, actor, model)
    try:
        trial = await compose(drafting)
    except (NoEvidenceError, ModelUnavailableError) as error:
        return failed_attempt(name, error.detail)
    async with installation.database.transaction(actor.scope) as session:
        return shown_attempt(name, trial, await decisions_by_channel(session, trial))


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
        draft_id=draft_id,
        ticket_words=f"#{ticket.number} {ticket.subject}",
        ticket_address=f"/tickets/{ticket.id}?view=all",
        moment=draft.created_at,
    )


def _prompt_words(row: PromptVersion) -> str:
    origin = ", global" if row.tenant_id == GLOBAL_TENANT_ID else ""
    return f"{row.name}, version {row.number}{origin}{', active' if row.is_active else ''}"


def _weights(data: QuestionForm, current: SourceWeights) -> SourceWeights:
    given = {name: getattr(data, name) for name in ("global_kb", "tenant_kb", "example", "correction")}
    if not any(given.values()):
        return current
    asked = weights_from(given)
    shown = {each.name: str(each.value) for each in shown_weights(current)}
    # The form shows rounded numbers: untouched ones are the current weights themselves.
    return current if all(given[name] == shown[name] for name in given) else asked


def _id(given: str, what: str) -> UUID | None:
    try:
        return UUID(given) if given else None
    except ValueError as error:
        msg = f"there is no such {what}"
        raise InvalidInputError(msg) from error
