"""What a comparison of drafts found, in words, and how a live experiment stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from desk.accounts.identity import Actor, Permission
from desk.comparing.candidates import Candidate
from desk.comparing.experiments import ArmFigures, ExperimentView
from desk.comparing.reading import ComparisonView
from desk.models import Comparison, ComparisonCase
from desk.plain_text import excerpt
from ui.presenting.texts import Piece, marked
from ui.presenting.words import CHANGES, Chip, counted

_STATES = {"waiting": Chip("At work", "fair"), "finished": Chip("Done", "good"), "failed": Chip("Failed", "bad")}
_OUTCOMES = {
    "broken": Chip("Broken", "bad"),
    "fixed": Chip("Fixed", "good"),
    "unchanged": Chip("Unchanged", "line"),
    "further": Chip("Further away", "fair"),
    "closer": Chip("Closer", "good"),
    "same": Chip("As close", "line"),
}
_STILL_WRONG = Chip("Wrong before and after", "fair")
_MISTAKES = {**CHANGES, "rejected": "the rejected draft", "rewritten": "the draft that was rewritten"}


@dataclass(frozen=True, slots=True)
class ComparisonLine:
    address: str
    title: str
    kind: str
    chip: Chip
    by: str
    moment: datetime


@dataclass(frozen=True, slots=True)
class ShownComparison:
    id: UUID
    title: str
    heading: str
    is_waiting: bool
    is_regression: bool
    done: int
    total: int
    words: str
    part_words: str
    """That only a part is looked at; empty when all are."""
    reason: str
    figures: Sequence[tuple[str, str]]
    may_publish: bool
    publish_words: str
    is_published: bool
    published_anyway_by: str
    breaks: bool


@dataclass(frozen=True, slots=True)
class ShownCase:
    title: str
    chip: Chip
    ticket: str
    """Address of the ticket; empty where there is none."""
    before_words: str
    before: str
    after: Sequence[Piece]
    wanted: str
    reasons: Sequence[tuple[str, str, str]]
    """What kind it is, what the draft says, what was said instead."""
    figures: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class ShownArm:
    letter: str
    address: str
    prompt: str
    share: str
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class ShownExperiment:
    is_running: bool
    arms: Sequence[ShownArm]
    words: str
    clear: str
    """The letter of the better one; empty: not yet clear."""
    ended: datetime | None


def shown_line(row: Comparison) -> ComparisonLine:
    kind = "Corrections" if row.kind == "corrections" else "Past tickets"
    return ComparisonLine(f"/comparisons/{row.id}", row.title, kind, _STATES[row.state], row.asked_by, row.created_at)


def shown_comparison(view: ComparisonView, actor: Actor) -> ShownComparison:
    row = view.comparison
    is_regression = row.kind == "corrections"
    changes_something = not msgspec.convert(row.after, Candidate).is_present
    broken = view.counts.get("broken", 0)
    what = "corrections" if is_regression else "past tickets"
    part = ""
    if view.total < row.available:
        chosen = "the newest half and an even share of the older ones" if is_regression else "the newest"
        part = f"{view.total:,} of {row.available:,} {what} are compared: {chosen}."
    return ShownComparison(
        id=row.id,
        title=row.title,
        heading="Before you publish"
        if is_regression and changes_something
        else "Corrections"
        if is_regression
        else "On past tickets",
        is_waiting=row.state == "waiting",
        is_regression=is_regression,
        done=view.done,
        total=view.total,
        words=_regression_words(view) if is_regression else _reply_words(view),
        part_words=part,
        reason=row.reason or (row.last_error or "") if row.state == "failed" else "",
        figures=() if is_regression else _figures(view),
        may_publish=is_regression
        and changes_something
        and row.state != "waiting"
        and row.published_at is None
        and actor.may(Permission.TUNING),
        publish_words="Publish anyway" if broken or row.state == "failed" else "Publish",
        is_published=row.published_at is not None,
        published_anyway_by=row.published_anyway_by,
        breaks=bool(broken),
    )


def _regression_words(view: ComparisonView) -> str:
    broken, fixed = view.counts.get("broken", 0), view.counts.get("fixed", 0)
    if view.comparison.state == "finished" and view.total == 0:
        return "Nothing was corrected yet, so there is nothing that could be said again."
    if view.comparison.before is None:
        return (
            f"{counted(broken, 'draft says', 'drafts say')} again what was corrected;"
            f" {counted(fixed, 'keeps', 'keep')} to the correction."
        )
    drafts = counted(broken, "draft", "drafts") if broken else "No draft"
    said = f"{drafts} would say again what must not be used; {fixed} would be put right."
    still = f" {counted(view.still_wrong, 'is', 'are')} wrong now and would stay so." if view.still_wrong else ""
    return said + still


def _reply_words(view: ComparisonView) -> str:
    if view.total == 0 and view.comparison.state == "finished":
        return "No reply of a person to a drafted question yet, so there is nothing to come close to."
    closer, further, same = (view.counts.get(name, 0) for name in ("closer", "further", "same"))
    return f"Against what was really sent: {closer} closer, {further} further away, {same} as close."


def _figures(view: ComparisonView) -> list[tuple[str, str]]:
    if view.before_similarity is None or view.after_similarity is None:
        return []
    return [
        ("Likeness to the reply sent", f"{view.before_similarity:.2f} → {view.after_similarity:.2f}"),
        ("Time of a draft", f"{view.before_ms:.0f} ms → {view.after_ms:.0f} ms"),
        ("Cost of all drafts", f"${view.before_usd:.4f} → ${view.after_usd:.4f}"),
    ]


def shown_case(row: ComparisonCase, comparison: Comparison) -> ShownCase:
    outcome = row.outcome or "unchanged"
    marks = [(one["span"][0], one["span"][1], _instead(one["instead"])) for one in row.reasons]
    has_before = comparison.before is not None
    figures = ""
    if comparison.kind == "replies":
        figures = (
            f"Likeness {_like(row.before_similarity)} → {_like(row.after_similarity)},"
            f" {row.before_ms:.0f} ms → {row.after_ms:.0f} ms"
        )
    return ShownCase(
        title=excerpt(row.question.strip().partition("\n")[0], 120) or "No question",
        chip=_STILL_WRONG if row.is_wrong and outcome == "unchanged" else _OUTCOMES[outcome],
        ticket=f"/tickets/{row.ticket_id}?view=all" if row.ticket_id else "",
        before_words="Draft now" if has_before else "The draft that was corrected",
        before=(row.before_body if has_before else row.avoid) or "(no draft could be made)",
        after=marked(row.after_body, marks) if row.after_body else [Piece("(no draft could be made)")],
        wanted=row.wanted or "(no reply was given)",
        reasons=[
            (
                _MISTAKES.get(one["kind"], str(one["kind"]).replace("_", " ")),
                excerpt(one["said"], 240),
                excerpt(one["instead"], 240),
            )
            for one in row.reasons
        ],
        figures=figures,
        is_open=outcome in ("broken", "further"),
    )


def _instead(words: str) -> str:
    return f"Use instead: {words}" if words else "Must not be used"


def _like(similarity: float | None) -> str:
    return "none" if similarity is None else f"{similarity:.2f}"


def shown_experiment(view: ExperimentView) -> ShownExperiment:
    low, high = view.difference
    limits = f"between {100 * low:+.0f} and {100 * high:+.0f} points"
    clear = view.clear_winner
    if clear is None:
        words = (
            f"Not yet clear: B's share of good drafts differs from A's by {limits}. "
            "The limits hold however often you look, so wait until they leave out zero."
        )
    else:
        words = f"Clear: {clear.upper()} is better. B's share of good drafts differs from A's by {limits}."
    return ShownExperiment(
        is_running=view.experiment.state == "running",
        arms=[_arm("a", view.a), _arm("b", view.b)],
        words=words,
        clear=clear or "",
        ended=view.experiment.ended_at,
    )


def _arm(letter: str, arm: ArmFigures) -> ShownArm:
    return ShownArm(
        letter=letter,
        address=f"/prompts/{arm.prompt.id}",
        prompt=f"{arm.prompt.name}, version {arm.prompt.number}",
        share=f"{100 * arm.share_good:.0f} % were sent and not changed in meaning."
        if arm.reviewed
        else "None reviewed yet.",
        facts=[
            ("Drafts", f"{arm.drafts:,}"),
            ("Reviewed", f"{arm.reviewed:,}"),
            ("Sent unchanged", f"{arm.unchanged:,}"),
            ("Reworded", f"{arm.edited:,}"),
            ("Meaning changed", f"{arm.meaning_changed:,}"),
            ("Rejected", f"{arm.rejected:,}"),
            ("Likeness", "none" if arm.similarity is None else f"{arm.similarity:.2f}"),
            ("Cost", f"${arm.usd:.4f}"),
        ],
    )
