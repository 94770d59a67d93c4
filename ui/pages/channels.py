"""Connections of any kind that is set up by its channel's own form: guided setup, a test, how they are."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template
from sqlalchemy import select

from desk.accounts.identity import Actor, Permission
from desk.connections import ConnectionChange, change_connection, get_connection
from desk.egress import EgressRules
from desk.errors import DeskError, NotFoundError
from desk.inbound.connecting import (
    check_connection,
    configure_connection,
    connection_health,
    create_connection,
    failed_entries,
    remove_connection,
    send_trial,
    try_again,
)
from desk.inbound.hooks import hook_address
from desk.inbound.receiving import details_of
from desk.installation import Installation
from desk.message_templates import fetch_templates, kept_templates
from desk.models import Delivery
from desk.ports import (
    ChannelForm,
    ConfiguredChannel,
    FormChannel,
    SampleChannel,
    SetupFileChannel,
    TemplateChannel,
)
from desk.web.permissions import needs
from ui.pages.shell import leave_for, page_or_content, part_of_page, told
from ui.presenting.channels import channel_page, connection_state, shown_checks, shown_sent_reply, shown_template
from ui.presenting.email import sentence, shown_entry
from ui.presenting.settings import settings_tabs

ENTRIES = 20
REPLIES = 8


class SwitchForm(msgspec.Struct):
    active: str = ""


class Channels(Controller):
    path = "/settings/channels"
    opt = needs(Permission.TUNING)
    include_in_schema = False

    @get("/new/{kind:str}")
    async def begin(
        self,
        request: Request[Any, Any, Any],
        kind: FromPath[str],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        channel = _channel(installation, kind)
        return await _page(request, installation, actor, page=channel_page(channel, {}), connection=None)

    @post("/new/{kind:str}", status_code=200)
    async def create(
        self,
        request: Request[Any, Any, Any],
        kind: FromPath[str],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Any:
        channel = _channel(installation, kind)
        form = dict(await request.form())
        async with installation.database.transaction(actor.scope) as session:
            connection = await create_connection(
                session,
                installation.channels,
                kind=kind,
                name=str(form.get("connection_name", "")) or channel.form.title,
                settings=_given(channel.form, form),
            )
        return leave_for(f"/settings/channels/{connection.id}")

    @get("/{connection_id:uuid}")
    async def one(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _one(request, installation, actor, connection_id)

    @post("/{connection_id:uuid}/settings", status_code=200)
    async def change(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        form = dict(await request.form())
        async with installation.database.transaction(actor.scope) as session:
            row = await get_connection(session, connection_id)
            given = _given(_channel(installation, row.channel).form, form)
            await configure_connection(session, installation.channels, connection_id, given)
            name = ConnectionChange(name=str(form.get("connection_name", "")) or row.name)
            await change_connection(session, connection_id, name, _rules(installation))
        return told(await _one(request, installation, actor, connection_id), "Saved.")

    @post("/{connection_id:uuid}/switch", status_code=200)
    async def switch(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        data: URLEncodedBody[SwitchForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        change = ConnectionChange(active=bool(data.active))
        async with installation.database.transaction(actor.scope) as session:
            await change_connection(session, connection_id, change, _rules(installation))
        words = "Switched on." if data.active else "Switched off."
        return told(await _one(request, installation, actor, connection_id), words)

    @get("/{connection_id:uuid}/health")
    async def health(
        self, connection_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Template:
        """How it is now: fetched again by the page while it is open."""
        async with installation.database.transaction(actor.scope) as session:
            row = await get_connection(session, connection_id)
            state = connection_state(row, await connection_health(session, connection_id))
        return part_of_page("settings_channel.html", ["health"], connection=row, state=state)

    @post("/{connection_id:uuid}/check", status_code=200)
    async def check(
        self, connection_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Template:
        checks = await check_connection(installation.database, actor, installation.channels, connection_id)
        return part_of_page("settings_channel.html", ["checks"], checks=shown_checks(checks))

    @post("/{connection_id:uuid}/test", status_code=200)
    async def test(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        outcome = await send_trial(installation.database, actor, installation.channels, connection_id)
        words = "Test sent." if outcome.result == "sent" else "The test was not sent."
        return told(await _one(request, installation, actor, connection_id), words)

    @post("/{connection_id:uuid}/fetch", status_code=200)
    async def fetch(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        synced = await installation.watches.sync(actor, connection_id)
        words = f"{synced.received} new" if synced.received else "Nothing new"
        return told(await _one(request, installation, actor, connection_id), f"{words}.")

    @post("/{connection_id:uuid}/messages/{entry_id:uuid}/again", status_code=200)
    async def again(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        entry_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await try_again(session, connection_id, entry_id)
        return told(await _one(request, installation, actor, connection_id), "It is being read again.")

    @post("/new/{kind:str}/sample", status_code=200)
    async def first_sample(
        self, request: Request[Any, Any, Any], kind: FromPath[str], installation: NamedDependency[Installation]
    ) -> Template:
        return await _sample(request, _channel(installation, kind), None)

    @post("/{connection_id:uuid}/sample", status_code=200)
    async def sample(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """With the settings as they stand in the form, saved or not."""
        async with installation.database.transaction(actor.scope) as session:
            row = await get_connection(session, connection_id)
            before = ConfiguredChannel(dict(row.configuration), json.loads(row.secrets))
        return await _sample(request, _channel(installation, row.channel), before)

    @post("/{connection_id:uuid}/templates", status_code=200)
    async def templates(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        count = await fetch_templates(installation.database, actor, installation.channels, connection_id)
        return told(await _one(request, installation, actor, connection_id), f"{count} templates.")

    @post("/{connection_id:uuid}/delete", status_code=200)
    async def delete(
        self, connection_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Any:
        async with installation.database.transaction(actor.scope) as session:
            await remove_connection(session, connection_id)
        return leave_for("/settings/channels")

    @get("/{connection_id:uuid}/file")
    async def setup_file(
        self, connection_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Response[bytes]:
        """The file that is put on the other side; it holds the connection's secret."""
        async with installation.database.transaction(actor.scope) as session:
            row = await get_connection(session, connection_id)
            channel = installation.channels.get(row.channel)
            if not isinstance(channel, SetupFileChannel):
                msg = "this connection needs no file"
                raise NotFoundError(msg)
            made = channel.setup_file(details_of(row), hook_address(installation.settings.public_url, row))
        headers = {"Content-Disposition": f'attachment; filename="{made.name}"', "Cache-Control": "no-store"}
        return Response(made.content, media_type=made.media_type, headers=headers)


def _rules(installation: Installation) -> EgressRules:
    return EgressRules(frozenset(installation.settings.egress_allowed_hosts))


def _channel(installation: Installation, kind: str) -> FormChannel:
    channel = installation.channels.get(kind)
    if not isinstance(channel, FormChannel):
        msg = "there is no such kind of channel to connect"
        raise NotFoundError(msg)
    return channel


def _given(form: ChannelForm, sent: dict[str, Any]) -> dict[str, Any]:
    """A switch that is off is not sent by browsers at all."""
    return {
        each.name: str(sent.get(each.name, "")) for each in form.fields if each.name in sent or each.kind == "switch"
    }


async def _sample(request: Request[Any, Any, Any], channel: FormChannel, before: ConfiguredChannel | None) -> Template:
    if not isinstance(channel, SampleChannel):
        msg = "messages of this channel are always read alike"
        raise NotFoundError(msg)
    form = dict(await request.form())
    try:
        messages = channel.preview(_given(channel.form, form), before, str(form.get("sample", "")))
    except DeskError as error:
        # Beside the sample and not at the end of a long form.
        return part_of_page("settings_channel.html", ["sample"], messages=[], problem=sentence(error.detail))
    return part_of_page("settings_channel.html", ["sample"], messages=messages, problem="")


async def _one(request: Request[Any, Any, Any], installation: Installation, actor: Actor, connection_id: UUID) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        row = await get_connection(session, connection_id)
        channel = _channel(installation, row.channel)
        state = connection_state(row, await connection_health(session, connection_id))
        unread = await failed_entries(session, connection_id, limit=ENTRIES, offset=0)
        replies = await session.execute(
            select(Delivery).where(Delivery.connection_id == connection_id).order_by(Delivery.id.desc()).limit(REPLIES)
        )
        details = details_of(row)
        has_templates = isinstance(channel, TemplateChannel)
        templates = await kept_templates(session, connection_id) if has_templates else ()
        page = channel_page(
            channel,
            {**row.configuration, **json.loads(row.secrets)},
            webhook=hook_address(installation.settings.public_url, row),
            file_address=f"/settings/channels/{connection_id}/file",
            facts=channel.facts(details),
        )
    return await _page(
        request,
        installation,
        actor,
        page=page,
        connection=row,
        state=state,
        entries=[shown_entry(each) for each in unread.items],
        unread=unread.total,
        replies=[shown_sent_reply(each) for each in replies.scalars()],
        checks=[],
        has_templates=has_templates,
        templates=[shown_template(each) for each in templates],
    )


async def _page(request: Request[Any, Any, Any], installation: Installation, actor: Actor, **context: Any) -> Any:
    return await page_or_content(
        request,
        installation,
        actor,
        "settings_channel.html",
        area="settings",
        tabs=settings_tabs(actor),
        tab="channels",
        messages=[],
        problem="",
        **context,
    )
