"""Replies that a channel sends as several messages: each part once, in order, whatever happens in between.

As with deliveries, `sending` is committed before the call. A part found in `sending` was begun by a worker that has
died: it is looked up and never just sent again. What the other side says of a part may come before the call's own
answer, and then counts in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.db.leases import Claim, hold, was_held_up
from desk.db.unit_of_work import Database
from desk.models import Delivery, DeliveryPart
from desk.ports import OutgoingReply, PartedChannel, SendOutcome

HELD_UP = SendOutcome("retry", "the worker was held up before it could send")
RANKS = {"": 0, "accepted": 1, "sent": 2, "delivered": 3, "read": 4}


async def send_parts(
    database: Database, held: Claim, channel: PartedChannel, reply: OutgoingReply, lease_seconds: float
) -> SendOutcome:
    """What became of the whole. Raises LostLeaseError when somebody else has the delivery by now."""
    outgoing = channel.parts(reply)
    first = ""
    for part, (row_id, state, mark) in zip(outgoing, await _rows(database, held, len(outgoing)), strict=True):
        if state == "sent":
            outcome = SendOutcome("sent")
        elif state == "sending":
            outcome = SendOutcome("sent") if mark not in {"", "failed"} else await channel.reconcile(part)
        else:
            begun = monotonic()
            await _set_out(database, held, row_id)
            outcome = HELD_UP if was_held_up(begun, lease_seconds) else await channel.send(part)
        outcome, key = await _record(database, held, row_id, outcome)
        first = first or key
        if outcome.result != "sent":
            where = f"part {part.part + 1} of {len(outgoing)}: " if len(outgoing) > 1 else ""
            return SendOutcome(outcome.result, f"{where}{outcome.detail}", first or None, outcome.retry_after_seconds)
    many = f"in {len(outgoing)} messages" if len(outgoing) > 1 else ""
    return SendOutcome("sent", many, first or None)


async def _rows(database: Database, held: Claim, count: int) -> Sequence[tuple[UUID, str, str]]:
    """Id, state and mark of every part, made now if the delivery has none yet: how it is cut never changes later."""
    async with database.transaction(held.scope) as session:
        await hold(session, Delivery, held)
        rows = await parts_of(session, held.row_id)
        if not rows:
            rows = [DeliveryPart(id=uuid7(), delivery_id=held.row_id, position=at) for at in range(count)]
            session.add_all(rows)
            await session.flush()
        return [(row.id, row.state, row.mark) for row in rows]


async def _set_out(database: Database, held: Claim, row_id: UUID) -> None:
    async with database.transaction(held.scope) as session:
        await hold(session, Delivery, held)
        row = await session.get_one(DeliveryPart, row_id, with_for_update=True)
        row.state, row.mark, row.provider_id = "sending", "", None


async def _record(database: Database, held: Claim, row_id: UUID, outcome: SendOutcome) -> tuple[SendOutcome, str]:
    """What counts for the part, and its key over there."""
    async with database.transaction(held.scope) as session:
        await hold(session, Delivery, held)
        row = await session.get_one(DeliveryPart, row_id, with_for_update=True)
        row.provider_id = outcome.provider_id or row.provider_id
        if row.mark == "failed":
            outcome = SendOutcome("failed", row.detail)
        elif row.mark:
            outcome = SendOutcome("sent")
        row.state = "pending" if outcome.result == "retry" else outcome.result
        if outcome.result == "sent":
            row.mark = row.mark or "accepted"
        else:
            row.detail = outcome.detail
        return outcome, row.provider_id or ""


async def parts_of(session: AsyncSession, delivery_id: UUID) -> list[DeliveryPart]:
    found = await session.execute(
        select(DeliveryPart).where(DeliveryPart.delivery_id == delivery_id).order_by(DeliveryPart.position)
    )
    return list(found.scalars())


async def decide_parts(session: AsyncSession, delivery: Delivery, decision: str) -> bool:
    """A person has decided about parts nobody knew of, or that failed; whether others are still to be sent."""
    rows = await parts_of(session, delivery.id)
    for row in rows:
        if row.state in {"uncertain", "failed"} and decision == "sent":
            row.state = "sent"
        elif row.state in {"uncertain", "failed"}:
            row.state, row.mark, row.detail = "pending", "", ""
    return any(row.state == "pending" for row in rows)


async def marks_of(session: AsyncSession, delivery_ids: Sequence[UUID]) -> dict[UUID, str]:
    """How far each delivery has come over there: as far as its part that is furthest behind."""
    found = await session.execute(
        select(DeliveryPart.delivery_id, DeliveryPart.mark).where(DeliveryPart.delivery_id.in_(delivery_ids))
    )
    marks: dict[UUID, str] = {}
    for delivery_id, mark in found:
        before = marks.get(delivery_id)
        if before is None or mark == "failed" or (before != "failed" and RANKS[mark] < RANKS[before]):
            marks[delivery_id] = mark
    return marks
