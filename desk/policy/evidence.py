"""What reviewed drafts say about the score: how honest it is, and what a policy would have done with them. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from desk.policy.certificate import upper_bound
from desk.policy.certification import Certification, Label, Terms

BINS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Equal counts: the drafts of a bin lie next to each other in probability."""

    promised: float
    """Mean probability of the bin."""
    kept: float
    """Share of its drafts whose meaning nobody changed."""
    drafts: int


@dataclass(frozen=True, slots=True)
class CoveragePoint:
    coverage: float
    """Share of the drafts, surest first."""
    error: float
    threshold: float
    """The lowest probability among them."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """What a threshold would have done with past drafts."""

    drafts: int
    sent: int
    changed: int
    """Of the sent ones, how many a person changed in meaning or rejected."""
    bound: float
    """Upper bound on their share, at the confidence asked for; 1 when nothing would have been sent."""


def reliability(labels: Sequence[Label], bins: int = BINS) -> list[ReliabilityBin]:
    """Bins of alike size in rising probability; fewer when there are few labels."""
    ranked = sorted(labels, key=lambda label: label.score)
    bins = min(bins, len(ranked))
    edges = [round(index * len(ranked) / bins) for index in range(bins + 1)] if bins else []
    parts = [ranked[low:high] for low, high in itertools.pairwise(edges)]
    return [
        ReliabilityBin(
            sum(label.score for label in part) / len(part), sum(label.good for label in part) / len(part), len(part)
        )
        for part in parts
    ]


def calibration_error(labels: Sequence[Label]) -> float:
    """Expected calibration error over equal-count bins (Guo et al. 2017); 0 without labels."""
    bins = reliability(labels)
    return sum(abs(each.promised - each.kept) * each.drafts for each in bins) / max(1, len(labels))


def risk_coverage(labels: Sequence[Label], points: int = 20) -> list[CoveragePoint]:
    """Error among the surest 1/points, 2/points, ... of the drafts."""
    ranked = sorted(labels, key=lambda label: -label.score)
    counts = sorted({max(1, round(step * len(ranked) / points)) for step in range(1, points + 1)}) if ranked else []
    return [
        CoveragePoint(
            count / len(ranked),
            sum(not label.good for label in ranked[:count]) / count,
            ranked[count - 1].score,
        )
        for count in counts
    ]


def would_go_out(labels: Sequence[Label], terms: Terms) -> list[bool]:
    """Which of the drafts, in their order, would have gone out had the terms held from the first one on.

    What would have gone out is no label then, as live.
    """
    certification, sent = Certification(terms), list[bool]()
    for label in labels:
        held = certification.certificate
        sent.append(held is not None and label.score >= held.threshold and not label.sampled)
        if not sent[-1]:
            certification.add(label)
    return sent


def simulate(labels: Sequence[Label], threshold: float, confidence: float) -> Simulation:
    """`threshold` as a probability."""
    return outcome(len(labels), [label for label in labels if label.score >= threshold], confidence)


def outcome(drafts: int, sent: Sequence[Label], confidence: float) -> Simulation:
    changed = sum(not label.good for label in sent)
    return Simulation(drafts, len(sent), changed, upper_bound(changed, len(sent), confidence))
