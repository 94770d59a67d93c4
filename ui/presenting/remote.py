"""The other system that keeps a ticket, and what connected systems know of its customer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from desk.customer_facts import FactSheet
from desk.models import RemoteChange
from desk.ports import FactSection
from desk.tickets import TicketView
from ui.presenting.words import PRIORITIES, STATUSES

_FIELDS = {"status": "Status", "priority": "Priority", "department": "Department", "note": "Note"}


@dataclass(frozen=True, slots=True)
class ShownChange:
    words: str
    detail: str
    again_address: str


@dataclass(frozen=True, slots=True)
class ShownRemote:
    system: str
    number: str
    address: str
    """Empty when it cannot be opened."""
    gone: str
    changes: Sequence[ShownChange]


@dataclass(frozen=True, slots=True)
class ShownSheet:
    source: str
    sections: Sequence[FactSection]
    fetched_at: datetime | None
    problem: str
    is_being_fetched: bool


def shown_remote(view: TicketView) -> ShownRemote | None:
    link = view.remote
    if link is None:
        return None
    return ShownRemote(
        system=view.remote_name,
        number=link.number or link.external_id,
        address=link.url,
        gone=link.gone,
        changes=[_shown_change(view.ticket.id, each) for each in view.open_changes],
    )


def shown_sheets(sheets: Sequence[FactSheet]) -> list[ShownSheet]:
    """Those with something to see: facts, a reason why there are none, or a fetch under way."""
    return [
        ShownSheet(each.source, each.sections, each.fetched_at, each.problem, each.is_being_fetched)
        for each in sheets
        if each.sections or each.problem or each.is_being_fetched
    ]


def _shown_change(ticket_id: UUID, change: RemoteChange) -> ShownChange:
    value = {"status": STATUSES, "priority": PRIORITIES}.get(change.field, {}).get(change.value, change.value)
    what = _FIELDS[change.field] if change.field == "note" else f"{_FIELDS[change.field]} {value}"
    known = "may have been handed over" if change.state == "uncertain" else "not handed over"
    return ShownChange(
        words=f"{what}: {known}",
        detail=change.detail,
        again_address=f"/tickets/{ticket_id}/handed-over/{change.id}/again",
    )
