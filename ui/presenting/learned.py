"""What was learned, with where it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from desk.models import Correction, Example
from desk.plain_text import excerpt
from ui.presenting.learning import change_words
from ui.presenting.words import CHANGES, Chip, Choices

STATES: Choices = (("active", "In use"), ("set_aside", "Set aside"), ("retired", "Retired"))
_CHIPS = {
    "active": Chip("In use", "good"),
    "set_aside": Chip("Set aside", "fair", title="Not used until somebody has looked"),
    "retired": Chip("Retired", "line"),
}
_ORIGINS = {
    "approved": "Draft approved",
    "authored": "Written by an agent",
    "imported": "Imported from ticket history",
}


@dataclass(frozen=True, slots=True)
class Link:
    words: str
    address: str


@dataclass(frozen=True, slots=True)
class Origins:
    """Looked up for all items of a page at once."""

    tickets: Mapping[UUID, int]
    """Numbers by id."""
    documents: Mapping[UUID, str]
    """Titles by id."""


@dataclass(frozen=True, slots=True)
class LearnedItem:
    id: UUID
    address: str
    title: str
    """The first line of what the customer asked."""
    question: str
    """The rest of it."""
    chip: Chip
    state_reason: str
    origin: str
    author: str
    moment: datetime
    ticket: Link | None
    documents: Sequence[Link]
    answer: str = ""
    is_aside: bool = False
    """Out of search; somebody may say that it still holds."""
    times: int = 1
    avoid: str = ""
    instead: str = ""
    notes: str = ""
    model_note: str = ""
    model_note_by: str = ""
    changes: Sequence[tuple[str, str]] = field(default_factory=tuple[tuple[str, str], ...])
    """Kind and words of each change."""


def shown_example(row: Example, origins: Origins) -> LearnedItem:
    return LearnedItem(
        id=row.id,
        address=f"/examples/{row.id}",
        title=_title(row.question),
        question=_rest(row.question),
        chip=_CHIPS[row.state],
        state_reason=row.state_reason,
        origin=_ORIGINS[row.origin],
        author=row.author,
        moment=row.answered_at,
        ticket=_ticket(row.ticket_id, origins),
        documents=_documents(row.document_ids, origins),
        answer=row.answer,
        is_aside=row.state != "active",
        times=row.times,
    )


def shown_correction(row: Correction, origins: Origins) -> LearnedItem:
    changes = tuple(
        (CHANGES.get(each["kind"], str(each["kind"]).replace("_", " ")), change_words(each["before"], each["after"]))
        for each in row.changes
    )
    return LearnedItem(
        id=row.id,
        address=f"/corrections/{row.id}",
        title=_title(row.question),
        question=_rest(row.question),
        chip=_CHIPS[row.state],
        state_reason=row.state_reason,
        origin="Draft rejected or corrected",
        author=row.author,
        moment=row.created_at,
        ticket=_ticket(row.ticket_id, origins),
        documents=_documents(row.document_ids, origins),
        is_aside=row.state != "active",
        avoid=row.avoid,
        instead=row.instead,
        notes=row.notes,
        model_note=row.model_note,
        model_note_by=row.model_note_by,
        changes=changes,
    )


def _title(question: str) -> str:
    return excerpt(question.strip().partition("\n")[0], 160) or "No question"


def _rest(question: str) -> str:
    return question.strip().partition("\n")[2].strip()


def _ticket(ticket_id: UUID | None, origins: Origins) -> Link | None:
    number = origins.tickets.get(ticket_id) if ticket_id else None
    return None if number is None else Link(f"#{number}", f"/tickets/{ticket_id}?view=all")


def _documents(ids: Sequence[UUID], origins: Origins) -> list[Link]:
    return [Link(title, f"/knowledge/{each}") for each in ids if (title := origins.documents.get(each)) is not None]
