"""Webhooks in the settings: who is told what, how that went, and telling it again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Template

from desk.accounts.identity import Actor, Permission
from desk.installation import Installation
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs
from desk.webhooks.endpoints import (
    STANDARD_OVERLAP_HOURS,
    NewWebhook,
    WebhookChange,
    add_webhook,
    change_webhook,
    get_webhook,
    list_webhooks,
    remove_webhook,
    rotate_secret,
)
from desk.webhooks.log import (
    KEPT_DAYS,
    attempts_of,
    get_delivery,
    list_deliveries,
    resend,
    resend_failed,
    send_test,
)
from desk.webhooks.payloads import EVENTS
from ui.pages.asked import asked_offset
from ui.pages.shell import leave_for, page_or_content, part_of_page, shell, told
from ui.presenting.queue import page_links
from ui.presenting.settings import settings_tabs
from ui.presenting.webhooks import LOG_STATES, shown_attempts, shown_event, shown_request, shown_webhook
from ui.presenting.words import Choices, query_string

TAB = "webhooks"
SINCE: Choices = (("1", "the last hour"), ("24", "the last day"), ("168", "the last week"), ("720", "the last 30 days"))


class TestForm(msgspec.Struct):
    event: str = ""


class SinceForm(msgspec.Struct):
    hours: str = "24"


class Webhooks(Controller):
    path = "/settings/webhooks"
    opt = needs(Permission.TUNING)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            page = await list_webhooks(session, limit=STANDARD_PAGE, offset=asked_offset(request))
        return await page_or_content(
            request,
            installation,
            actor,
            "settings_webhooks.html",
            area="settings",
            tabs=settings_tabs(actor),
            tab=TAB,
            webhooks=[shown_webhook(row) for row in page.items],
            page=page_links(page, "/settings/webhooks", ""),
            events=EVENTS,
        )

    @post("/", status_code=200)
    async def add(
        self,
        request: Request[Any, Any, Any],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """The new one's page, with its secret; it is nowhere else."""
        new = NewWebhook(**await _form(request))
        async with installation.database.transaction(actor.scope) as session:
            row, secret = await add_webhook(session, installation.webhook_poster, new)
        rendered = await _page(request, installation, actor, row.id, secret=secret)
        rendered.headers["HX-Push-Url"] = f"/settings/webhooks/{row.id}"
        return rendered


class OneWebhook(Controller):
    path = "/settings/webhooks/{endpoint_id:uuid}"
    opt = needs(Permission.TUNING)
    include_in_schema = False

    @get("/")
    async def show(
        self,
        request: Request[Any, Any, Any],
        endpoint_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        return await _page(request, installation, actor, endpoint_id)

    @get("/refresh")
    async def log(
        self,
        request: Request[Any, Any, Any],
        endpoint_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """The list alone, for the page itself."""
        context = await _context(request, installation, actor, endpoint_id)
        around = await shell(request, installation, actor, area="settings")
        return part_of_page("settings_webhook.html", ["log"], shell=around, **context)

    @get("/log/{webhook_delivery_id:uuid}")
    async def entry(
        self,
        request: Request[Any, Any, Any],
        endpoint_id: FromPath[UUID],
        webhook_delivery_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        """What was sent and what came back."""
        async with installation.database.transaction(actor.scope) as session:
            webhook = await get_webhook(session, endpoint_id)
            line = await get_delivery(session, endpoint_id, webhook_delivery_id)
            attempts = await attempts_of(session, webhook_delivery_id)
        return await page_or_content(
            request,
            installation,
            actor,
            "settings_webhook_entry.html",
            area="settings",
            tabs=settings_tabs(actor),
            tab=TAB,
            webhook=shown_webhook(webhook),
            entry=shown_event(line),
            sent=shown_request(line),
            attempts=shown_attempts(attempts),
        )

    @post("/", status_code=200)
    async def change(
        self,
        request: Request[Any, Any, Any],
        endpoint_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        change = WebhookChange(**await _form(request))
        async with installation.database.transaction(actor.scope) as session:
            await change_webhook(session, installation.webhook_poster, endpoint_id, change)
        return told(await _page(request, installation, actor, endpoint_id), "Webhook saved.")

    @post("/secret", status_code=200)
    async def rotate(
        self,
        request: Request[Any, Any, Any],
        endpoint_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            _, secret = await rotate_secret(session, endpoint_id)
        return await _page(request, installation, actor, endpoint_id, secret=secret)

    @post("/test", status_code=200)
    async def test(
        self,
        request: Request[Any, Any, Any],
        endpoint_id: FromPath[UUID],
        data: URLEncodedBody[TestForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await send_test(session, endpoint_id, data.event or None)
        return told(await _page(request, installation, actor, endpoint_id), "A test event is on its way.")

    @post("/resend", status_code=200)
    async def again(
        self,
        request: Request[Any, Any, Any],
        endpoint_id: FromPath[UUID],
        data: URLEncodedBody[SinceForm],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        hours = int(data.hours) if data.hours in dict(SINCE) else 24
        since = installation.clock.now() - timedelta(hours=hours)
        async with installation.database.transaction(actor.scope) as session:
            number = await resend_failed(session, endpoint_id, since)
        words = f"{number} to be sent again." if number else "Nothing failed in that time."
        return told(await _page(request, installation, actor, endpoint_id), words)

    @post("/log/{webhook_delivery_id:uuid}/resend", status_code=200)
    async def one_again(
        self,
        request: Request[Any, Any, Any],
        endpoint_id: FromPath[UUID],
        webhook_delivery_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> Template:
        async with installation.database.transaction(actor.scope) as session:
            await resend(session, endpoint_id, webhook_delivery_id)
        return told(await _page(request, installation, actor, endpoint_id), "It is sent again.")

    @post("/delete", status_code=200)
    async def remove(
        self, endpoint_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> Response[str]:
        async with installation.database.transaction(actor.scope) as session:
            await remove_webhook(session, endpoint_id)
        return leave_for("/settings/webhooks")


async def _form(request: Request[Any, Any, Any]) -> dict[str, Any]:
    form = await request.form()
    return {
        "url": str(form.get("url", "")),
        "description": str(form.get("description", "")),
        "events": [str(name) for name in form.getall("events", [])],
        "active": bool(form.get("active")),
    }


async def _context(
    request: Request[Any, Any, Any], installation: Installation, actor: Actor, endpoint_id: UUID
) -> dict[str, Any]:
    state = str(request.query_params.get("state") or "")
    async with installation.database.transaction(actor.scope) as session:
        row = await get_webhook(session, endpoint_id)
        page = await list_deliveries(
            session, endpoint_id, state=state or None, limit=STANDARD_PAGE, offset=asked_offset(request)
        )
    here = f"/settings/webhooks/{endpoint_id}"
    return {
        "webhook": shown_webhook(row),
        "entries": [shown_event(line) for line in page.items],
        "page": page_links(page, here, query_string({"state": state})),
        "log_address": f"{here}/refresh?{query_string({'state': state, 'offset': str(page.offset or '')})}",
        "state": state,
        "states": LOG_STATES,
    }


async def _page(
    request: Request[Any, Any, Any], installation: Installation, actor: Actor, endpoint_id: UUID, *, secret: str = ""
) -> Any:
    return await page_or_content(
        request,
        installation,
        actor,
        "settings_webhook.html",
        area="settings",
        tabs=settings_tabs(actor),
        tab=TAB,
        secret=secret,
        events=EVENTS,
        event_choices=tuple((name, name) for name in EVENTS),
        since=SINCE,
        kept_days=KEPT_DAYS,
        overlap_hours=STANDARD_OVERLAP_HOURS,
        **await _context(request, installation, actor, endpoint_id),
    )
