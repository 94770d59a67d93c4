"""The desk's words and tones for what the rows hold as codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from desk.ports import Clock
from desk.quality import band_of

Choices = tuple[tuple[str, str], ...]
"""Value and words of each option, in order."""


@dataclass(frozen=True, slots=True)
class Chip:
    words: str
    tone: str = ""
    """good, fair, weak, bad, line, or empty for neutral."""
    number: str = ""
    title: str = ""


LEVELS = {
    "high": ("High", "good"),
    "medium": ("Medium", "fair"),
    "low": ("Low", "weak"),
    "very_low": ("Very low", "line"),
}
STATUSES = {
    "open": "Open",
    "pending": "Waiting",
    "on_hold": "On hold",
    "resolved": "Resolved",
    "closed": "Closed",
}
PRIORITIES = {"low": "Low", "normal": "Normal", "high": "High", "urgent": "Urgent"}
CHANNELS = {
    "rest": "API",
    "chat": "Chat",
    "widget": "Web widget",
    "whatsapp_meta": "WhatsApp",
    "whatsapp_twilio": "WhatsApp",
    "email": "E-mail",
    "whmcs": "WHMCS",
    "hubspot": "HubSpot",
    "zoho": "Zoho Desk",
    "salesforce": "Salesforce",
    "custom": "Other system",
    "import": "Import",
}
SOURCE_KINDS = {
    "global_kb": "Global knowledge",
    "tenant_kb": "Knowledge",
    "example": "Approved answer",
    "correction": "Correction",
    "faq": "FAQ",
}
WRITERS = {
    "faq": "Published FAQ",
    "approved_answer": "From approved answers",
    "passages": "From cited passages",
    "llm": "Written by a language model",
}
CHECKS = {
    "language": "Language",
    "facts": "Facts",
    "links": "Links",
    "promises": "Promises",
    "leaks": "Instructions",
    "not_empty": "Text",
    "personal": "Another customer's details",
    "injection": "Words to the machine",
    "slots": "Open places",
}
CHANGES = {
    "step_added": "step added",
    "step_removed": "step removed",
    "url": "link",
    "email": "e-mail address",
    "modality": "certainty",
    "entity": "name",
}


QUALITIES: dict[str, str] = {"good": "Went well", "fair": "Went fairly", "poor": "Went badly"}
QUALITY_TONES = {"good": "good", "fair": "fair", "poor": "weak"}
QUALITY_PARTS = {
    "solved": "Solved",
    "replies": "Replies needed",
    "first_reply": "First reply",
    "waiting": "Further replies",
    "drafts": "Drafts",
    "rating": "Rating",
    "mood": "Mood",
    "reopened": "Reopened",
    "complaint": "Complaint",
}


def choices(words: dict[str, str]) -> Choices:
    return tuple(words.items())


def channel_words(channel: str) -> str:
    return CHANNELS.get(channel, channel.replace("_", " ").capitalize())


def level_chip(level: str | None, score: float | None) -> Chip | None:
    """Class first, number second."""
    if level is None:
        return None
    words, tone = LEVELS[level]
    number = "" if score is None else f"{score:.0f}"
    return Chip(words, tone, number, "Confidence of the draft, 0 to 100")


def quality_chip(score: int) -> Chip:
    band = band_of(score)
    return Chip(QUALITIES[band], QUALITY_TONES[band], str(score), "How well the conversation went, 0 to 100")


def signal_chips(signals: Mapping[str, Any]) -> list[Chip]:
    """What the customer's newest words say of mood and urgency."""
    why = ", ".join(signals.get("reasons", ()))
    chips: list[Chip] = []
    if signals.get("sentiment") == "negative":
        chips.append(Chip("Upset", "weak", title=f"Mood: {why}"))
    if signals.get("urgency") in {"raised", "high"}:
        chips.append(Chip("Urgent" if signals["urgency"] == "high" else "Pressing", "weak", title=f"Urgency: {why}"))
    return chips


def initials(name: str) -> str:
    words = [word for word in name.replace("@", " ").replace(".", " ").split() if word[0].isalnum()]
    if not words:
        return "?"
    return (words[0][0] + (words[1][0] if len(words) > 1 else "")).upper()


_STEPS = ((3600, 60, "min"), (86_400, 3600, "h"), (14 * 86_400, 86_400, "d"), (70 * 86_400, 7 * 86_400, "wk"))


def age(moment: datetime, now: datetime) -> str:
    """How long ago, in the largest fitting unit; a date when it is longer than ten weeks."""
    seconds = (now - moment).total_seconds()
    if seconds < 60:
        return "now"
    for below, size, unit in _STEPS:
        if seconds < below:
            return f"{seconds // size:.0f} {unit}"
    return f"{moment:%b} {moment.day}, {moment.year}"


def age_by(clock: Clock) -> Callable[[datetime], str]:
    def age_now(moment: datetime) -> str:
        return age(moment, clock.now())

    return age_now


def topic_words(intent: Mapping[str, Any]) -> str:
    """The guessed topic and how sure the guess is."""
    return f"{str(intent.get('label', 'other')).replace('_', ' ')} ({100 * intent.get('certainty', 0):.0f} %)"


def counted(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def percent(share: float) -> str:
    """At most one decimal."""
    value = round(100 * share, 1)
    return f"{value:.0f} %" if value.is_integer() else f"{value:.1f} %"


def query_string(values: Mapping[str, str]) -> str:
    """What is empty is left out."""
    return urlencode({name: value for name, value in values.items() if value})
