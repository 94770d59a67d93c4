"""The views, the lines of the list, and the links of a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from desk.paging import Page
from desk.tickets import TicketFilter, TicketLine
from ui.presenting.words import Chip, Choices, channel_words, counted, level_chip, quality_chip, signal_chips


@dataclass(frozen=True, slots=True)
class View:
    name: str
    title: str
    icon: str
    empty_title: str
    empty_words: str
    is_trouble: bool = False


VIEWS = (
    View("needs_reply", "Needs reply", "inbox", "All caught up", "Nobody is waiting for an answer."),
    View("mine", "Mine", "person", "Nothing is yours", "Tickets assigned to you show here."),
    View("unassigned", "Unassigned", "empty-seat", "Everything has somebody", "No open ticket is without a person."),
    View("escalated", "Escalated", "raised", "Nothing is escalated", "Tickets handed to a person show here."),
    View("pending", "Waiting", "clock", "Nobody to wait for", "Tickets that wait for their customer show here."),
    View(
        "failed_or_uncertain",
        "Delivery problems",
        "problem",
        "No delivery problems",
        "Replies that failed, or that may have been sent, show here.",
        is_trouble=True,
    ),
    View("resolved", "Resolved", "done", "Nothing is resolved yet", "Finished tickets show here."),
    View("all", "All", "all", "No tickets", "Every ticket shows here."),
)
VIEW_NAMES = {view.name: view for view in VIEWS}
UNCOUNTED = frozenset({"resolved", "all"})
SORTS: Choices = (
    ("-last_message_at", "Newest message first"),
    ("last_message_at", "Oldest message first"),
    ("waiting_since", "Longest waiting first"),
    ("-priority", "Most urgent first"),
    ("-number", "Newest ticket first"),
    ("quality", "Worst conversation first"),
    ("-quality", "Best conversation first"),
)
_DELIVERY_CHIPS = {
    "uncertain": Chip("May have been sent", "bad"),
    "failed": Chip("Not sent", "bad"),
    "pending": Chip("Sending", "fair"),
    "sending": Chip("Sending", "fair"),
}


@dataclass(frozen=True, slots=True)
class ViewLink:
    name: str
    title: str
    icon: str
    count: int
    alert: bool


@dataclass(frozen=True, slots=True)
class Line:
    id: UUID
    address: str
    number: str
    customer: str
    subject: str
    snippet: str
    channel: str
    moment: datetime
    waits: bool
    assignee: str | None
    is_mine: bool
    chips: tuple[Chip, ...]


@dataclass(frozen=True, slots=True)
class PageLinks:
    total: int
    limit: int
    first: int
    last: int
    before: str | None
    after: str | None


def view_links(counts: Mapping[str, int]) -> list[ViewLink]:
    return [
        ViewLink(
            view.name,
            view.title,
            view.icon,
            0 if view.name in UNCOUNTED else counts[view.name],
            view.is_trouble and counts[view.name] > 0,
        )
        for view in VIEWS
    ]


def line_of(line: TicketLine, query: str, user_id: UUID | None) -> Line:
    ticket = line.ticket
    return Line(
        id=ticket.id,
        address=f"/tickets/{ticket.id}?{query}",
        number=f"#{ticket.number}",
        customer=line.customer_name or line.customer_email or "Unknown customer",
        subject=ticket.subject or line.snippet[:80] or "No subject",
        snippet=line.snippet if line.snippet_author == "customer" else f"Reply: {line.snippet}" if line.snippet else "",
        channel=channel_words(ticket.channel),
        moment=ticket.last_message_at,
        waits=ticket.waiting_since is not None and ticket.status == "open",
        assignee=line.assignee_name,
        is_mine=ticket.assignee_id is not None and ticket.assignee_id == user_id,
        chips=_chips(line),
    )


def _chips(line: TicketLine) -> tuple[Chip, ...]:
    ticket = line.ticket
    chips: list[Chip] = []
    if ticket.escalated_at is not None:
        chips.append(Chip("Escalated", "bad", title=ticket.escalation_reason or ""))
    if ticket.priority in {"high", "urgent"} and ticket.escalated_at is None:
        chips.append(Chip(ticket.priority.capitalize(), "weak", title="Priority"))
    if ticket.waiting_since is not None:
        chips += [chip for chip in signal_chips(ticket.signals) if chip.words == "Upset"]
    if line.delivery_state in _DELIVERY_CHIPS:
        chips.append(_DELIVERY_CHIPS[line.delivery_state])
    elif line.draft_state == "writing":
        chips.append(Chip("Writing", title="A draft is being written"))
    elif line.draft_state == "failed" and ticket.waiting_since is not None:
        chips.append(Chip("No draft", "line"))
    elif (level := level_chip(ticket.level, line.draft_score)) is not None:
        chips.append(level)
    if ticket.status in {"resolved", "closed"} and ticket.quality is not None:
        chips.append(quality_chip(ticket.quality))
    chips += [Chip(tag, "line") for tag in ticket.tags[:2]]
    return tuple(chips)


def query_of(wanted: TicketFilter, **changed: Any) -> str:
    """The filter as a query string, defaults left out."""
    values: dict[str, Any] = {
        "view": wanted.view,
        "status": wanted.status,
        "assignee": wanted.assignee,
        "channel": wanted.channel,
        "tag": wanted.tag,
        "level": wanted.level,
        "quality": wanted.quality,
        "q": wanted.q,
        "sort": None if wanted.sort == TicketFilter().sort else wanted.sort,
        "offset": wanted.offset or None,
        **changed,
    }
    return urlencode({name: value for name, value in values.items() if value not in (None, "")})


def page_links(page: Page[Any], address: str, query: str) -> PageLinks:
    """`query` is everything but the offset."""

    def at(offset: int) -> str:
        return f"{address}?{query}&offset={offset}" if query else f"{address}?offset={offset}"

    last = min(page.total, page.offset + page.limit)
    return PageLinks(
        total=page.total,
        limit=page.limit,
        first=min(page.total, page.offset + 1),
        last=last,
        before=at(max(0, page.offset - page.limit)) if page.offset else None,
        after=at(page.offset + page.limit) if last < page.total else None,
    )


def total_words(total: int) -> str:
    return counted(total, "ticket", "tickets")
