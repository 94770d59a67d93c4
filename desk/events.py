"""The history of a ticket: what happened, why, and by whom."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from desk.models import TicketEvent


def record(session: AsyncSession, ticket_id: UUID, kind: str, actor: str = "desk", **detail: Any) -> None:
    session.add(TicketEvent(ticket_id=ticket_id, kind=kind, actor=actor, detail=detail))
