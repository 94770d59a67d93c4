"""What the tenant used."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Annotated, Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from desk.accounts.identity import Actor, Permission
from desk.api.fields import Answer
from desk.installation import Installation
from desk.usage import LONGEST_DAYS, Used, read_usage
from desk.web.permissions import needs


class UsedAnswer(Answer):
    tickets: int
    messages: int
    drafts: int
    replies: int
    model_calls: int
    tokens_in: int
    tokens_out: int
    usd: str


class DayAnswer(UsedAnswer):
    day: date


class ModelUseAnswer(Answer):
    provider: str
    model: str
    calls: int
    failed: int
    tokens_in: int
    tokens_out: int
    usd: str


class UsageAnswer(Answer):
    days: int
    first_day: date
    last_day: date
    total: UsedAnswer
    by_day: list[DayAnswer]
    by_model: list[ModelUseAnswer]


@get("/usage", opt=needs(Permission.SIGNED_IN), tags=["usage"])
async def usage(
    actor: NamedDependency[Actor],
    installation: NamedDependency[Installation],
    days: Annotated[int, QueryParameter(ge=1, le=LONGEST_DAYS)] = 30,
) -> UsageAnswer:
    """Days are in UTC; the last one is today."""
    async with installation.database.transaction(actor.scope) as session:
        used = await read_usage(session, days)
    return UsageAnswer(
        days=days,
        first_day=used.first_day,
        last_day=used.last_day,
        total=UsedAnswer(**_fields(used.total)),
        by_day=[DayAnswer(day=day, **_fields(one)) for day, one in sorted(used.by_day.items())],
        by_model=[
            ModelUseAnswer(
                use.provider, use.model, use.calls, use.failed, use.tokens_in, use.tokens_out, f"{use.usd:.6f}"
            )
            for use in used.by_model
        ],
    )


def _fields(used: Used) -> dict[str, Any]:
    return {**asdict(used), "usd": f"{used.usd:.6f}"}
