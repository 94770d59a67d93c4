"""Outgoing webhooks: who listens, the log of what was sent, and sending it again (Standard Webhooks)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from desk.accounts.identity import Actor, Permission
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.installation import Installation
from desk.models import WebhookAttempt, WebhookEndpoint
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
    LogLine,
    attempts_of,
    get_delivery,
    list_deliveries,
    resend,
    resend_failed,
    samples,
    send_test,
)
from desk.webhooks.payloads import EVENTS, payload_of


class WebhookAnswer(Answer, kw_only=True):
    id: UUID
    kind: str
    """webhook, or hook: subscribed by a tool through /api/v1/hooks."""
    url: str
    description: str
    events: list[str]
    active: bool
    state: str
    """active, paused, or switched_off: the desk has given it up."""
    state_reason: str
    failing_since: datetime | None
    previous_secret_until: datetime | None
    """Until then the secret before signs as well."""
    created_at: datetime


class WebhookWithSecret(WebhookAnswer, kw_only=True):
    secret: str
    """Shown this once."""


class AskedRotation(Asked):
    hours: int = STANDARD_OVERLAP_HOURS
    """How long the secret before signs as well; 0 ends it at once."""


class AskedTest(Asked):
    event: str | None = None
    """Without it the first that the webhook listens to."""


class AskedResend(Asked):
    since: Annotated[datetime, msgspec.Meta(tz=True)]
    """With an offset from UTC."""


class ResentAnswer(Answer):
    resent: int


class EventAnswer(Answer):
    name: str
    description: str


class WebhookDeliveryAnswer(Answer, kw_only=True):
    id: UUID
    webhook_id: str
    """The header webhook-id: the event's own, the same on every attempt and at every endpoint."""
    event: str
    test: bool
    state: str
    """pending, delivered or failed."""
    detail: str
    tries: int
    occurred_at: datetime
    next_attempt_at: datetime | None


class AttemptAnswer(Answer):
    at: datetime
    url: str
    status: int | None
    detail: str
    answer: str
    """The first 1,000 characters of what came back."""
    milliseconds: float


class WholeDeliveryAnswer(WebhookDeliveryAnswer, kw_only=True):
    payload: dict[str, Any]
    attempts: list[AttemptAnswer]
    """The newest 50, newest first."""


class WebhookController(Controller):
    path = "/webhooks"
    tags = ("webhooks",)
    opt = needs(Permission.TUNING)

    @get("/")
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[WebhookAnswer]:
        """In the order they were added."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_webhooks(session, limit=limit, offset=offset)
        return Listed([webhook_answer(row) for row in page.items], page.total, page.limit, page.offset)

    @post("/")
    async def create(
        self, data: JSONBody[NewWebhook], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> WebhookWithSecret:
        """The signing secret is in this answer and in no other."""
        async with installation.database.transaction(actor.scope) as session:
            row, secret = await add_webhook(session, installation.webhook_poster, data)
        return _with_secret(row, secret)

    @get("/events")
    async def events(self) -> list[EventAnswer]:
        """Every event that there is."""
        return [EventAnswer(name, words) for name, words in EVENTS.items()]

    @get("/events/{event:str}/samples")
    async def event_samples(
        self, event: FromPath[str], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> list[dict[str, Any]]:
        """The newest three events of this type as they were sent, or a made-up one with the same fields."""
        async with installation.database.transaction(actor.scope) as session:
            return await samples(session, event)

    @get("/{endpoint_id:uuid}")
    async def show(
        self, endpoint_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> WebhookAnswer:
        async with installation.database.transaction(actor.scope) as session:
            return webhook_answer(await get_webhook(session, endpoint_id))

    @patch("/{endpoint_id:uuid}")
    async def change(
        self,
        endpoint_id: FromPath[UUID],
        data: JSONBody[WebhookChange],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> WebhookAnswer:
        """Change what is given and leave the rest; `active: true` also takes up one that was switched off."""
        async with installation.database.transaction(actor.scope) as session:
            return webhook_answer(await change_webhook(session, installation.webhook_poster, endpoint_id, data))

    @delete("/{endpoint_id:uuid}")
    async def remove(
        self, endpoint_id: FromPath[UUID], actor: NamedDependency[Actor], installation: NamedDependency[Installation]
    ) -> None:
        """Nothing more is sent to it, and its log goes."""
        async with installation.database.transaction(actor.scope) as session:
            await remove_webhook(session, endpoint_id)

    @post("/{endpoint_id:uuid}/rotate-secret", status_code=200)
    async def rotate(
        self,
        endpoint_id: FromPath[UUID],
        data: JSONBody[AskedRotation],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> WebhookWithSecret:
        """A new secret, shown this once; both sign until the time of the one before is over."""
        async with installation.database.transaction(actor.scope) as session:
            row, secret = await rotate_secret(session, endpoint_id, data.hours)
        return _with_secret(row, secret)

    @post("/{endpoint_id:uuid}/test", status_code=202)
    async def test(
        self,
        endpoint_id: FromPath[UUID],
        data: JSONBody[AskedTest],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> WebhookDeliveryAnswer:
        """A made-up event, marked by `data.test`; how it went stands in the log."""
        async with installation.database.transaction(actor.scope) as session:
            row = await send_test(session, endpoint_id, data.event)
            return _line(await get_delivery(session, endpoint_id, row.id))

    @post("/{endpoint_id:uuid}/resend-failed", status_code=202)
    async def resend_failed(
        self,
        endpoint_id: FromPath[UUID],
        data: JSONBody[AskedResend],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> ResentAnswer:
        """Everything that failed and happened since then, under the same ids."""
        async with installation.database.transaction(actor.scope) as session:
            return ResentAnswer(await resend_failed(session, endpoint_id, data.since))

    @get("/{endpoint_id:uuid}/deliveries")
    async def deliveries(
        self,
        endpoint_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        delivery_state: FromQuery[str | None] = None,
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[WebhookDeliveryAnswer]:
        """Newest first; kept for 30 days."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_deliveries(session, endpoint_id, state=delivery_state, limit=limit, offset=offset)
        return Listed([_line(line) for line in page.items], page.total, page.limit, page.offset)

    @get("/{endpoint_id:uuid}/deliveries/{webhook_delivery_id:uuid}")
    async def delivery(
        self,
        endpoint_id: FromPath[UUID],
        webhook_delivery_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> WholeDeliveryAnswer:
        """With what was sent and what came back."""
        async with installation.database.transaction(actor.scope) as session:
            line = await get_delivery(session, endpoint_id, webhook_delivery_id)
            attempts = await attempts_of(session, webhook_delivery_id)
        return WholeDeliveryAnswer(
            **_fields(line), payload=payload_of(line.event), attempts=[_attempt(row) for row in attempts]
        )

    @post("/{endpoint_id:uuid}/deliveries/{webhook_delivery_id:uuid}/resend", status_code=202)
    async def resend(
        self,
        endpoint_id: FromPath[UUID],
        webhook_delivery_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> WebhookDeliveryAnswer:
        """The same event under the same id, now."""
        async with installation.database.transaction(actor.scope) as session:
            await resend(session, endpoint_id, webhook_delivery_id)
            return _line(await get_delivery(session, endpoint_id, webhook_delivery_id))


def webhook_answer(row: WebhookEndpoint) -> WebhookAnswer:
    return WebhookAnswer(**_webhook_fields(row))


def _with_secret(row: WebhookEndpoint, secret: str) -> WebhookWithSecret:
    return WebhookWithSecret(**_webhook_fields(row), secret=secret)


def _webhook_fields(row: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": row.id,
        "kind": row.kind,
        "url": row.url,
        "description": row.description,
        "events": [*row.events],
        "active": row.state == "active",
        "state": row.state,
        "state_reason": row.state_reason,
        "failing_since": row.failing_since,
        "previous_secret_until": row.previous_until,
        "created_at": row.created_at,
    }


def _line(line: LogLine) -> WebhookDeliveryAnswer:
    return WebhookDeliveryAnswer(**_fields(line))


def _fields(line: LogLine) -> dict[str, Any]:
    row, event = line.delivery, line.event
    return {
        "id": row.id,
        "webhook_id": str(event.id),
        "event": event.type,
        "test": event.is_test,
        "state": row.state,
        "detail": row.detail,
        "tries": row.tries,
        "occurred_at": event.occurred_at,
        "next_attempt_at": row.due_at,
    }


def _attempt(row: WebhookAttempt) -> AttemptAnswer:
    return AttemptAnswer(row.created_at, row.url, row.status, row.detail, row.answer, row.milliseconds)
