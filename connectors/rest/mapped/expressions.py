"""Where in somebody's JSON a value stands: JMESPath expressions (jmespath.org), which can only pick and never run code.

What is asked of JSON that strangers send: no more than it may hold, and every object's names once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol, cast

import jmespath
from jmespath.exceptions import JMESPathError

from desk.errors import InvalidInputError

LARGEST_BODY = 256 * 1024
"""Bytes of one call."""
DEEPEST = 40


class _Parsed(Protocol):
    def search(self, value: Any) -> Any: ...


class Expression:
    """One compiled expression; an empty one finds nothing."""

    __slots__ = ("_parsed", "label", "written")

    def __init__(self, label: str, written: str) -> None:
        """Raises InvalidInputError naming the field by its label."""
        self.label = label
        self.written = written
        try:
            self._parsed = cast("_Parsed", jmespath.compile(written)) if written else None
        except (JMESPathError, RecursionError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            msg = f"{label}: '{written}' is no JMESPath expression ({reason})"
            raise InvalidInputError(msg) from error

    def __bool__(self) -> bool:
        return self._parsed is not None

    def value(self, found_in: Any) -> Any:
        """None when there is nothing. Raises InvalidInputError when the expression does not fit what it is given."""
        if self._parsed is None:
            return None
        try:
            return self._parsed.search(found_in)
        except (JMESPathError, RecursionError, TypeError, ValueError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            msg = f"{self.label}: '{self.written}' does not fit this JSON ({reason})"
            raise InvalidInputError(msg) from error

    def text(self, found_in: Any) -> str:
        """Numbers as they are written; "" for nothing. Raises InvalidInputError for a list or an object."""
        value = self.value(found_in)
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, list | dict):
            msg = (
                f"{self.label}: '{self.written}' finds {'a list' if isinstance(value, list) else 'an object'}, no text"
            )
            raise InvalidInputError(msg)
        return str(value).strip()

    def is_true(self, found_in: Any) -> bool:
        """False for null, false, "", 0 and what is empty."""
        return bool(self.value(found_in))

    def items(self, found_in: Any) -> list[Any]:
        """The list it finds, or the one thing; the whole JSON for an empty expression."""
        value = self.value(found_in) if self else found_in
        if value is None:
            return []
        return cast("list[Any]", value) if isinstance(value, list) else [value]


def read_json(body: bytes) -> Any:
    """Raises InvalidInputError."""
    if len(body) > LARGEST_BODY:
        msg = f"the body has more than {LARGEST_BODY // 1024} kB; send files as addresses"
        raise InvalidInputError(msg)
    return decode_json(body)


def decode_json(body: bytes | str) -> Any:
    """Raises InvalidInputError."""
    try:
        found: Any = json.loads(body, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        msg = f"this is no JSON that can be read ({type(error).__name__}: {str(error)[:120]})"
        raise InvalidInputError(msg) from error
    if _is_deeper(found, DEEPEST):
        msg = f"this JSON is nested more than {DEEPEST} levels deep"
        raise InvalidInputError(msg)
    return found


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "an object has the same name twice"
        raise ValueError(msg)
    return found


def _no_constant(name: str) -> Any:
    msg = f"{name} is no JSON"
    raise ValueError(msg)


def _is_deeper(found: Any, levels: int) -> bool:
    if not isinstance(found, list | dict):
        return False
    inside = cast("dict[str, Any]", found).values() if isinstance(found, dict) else cast("list[Any]", found)
    return levels <= 0 or any(_is_deeper(each, levels - 1) for each in inside)
