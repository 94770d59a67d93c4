"""What every CRM is asked alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from connectors.crm.channel import CrmChannel
from desk.ports import ConnectionDetails, InboundMessage, OutgoingChange, OutgoingReply, RawMessage, RemoteState
from tests.connectors.contract import CONNECTION, TENANT, reply
from tests.connectors.faulty_server import Mishap


class Faulty(Protocol):
    mishaps: dict[str, list[Mishap | None]]


def connect(channel: CrmChannel, form: dict[str, Any]) -> ConnectionDetails:
    configured = channel.configure(form, None)
    return ConnectionDetails(CONNECTION, TENANT, {**configured.configuration, **configured.secrets})


def read(
    channel: CrmChannel, connection: ConnectionDetails, raws: Sequence[RawMessage]
) -> tuple[list[InboundMessage], RemoteState]:
    *said, state = [channel.parse(each.raw, connection) for each in raws]
    assert isinstance(state, RemoteState)
    assert [each.external_id for each in raws] == list(dict.fromkeys(each.external_id for each in raws))
    return [each for each in said if isinstance(each, InboundMessage)], state


async def answering(
    channel: CrmChannel, connection: ConnectionDetails, ticket_id: str, **changes: Any
) -> OutgoingReply:
    """A reply to the newest message of the customer."""
    said, _ = read(channel, connection, await channel.look(connection, ticket_id))
    newest = [each for each in said if each.author == "customer"][-1]
    return replace(reply(connection.settings, newest.recipient), external_ticket_id=ticket_id, **changes)


def changing(connection: ConnectionDetails, ticket_id: str, field: Any, value: str, **more: Any) -> OutgoingChange:
    return OutgoingChange(
        UUID(int=9),
        TENANT,
        CONNECTION,
        connection.settings,
        ticket_id,
        field,
        value,
        "Ada",
        datetime.now(UTC),
        1,
        **more,
    )
