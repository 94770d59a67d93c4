"""Replays of imported tickets: what the desk would have drafted."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from desk.accounts.identity import Actor, Permission
from desk.api.fields import Answer, Asked, Limit, Listed, Offset
from desk.history.account import DraftBesideReply, SentAtRisk
from desk.history.backtests import (
    CONFIDENCE,
    MOST_TICKETS,
    RISK,
    account_of,
    ask_for_backtest,
    get_backtest,
    list_backtests,
    stop_backtest,
)
from desk.installation import Installation
from desk.models import Backtest
from desk.paging import STANDARD_PAGE
from desk.web.permissions import needs


class AskedBacktest(Asked):
    limit: int = MOST_TICKETS
    """Replay so many of the newest imported tickets."""
    risk: float = RISK
    confidence: float = CONFIDENCE


class BacktestAnswer(Answer):
    id: UUID
    state: str
    """waiting, done, failed or stopped."""
    stage: str
    done: int
    total: int
    """How far the stage is."""
    reason: str
    asked_by: str
    created_at: datetime
    finished_at: datetime | None
    result: dict[str, Any] | None
    """The JSON of `desk backtest`."""


class WholeBacktestAnswer(BacktestAnswer):
    sending: list[SentAtRisk]
    best: list[DraftBesideReply]
    worst: list[DraftBesideReply]


class BacktestController(Controller):
    path = "/backtests"
    tags = ("backtests",)

    @post("/", status_code=202, opt=needs(Permission.TUNING))
    async def ask(
        self,
        data: JSONBody[AskedBacktest],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> BacktestAnswer:
        """Draft the newest imported tickets anew, each from what was known before it came; 409 while one is under way.

        Sends nothing and keeps nothing but the result.
        """
        async with installation.database.transaction(actor.scope) as session:
            row = await ask_for_backtest(
                session, actor.label, most_tickets=data.limit, risk=data.risk, confidence=data.confidence
            )
        return BacktestAnswer(**_fields(row))

    @get("/", opt=needs(Permission.SIGNED_IN))
    async def list(
        self,
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
        limit: Limit = STANDARD_PAGE,
        offset: Offset = 0,
    ) -> Listed[BacktestAnswer]:
        """Newest first."""
        async with installation.database.transaction(actor.scope) as session:
            page = await list_backtests(session, limit=limit, offset=offset)
        return Listed([BacktestAnswer(**_fields(row)) for row in page.items], page.total, page.limit, page.offset)

    @get("/{backtest_id:uuid}", opt=needs(Permission.SIGNED_IN))
    async def show(
        self,
        backtest_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> WholeBacktestAnswer:
        """With the drafts that were closest to what was really sent, and those that were furthest from it."""
        async with installation.database.transaction(actor.scope) as session:
            row = await get_backtest(session, backtest_id)
        account = account_of(row)
        return WholeBacktestAnswer(
            **_fields(row),
            sending=[] if account is None else [*account.sending],
            best=[] if account is None else [*account.best],
            worst=[] if account is None else [*account.worst],
        )

    @post("/{backtest_id:uuid}/stop", status_code=200, opt=needs(Permission.TUNING))
    async def stop(
        self,
        backtest_id: FromPath[UUID],
        actor: NamedDependency[Actor],
        installation: NamedDependency[Installation],
    ) -> BacktestAnswer:
        """Nothing of it is kept; 409 when it has ended already."""
        async with installation.database.transaction(actor.scope) as session:
            return BacktestAnswer(**_fields(await stop_backtest(session, backtest_id)))


def _fields(row: Backtest) -> dict[str, Any]:
    return {
        "id": row.id,
        "state": row.state,
        "stage": row.stage,
        "done": row.done,
        "total": row.total,
        "reason": row.reason,
        "asked_by": row.asked_by,
        "created_at": row.created_at,
        "finished_at": row.finished_at,
        "result": None if row.account is None else row.account["figures"],
    }
