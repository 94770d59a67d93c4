"""The numbers and bullets Word shows before headings and list items; they stand nowhere in the text."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from .office_xml import attribute, child, children, value

_PLACEHOLDER = re.compile(r"%([1-9])")
_ROMAN: Final = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"),
    (50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_LEVELS: Final = 9


@dataclass(frozen=True, slots=True)
class _Level:
    form: str
    text: str
    start: int


@dataclass(slots=True)
class _Abstract:
    levels: dict[int, _Level]
    counters: list[int | None] = field(default_factory=lambda: list[int | None]([None] * _LEVELS))


class Numbering:
    """Counts on while the paragraphs are read in order (ECMA-376 part 1, section 17.9)."""

    def __init__(self, root: Any | None) -> None:
        self._abstract: dict[str, _Abstract] = {}
        self._numbers: dict[str, tuple[_Abstract, dict[int, int]]] = {}
        self._begun: set[str] = set()
        if root is None:
            return
        for each in children(root, "abstractNum"):
            levels = {int(attribute(level, "ilvl") or 0): _level(level) for level in children(each, "lvl")}
            self._abstract[attribute(each, "abstractNumId") or ""] = _Abstract(levels)
        for each in children(root, "num"):
            abstract = self._abstract.get(value(child(each, "abstractNumId")) or "")
            if abstract is not None:
                overrides = {
                    int(attribute(override, "ilvl") or 0): int(start)
                    for override in children(each, "lvlOverride")
                    if (start := value(child(override, "startOverride"))) and start.isdigit()
                }
                self._numbers[attribute(each, "numId") or ""] = (abstract, overrides)

    def next_marker(self, number_id: str, level: int) -> str | None:
        """`-`, `3.` or `1.2.1`; None where the numbering is not defined, empty where it shows nothing."""
        found = self._numbers.get(number_id)
        if found is None or not 0 <= level < _LEVELS:
            return None
        abstract, overrides = found
        shape = abstract.levels.get(level)
        if shape is None or shape.form == "bullet":
            return "-"
        if number_id not in self._begun:
            self._begun.add(number_id)
            for at, start in overrides.items():
                abstract.counters[at] = start - 1
        counters = abstract.counters
        counted = counters[level]
        counters[level] = shape.start if counted is None else counted + 1
        counters[level + 1 :] = [None] * (_LEVELS - level - 1)
        if shape.form == "none":
            return ""
        return _PLACEHOLDER.sub(lambda match: self._shown(abstract, int(match[1]) - 1), shape.text).strip()

    def _shown(self, abstract: _Abstract, level: int) -> str:
        shape = abstract.levels.get(level) or _Level("decimal", "", 1)
        counted = abstract.counters[level]
        number = shape.start if counted is None else counted
        abstract.counters[level] = number
        return _formatted(number, shape.form)


def _level(element: Any) -> _Level:
    start = value(child(element, "start")) or "1"
    return _Level(
        value(child(element, "numFmt")) or "decimal",
        value(child(element, "lvlText")) or "",
        int(start) if start.isdigit() else 1,
    )


def _formatted(number: int, form: str) -> str:
    if form in {"lowerLetter", "upperLetter"} and number > 0:
        letters = chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters[:8].upper() if form == "upperLetter" else letters[:8]
    if form in {"lowerRoman", "upperRoman"} and 0 < number < 4000:
        roman = ""
        for worth, sign in _ROMAN:
            roman += sign * (number // worth)
            number %= worth
        return roman.upper() if form == "upperRoman" else roman
    return str(number)
