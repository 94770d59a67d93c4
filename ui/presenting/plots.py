"""Plots of a replay as the server draws them: places on a fixed sheet, for a page and for a printed report alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from desk.history.account import BacktestAccount, Stretch
from desk.policy.evidence import CoveragePoint, ReliabilityBin

LEFT, RIGHT, TOP, BOTTOM = 46.0, 350.0, 12.0, 176.0
"""Of the field in which lines are drawn, on a sheet of 360 x 218 units."""
_ERROR_STEPS = (0.05, 0.10, 0.25, 0.50, 1.0)


@dataclass(frozen=True, slots=True)
class Mark:
    at: float
    words: str


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    words: str


@dataclass(frozen=True, slots=True)
class Line:
    style: str
    """first, second or guide."""
    legend: str
    points: str
    dots: Sequence[Dot] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    title: str
    summary: str
    """What the picture says, in words."""
    x_words: str
    y_words: str
    x_marks: Sequence[Mark]
    y_marks: Sequence[Mark]
    lines: Sequence[Line]


def plots_of(account: BacktestAccount) -> list[Plot]:
    return [
        over_time_plot(account.over_time),
        reliability_plot(account.reliability, account.figures["confidence"]["ece"]),
        risk_coverage_plot(account.risk_coverage, account.figures["auto_send"]["risk"]),
    ]


def over_time_plot(stretches: Sequence[Stretch]) -> Plot:
    """How alike drafts and replies were as the desk learned, and if it had not."""
    count = len(stretches)
    across = [_across((at + 0.5) / count) for at in range(count)]
    learned = [
        Dot(x, _up(one.similarity), f"until {one.until:%Y-%m-%d}: {percent(one.similarity)} alike")
        for x, one in zip(across, stretches, strict=True)
    ]
    bare = [
        Dot(x, _up(one.similarity_without), f"until {one.until:%Y-%m-%d}: {percent(one.similarity_without)} alike")
        for x, one in zip(across, stretches, strict=True)
    ]
    drafts = sum(one.drafts for one in stretches)
    mean = sum(one.similarity * one.drafts for one in stretches) / drafts
    mean_bare = sum(one.similarity_without * one.drafts for one in stretches) / drafts
    ends = [Mark(across[0], f"{stretches[0].until:%b %Y}"), Mark(across[-1], f"{stretches[-1].until:%b %Y}")]
    return Plot(
        title="How alike drafts were to the replies really sent",
        summary=f"On average {percent(mean)} alike while learning from every reply, {percent(mean_bare)} with nothing "
        "learned after the first 20 tickets.",
        x_words="Time",
        y_words="Likeness of draft and reply",
        x_marks=ends[: 1 if count == 1 else 2],
        y_marks=_shares(),
        lines=[
            Line("second", "without learning", _points(bare), bare),
            Line("first", "with learning", _points(learned), learned),
        ],
    )


def reliability_plot(bins: Sequence[ReliabilityBin], calibration_error: float) -> Plot:
    """What was promised against what came true, in bins of alike size."""
    dots = [
        Dot(
            _across(one.promised),
            _up(one.kept),
            f"promised {percent(one.promised)}, came true for {percent(one.kept)} of {one.drafts} drafts",
        )
        for one in bins
    ]
    return Plot(
        title="Can the confidence be believed?",
        summary=f"On average it was off by {100 * calibration_error:.1f} points. On the dashed line it promised "
        "exactly what came true; below it, too much.",
        x_words="Confidence when the draft was written",
        y_words="Drafts that were good",
        x_marks=[Mark(_across(share / 100), f"{share} %") for share in (0, 25, 50, 75, 100)],
        y_marks=_shares(),
        lines=[
            Line("guide", "as promised", f"{LEFT},{BOTTOM} {RIGHT},{TOP}"),
            Line("first", "really", _points(dots), dots),
        ],
    )


def risk_coverage_plot(curve: Sequence[CoveragePoint], risk: float) -> Plot:
    """The share of wrong drafts among the surest ones, with the accepted risk as a guide."""
    largest = max(risk, *(one.error for one in curve))
    highest = next(step for step in _ERROR_STEPS if step >= min(1.0, largest))
    dots = [
        Dot(
            _across(one.coverage),
            _up(one.error / highest),
            f"surest {percent(one.coverage)}: {percent(one.error)} not good",
        )
        for one in curve
    ]
    within = [one for one in curve if one.error <= risk]
    limit = _up(risk / highest)
    return Plot(
        title="What the surest drafts would have cost",
        summary=f"Looking back, the surest {percent(within[-1].coverage)} of the drafts had at most {percent(risk)} "
        "that were not good. Nobody could have known where to stop, so the table counts only what was certain then."
        if within
        else f"Even among the surest drafts more than {percent(risk)} were not good.",
        x_words="Surest share of the drafts",
        y_words="Not good among them",
        x_marks=[Mark(_across(share / 100), f"{share} %") for share in (0, 25, 50, 75, 100)],
        y_marks=[Mark(_up(share), percent(share * highest)) for share in (0.0, 0.5, 1.0)],
        lines=[
            Line("guide", f"accepted risk, {percent(risk)}", f"{LEFT},{limit} {RIGHT},{limit}"),
            Line("first", "not good", _points(dots), dots),
        ],
    )


def percent(share: float) -> str:
    """Whole numbers, and one digit after the point where that matters."""
    value = 100 * share
    digits = 1 if 0 < value < 9.95 and round(value, 1) != round(value) else 0
    return f"{value:.{digits}f}\N{NO-BREAK SPACE}%"


def _shares() -> list[Mark]:
    return [Mark(_up(share / 100), f"{share} %") for share in (0, 50, 100)]


def _across(share: float) -> float:
    return round(LEFT + share * (RIGHT - LEFT), 1)


def _up(share: float) -> float:
    return round(BOTTOM - share * (BOTTOM - TOP), 1)


def _points(dots: Sequence[Dot]) -> str:
    return " ".join(f"{dot.x},{dot.y}" for dot in dots)
