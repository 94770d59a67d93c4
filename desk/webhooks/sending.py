"""Takes events to those who listen: at least once, with the same id, on a schedule, until it is taken or hopeless.

Source of the schedule: standard-webhooks specification, "Deliverability and reliability".
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.leases import Claim, LostLeaseError, database_time, due_in, finish, hold
from desk.db.unit_of_work import Database, announce
from desk.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from desk.ports import WebhookOutcome, WebhookPost, WebhookPoster
from desk.secret import Secret
from desk.webhooks.payloads import body_of

RETRY_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""After each failure; about three days in all."""
JITTER = 0.2
"""Each wait is longer by up to this share, so that what failed together does not come back together."""
SWITCHED_OFF_AFTER = timedelta(days=5)
"""Of nothing but failures."""
FAILURES_BEFORE_REST = 3
LONGEST_REST_SECONDS = 300.0
GONE = 410


class WebhookDesk:
    def __init__(self, database: Database, poster: WebhookPoster) -> None:
        self._database = database
        self._poster = poster

    async def work(self, held: Claim) -> None:
        """One delivery that is due: one attempt."""
        attempt = await self._begin(held)
        if attempt is None:
            return
        answer = await self._poster.post(attempt)
        try:
            await self._record(held, attempt, answer)
        except LostLeaseError:
            # Our call outlived the lease: somebody else sends it again, under the same id.
            return

    async def _begin(self, held: Claim) -> WebhookPost | None:
        async with self._database.transaction(held.scope) as session:
            delivery = await hold(session, WebhookDelivery, held)
            if delivery.state != "pending":
                finish(delivery)
                return None
            endpoint = await session.get_one(WebhookEndpoint, delivery.endpoint_id)
            if endpoint.state != "active":
                delivery.state, delivery.detail = "failed", "the webhook was switched off"
                finish(delivery)
                return None
            now = await database_time(session)
            # Waiting is no failure: only tries count.
            delivery.attempts = delivery.tries
            if endpoint.resting_until is not None and endpoint.resting_until > now:
                await due_in(session, delivery, _spread((endpoint.resting_until - now).total_seconds()))
                return None
            event = await session.get_one(WebhookEvent, delivery.event_id)
            return WebhookPost(str(event.id), endpoint.url, body_of(event), signing_secrets(endpoint, now))

    async def _record(self, held: Claim, attempt: WebhookPost, answer: WebhookOutcome) -> None:
        async with self._database.transaction(held.scope) as session:
            found = await session.get(WebhookDelivery, held.row_id)
            if found is None:
                raise LostLeaseError(f"{held.kind} {held.row_id} is gone")
            # Endpoint first, delivery second, as everyone locks.
            endpoint = await session.get_one(
                WebhookEndpoint, found.endpoint_id, with_for_update=True, populate_existing=True
            )
            delivery = await hold(session, WebhookDelivery, held)
            session.add(
                WebhookAttempt(
                    id=uuid7(),
                    delivery_id=delivery.id,
                    url=attempt.url.partition("?")[0],
                    status=answer.status,
                    detail=answer.detail,
                    answer=answer.answer,
                    milliseconds=answer.milliseconds,
                )
            )
            if delivery.state != "pending":
                return
            delivery.tries += 1
            delivery.attempts, delivery.detail = delivery.tries, answer.detail
            if answer.status is not None and 200 <= answer.status < 300:
                delivery.state = "delivered"
                finish(delivery)
                endpoint.failures, endpoint.failing_since, endpoint.resting_until = 0, None, None
                return
            await _after_failure(session, endpoint, delivery, answer)


async def _after_failure(
    session: AsyncSession, endpoint: WebhookEndpoint, delivery: WebhookDelivery, answer: WebhookOutcome
) -> None:
    now = await database_time(session)
    endpoint.failures += 1
    since = endpoint.failing_since = endpoint.failing_since or now
    if endpoint.failures >= FAILURES_BEFORE_REST:
        rest = min(2.0**endpoint.failures, LONGEST_REST_SECONDS)
        endpoint.resting_until = now + timedelta(seconds=rest)
    if answer.status == GONE:
        await switch_off(session, endpoint, "it answered 410 Gone")
        return
    if now - since >= SWITCHED_OFF_AFTER:
        await switch_off(session, endpoint, f"it has failed for {SWITCHED_OFF_AFTER.days} days: {answer.detail}")
        return
    if delivery.tries > len(RETRY_SECONDS):
        delivery.state = "failed"
        finish(delivery)
        return
    planned = _spread(float(RETRY_SECONDS[delivery.tries - 1]))
    await due_in(session, delivery, max(planned, answer.retry_after_seconds or 0.0))


async def switch_off(session: AsyncSession, endpoint: WebhookEndpoint, why: str) -> None:
    """Every page of those who may change it says so until somebody has looked. The endpoint must be locked."""
    endpoint.state, endpoint.state_reason = "switched_off", why
    await give_up_waiting(session, endpoint.id, "the webhook was switched off")
    await announce(session, endpoint.tenant_id, "webhook", webhook=endpoint.id)


async def give_up_waiting(session: AsyncSession, endpoint_id: UUID, why: str) -> None:
    await session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint_id, WebhookDelivery.state == "pending")
        .values(state="failed", detail=why, due_at=None, lease_until=None)
        .execution_options(synchronize_session="fetch")
    )


async def switched_off(session: AsyncSession) -> list[WebhookEndpoint]:
    """Those that the desk has given up."""
    found = await session.execute(
        select(WebhookEndpoint).where(WebhookEndpoint.state == "switched_off").order_by(WebhookEndpoint.id)
    )
    return list(found.scalars())


def signing_secrets(endpoint: WebhookEndpoint, now: datetime) -> tuple[Secret, ...]:
    current = Secret(endpoint.secret)
    is_valid = endpoint.previous_secret and endpoint.previous_until is not None and endpoint.previous_until > now
    return (current, Secret(endpoint.previous_secret)) if is_valid else (current,)


def _spread(seconds: float) -> float:
    return seconds * (1 + random.random() * JITTER)  # noqa: S311 - no secret depends on it
