"""The steps of the setup as their page shows them."""

from __future__ import annotations

from dataclasses import dataclass

from desk.models import Draft, Ticket
from desk.plain_text import excerpt
from desk.setup import STEPS, Setup, StepName
from ui.presenting.words import Chip, counted, level_chip

_TITLES: dict[StepName, str] = {
    "knowledge": "Add what your answers rest on",
    "question": "Ask a question as a customer would",
    "draft": "See the draft",
    "people": "Invite your colleagues",
    "channel": "Connect a channel",
    "model": "Choose a language model (optional)",
}
_NO_DRAFT = "No draft could be written. The ticket says why; mostly there is nothing yet to write one from."


@dataclass(frozen=True, slots=True)
class ShownStep:
    name: StepName
    number: int
    title: str
    chip: Chip
    words: str
    is_done: bool
    is_skipped: bool
    may_skip: bool


@dataclass(frozen=True, slots=True)
class ShownFirstDraft:
    address: str
    subject: str
    is_writing: bool
    chip: Chip | None
    start: str
    problem: str


def shown_steps(setup: Setup, *, has_model: bool) -> list[ShownStep]:
    """`has_model`: the installation itself has one for everybody."""
    return [_step(name, number, setup, has_model) for number, name in enumerate(STEPS, start=1)]


def _step(name: StepName, number: int, setup: Setup, has_model: bool) -> ShownStep:
    is_done = name in setup.done or (name == "model" and has_model)
    is_skipped = not is_done and name in setup.skipped
    chip = Chip("Done", "good") if is_done else Chip("Skipped", "line") if is_skipped else Chip("To do", "fair")
    if name == "knowledge" and setup.waiting:
        chip = Chip("Being read", "fair")
    return ShownStep(
        name=name,
        number=number,
        title=_TITLES[name],
        chip=chip,
        words=_words(name, setup),
        is_done=is_done,
        is_skipped=is_skipped,
        may_skip=not is_done and name not in {"draft", "model"},
    )


def _words(name: StepName, setup: Setup) -> str:
    if name == "knowledge":
        parts = [counted(setup.documents, "document", "documents")] if setup.documents else []
        parts += [counted(setup.faqs, "published FAQ", "published FAQs")] if setup.faqs else []
        parts += [f"{counted(setup.waiting, 'file is', 'files are')} being read"] if setup.waiting else []
        return ", ".join(parts)
    if name == "people" and setup.people > 1:
        return counted(setup.people, "person", "people")
    return ""


def shown_first_draft(ticket: Ticket, draft: Draft | None) -> ShownFirstDraft:
    is_writing = draft is not None and draft.state == "writing"
    confidence = (draft.confidence or {}) if draft is not None else {}
    return ShownFirstDraft(
        address=f"/tickets/{ticket.id}?view=all",
        subject=ticket.subject,
        is_writing=is_writing,
        chip=level_chip(confidence.get("level"), confidence.get("score")),
        start="" if draft is None or is_writing else excerpt(draft.body, 600),
        problem=_NO_DRAFT if draft is not None and draft.state == "failed" else "",
    )
