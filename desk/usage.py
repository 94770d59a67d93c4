"""What a tenant used: tickets, drafts, replies, model calls and their price, by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Date, cast, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.leases import database_time
from desk.errors import InvalidInputError
from desk.models import Delivery, Draft, Message, ModelCall, Ticket

LONGEST_DAYS = 366


@dataclass(slots=True)
class Used:
    tickets: int = 0
    messages: int = 0
    """From customers."""
    drafts: int = 0
    replies: int = 0
    """Sent, by people or by machine."""
    model_calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class ModelUse:
    provider: str
    model: str
    calls: int
    failed: int
    tokens_in: int
    tokens_out: int
    usd: Decimal


@dataclass(frozen=True, slots=True)
class Usage:
    first_day: date
    last_day: date
    total: Used
    by_day: dict[date, Used] = field(default_factory=dict[date, Used])
    by_model: Sequence[ModelUse] = ()


async def read_usage(session: AsyncSession, days: int) -> Usage:
    """The last `days` days in UTC, today among them. Raises InvalidInputError."""
    if not 1 <= days <= LONGEST_DAYS:
        msg = f"days is 1 to {LONGEST_DAYS}"
        raise InvalidInputError(msg)
    today = (await database_time(session)).date()
    first = today - timedelta(days=days - 1)
    usage = Usage(first, today, Used(), {first + timedelta(days=step): Used() for step in range(days)})
    await _count(session, usage, "tickets", Ticket.created_at, ~Ticket.is_history)
    await _count(session, usage, "messages", Message.created_at, Message.author == "customer")
    await _count(session, usage, "drafts", Draft.created_at, Draft.writer.is_not(None))
    await _count(session, usage, "replies", Delivery.sent_at, Delivery.state == "sent")
    return Usage(first, today, usage.total, usage.by_day, await _models(session, usage))


def _day(column: Any) -> Any:
    return cast(func.timezone("UTC", column), Date)


async def _count(session: AsyncSession, usage: Usage, name: str, column: Any, condition: ColumnElement[bool]) -> None:
    day = _day(column).label("day")
    rows = await session.execute(
        select(day, func.count().label("number")).where(condition, _day(column) >= usage.first_day).group_by(day)
    )
    for row in rows:
        if row.day in usage.by_day:
            setattr(usage.by_day[row.day], name, row.number)
            setattr(usage.total, name, getattr(usage.total, name) + row.number)


async def _models(session: AsyncSession, usage: Usage) -> list[ModelUse]:
    day = _day(ModelCall.created_at).label("day")
    answered = func.count().filter(ModelCall.outcome == "answered")
    rows = await session.execute(
        select(
            day,
            ModelCall.provider,
            ModelCall.model,
            func.count().label("calls"),
            (func.count() - answered).label("failed"),
            func.coalesce(func.sum(ModelCall.tokens_in), 0).label("tokens_in"),
            func.coalesce(func.sum(ModelCall.tokens_out), 0).label("tokens_out"),
            func.coalesce(func.sum(ModelCall.usd), 0).label("usd"),
        )
        .where(ModelCall.outcome != "skipped", day >= usage.first_day)
        .group_by(day, ModelCall.provider, ModelCall.model)
    )
    by_model: dict[tuple[str, str], ModelUse] = {}
    for row in rows:
        for used in (usage.by_day.get(row.day), usage.total):
            if used is not None:
                used.model_calls += row.calls
                used.tokens_in += row.tokens_in
                used.tokens_out += row.tokens_out
                used.usd += row.usd
        known = by_model.get((row.provider, row.model), ModelUse(row.provider, row.model, 0, 0, 0, 0, Decimal(0)))
        by_model[row.provider, row.model] = ModelUse(
            row.provider,
            row.model,
            known.calls + row.calls,
            known.failed + row.failed,
            known.tokens_in + row.tokens_in,
            known.tokens_out + row.tokens_out,
            known.usd + row.usd,
        )
    return sorted(by_model.values(), key=lambda use: (-use.usd, use.provider, use.model))
