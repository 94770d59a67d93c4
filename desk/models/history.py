"""Histories of other desks that were uploaded, and what replays of them have found."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from advanced_alchemy.types import DateTimeUTC
from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import String, Text

from desk.models.base import TenantRow, Work, due_index, one_of

MOST_REFUSED_KEPT = 200


class HistoryImport(TenantRow, Work):
    """An uploaded ticket history, durable before it is acknowledged, taken in afterwards."""

    __tablename__ = "history_imports"
    constraints = (
        UniqueConstraint("tenant_id", "storage_key", name="uq_history_imports_storage_key"),
        one_of("state", "waiting", "done", "failed"),
        due_index("history_imports"),
    )

    file_name: Mapped[str] = mapped_column(Text)
    storage_key: Mapped[str] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    """Bytes of the file."""
    sha256: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(10), default="waiting")
    reason: Mapped[str] = mapped_column(Text, default="")
    """Why nothing more of it could be taken in."""
    asked_by: Mapped[str] = mapped_column(Text)
    total: Mapped[int] = mapped_column(default=0)
    """Tickets in the file that can be used; 0 until it has been read."""
    done: Mapped[int] = mapped_column(default=0)
    """How many of them have been dealt with, in the order of the file."""
    tickets: Mapped[int] = mapped_column(default=0)
    known: Mapped[int] = mapped_column(default=0)
    """Tickets that were there already."""
    messages: Mapped[int] = mapped_column(default=0)
    examples: Mapped[int] = mapped_column(default=0)
    refused: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    """The first of the lines that could not be used: `line` and `reason`."""
    refused_lines: Mapped[int] = mapped_column(default=0)
    """How many there are in all."""
    then_backtest: Mapped[bool] = mapped_column(default=False)
    """Whether a replay was asked for together with it."""
    finished_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)


class Backtest(TenantRow, Work):
    """A replay of the tenant's imported tickets. Nothing of it is kept but what it found."""

    __tablename__ = "backtests"
    constraints = (
        one_of("state", "waiting", "done", "failed", "stopped"),
        Index("uq_backtests_waiting", "tenant_id", unique=True, postgresql_where=text("state = 'waiting'")),
        due_index("backtests"),
    )

    state: Mapped[str] = mapped_column(String(10), default="waiting")
    stage: Mapped[str] = mapped_column(String(40), default="")
    """What is being done while it waits; empty before it was begun and at its end."""
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    """Of the stage."""
    reason: Mapped[str] = mapped_column(Text, default="")
    asked_by: Mapped[str] = mapped_column(Text)
    most_tickets: Mapped[int]
    risk: Mapped[float]
    confidence: Mapped[float]
    account: Mapped[dict[str, Any] | None] = mapped_column(JSONB, default=None)
    """A `desk.history.account.BacktestAccount`."""
    finished_at: Mapped[datetime | None] = mapped_column(DateTimeUTC(timezone=True), default=None)


__all__ = ["Backtest", "HistoryImport"]
