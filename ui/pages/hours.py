"""The tenant's working hours."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.accounts.preferences import load_preferences, preferences_to_change, save_preferences
from desk.installation import Installation
from desk.policy.quiet import TIME_ZONES
from desk.web.permissions import needs
from desk.working_hours import DAYS, WorkingHours
from ui.pages.shell import page_or_content, told
from ui.presenting.settings import settings_tabs


class Hours(Controller):
    path = "/settings/hours"
    opt = needs(Permission.TUNING)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _page(request, installation, actor)

    @post("/", status_code=200)
    async def change(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        form = await request.form()
        wanted = None
        if form.get("limited"):
            wanted = WorkingHours(
                days=tuple(index for index, _ in enumerate(DAYS) if str(index) in form.getall("days", [])),
                start=str(form.get("start", "")),
                end=str(form.get("end", "")),
                time_zone=str(form.get("time_zone", "")).strip() or "UTC",
            )
        async with installation.database.transaction(actor.scope) as session:
            preferences = await preferences_to_change(session)
            await save_preferences(session, msgspec.structs.replace(preferences, working_hours=wanted))
        return told(await _page(request, installation, actor), "Working hours saved.")


async def _page(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        hours = (await load_preferences(session)).working_hours
    return await page_or_content(
        request,
        installation,
        actor,
        "settings_hours.html",
        area="settings",
        tabs=settings_tabs(actor),
        tab="hours",
        is_limited=hours is not None,
        hours=hours or WorkingHours(),
        days=list(enumerate(DAYS)),
        time_zones=TIME_ZONES,
    )
