"""FAQs as their pages show them: lines, the form, an import's outcome, suggestions, and a question that was tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from desk.faq_files import ImportReport
from desk.faq_suggestions import FaqSuggestion
from desk.faq_trials import FaqTrial
from desk.faqs import FaqView
from desk.plain_text import excerpt
from desk.policy.decide import REASON_TEXTS
from ui.presenting.learned import Link
from ui.presenting.sending import ShownPolicy
from ui.presenting.words import Chip, Choices, channel_words, counted

STATES: Choices = (("published", "Published"), ("draft", "Draft"), ("retired", "Retired"))
_CHIPS = {
    "published": Chip("Published", "good", title="Answers questions"),
    "draft": Chip("Draft", "fair", title="Not used until it is published"),
    "retired": Chip("Retired", "line", title="Kept, but not used"),
}
_OUTCOMES = {
    "created": Chip("New", "good"),
    "changed": Chip("Changed", "fair"),
    "unchanged": Chip("As before", "line"),
}
_MATCHES = {
    "exact": "Asked in the very words.",
    "misspelt": "Asked in the very words but for slips of the pen.",
    "same_words": "Asked with the same words.",
    "reworded": "Asked in other words that mean the same.",
    "near_wording": "Close in its words, but not surely the same question.",
    "ambiguous": "Another FAQ is nearly as close.",
}
_SENT = Chip("Sent by itself", "good")
_WAITS = Chip("Waits for a person", "fair")
_MOST_LINES = 200
_MOST_TICKETS = 5


@dataclass(frozen=True, slots=True)
class ShownFaq:
    id: UUID
    question: str
    answer: str
    start: str
    category: str
    language: str
    phrasings: str
    """One a line."""
    phrasing_words: str
    state: str
    chip: Chip
    usage: str
    version: int
    created_by: str
    changed_by: str
    moment: datetime


@dataclass(frozen=True, slots=True)
class ShownLine:
    line: int
    chip: Chip
    words: str


@dataclass(frozen=True, slots=True)
class ShownImport:
    headline: str
    tone: str
    refused: Sequence[ShownLine]
    taken: Sequence[ShownLine]
    further: str
    """How many lines more there were than are listed."""


@dataclass(frozen=True, slots=True)
class ShownSuggestion:
    question: str
    answer: str
    phrasings: str
    headline: str
    tickets: Sequence[Link]
    moment: datetime


@dataclass(frozen=True, slots=True)
class ShownOutcome:
    channel: str
    chip: Chip
    reasons: Sequence[str]


@dataclass(frozen=True, slots=True)
class ShownFaqTrial:
    question: str
    faq: Link | None
    answer: str
    chip: Chip | None
    how: str
    outcomes: Sequence[ShownOutcome]
    nearest: Sequence[tuple[Link, str]]


def shown_faq(view: FaqView) -> ShownFaq:
    faq = view.faq
    return ShownFaq(
        id=faq.id,
        question=faq.question,
        answer=faq.answer,
        start=excerpt(faq.answer, 160),
        category=faq.category,
        language=faq.language,
        phrasings="\n".join(view.phrasings),
        phrasing_words=counted(len(view.phrasings), "further wording", "further wordings") if view.phrasings else "",
        state=faq.state,
        chip=_CHIPS[faq.state],
        usage=_usage(view),
        version=faq.version,
        created_by=faq.created_by,
        changed_by=faq.changed_by,
        moment=faq.updated_at,
    )


def _usage(view: FaqView) -> str:
    if not view.asked:
        return ""
    return f"{counted(view.asked, 'draft', 'drafts')}, {view.sent:,} sent"


def shown_import(report: ImportReport) -> ShownImport:
    parts = [
        f"{number:,} {words}"
        for number, words in (
            (report.created, "new"),
            (report.changed, "changed"),
            (report.unchanged, "as before"),
            (len(report.refused), "not taken"),
        )
        if number
    ]
    refused = [ShownLine(one.line, Chip("Not taken", "bad"), one.reason) for one in report.refused]
    taken = [ShownLine(one.line, _OUTCOMES[one.outcome], one.question) for one in report.taken]
    unlisted = len(refused[_MOST_LINES:]) + len(taken[_MOST_LINES:])
    return ShownImport(
        headline=f"{', '.join(parts)}." if parts else "The file has no line below its header.",
        tone="fair" if refused or not parts else "good",
        refused=refused[:_MOST_LINES],
        taken=taken[:_MOST_LINES],
        further=f"{counted(unlisted, 'line', 'lines')} more" if unlisted else "",
    )


def shown_suggestion(one: FaqSuggestion, numbers: Mapping[UUID, int]) -> ShownSuggestion:
    known = [ticket_id for ticket_id in one.ticket_ids if ticket_id in numbers]
    return ShownSuggestion(
        question=one.question,
        answer=one.answer,
        phrasings="\n".join(one.phrasings),
        headline=f"Answered {counted(one.times, 'time', 'times')}",
        tickets=[Link(f"#{numbers[each]}", f"/tickets/{each}?view=all") for each in known[:_MOST_TICKETS]],
        moment=one.last_at,
    )


def shown_faq_trial(trial: FaqTrial) -> ShownFaqTrial:
    nearest = [(Link(row.question, f"/faqs/{row.id}"), f"{100 * score:.0f} %") for row, score in trial.nearest]
    match = trial.match
    if match is None:
        return ShownFaqTrial(trial.question, None, "", None, "", (), nearest)
    number = f"{100 * match.probability:.0f} %"
    chip = Chip("Sure", "good", number) if match.certain else Chip("Likely", "fair", number)
    return ShownFaqTrial(
        question=trial.question,
        faq=Link(match.hit.title, f"/faqs/{match.hit.item_id}"),
        answer=match.hit.text,
        chip=chip,
        how=_MATCHES.get(match.how, ""),
        outcomes=[
            ShownOutcome(
                channel=channel_words(channel),
                chip=Chip("Sent by itself", "good")
                if decided.decision == "send"
                else Chip("Waits for a person", "fair"),
                reasons=[REASON_TEXTS.get(reason, reason) for reason in decided.reasons],
            )
            for channel, decided in trial.decisions
        ],
        nearest=nearest,
    )


def answering_channels(policies: Sequence[ShownPolicy]) -> list[tuple[str, str, bool]]:
    """Channel, its title, and whether sure FAQ answers go out on it by themselves."""
    return [(each.channel, each.title, each.faq_send) for each in policies]
