"""Prompts: reading, copying, changing by new versions, comparing, activating."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.comparing.candidates import Candidate
from desk.comparing.cases import most_cases
from desk.comparing.experiments import end_experiment, newest_experiment, start_experiment
from desk.comparing.requests import ask_for_replies
from desk.drafting.prompt_history import compare_prompts, list_prompts
from desk.drafting.prompts import PromptText, activate, add_version, deactivate_own, duplicate, get_prompt
from desk.errors import InvalidInputError, NotAllowedError
from desk.installation import Installation
from desk.models import PromptVersion
from desk.paging import LARGEST_PAGE
from desk.web.permissions import needs
from ui.pages.comparing import check_first, uuid_from
from ui.pages.shell import leave_for, page_or_content, told
from ui.presenting.comparing import shown_experiment
from ui.presenting.prompts import FIELDS, grouped_prompts, shown_prompt
from ui.presenting.texts import diff_lines


class PromptForm(msgspec.Struct):
    system_prompt: str = ""
    context_template: str = ""
    task_template: str = ""
    temperature: str = ""
    max_tokens: str = ""


class CompareForm(msgspec.Struct):
    against: str = ""
    tickets: str = "20"


class EndForm(msgspec.Struct):
    winner: str = ""


class Prompts(Controller):
    path = "/prompts"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _list(request, installation, actor)

    @get("/{prompt_id:uuid}")
    async def show_one(
        self,
        request: Request[Any, Any, Any],
        prompt_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            prompt = await get_prompt(session, prompt_id)
            others = await _versions(installation, actor, prompt)
        shown = shown_prompt(prompt, actor)
        may_try = actor.may(Permission.TUNING) and not actor.is_operator
        return await page_or_content(
            request,
            installation,
            actor,
            "prompt.html",
            area="prompts",
            prompt=shown,
            fields=FIELDS,
            versions=others,
            may_try=may_try,
        )

    @get("/{prompt_id:uuid}/difference")
    async def difference(
        self,
        request: Request[Any, Any, Any],
        prompt_id: FromPath[UUID],
        against: FromQuery[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            before, after = await get_prompt(session, against), await get_prompt(session, prompt_id)
            changed = await compare_prompts(session, against, prompt_id)
        titles = {each.name: each.title for each in FIELDS}
        return await page_or_content(
            request,
            installation,
            actor,
            "prompt_difference.html",
            area="prompts",
            before=shown_prompt(before, actor),
            after=shown_prompt(after, actor),
            changes=[(titles.get(name, name.replace("_", " ")), diff_lines(lines)) for name, lines in changed.items()],
        )

    @post("/{prompt_id:uuid}/versions", status_code=200, opt=needs(Permission.TUNING))
    async def change(
        self,
        prompt_id: FromPath[UUID],
        data: URLEncodedBody[PromptForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Response[str]:
        """Versions never change: an edit is the next one."""
        async with installation.database.transaction(actor.scope) as session:
            original = await get_prompt(session, prompt_id)
            if original.tenant_id != actor.tenant_id:
                msg = "a global prompt is read-only; duplicate it and change the copy"
                raise NotAllowedError(msg)
            text = PromptText(
                name=original.name,
                system_prompt=_lines(data.system_prompt),
                context_template=_lines(data.context_template),
                task_template=_lines(data.task_template),
                temperature=_number("temperature", data.temperature),
                max_tokens=round(_number("most tokens", data.max_tokens)),
            )
            version = await add_version(session, text, created_by=actor.label, copied_from=original.id)
        return leave_for(f"/prompts/{version.id}")

    @post("/{prompt_id:uuid}/duplicate", status_code=200, opt=needs(Permission.TUNING))
    async def copy(
        self, prompt_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Response[str]:
        async with installation.database.transaction(actor.scope) as session:
            version = await duplicate(session, prompt_id, created_by=actor.label)
        return leave_for(f"/prompts/{version.id}")

    @post("/{prompt_id:uuid}/activate", status_code=200, opt=needs(Permission.TUNING))
    async def activate(
        self,
        request: Request[Any, Any, Any],
        prompt_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template | Response[str]:
        """At once where nothing was corrected yet; else what it would break is shown first."""
        checked = await check_first(installation, actor, Candidate(prompt_id=prompt_id))
        if checked is not None:
            return leave_for(checked)
        async with installation.database.transaction(actor.scope) as session:
            await activate(session, prompt_id)
        return told(await _list(request, installation, actor), "Activated. Drafts use it from now on.")

    @post("/default", status_code=200, opt=needs(Permission.TUNING))
    async def back_to_default(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template | Response[str]:
        actor.require(Permission.TICKETS)  # an operator's own active prompt is the default itself
        checked = await check_first(installation, actor, Candidate(standard_prompt=True))
        if checked is not None:
            return leave_for(checked)
        async with installation.database.transaction(actor.scope) as session:
            await deactivate_own(session)
        return told(await _list(request, installation, actor), "The default is used again.")

    @post("/{prompt_id:uuid}/compare", status_code=200, opt=needs(Permission.TUNING))
    async def compare(
        self,
        prompt_id: FromPath[UUID],
        data: URLEncodedBody[CompareForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Response[str]:
        """Drafts of past tickets by this version and by another, side by side."""
        has_model = await installation.models.for_tenant(actor.tenant_id) is not None
        most = min(round(_number("number of tickets", data.tickets)), most_cases(has_model=has_model))
        async with installation.database.transaction(actor.scope) as session:
            other = await get_prompt(session, uuid_from(data.against))
            asked = await ask_for_replies(
                session, actor, Candidate(prompt_id=other.id), Candidate(prompt_id=prompt_id), most=most
            )
        return leave_for(f"/comparisons/{asked.id}")

    @post("/{prompt_id:uuid}/experiment", status_code=200, opt=needs(Permission.TUNING))
    async def try_live(
        self, prompt_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Response[str]:
        async with installation.database.transaction(actor.scope) as session:
            await start_experiment(session, actor, prompt_id)
        return leave_for("/prompts")

    @post("/experiment/end", status_code=200, opt=needs(Permission.TUNING))
    async def end_trial(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[EndForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        winner = data.winner if data.winner in ("a", "b") else None
        async with installation.database.transaction(actor.scope) as session:
            await end_experiment(session, winner)
        words = "Ended. Drafts are written with the prompt you chose." if winner else "Ended. The active prompt stays."
        return told(await _list(request, installation, actor), words)


async def _list(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        page = await list_prompts(session, limit=LARGEST_PAGE, offset=0)
        experiment = None if actor.is_operator else await newest_experiment(session)
    groups = grouped_prompts(page.items, actor)
    own_active = any(row.is_active and row.tenant_id == actor.tenant_id for row in page.items)
    return await page_or_content(
        request,
        installation,
        actor,
        "prompts.html",
        area="prompts",
        groups=groups,
        experiment=None if experiment is None else shown_experiment(experiment),
        may_change=actor.may(Permission.TUNING),
        may_go_back=own_active and not actor.is_operator and actor.may(Permission.TUNING),
        has_model=await installation.models.for_tenant(actor.tenant_id) is not None,
    )


async def _versions(installation: Installation, actor: Actor, prompt: PromptVersion) -> Sequence[Any]:
    """The other versions of the same prompt, newest first, and what it was copied from."""
    async with installation.database.transaction(actor.scope) as session:
        page = await list_prompts(session, limit=LARGEST_PAGE, offset=0)
    same = [
        row
        for row in page.items
        if row.id != prompt.id
        and (row.id == prompt.copied_from or (row.name == prompt.name and row.tenant_id == prompt.tenant_id))
    ]
    return [shown_prompt(row, actor) for row in same]


def _lines(text: str) -> str:
    """Browsers send CRLF."""
    return text.replace("\r\n", "\n")


def _number(name: str, given: str) -> float:
    try:
        return float(given)
    except ValueError as error:
        msg = f"{name} must be a number"
        raise InvalidInputError(msg) from error
