"""A tenant's channels as they are configured. Secrets are shown once, when they are made, and never again."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.tenants import new_signing_secret
from desk.egress import EgressRules
from desk.errors import InvalidInputError, NotFoundError
from desk.inbound.watches import follow_switch
from desk.models import Connection
from desk.paging import Page, read_page
from desk.plain_text import clean_line
from desk.widget.configuration import WidgetConfiguration, write_configuration

LONGEST_NAME = 200
LONGEST_URL = 2_000
LONGEST_ANSWER_SECONDS = 60.0
_KEPT = select(Connection).where(Connection.removed_at.is_(None))


class ConnectionChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Only what is given is changed; an empty address switches it off."""

    name: str | UnsetType = UNSET
    callback_url: str | UnsetType = UNSET
    """Where approved replies are posted to."""
    status_url: str | UnsetType = UNSET
    """Where the desk asks whether an uncertain reply arrived."""
    widget: WidgetConfiguration | UnsetType = UNSET
    """Everything about a web widget; what is left out goes back to its default."""
    answer_seconds: float | UnsetType = UNSET
    """How long a question to the chat waits for its answer."""
    active: bool | UnsetType = UNSET


async def list_connections(session: AsyncSession, *, limit: int, offset: int) -> Page[Connection]:
    rows, total = await read_page(session, _KEPT.order_by(Connection.id), limit=limit, offset=offset)
    return Page([row[0] for row in rows], total, limit, offset)


async def get_connection(session: AsyncSession, connection_id: UUID) -> Connection:
    """Raises NotFoundError."""
    found = (await session.execute(_KEPT.where(Connection.id == connection_id))).scalar_one_or_none()
    if found is None:
        msg = "there is no such connection"
        raise NotFoundError(msg)
    return found


async def change_connection(
    session: AsyncSession, connection_id: UUID, change: ConnectionChange, rules: EgressRules
) -> Connection:
    """Raises NotFoundError, InvalidInputError, RefusedAddressError."""
    connection = await get_connection(session, connection_id)
    configuration: dict[str, Any] = dict(connection.configuration)
    if change.name is not UNSET:
        name = clean_line(change.name)
        if not 1 <= len(name) <= LONGEST_NAME:
            msg = f"name must have 1 to {LONGEST_NAME} characters"
            raise InvalidInputError(msg)
        connection.name = name
    if change.widget is not UNSET:
        _require_channel(connection, "widget")
        configuration = write_configuration(change.widget)
    if change.answer_seconds is not UNSET:
        _require_channel(connection, "chat")
        configuration["answer_seconds"] = _checked_seconds(change.answer_seconds)
    for field, url in (("callback_url", change.callback_url), ("status_url", change.status_url)):
        if url is not UNSET and (url.strip() or connection.channel == "rest"):
            _require_channel(connection, "rest")
            configuration[field] = _checked_url(field, url, rules)
    if change.active is not UNSET:
        connection.is_active = change.active
    connection.configuration = configuration
    await session.flush()
    if change.active is not UNSET:
        await follow_switch(session, connection)
    return connection


async def renew_signing_secret(session: AsyncSession, connection_id: UUID) -> tuple[Connection, str]:
    """A new secret, shown this once. The one before keeps signing beside it until the next renewal."""
    connection = await get_connection(session, connection_id)
    secrets: dict[str, str] = json.loads(connection.secrets)
    fresh = new_signing_secret()
    kept = {"previous_signing_secret": secrets["signing_secret"]} if secrets.get("signing_secret") else {}
    connection.secrets = json.dumps({**secrets, **kept, "signing_secret": fresh})
    await session.flush()
    return connection, fresh


def _require_channel(connection: Connection, channel: str) -> None:
    if connection.channel != channel:
        msg = f"this is a connection of the channel '{connection.channel}'; the setting is one of '{channel}'"
        raise InvalidInputError(msg)


def _checked_seconds(seconds: float) -> float:
    if not 0 <= seconds <= LONGEST_ANSWER_SECONDS:
        msg = f"answer_seconds must be from 0 to {LONGEST_ANSWER_SECONDS:g}"
        raise InvalidInputError(msg)
    return seconds


def _checked_url(field: str, url: str, rules: EgressRules) -> str:
    cleaned = url.strip()
    if len(cleaned) > LONGEST_URL:
        msg = f"{field} is too long"
        raise InvalidInputError(msg)
    if cleaned:
        rules.check_url(cleaned)
    return cleaned
