"""Addresses and numbers that a channel has proved: mail that its domain vouches for, an address that the host site has
signed or a mailed link has reached, a number that the messenger has delivered from.

What somebody merely says is never written here, and nothing but this ever makes two customers one person.
"""

from __future__ import annotations

import re
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.models import CustomerIdentity, CustomerProof
from desk.plain_text import clean_line
from desk.ports import ConnectionDetails, Sender

NUMBER_CHANNELS = frozenset({"whatsapp"})
"""Where the other side's id is a telephone number that the provider itself vouches for."""
_NUMBER = re.compile(r"\+?[0-9]{7,15}")


async def prove_email(session: AsyncSession, tenant_id: UUID, customer_id: UUID, address: str, channel: str) -> None:
    folded = clean_line(address).casefold()
    if "@" in folded:
        await _prove(session, tenant_id, customer_id, "email", folded, channel)


async def prove_sender(session: AsyncSession, connection: ConnectionDetails, channel: str, sender: Sender) -> None:
    """What a message that came in says of whoever sent it, where its channel proves it."""
    if sender.verified is True and sender.address:
        owner = await _owner(session, "email", sender.address.casefold())
        if owner is not None:
            await prove_email(session, connection.tenant_id, owner, sender.address, channel)
    if channel in NUMBER_CHANNELS and sender.verified is not False and (number := number_of(sender.external_id)):
        owner = await _owner(session, f"external:{connection.connection_id.hex[:12]}", sender.external_id)
        if owner is not None:
            await _prove(session, connection.tenant_id, owner, "phone", number, channel)


def number_of(text: str) -> str:
    """`+` and digits; empty for what is no telephone number."""
    bare = re.sub(r"[\s().-]", "", text.rpartition(":")[2])
    return f"+{bare.removeprefix('+')}" if _NUMBER.fullmatch(bare) else ""


async def _owner(session: AsyncSession, kind: str, value: str) -> UUID | None:
    found = await session.execute(
        select(CustomerIdentity.customer_id).where(
            CustomerIdentity.kind == kind, CustomerIdentity.value == clean_line(value)
        )
    )
    return found.scalar_one_or_none()


async def _prove(
    session: AsyncSession, tenant_id: UUID, customer_id: UUID, kind: str, value: str, channel: str
) -> None:
    await session.execute(
        insert(CustomerProof)
        .values(id=uuid7(), tenant_id=tenant_id, customer_id=customer_id, kind=kind, value=value, channel=channel[:30])
        .on_conflict_do_nothing(constraint="uq_customer_proofs_value")
    )
