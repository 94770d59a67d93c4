"""How much each source counts, and the numbers of the confidence formula."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import URLEncodedBody
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.accounts.preferences import (
    checked_weights,
    load_preferences,
    preferences_to_change,
    save_preferences,
    save_weights,
)
from desk.comparing.candidates import Candidate
from desk.errors import InvalidInputError
from desk.installation import Installation
from desk.ports import ConfidenceSettings, SourceWeights
from desk.web.permissions import needs
from desk.weighing import past_replies, preview, recommend
from ui.pages.comparing import check_first
from ui.pages.shell import leave_for, page_or_content, part_of_page, told
from ui.presenting.tuning import GROUPS, shown_numbers, shown_weights
from ui.presenting.weighing import shown_preview, shown_recommendation


class WeightsForm(msgspec.Struct):
    global_kb: str = ""
    tenant_kb: str = ""
    example: str = ""
    correction: str = ""


class Weights(Controller):
    path = "/weights"
    opt = needs(Permission.SIGNED_IN)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _page(request, installation, actor)

    @post("/", status_code=200, opt=needs(Permission.TUNING))
    async def change(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[WeightsForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template | Response[str]:
        """At once where nothing was corrected yet; else what it would break is shown first."""
        weights = weights_from(asdict_of(data))
        checked = await check_first(installation, actor, Candidate(weights=weights.normalised()))
        if checked is not None:
            return leave_for(checked)
        async with installation.database.transaction(actor.scope) as session:
            await save_weights(session, weights)
        return told(await _page(request, installation, actor), "Saved. The next draft uses them.")

    @post("/preview", status_code=200)
    async def preview(
        self,
        data: URLEncodedBody[WeightsForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """What these weights would have changed on past tickets; stores nothing."""
        weights = weights_from(asdict_of(data))
        async with installation.database.transaction(actor.scope) as session:
            current = (await load_preferences(session)).weights
            replies = await past_replies(session)
        return part_of_page("weights.html", ["preview"], preview=shown_preview(preview(replies, current, weights)))

    @post("/confidence", status_code=200, opt=needs(Permission.TUNING))
    async def change_confidence(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        form = await request.form()
        values = {name: number_from(name, str(form.get(name, ""))) for name in asdict(ConfidenceSettings())}
        async with installation.database.transaction(actor.scope) as session:
            preferences = await preferences_to_change(session)
            changed = msgspec.structs.replace(preferences, confidence=ConfidenceSettings(**values))
            await save_preferences(session, changed)
        return told(await _page(request, installation, actor), "Saved. The next draft is scored by it.")


async def _page(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        preferences = await load_preferences(session)
        replies = await past_replies(session)
    recommended = recommend(replies)
    return await page_or_content(
        request,
        installation,
        actor,
        "weights.html",
        area="weights",
        weights=shown_weights(preferences.weights),
        recommended=shown_recommendation(recommended),
        preview=shown_preview(preview(replies, preferences.weights, preferences.weights)),
        groups=[(group, shown_numbers(group, preferences.confidence)) for group in GROUPS],
        may_change=actor.may(Permission.TUNING),
    )


def asdict_of(form: msgspec.Struct) -> dict[str, str]:
    return {name: str(value) for name, value in msgspec.structs.asdict(form).items()}


def weights_from(given: dict[str, str]) -> SourceWeights:
    """Raises InvalidInputError when one is no number, or all of them are zero."""
    return checked_weights(SourceWeights(**{name: number_from(name, value) for name, value in given.items()}))


def number_from(name: str, given: str) -> float:
    try:
        return float(given.replace(",", "."))
    except ValueError as error:
        msg = f"{name.replace('_', ' ')} must be a number"
        raise InvalidInputError(msg) from error


def whole_from(name: str, given: str) -> int:
    value = number_from(name, given)
    if not value.is_integer():
        msg = f"{name.replace('_', ' ')} must be a whole number"
        raise InvalidInputError(msg)
    return int(value)
