"""Which drafts are certified together: all of the tenant's, those of a channel, or those of an intent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Grouping = Literal["all", "channel", "intent"]
GROUPINGS: tuple[Grouping, ...] = ("all", "channel", "intent")
ALL = "all"


def group_of(grouping: Grouping, channel: str, intent: str) -> str:
    """The name of the group a draft belongs to."""
    if grouping == "channel":
        return f"channel:{channel}"
    if grouping == "intent":
        return f"intent:{intent}"
    return ALL


def group_names(grouping: Grouping, channels: Sequence[str], intents: Sequence[str]) -> list[str]:
    """Every group there is, `intents` being those that drafts of these channels had."""
    if not channels:
        return []
    if grouping == "channel":
        return [group_of(grouping, channel, "") for channel in channels]
    if grouping == "intent":
        return [group_of(grouping, "", intent) for intent in intents]
    return [ALL]


def in_group(name: str, channel: str, intent: str) -> bool:
    return name in {ALL, f"channel:{channel}", f"intent:{intent}"}
