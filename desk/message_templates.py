"""Templates of messengers: fetched from the other side, filled in by agents, sent when free text may not be."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk import events
from desk.accounts.identity import Actor
from desk.connections import get_connection
from desk.conversation import lock_ticket
from desk.db.unit_of_work import Database, announce
from desk.drafting.requests import retire_current
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.inbound.receiving import details_of
from desk.models import Delivery, MessageTemplate, Ticket
from desk.plain_text import clean_line, clean_text
from desk.ports import ApprovedTemplate, Channel, TemplateChannel
from desk.review import queue_delivery

MOST_SHOWN = 200
_VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")


async def fetch_templates(
    database: Database, actor: Actor, channels: Mapping[str, Channel], connection_id: UUID
) -> int:
    """How many there are over there now; what is kept follows it. Raises NotFoundError, InvalidInputError,
    ChannelError."""
    async with database.transaction(actor.scope) as session:
        connection = await get_connection(session, connection_id)
        channel, details = channels.get(connection.channel), details_of(connection)
    if not isinstance(channel, TemplateChannel):
        msg = "connections of this kind have no templates"
        raise InvalidInputError(msg)
    found = await channel.templates(details)
    rows = {each.key: _row(actor.tenant_id, connection_id, each) for each in found if each.key}
    async with database.transaction(actor.scope) as session:
        await session.execute(
            delete(MessageTemplate).where(
                MessageTemplate.connection_id == connection_id, MessageTemplate.key.not_in(list(rows))
            )
        )
        for row in rows.values():
            added = insert(MessageTemplate).values(id=uuid7(), **row)
            await session.execute(
                added.on_conflict_do_update(constraint="uq_message_templates_key", set_={**row, "key": row["key"]})
            )
    return len(rows)


def _row(tenant_id: UUID, connection_id: UUID, template: ApprovedTemplate) -> dict[str, object]:
    return {
        "tenant_id": tenant_id,
        "connection_id": connection_id,
        "key": clean_line(template.key),
        "name": clean_line(template.name),
        "language": clean_line(template.language),
        "category": clean_line(template.category),
        "status": clean_line(template.status),
        "body": clean_text(template.body),
        "variables": [{"name": each.name, "example": clean_line(each.example)} for each in template.variables],
        "hindrance": template.hindrance,
    }


async def kept_templates(
    session: AsyncSession, connection_id: UUID, *, only_usable: bool = False
) -> Sequence[MessageTemplate]:
    asked = select(MessageTemplate).where(MessageTemplate.connection_id == connection_id)
    if only_usable:
        asked = asked.where(MessageTemplate.status == "approved", MessageTemplate.hindrance == "")
    found = await session.execute(asked.order_by(MessageTemplate.name, MessageTemplate.language).limit(MOST_SHOWN))
    return found.scalars().all()


async def send_template(
    database: Database,
    actor: Actor,
    ticket_id: UUID,
    template_id: UUID,
    values: Mapping[str, str],
    *,
    undo_seconds: float,
) -> Delivery:
    """Through the outbox like any reply; nothing is learned from it, for its words are the template's.

    Raises NotFoundError, InvalidInputError for a value that is missing, ConflictError.
    """
    async with database.transaction(actor.scope) as session:
        ticket = await lock_ticket(session, ticket_id)
        template = await _usable(session, ticket, template_id)
        given = {str(each["name"]): clean_line(values.get(str(each["name"]), "")) for each in template.variables}
        if missing := [name for name, value in given.items() if not value]:
            msg = f"fill in {', '.join(missing)}"
            raise InvalidInputError(msg)
        chosen = {"key": template.key, "name": template.name, "language": template.language, "variables": given}
        await retire_current(session, ticket)
        delivery = await queue_delivery(
            session,
            ticket,
            filled(template.body, given),
            draft=None,
            actor=actor,
            undo_seconds=undo_seconds,
            resolve=False,
            template=chosen,
        )
        events.record(session, ticket.id, "template_sent", actor.label, detail=template.name)
        await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
    return delivery


async def _usable(session: AsyncSession, ticket: Ticket, template_id: UUID) -> MessageTemplate:
    template = await session.get(MessageTemplate, template_id)
    if template is None or template.connection_id != ticket.connection_id:
        msg = "there is no such template for this conversation"
        raise NotFoundError(msg)
    if template.status != "approved" or template.hindrance:
        msg = f"this template cannot be sent: {template.hindrance or f'its status is {template.status}'}"
        raise ConflictError(msg)
    return template


def filled(body: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: values.get(found.group(1), found.group(0)), body)
