"""What was sent, what came back, and sending it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.leases import due_in
from desk.db.unit_of_work import wake
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from desk.models.webhooks import WEBHOOK_DELIVERY_STATES
from desk.paging import Page, read_page
from desk.webhooks.endpoints import check_event, get_webhook
from desk.webhooks.noticing import DUTY
from desk.webhooks.payloads import payload_of, sample_data

MOST_ATTEMPTS_SHOWN = 50
KEPT_DAYS = 30
"""Events with their deliveries and attempts; retries take three days."""


@dataclass(frozen=True, slots=True)
class LogLine:
    delivery: WebhookDelivery
    event: WebhookEvent


async def list_deliveries(
    session: AsyncSession, webhook_id: UUID, *, state: str | None, limit: int, offset: int
) -> Page[LogLine]:
    """Newest first. Raises NotFoundError, InvalidInputError for a state there is not."""
    await get_webhook(session, webhook_id)
    wanted = (
        select(WebhookDelivery, WebhookEvent)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .where(WebhookDelivery.endpoint_id == webhook_id)
        .order_by(WebhookDelivery.id.desc())
    )
    if state is not None:
        if state not in WEBHOOK_DELIVERY_STATES:
            msg = f"state is one of {', '.join(WEBHOOK_DELIVERY_STATES)}"
            raise InvalidInputError(msg)
        wanted = wanted.where(WebhookDelivery.state == state)
    rows, total = await read_page(session, wanted, limit=limit, offset=offset)
    return Page([LogLine(row[0], row[1]) for row in rows], total, limit, offset)


async def get_delivery(session: AsyncSession, webhook_id: UUID, webhook_delivery_id: UUID) -> LogLine:
    """Raises NotFoundError."""
    found = await session.execute(
        select(WebhookDelivery, WebhookEvent)
        .join(WebhookEvent, WebhookEvent.id == WebhookDelivery.event_id)
        .where(WebhookDelivery.id == webhook_delivery_id, WebhookDelivery.endpoint_id == webhook_id)
    )
    row = found.one_or_none()
    if row is None:
        msg = "there is no such delivery of this webhook"
        raise NotFoundError(msg)
    return LogLine(row[0], row[1])


async def attempts_of(session: AsyncSession, webhook_delivery_id: UUID) -> Sequence[WebhookAttempt]:
    """The newest first."""
    found = await session.execute(
        select(WebhookAttempt)
        .where(WebhookAttempt.delivery_id == webhook_delivery_id)
        .order_by(WebhookAttempt.id.desc())
        .limit(MOST_ATTEMPTS_SHOWN)
    )
    return found.scalars().all()


async def resend(session: AsyncSession, webhook_id: UUID, webhook_delivery_id: UUID) -> WebhookDelivery:
    """The same event under the same id, now. Raises NotFoundError, ConflictError while the webhook is off."""
    _require_active(await get_webhook(session, webhook_id, to_change=True))
    await get_delivery(session, webhook_id, webhook_delivery_id)
    row = await session.get_one(WebhookDelivery, webhook_delivery_id, with_for_update=True, populate_existing=True)
    row.state, row.detail, row.tries, row.attempts = "pending", "", 0, 0
    # Whoever is sending it right now finds that it was claimed again.
    row.fence += 1
    await due_in(session, row, 0)
    wake(session, DUTY)
    return row


async def resend_failed(session: AsyncSession, webhook_id: UUID, since: datetime) -> int:
    """Everything that failed and happened after `since`; how many those are.

    Raises NotFoundError, ConflictError while the webhook is off.
    """
    endpoint = await get_webhook(session, webhook_id, to_change=True)
    _require_active(endpoint)
    endpoint.resting_until = None
    recent = select(WebhookEvent.id).where(WebhookEvent.occurred_at >= since)
    asked = await session.execute(
        update(WebhookDelivery)
        .where(
            WebhookDelivery.endpoint_id == webhook_id,
            WebhookDelivery.state == "failed",
            WebhookDelivery.event_id.in_(recent),
        )
        .values(state="pending", detail="", tries=0, attempts=0, due_at=func.now(), lease_until=None)
        .returning(WebhookDelivery.id)
        .execution_options(synchronize_session=False)
    )
    number = len(asked.scalars().all())
    if number:
        wake(session, DUTY)
    return number


async def send_test(session: AsyncSession, webhook_id: UUID, event_type: str | None) -> WebhookDelivery:
    """A made-up event to this webhook alone, of its first event where none is named; `data.test` says so.

    Raises NotFoundError, InvalidInputError, ConflictError while the webhook is off.
    """
    endpoint = await get_webhook(session, webhook_id)
    _require_active(endpoint)
    kind = check_event(event_type or endpoint.events[0])
    event = WebhookEvent(id=uuid7(), type=kind, data={**sample_data(kind), "test": True}, is_test=True)
    session.add(event)
    await session.flush()
    row = WebhookDelivery(id=uuid7(), endpoint_id=endpoint.id, event_id=event.id)
    session.add(row)
    await due_in(session, row, 0)
    await session.flush()
    wake(session, DUTY)
    return row


async def samples(session: AsyncSession, event_type: str, most: int = 3) -> list[dict[str, Any]]:
    """The newest real events of a type as they were sent, or a made-up one. Raises InvalidInputError."""
    kind = check_event(event_type)
    found = await session.execute(
        select(WebhookEvent)
        .where(WebhookEvent.type == kind, ~WebhookEvent.is_test)
        .order_by(WebhookEvent.id.desc())
        .limit(most)
    )
    real = [{"id": str(row.id), **payload_of(row)} for row in found.scalars()]
    made_up = {
        "id": "01920000-0000-7000-8000-00000000000a",
        "type": kind,
        "timestamp": "2026-01-05T09:30:00+00:00",
        "data": {**sample_data(kind), "version": 1},
    }
    return real or [made_up]


async def forget_old_events(session: AsyncSession) -> None:
    waiting = exists().where(WebhookDelivery.event_id == WebhookEvent.id, WebhookDelivery.state == "pending")
    await session.execute(
        delete(WebhookEvent)
        .where(WebhookEvent.created_at < func.now() - timedelta(days=KEPT_DAYS), ~waiting)
        .execution_options(synchronize_session=False)
    )


def _require_active(endpoint: WebhookEndpoint) -> None:
    if endpoint.state != "active":
        msg = "this webhook is off; switch it on first"
        raise ConflictError(msg)
