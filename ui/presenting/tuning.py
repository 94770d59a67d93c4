"""The tenant's numbers, each explained where it is set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from desk.ports import ConfidenceSettings, SourceWeights


@dataclass(frozen=True, slots=True)
class ShownWeight:
    name: str
    title: str
    words: str
    value: str
    share: float
    """Percent of all, as it is stored."""
    start: float
    """Percent where its part of the bar begins."""


@dataclass(frozen=True, slots=True)
class Number:
    name: str
    title: str
    words: str
    highest: float


@dataclass(frozen=True, slots=True)
class NumberGroup:
    title: str
    words: str
    numbers: Sequence[Number]


@dataclass(frozen=True, slots=True)
class ShownNumber:
    number: Number
    value: str


_WEIGHTS = (
    ("global_kb", "Global knowledge", "Articles that every tenant of this installation shares."),
    ("tenant_kb", "Your knowledge", "Your own documents."),
    ("example", "Examples", "Answers that agents approved or wrote."),
    ("correction", "Corrections", "What must not be said again."),
)
GROUPS = (
    NumberGroup(
        "Parts of the score",
        "Each part is between 0 and 1; with these weights they add up to a score from 0 to 100.",
        (
            Number("example_part", "Similar approved answers", "Weight of the best examples.", 1),
            Number("kb_part", "Similar knowledge", "Weight of the best passages.", 1),
            Number("intent_part", "Sure of the topic", "Weight of the recognised topic.", 1),
            Number("correction_part", "No similar mistake before", "Weight of correction safety.", 1),
        ),
    ),
    NumberGroup(
        "Levels",
        "From which score on a draft counts as high, medium or low. Below that it is very low.",
        (
            Number("high", "High from", "The reply is filled in.", 100),
            Number("medium", "Medium from", "A banner offers the draft.", 100),
            Number("low", "Low from", "The draft is folded away, the evidence shown.", 100),
        ),
    ),
    NumberGroup(
        "Fine points",
        "How the parts themselves are computed.",
        (
            Number("good_match", "Good match", "Above this similarity an example is a good match.", 1),
            Number("example_boost", "Boost", "Added when two or more examples match well.", 1),
            Number("tenant_share", "Share of your knowledge", "The rest is global knowledge's.", 1),
            Number(
                "missing_tenant_penalty",
                "Missing knowledge",
                "Factor when the topic needs your own knowledge and none was found.",
                1,
            ),
            Number("similar_correction", "Similar correction", "Above this similarity safety falls.", 1),
            Number("unsafe_correction", "Least safety", "What it falls to.", 1),
        ),
    ),
)


def shown_weights(weights: SourceWeights) -> list[ShownWeight]:
    values = asdict(weights.normalised())
    shown: list[ShownWeight] = []
    start = 0.0
    for name, title, words in _WEIGHTS:
        share = round(100 * values[name], 1)
        shown.append(ShownWeight(name, title, words, f"{values[name]:.2f}", share, round(start, 1)))
        start += share
    return shown


def shown_numbers(group: NumberGroup, settings: ConfidenceSettings) -> list[ShownNumber]:
    values = asdict(settings)
    return [ShownNumber(number, f"{values[number.name]:g}") for number in group.numbers]
