"""REST hooks: tools such as Zapier and n8n subscribe an address for one event, and take it back.

Source: resthooks.org; Zapier's "REST hook trigger" (`performSubscribe`, `performUnsubscribe`, `performList`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from desk.accounts.identity import Actor, Permission
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.api.webhooks import EventAnswer
from desk.errors import InvalidInputError, NotFoundError
from desk.installation import Installation
from desk.models import WebhookEndpoint
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs
from desk.webhooks.endpoints import NewWebhook, add_webhook, get_webhook, list_webhooks, remove_webhook
from desk.webhooks.log import samples
from desk.webhooks.payloads import EVENTS

HOOK = "hook"


class AskedHook(Asked):
    """`target_url`, or `hookUrl` as Zapier's templates write it."""

    event: str
    target_url: str = ""
    zapier_url: str = msgspec.field(default="", name="hookUrl")
    description: str = ""


class HookAnswer(Answer, kw_only=True):
    id: UUID
    event: str
    target_url: str
    active: bool
    created_at: datetime


class NewHookAnswer(HookAnswer, kw_only=True):
    secret: str
    """Signs what is sent; shown this once."""


class HookController(Controller):
    path = "/hooks"
    tags = ("webhooks",)
    opt = needs(Permission.TUNING)

    @post("/")
    async def subscribe(
        self, data: JSONBody[AskedHook], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> NewHookAnswer:
        url = data.target_url or data.zapier_url
        if not url:
            msg = "target_url is missing: where the event is to be posted"
            raise InvalidInputError(msg)
        new = NewWebhook(url=url, events=[data.event], description=data.description)
        async with installation.database.transaction(actor.scope) as session:
            row, secret = await add_webhook(session, installation.webhook_poster, new, kind=HOOK)
        return NewHookAnswer(**_fields(row), secret=secret)

    @get("/")
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[HookAnswer]:
        async with installation.database.transaction(actor.scope) as session:
            page = await list_webhooks(session, limit=limit, offset=offset, kind=HOOK)
        return Listed([HookAnswer(**_fields(row)) for row in page.items], page.total, page.limit, page.offset)

    @get("/events")
    async def events(self) -> list[EventAnswer]:
        """What can be subscribed, for an editor's menu."""
        return [EventAnswer(name, words) for name, words in EVENTS.items()]

    @get("/events/{event:str}/samples")
    async def event_samples(
        self, event: FromPath[str], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> list[dict[str, Any]]:
        """What an editor shows while nothing has come yet: up to three real events, newest first, or a made-up one."""
        async with installation.database.transaction(actor.scope) as session:
            return await samples(session, event)

    @get("/{hook_id:uuid}")
    async def show(
        self, hook_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> HookAnswer:
        """What a tool asks to see whether its subscription is still there."""
        async with installation.database.transaction(actor.scope) as session:
            row = await get_webhook(session, hook_id)
        if row.kind != HOOK:
            msg = "there is no such webhook"
            raise NotFoundError(msg)
        return HookAnswer(**_fields(row))

    @delete("/{hook_id:uuid}")
    async def unsubscribe(
        self, hook_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> None:
        async with installation.database.transaction(actor.scope) as session:
            row = await get_webhook(session, hook_id)
            if row.kind != HOOK:
                msg = "there is no such webhook"
                raise NotFoundError(msg)
            await remove_webhook(session, hook_id)


def _fields(row: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": row.id,
        "event": row.events[0],
        "target_url": row.url,
        "active": row.state == "active",
        "created_at": row.created_at,
    }
