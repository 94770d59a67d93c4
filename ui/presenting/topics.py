"""Intents as the desk calls them: topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from desk.errors import InvalidInputError
from desk.intents import IntentCounts, IntentText
from desk.ports import NO_INTENT, IntentDescription

NO_TOPIC = "None of these"


@dataclass(frozen=True, slots=True)
class ShownTopic:
    label: str
    title: str
    keywords: str
    examples: str
    base_certainty: str
    needs_tenant_knowledge: bool
    counted: str


def shown_topics(intents: Sequence[IntentDescription], counts: Mapping[str, IntentCounts]) -> list[ShownTopic]:
    return [
        ShownTopic(
            label=one.label,
            title=one.title,
            keywords=", ".join(_keyword(word, weight) for word, weight in sorted(one.keyword_weights.items())),
            examples="\n".join(one.examples),
            base_certainty=f"{100 * one.base_certainty:g}",
            needs_tenant_knowledge=one.needs_tenant_knowledge,
            counted=_counted(counts.get(one.label)),
        )
        for one in intents
    ]


def topic_choices(intents: Sequence[IntentDescription], chosen: str | None) -> list[tuple[str, str]]:
    """For a ticket: every topic, none of them, and the one it has if that is gone by now."""
    known = [(one.label, one.title) for one in intents]
    labels = {label for label, _ in known}
    if chosen and chosen not in labels and chosen != NO_INTENT:
        known.append((chosen, f"{chosen.replace('_', ' ').capitalize()} (deleted)"))
    return [*known, (NO_INTENT, NO_TOPIC)]


def intent_text(given: Mapping[str, str]) -> IntentText:
    """From the form's fields. Raises InvalidInputError."""
    return IntentText(
        title=given.get("title", ""),
        keywords=dict(
            _weighed(part) for part in given.get("keywords", "").replace("\n", ",").split(",") if part.strip()
        ),
        examples=tuple(line for line in given.get("examples", "").splitlines() if line.strip()),
        base_certainty=_number("how sure", given.get("base_certainty", "90")) / 100,
        needs_tenant_knowledge=bool(given.get("needs_tenant_knowledge")),
    )


def _keyword(word: str, weight: float) -> str:
    return word if weight == 1 else f"{word} = {weight:g}"


def _weighed(part: str) -> tuple[str, float]:
    word, separator, weight = part.rpartition("=")
    if not separator:
        return part.strip(), 1.0
    return word.strip(), _number(f"the weight of {word.strip()!r}", weight)


def _number(name: str, given: str) -> float:
    try:
        return float(given.strip().replace("%", ""))
    except ValueError as error:
        msg = f"{name} must be a number"
        raise InvalidInputError(msg) from error


def _counted(counts: IntentCounts | None) -> str:
    if counts is None or not (counts.tickets or counts.labelled):
        return "No tickets yet"
    tickets = "1 ticket" if counts.tickets == 1 else f"{counts.tickets:,} tickets"
    return f"{tickets}, {counts.labelled:,} set by a person" if counts.labelled else tickets
