"""A conversation's quality from 0 to 100, in parts that say what they were read from. Pure and deterministic.

A part for which there is nothing to go by is left out, and the others count for all. The points are a judgement, not
a measurement: whether it was solved counts most, then how long people waited and what they said of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from desk.signals.reading import Sentiment

Band = Literal["good", "fair", "poor"]
BANDS: tuple[Band, ...] = get_args(Band)
GOOD, FAIR = 80, 50
"""The least score of a good and of a fair conversation."""
_REPLIES = {1: 1.0, 2: 0.8, 3: 0.6, 4: 0.4, 5: 0.2}
_SOON = {"live": (1 / 30, 1.0), "written": (1.0, 24.0)}
"""Hours up to which an answer is as good as at once, and from which it is worth nothing."""
_MOODS: dict[Sentiment, int] = {"negative": 0, "neutral": 1, "positive": 2}


@dataclass(frozen=True, slots=True)
class EditedDraft:
    """What a person did with one draft."""

    action: str
    """approved, edited or rejected."""
    similarity: float
    meaning_changed: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """All that the score goes by."""

    is_solved: bool
    is_escalated: bool
    """Handed to a person who has not settled it."""
    replies: int
    waits: Sequence[float]
    """Working hours until each reply, of the customer's oldest message without one; the first reply's first."""
    is_live: bool
    edits: Sequence[EditedDraft]
    rating: int | None
    """1 to 5."""
    moods: Sequence[Sentiment]
    """Of the customer's messages, oldest first."""
    times_reopened: int
    complaint: str
    """The words it was told by; empty when there is none."""


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    share: float
    """Of its points, 0 to 1."""
    points: int
    """What it counts for."""
    reason: str


@dataclass(frozen=True, slots=True)
class Quality:
    score: int
    parts: tuple[Part, ...]


def band_of(score: int) -> Band:
    return "good" if score >= GOOD else "fair" if score >= FAIR else "poor"


def quality_of(said: Conversation) -> Quality:
    parts = [
        part
        for part in (
            _solved(said),
            _replies(said),
            _first_reply(said),
            _later_replies(said),
            _edits(said),
            _rating(said),
            _mood(said),
            _reopened(said),
            _complaint(said),
        )
        if part is not None
    ]
    reached = sum(part.share * part.points for part in parts)
    return Quality(round(100 * reached / sum(part.points for part in parts)), tuple(parts))


def _solved(said: Conversation) -> Part:
    if not said.is_solved:
        return Part("solved", 0.0, 25, "open again")
    if said.is_escalated:
        return Part("solved", 0.5, 25, "finished with an escalation that nobody settled")
    if said.replies == 0:
        return Part("solved", 0.5, 25, "finished without a reply")
    return Part("solved", 1.0, 25, "finished")


def _replies(said: Conversation) -> Part | None:
    if said.replies == 0:
        return None
    words = "one reply" if said.replies == 1 else f"{said.replies} replies"
    return Part("replies", _REPLIES.get(said.replies, 0.0), 10, words)


def _first_reply(said: Conversation) -> Part | None:
    if not said.waits:
        return None
    return Part("first_reply", _promptness(said, said.waits[0]), 15, f"after {duration(said.waits[0])}")


def _later_replies(said: Conversation) -> Part | None:
    if len(said.waits) < 2:
        return None
    longest = max(said.waits[1:])
    return Part("waiting", _promptness(said, longest), 10, f"at most {duration(longest)} for a further reply")


def _promptness(said: Conversation, hours: float) -> float:
    """Falls with the logarithm: from one hour to two is as much as from ten to twenty."""
    soon, late = _SOON["live" if said.is_live else "written"]
    if hours <= soon:
        return 1.0
    return max(0.0, 1.0 - math.log(hours / soon) / math.log(late / soon))


def duration(hours: float) -> str:
    minutes = round(60 * hours)
    if minutes < 1:
        return "less than a minute"
    return f"{minutes} min" if minutes < 120 else f"{hours:.0f} h"


def _edits(said: Conversation) -> Part | None:
    if not said.edits:
        return None
    worth = [_worth(edit) for edit in said.edits]
    unchanged = sum(edit.action == "approved" for edit in said.edits)
    words = f"{unchanged} of {len(worth)} drafts sent as they were"
    return Part("drafts", sum(worth) / len(worth), 10, words)


def _worth(edit: EditedDraft) -> float:
    if edit.action == "rejected":
        return 0.0
    if edit.action == "approved":
        return 1.0
    return min(edit.similarity, 0.5) if edit.meaning_changed else edit.similarity


def _rating(said: Conversation) -> Part | None:
    if said.rating is None:
        return None
    return Part("rating", (said.rating - 1) / 4, 15, f"rated {said.rating} of 5")


def _mood(said: Conversation) -> Part | None:
    """From the first message to the last; one message alone is no way."""
    if len(said.moods) < 2:
        return None
    first, last = said.moods[0], said.moods[-1]
    words = f"{first} throughout" if first == last else f"from {first} to {last}"
    change = _MOODS[last] - _MOODS[first]
    if change == 0:
        return Part("mood", {"negative": 0.2, "neutral": 0.8, "positive": 1.0}[last], 10, words)
    return Part("mood", 1.0 if change > 0 else 0.5 if last == "neutral" else 0.0, 10, words)


def _reopened(said: Conversation) -> Part:
    if said.times_reopened == 0:
        return Part("reopened", 1.0, 10, "never")
    times = "once" if said.times_reopened == 1 else f"{said.times_reopened} times"
    return Part("reopened", 0.4 if said.times_reopened == 1 else 0.0, 10, times)


def _complaint(said: Conversation) -> Part:
    if said.complaint:
        return Part("complaint", 0.0, 10, f"“{said.complaint}”")
    return Part("complaint", 1.0, 10, "none")
