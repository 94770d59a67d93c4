"""Settings of the web widget: where it may stand, how it looks, what it says, and the code that embeds it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template
from sqlalchemy import select

from desk.accounts.identity import Actor, Permission
from desk.connections import ConnectionChange, change_connection, get_connection, renew_signing_secret
from desk.egress import EgressRules
from desk.installation import Installation
from desk.models import Connection
from desk.web.permissions import needs
from desk.widget.configuration import read_configuration
from ui.pages.shell import page_or_content, told
from ui.presenting.settings import settings_tabs
from ui.presenting.widget import DAYS, FREQUENT_TEXTS, POSITIONS, WidgetForm, configuration_from, shown_widget


class WidgetSettings(Controller):
    path = "/settings/widget"
    opt = needs(Permission.TUNING)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _page(request, installation, actor, language=str(request.query_params.get("language", "")))

    @post("/{connection_id:uuid}", status_code=200)
    async def change(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """Raises InvalidInputError, and then nothing is changed."""
        sent = {name: str(value) for name, value in (await request.form()).items()}
        form = msgspec.convert({name: sent.get(name, "") or default for name, default in _EMPTY.items()}, WidgetForm)
        days = {number: sent.get(f"day_{number}", "") for number in range(len(DAYS))}
        language = sent.get("language", "")
        texts = {name: sent.get(f"text_{name}", "") for name in FREQUENT_TEXTS}
        async with installation.database.transaction(actor.scope) as session:
            before = read_configuration((await get_connection(session, connection_id)).configuration)
            changed = configuration_from(before, form, days, language or before.default_language, texts)
            change = ConnectionChange(active=bool(form.active), widget=changed)
            await change_connection(session, connection_id, change, EgressRules(frozenset()))
        return told(await _page(request, installation, actor, language=language), "Widget saved.")

    @post("/{connection_id:uuid}/secret", status_code=200)
    async def renew_secret(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """The new one is on this page and nowhere else."""
        async with installation.database.transaction(actor.scope) as session:
            _, secret = await renew_signing_secret(session, connection_id)
        return await _page(request, installation, actor, secret=secret)


_EMPTY: dict[str, str] = msgspec.to_builtins(WidgetForm())


async def _page(
    request: Request[Any, Any, Any], installation: Installation, actor: Actor, *, language: str = "", secret: str = ""
) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        rows = await session.execute(select(Connection).where(Connection.channel == "widget").order_by(Connection.id))
        widget = rows.scalars().first()
    shown = shown_widget(widget, installation.settings.public_url, language) if widget is not None else None
    return await page_or_content(
        request,
        installation,
        actor,
        "settings_widget.html",
        area="settings",
        tabs=settings_tabs(actor),
        tab="widget",
        widget=shown,
        positions=POSITIONS,
        secret=secret,
    )
