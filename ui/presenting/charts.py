"""Charts as the server draws them: places of points on a fixed sheet, and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from desk.policy.evidence import CoveragePoint, ReliabilityBin
from ui.presenting.words import percent

LEFT, RIGHT, TOP, BOTTOM = 44.0, 312.0, 10.0, 190.0
"""The plot on a sheet of 320 x 236 units; words stand below and to the left of it."""
_ERROR_STEPS = (0.02, 0.05, 0.10, 0.20, 0.50, 1.0)


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float
    words: str
    size: float


@dataclass(frozen=True, slots=True)
class Chart:
    name: str
    """For ids on the page."""
    title: str
    summary: str
    """What the picture says, for those who do not see it."""
    x_words: str
    y_words: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    line: str
    """`points` of the polyline through the data."""
    points: Sequence[Point]
    guide: str
    """`points` of the line to compare with; empty for none."""
    guide_words: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def reliability_chart(bins: Sequence[ReliabilityBin], calibration_error: float) -> Chart | None:
    """Promised against kept. None without reviews."""
    if not bins:
        return None
    largest = max(each.drafts for each in bins)
    points = [
        Point(
            _across(each.promised),
            _up(each.kept),
            f"Promised {percent(each.promised)}, kept {percent(each.kept)} of {each.drafts} drafts",
            2.5 + 2.5 * each.drafts / largest,
        )
        for each in bins
    ]
    shares = [Tick(share / 100, f"{share} %") for share in (0, 25, 50, 75, 100)]
    return Chart(
        name="reliability",
        title="How honest the probability is",
        summary=f"On average the promised share is off by {100 * calibration_error:.1f} points. "
        "Points on the dashed line kept exactly what was promised; below it they promised too much.",
        x_words="Promised: kept as it is",
        y_words="Really kept",
        x_ticks=[Tick(_across(each.at), each.words) for each in shares],
        y_ticks=[Tick(_up(each.at), each.words) for each in shares],
        line=_line(points),
        points=points,
        guide=f"{LEFT:.1f},{BOTTOM:.1f} {RIGHT:.1f},{TOP:.1f}",
        guide_words="as promised",
        columns=("Promised", "Kept", "Drafts"),
        rows=[(percent(each.promised), percent(each.kept), f"{each.drafts:,}") for each in bins],
    )


def risk_coverage_chart(curve: Sequence[CoveragePoint], risk: float) -> Chart | None:
    """Share of changed drafts among the surest ones, with the accepted risk as a guide. None without reviews."""
    if not curve:
        return None
    largest = max(risk, *(each.error for each in curve))
    highest = next(step for step in _ERROR_STEPS if step >= min(1.0, 1.05 * largest))
    points = [
        Point(
            _across(each.coverage),
            _up(each.error / highest),
            f"Surest {percent(each.coverage)}: {percent(each.error)} changed",
            2.5,
        )
        for each in curve
    ]
    limit = _up(risk / highest)
    within = [each for each in curve if each.error <= risk]
    summary = (
        f"Of the surest {percent(within[-1].coverage)} of the drafts your agents changed {percent(within[-1].error)}."
        if within
        else f"Even among the surest drafts your agents changed more than {percent(risk)}."
    )
    return Chart(
        name="risk-coverage",
        title="What the surest drafts would have cost",
        summary=summary,
        x_words="Surest share of the drafts",
        y_words="Changed by your agents",
        x_ticks=[Tick(_across(share / 100), f"{share} %") for share in (0, 25, 50, 75, 100)],
        y_ticks=[Tick(_up(share), percent(share * highest)) for share in (0.0, 0.5, 1.0)],
        line=_line(points),
        points=points,
        guide=f"{LEFT:.1f},{limit:.1f} {RIGHT:.1f},{limit:.1f}",
        guide_words=f"accepted risk, {percent(risk)}",
        columns=("Surest", "From a probability of", "Changed"),
        rows=[(percent(each.coverage), percent(each.threshold), percent(each.error)) for each in curve],
    )


def _across(share: float) -> float:
    return round(LEFT + share * (RIGHT - LEFT), 1)


def _up(share: float) -> float:
    return round(BOTTOM - share * (BOTTOM - TOP), 1)


def _line(points: Sequence[Point]) -> str:
    return " ".join(f"{point.x:.1f},{point.y:.1f}" for point in points)
