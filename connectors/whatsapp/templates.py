"""Templates with their variables filled in, as agents and the thread see them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from desk.errors import InvalidInputError

VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
LONGEST_VALUE = 1_024


def variables_in(body: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(VARIABLE.findall(body)))


def chosen_template(recipient: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of a delivery's recipient; None for free text."""
    found: object = recipient.get("template")
    return cast("Mapping[str, Any]", found) if isinstance(found, Mapping) else None


def values_of(template: Mapping[str, Any]) -> dict[str, str]:
    """Raises InvalidInputError for values WhatsApp refuses: empty ones, line ends, more than four blanks together."""
    given: object = template.get("variables")
    values = {str(name): str(value) for name, value in cast("Mapping[str, Any]", given or {}).items()}
    for name, value in values.items():
        if not value.strip() or len(value) > LONGEST_VALUE or re.search(r"[\n\t]| {5}", value):
            msg = f"variable {name} needs one line of at most {LONGEST_VALUE:,} characters"
            raise InvalidInputError(msg)
    return values
