"""What past tickets say about the source weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from desk.weighing import Recommendation, WeightsPreview
from ui.presenting.words import SOURCE_KINDS

_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class RecommendedSource:
    name: str
    title: str
    value: str
    percent: str
    evidence: str


@dataclass(frozen=True, slots=True)
class ShownRecommendation:
    words: str
    is_enough: bool
    sources: Sequence[RecommendedSource]


@dataclass(frozen=True, slots=True)
class ShownMove:
    address: str
    number: str
    subject: str
    source: str
    places: str
    is_better: bool


@dataclass(frozen=True, slots=True)
class ShownPreview:
    words: str
    firsts: str
    moved: Sequence[ShownMove]
    further: int


def shown_recommendation(found: Recommendation) -> ShownRecommendation:
    values = asdict(found.weights)
    if found.is_enough:
        words = f"From the sources that {found.replies} approved replies really came from."
    else:
        words = (
            f"{found.replies} of {found.needed} approved replies so far: too few for a recommendation. "
            "These are still mostly the default weights."
        )
    return ShownRecommendation(
        words=words,
        is_enough=found.is_enough,
        sources=[
            RecommendedSource(
                name=one.kind,
                title=SOURCE_KINDS[one.kind],
                value=f"{values[one.kind]:.2f}",
                percent=f"{100 * values[one.kind]:.0f} %",
                evidence=f"{one.used:g} replies came from it, found for {one.found}",
            )
            for one in found.sources
        ],
    )


def shown_preview(found: WeightsPreview) -> ShownPreview:
    if not found.replies:
        return ShownPreview("No approved replies yet, so there is nothing to compare.", "", (), 0)
    tickets = "past ticket" if found.replies == 1 else "past tickets"
    changed = f"{found.better} better, {found.worse} worse, {found.same} unchanged"
    return ShownPreview(
        words=f"Of {found.replies} {tickets}: {changed}.",
        firsts=f"The source of the reply comes first in {found.first_after}, now in {found.first_before}.",
        moved=[
            ShownMove(
                address=f"/tickets/{one.ticket_id}?view=all",
                number=f"#{one.number}",
                subject=one.subject or "No subject",
                source=f"{SOURCE_KINDS[one.kind]}: {one.title}",
                places=f"{one.before} → {one.after}",
                is_better=one.after < one.before,
            )
            for one in found.moved[:_MOST_SHOWN]
        ],
        further=max(len(found.moved) - _MOST_SHOWN, 0),
    )
