"""Settings of the desk's work: channels, sending, escalation, writing, models."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.accounts.preferences import EscalationRules, load_preferences, preferences_to_change, save_preferences
from desk.accounts.providers import (
    MOST_PROVIDERS,
    NewProvider,
    ProviderChange,
    add_provider,
    change_provider,
    get_provider,
    list_providers,
    remove_provider,
)
from desk.comparing.candidates import Candidate
from desk.connections import ConnectionChange, change_connection, list_connections, renew_signing_secret
from desk.egress import EgressRules
from desk.inbound.connecting import connection_health
from desk.installation import Installation
from desk.intents import load_intents
from desk.paging import LARGEST_PAGE
from desk.policy.tenant_policy import PolicyChange, change_policy
from desk.web.permissions import needs
from ui.pages.comparing import check_first
from ui.pages.shell import leave_for, page_or_content, told
from ui.pages.tuning import number_from, whole_from
from ui.presenting.channels import has_own_page, linked_connection, offered_channels
from ui.presenting.settings import (
    WITHOUT_ANSWERS,
    lines,
    listed,
    settings_tabs,
    shown_connection,
    shown_provider,
    ticket_example,
)


class ConnectionForm(msgspec.Struct):
    name: str = ""
    callback_url: str = ""
    status_url: str = ""
    active: str = ""


class WritingForm(msgspec.Struct):
    tone: str = ""
    signature: str = ""
    disclaimer: str = ""
    allowed_links: str = ""


class PicturesForm(msgspec.Struct):
    describe: str = ""


class NotesForm(msgspec.Struct):
    note: str = ""


class ProviderForm(msgspec.Struct):
    name: str = ""
    base_url: str = ""
    model: str = ""
    api_key: str = ""
    active: str = ""

    def __repr__(self) -> str:
        return f"ProviderForm(name={self.name!r}, model={self.model!r})"


class Settings(Controller):
    path = "/settings"
    opt = needs(Permission.TUNING)
    include_in_schema = False

    @get("/channels")
    async def channels(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _channels(request, installation, actor)

    @post("/channels/{connection_id:uuid}/callback", status_code=200)
    async def change_channel(
        self,
        request: Request[Any, Any, Any],
        connection_id: FromPath[UUID],
        data: URLEncodedBody[ConnectionForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        rules = EgressRules(frozenset(installation.settings.egress_allowed_hosts))
        change = ConnectionChange(
            name=data.name, callback_url=data.callback_url, status_url=data.status_url, active=bool(data.active)
        )
        async with installation.database.transaction(actor.scope) as session:
            await change_connection(session, connection_id, change, rules)
        return told(await _channels(request, installation, actor), "Channel saved.")

    @post("/channels/{connection_id:uuid}/secret", status_code=200)
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
        return await _channels(request, installation, actor, secret=secret, secret_of=connection_id)

    @get("/escalation")
    async def escalation(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _escalation(request, installation, actor)

    @post("/escalation", status_code=200)
    async def change_escalation(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        form = await request.form()
        rules = EscalationRules(
            keywords=listed(str(form.get("keywords", ""))),
            topics=tuple(str(topic) for topic in form.getall("topics", [])),
            minimum_reply_characters=whole_from("shortest reply", str(form.get("minimum_reply_characters", ""))),
            chat_threshold=number_from("chat threshold", str(form.get("chat_threshold", ""))) / 100,
        )
        async with installation.database.transaction(actor.scope) as session:
            await change_policy(session, PolicyChange(escalation=rules))
        return told(await _escalation(request, installation, actor), "Escalation saved.")

    @get("/writing")
    async def writing(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _writing(request, installation, actor)

    @post("/writing", status_code=200)
    async def change_writing(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[WritingForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            preferences = await preferences_to_change(session)
            changed = msgspec.structs.replace(
                preferences,
                tone=data.tone.strip(),
                signature=data.signature.replace("\r\n", "\n").strip(),
                disclaimer=data.disclaimer.strip(),
            )
            await save_preferences(session, changed)
            await change_policy(session, PolicyChange(allowed_links=list(listed(data.allowed_links))))
        return told(await _writing(request, installation, actor), "Writing saved.")

    @get("/models")
    async def models(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _models(request, installation, actor)

    @post("/models", status_code=200)
    async def add_model(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[ProviderForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        new = NewProvider(data.name, data.base_url, data.model, data.api_key)
        async with installation.database.transaction(actor.scope) as session:
            await add_provider(session, new)
        return told(await _models(request, installation, actor), "Provider added.")

    @post("/models/pictures", status_code=200)
    async def change_pictures(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[PicturesForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            preferences = await preferences_to_change(session)
            changed = msgspec.structs.replace(preferences, describe_pictures=bool(data.describe))
            await save_preferences(session, changed)
        return told(await _models(request, installation, actor), "Saved.")

    @post("/models/notes", status_code=200)
    async def change_notes(
        self,
        request: Request[Any, Any, Any],
        data: URLEncodedBody[NotesForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            preferences = await preferences_to_change(session)
            await save_preferences(session, msgspec.structs.replace(preferences, note_edits=bool(data.note)))
        return told(await _models(request, installation, actor), "Saved.")

    @post("/models/{provider_id:uuid}", status_code=200)
    async def change_model(
        self,
        request: Request[Any, Any, Any],
        provider_id: FromPath[UUID],
        data: URLEncodedBody[ProviderForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template | Response[str]:
        """An empty key leaves the stored one as it is. What switching it on would break is shown first."""
        change = ProviderChange(
            name=data.name,
            base_url=data.base_url,
            model=data.model,
            active=bool(data.active),
            api_key=data.api_key or msgspec.UNSET,
        )
        async with installation.database.transaction(actor.scope) as session:
            is_new = bool(data.active) and not (await get_provider(session, provider_id)).is_active
            await change_provider(
                session, provider_id, msgspec.structs.replace(change, active=False) if is_new else change
            )
        if is_new:
            checked = await check_first(installation, actor, Candidate(provider_id=provider_id))
            if checked is not None:
                return leave_for(checked)
            async with installation.database.transaction(actor.scope) as session:
                await change_provider(session, provider_id, ProviderChange(active=True))
        return told(await _models(request, installation, actor), "Provider saved.")

    @post("/models/{provider_id:uuid}/delete", status_code=200)
    async def remove_model(
        self,
        request: Request[Any, Any, Any],
        provider_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await remove_provider(session, provider_id)
        return told(await _models(request, installation, actor), "Provider removed.")


async def _page(
    request: Request[Any, Any, Any], installation: Installation, actor: Actor, name: str, **context: Any
) -> Any:
    return await page_or_content(
        request,
        installation,
        actor,
        f"settings_{name}.html",
        area="settings",
        tabs=settings_tabs(actor),
        tab=name,
        **context,
    )


async def _channels(
    request: Request[Any, Any, Any],
    installation: Installation,
    actor: Actor,
    *,
    secret: str = "",
    secret_of: UUID | None = None,
) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        page = await list_connections(session, limit=LARGEST_PAGE, offset=0)
        kept = [row for row in page.items if row.channel not in WITHOUT_ANSWERS]
        own = [row for row in kept if has_own_page(installation.channels, row)]
        linked = [linked_connection(row, await connection_health(session, row.id)) for row in own]
    return await _page(
        request,
        installation,
        actor,
        "channels",
        connections=[shown_connection(row) for row in kept if row not in own],
        linked=linked,
        offered=offered_channels(installation.channels),
        example=ticket_example(installation.settings.public_url),
        secret=secret,
        secret_of=secret_of,
    )


async def _escalation(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        rules = (await load_preferences(session)).escalation
        known = [(intent.label, intent.title) for intent in await load_intents(session, installation.intents)]
    return await _page(
        request, installation, actor, "escalation", rules=rules, keywords=", ".join(rules.keywords), topics=known
    )


async def _writing(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        preferences = await load_preferences(session)
    return await _page(
        request,
        installation,
        actor,
        "writing",
        preferences=preferences,
        allowed_links=lines(preferences.allowed_links),
    )


async def _models(request: Request[Any, Any, Any], installation: Installation, actor: Actor) -> Any:
    async with installation.database.transaction(actor.scope) as session:
        page = await list_providers(session, limit=LARGEST_PAGE, offset=0)
        preferences = await load_preferences(session)
    return await _page(
        request,
        installation,
        actor,
        "models",
        providers=[shown_provider(row) for row in page.items],
        may_add=page.total < MOST_PROVIDERS,
        describes_pictures=preferences.describe_pictures,
        notes_edits=preferences.note_edits,
        has_shared=await installation.models.for_tenant(actor.tenant_id) is not None and page.total == 0,
    )
