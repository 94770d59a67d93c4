"""Corrections held against drafts before a change is published, and drafts of past tickets side by side."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.accounts.preferences import load_preferences
from desk.comparing.candidates import PRESENT, Candidate
from desk.comparing.cases import most_cases
from desk.comparing.reading import list_cases, list_comparisons, view_comparison
from desk.comparing.requests import ask_for_regression, publish
from desk.errors import InvalidInputError
from desk.installation import Installation
from desk.models import Comparison
from desk.paging import STANDARD_PAGE
from desk.policy.tenant_policy import PolicyChange, change_policy
from desk.web.permissions import needs
from ui.pages.asked import asked_offset
from ui.pages.shell import leave_for, page_or_content, told
from ui.presenting.comparing import shown_case, shown_comparison, shown_line
from ui.presenting.queue import page_links


class RequiredForm(msgspec.Struct):
    required: str = ""


class Comparisons(Controller):
    path = "/comparisons"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _checks(request, installation, actor)

    @post("/required", status_code=200, opt=needs(Permission.TUNING))
    async def require(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[RequiredForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await change_policy(session, PolicyChange(checks_required=bool(data.required)))
        return told(await _checks(request, installation, actor), "Saved.")

    @post("/", status_code=200, opt=needs(Permission.TUNING))
    async def check_now(
        self, actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Response[str]:
        """The desk as it is: is anything said again that was corrected?"""
        asked = await _ask(installation, actor, PRESENT)
        return leave_for(f"/comparisons/{asked.id}")

    @get("/{comparison_id:uuid}")
    async def show_one(
        self,
        request: Request[Any, Any, Any],
        comparison_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        offset = asked_offset(request)
        async with installation.database.transaction(actor.scope) as session:
            view = await view_comparison(session, comparison_id)
            page = await list_cases(session, comparison_id, outcome=None, limit=STANDARD_PAGE, offset=offset)
        return await page_or_content(
            request,
            installation,
            actor,
            "comparison.html",
            area="corrections" if view.comparison.kind == "corrections" else "prompts",
            compared=shown_comparison(view, actor),
            cases=[shown_case(row, view.comparison) for row in page.items],
            page=page_links(page, f"/comparisons/{comparison_id}", ""),
        )

    @post("/{comparison_id:uuid}/publish", status_code=200, opt=needs(Permission.TUNING))
    async def publish(
        self,
        comparison_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Response[str]:
        async with installation.database.transaction(actor.scope) as session:
            await publish(session, comparison_id, actor.label)
        return leave_for(f"/comparisons/{comparison_id}")


async def _checks(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> Any:
    offset = asked_offset(request)
    async with installation.database.transaction(actor.scope) as session:
        page = await list_comparisons(session, kind=None, limit=STANDARD_PAGE, offset=offset)
        required = (await load_preferences(session)).checks_required
    return await page_or_content(
        request,
        installation,
        actor,
        "comparisons.html",
        area="corrections",
        lines=[shown_line(row) for row in page.items],
        page=page_links(page, "/comparisons", ""),
        may_check=actor.may(Permission.TUNING) and not actor.is_operator,
        checks_required=required,
    )


async def check_first(installation: Installation, actor: Actor, candidate: Candidate) -> str | None:
    """Where to look at what the change would break; None when nothing was corrected yet, or for an operator, whose
    changes belong to no tenant."""
    if actor.is_operator:
        return None
    asked = await _ask(installation, actor, candidate)
    return None if asked.available == 0 else f"/comparisons/{asked.id}"


async def _ask(installation: Installation, actor: Actor, candidate: Candidate) -> Comparison:
    has_model = await installation.models.for_tenant(actor.tenant_id) is not None
    async with installation.database.transaction(actor.scope) as session:
        return await ask_for_regression(session, actor, candidate, most=most_cases(has_model=has_model))


def uuid_from(given: str) -> UUID:
    try:
        return UUID(given)
    except ValueError as error:
        msg = "choose one of the list"
        raise InvalidInputError(msg) from error
