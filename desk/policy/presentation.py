"""What an agent sees of a draft: how far it is proposed, by how sure the desk is (design section 5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from desk.ports import Confidence, ConfidenceSettings, Level

Presentation = Literal["prefilled", "banner", "collapsed", "notes"]
_BY_LEVEL: Mapping[Level, Presentation] = {
    "high": "prefilled",
    "medium": "banner",
    "low": "collapsed",
    "very_low": "notes",
}


def level_of(score: float, settings: ConfidenceSettings) -> Level:
    """The level of a score from 0 to 100; a score on a border belongs to the higher level."""
    if score >= settings.high:
        return "high"
    if score >= settings.medium:
        return "medium"
    if score >= settings.low:
        return "low"
    return "very_low"


def presentation_of(confidence: Confidence, settings: ConfidenceSettings) -> Presentation:
    """By the calibrated probability where there is one, else by the score over the sources that hold anything."""
    shown = confidence.renormalised if confidence.calibrated is None else 100.0 * confidence.calibrated
    return _BY_LEVEL[level_of(round(shown, 9), settings)]
