"""JSON of the other side, of which nothing can be taken for granted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

Json = Mapping[str, Any]


def as_object(given: object) -> Json:
    """Empty for what is none."""
    return cast("Json", given) if isinstance(given, dict) else {}


def as_objects(given: object) -> list[Json]:
    each_given = cast("list[object]", given) if isinstance(given, list) else []
    return [cast("Json", each) for each in each_given if isinstance(each, dict)]


def decoded(body: bytes | str) -> Json | None:
    """None for what is no JSON object."""
    try:
        found: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return cast("Json", found) if isinstance(found, dict) else None
