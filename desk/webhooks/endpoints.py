"""A tenant's webhooks: added, changed, given new secrets, removed."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.tenants import new_signing_secret
from desk.db.leases import database_time
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.models import WebhookEndpoint
from desk.paging import Page, read_page
from desk.plain_text import clean_line
from desk.ports import WebhookPoster
from desk.webhooks.payloads import EVENTS
from desk.webhooks.sending import give_up_waiting

MOST_ENDPOINTS = 100
LONGEST_URL = 2_000
LONGEST_DESCRIPTION = 300
STANDARD_OVERLAP_HOURS = 24
LONGEST_OVERLAP_HOURS = 24 * 7


class NewWebhook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    events: list[str]
    """Names of events."""
    description: str = ""
    active: bool = True


class WebhookChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Only what is given is changed. `active: true` also ends what the desk has switched off."""

    url: str | UnsetType = UNSET
    events: list[str] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    active: bool | UnsetType = UNSET


async def list_webhooks(
    session: AsyncSession, *, limit: int, offset: int, kind: str | None = None
) -> Page[WebhookEndpoint]:
    """In the order they were added."""
    wanted = select(WebhookEndpoint).order_by(WebhookEndpoint.id)
    if kind is not None:
        wanted = wanted.where(WebhookEndpoint.kind == kind)
    rows, total = await read_page(session, wanted, limit=limit, offset=offset)
    return Page([row[0] for row in rows], total, limit, offset)


async def get_webhook(session: AsyncSession, webhook_id: UUID, *, to_change: bool = False) -> WebhookEndpoint:
    """Raises NotFoundError."""
    found = await session.get(WebhookEndpoint, webhook_id, with_for_update=to_change, populate_existing=to_change)
    if found is None:
        msg = "there is no such webhook"
        raise NotFoundError(msg)
    return found


async def add_webhook(
    session: AsyncSession, poster: WebhookPoster, new: NewWebhook, *, kind: str = "webhook"
) -> tuple[WebhookEndpoint, str]:
    """The webhook and its signing secret, which is shown this once.

    Raises InvalidInputError, RefusedAddressError, ConflictError when there are too many.
    """
    counted = (await session.execute(select(func.count()).select_from(WebhookEndpoint))).scalar_one()
    if counted >= MOST_ENDPOINTS:
        msg = f"there are {MOST_ENDPOINTS} webhooks already; remove one first"
        raise ConflictError(msg)
    secret = new_signing_secret()
    row = WebhookEndpoint(
        id=uuid7(),
        kind=kind,
        url=_checked_url(poster, new.url),
        description=_checked_description(new.description),
        events=_checked_events(new.events),
        secret=secret,
        state="active" if new.active else "paused",
    )
    session.add(row)
    await session.flush()
    return row, secret


async def change_webhook(
    session: AsyncSession, poster: WebhookPoster, webhook_id: UUID, change: WebhookChange
) -> WebhookEndpoint:
    """Raises NotFoundError, InvalidInputError, RefusedAddressError."""
    row = await get_webhook(session, webhook_id, to_change=True)
    if change.url is not UNSET:
        row.url = _checked_url(poster, change.url)
    if change.events is not UNSET:
        row.events = _checked_events(change.events)
    if change.description is not UNSET:
        row.description = _checked_description(change.description)
    if change.active is True:
        row.state, row.state_reason = "active", ""
        row.failures, row.failing_since, row.resting_until = 0, None, None
    elif change.active is False:
        row.state, row.state_reason = "paused", ""
        await give_up_waiting(session, row.id, "the webhook was paused")
    await session.flush()
    return row


async def rotate_secret(
    session: AsyncSession, webhook_id: UUID, hours: int = STANDARD_OVERLAP_HOURS
) -> tuple[WebhookEndpoint, str]:
    """A new secret, shown this once. The one before signs beside it for so many hours; 0 ends it at once.

    Raises NotFoundError, InvalidInputError.
    """
    if not 0 <= hours <= LONGEST_OVERLAP_HOURS:
        msg = f"hours is from 0 to {LONGEST_OVERLAP_HOURS}"
        raise InvalidInputError(msg)
    row = await get_webhook(session, webhook_id, to_change=True)
    fresh = new_signing_secret()
    row.previous_secret = row.secret if hours else ""
    row.previous_until = await database_time(session) + timedelta(hours=hours) if hours else None
    row.secret = fresh
    await session.flush()
    return row, fresh


async def remove_webhook(session: AsyncSession, webhook_id: UUID) -> None:
    """Its log goes with it. Raises NotFoundError."""
    await session.delete(await get_webhook(session, webhook_id, to_change=True))
    await session.flush()


def check_event(name: str) -> str:
    """Raises InvalidInputError."""
    if name not in EVENTS:
        msg = f"there is no event '{clean_line(name)[:60]}'; there are {', '.join(EVENTS)}"
        raise InvalidInputError(msg)
    return name


def _checked_events(names: list[str]) -> list[str]:
    if not names:
        msg = "choose at least one event"
        raise InvalidInputError(msg)
    return [name for name in EVENTS if name in {check_event(each) for each in names}]


def _checked_url(poster: WebhookPoster, url: str) -> str:
    cleaned = url.strip()
    if not 1 <= len(cleaned) <= LONGEST_URL:
        msg = f"url has 1 to {LONGEST_URL:,} characters"
        raise InvalidInputError(msg)
    poster.check_url(cleaned)
    return cleaned


def _checked_description(text: str) -> str:
    cleaned = clean_line(text)
    if len(cleaned) > LONGEST_DESCRIPTION:
        msg = f"description has at most {LONGEST_DESCRIPTION} characters"
        raise InvalidInputError(msg)
    return cleaned
