"""What tickets are told apart into: adding, renaming, deleting, going back to the default ones."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.installation import Installation
from desk.intents import (
    count_tickets,
    delete_intent,
    has_own_intents,
    load_intents,
    put_intent,
    reset_intents,
)
from desk.ports import NO_INTENT
from desk.web.permissions import needs
from ui.pages.shell import page_or_content, told
from ui.presenting.settings import settings_tabs
from ui.presenting.topics import intent_text, shown_topics


class Topics(Controller):
    path = "/settings/topics"
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
    async def create(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        text = intent_text(await _sent(request))
        async with installation.database.transaction(actor.scope) as session:
            await put_intent(session, installation.intents, None, text)
        return told(await _page(request, installation, actor), "Topic added. The next question is judged with it.")

    @post("/reset", status_code=200)
    async def reset(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await reset_intents(session)
        return told(await _page(request, installation, actor), "The default topics are back.")

    @post("/{label:str}", status_code=200)
    async def change(
        self,
        request: Request[Any, Any, Any],
        label: FromPath[str],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        text = intent_text(await _sent(request))
        async with installation.database.transaction(actor.scope) as session:
            await put_intent(session, installation.intents, label, text)
        return told(await _page(request, installation, actor), "Topic saved.")

    @post("/{label:str}/delete", status_code=200)
    async def remove(
        self,
        request: Request[Any, Any, Any],
        label: FromPath[str],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await delete_intent(session, installation.intents, label)
        return told(await _page(request, installation, actor), "Topic deleted. Its tickets keep it.")


async def _sent(request: Request[Any, Any, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in (await request.form()).items()}


async def _page(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        intents = await load_intents(session, installation.intents)
        counts = await count_tickets(session)
        is_own = await has_own_intents(session)
    none = counts.get(NO_INTENT)
    return await page_or_content(
        request,
        installation,
        actor,
        "settings_topics.html",
        area="settings",
        tabs=settings_tabs(actor),
        tab="topics",
        topics=shown_topics(intents, counts),
        is_own=is_own,
        without_topic=none.tickets if none else 0,
    )
