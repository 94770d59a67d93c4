"""Intent categories as data; `hosting.toml` holds the twelve a new tenant starts with."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from desk.errors import InvalidInputError
from desk.ports import NO_INTENT

OTHER = NO_INTENT


@dataclass(frozen=True, slots=True)
class IntentCategory:
    label: str
    title: str
    keywords: Mapping[str, float]
    """Word or phrase to weight above 0, where 1 is a strong sign; a trailing `*` matches any ending."""
    base_certainty: float
    """In (0, 1]: how sure a guess is when everything points to this category."""
    needs_tenant_knowledge: bool
    examples: tuple[str, ...]
    """What customers write when they mean this; each needs a vector in the classifier."""

    def __post_init__(self) -> None:
        if not self.label or self.label == OTHER:
            raise InvalidInputError(f"An intent needs a label of its own, other than {OTHER!r}.")
        if not 0 < self.base_certainty <= 1:
            raise InvalidInputError(f"The base certainty of {self.label!r} must be above 0 and at most 1.")
        if any(weight <= 0 for weight in self.keywords.values()):
            raise InvalidInputError(f"The keyword weights of {self.label!r} must be above 0.")


def hosting_categories() -> tuple[IntentCategory, ...]:
    """The twelve categories of a web-hosting desk, in a fixed order."""
    text = files("retrieval.intents").joinpath("hosting.toml").read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = tomllib.loads(text)["intents"]
    return tuple(
        IntentCategory(
            label=entry["label"],
            title=entry["title"],
            keywords=entry["keywords"],
            base_certainty=entry["base_certainty"],
            needs_tenant_knowledge=entry["needs_tenant_knowledge"],
            examples=tuple(entry["examples"]),
        )
        for entry in entries
    )
