"""Fact locks: every number, amount, date and duration in a draft stands in something it was written from."""

from __future__ import annotations

import re
from collections.abc import Sequence

from desk.drafting.checks.check import Check, passed_or
from desk.drafting.checks.links import URL
from desk.plain_text import fold

_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,:]\d+)*(?![\w])")
_LIST_MARKER = re.compile(r"^\s*\d{1,2}[.)]\s", re.MULTILINE)
_CITATION = re.compile(r"\[\d{1,2}\]")
_COUNTED = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8",
    "nine": "9", "ten": "10", "twelve": "12", "fifteen": "15", "twenty": "20", "thirty": "30", "sixty": "60",
    "ninety": "90", "eine": "1", "einen": "1", "zwei": "2", "drei": "3", "vier": "4", "funf": "5", "sechs": "6",
    "sieben": "7", "acht": "8", "neun": "9", "zehn": "10", "zwolf": "12", "vierzehn": "14", "dreiig": "30",
    "dreissig": "30", "deux": "2", "trois": "3", "quatre": "4", "cinq": "5", "dix": "10", "quinze": "15",
    "trente": "30", "dos": "2", "tres": "3", "cuatro": "4", "cinco": "5", "diez": "10", "quince": "15",
    "treinta": "30",
}  # fmt: skip
_UNIT = (
    r"(?:seconds?|minutes?|hours?|(?:business |working )?days?|weeks?|months?|years?|times?|percent"
    r"|sekunden?|minuten?|stunden?|(?:werk)?tage?n?|wochen?|monaten?|monate?|jahren?|jahre?|prozent"
    r"|secondes?|heures?|jours?|semaines?|mois|ans?|annees?"
    r"|segundos?|minutos?|horas?|dias?|semanas?|mes(?:es)?|anos?)"
)
_IN_WORDS = re.compile(rf"\b({'|'.join(_COUNTED)})\s+{_UNIT}\b")
"""A count in words is a fact only before a unit: "two weeks", not "one of them"."""


def check_facts(body: str, sources: Sequence[str]) -> list[Check]:
    """Each number (amount, date, version, limit) must stand in a source or in the customer's record or words."""
    known = {_plain_number(found) for source in sources for found in _NUMBER.findall(source)}
    folded = [fold(source) for source in sources]
    known |= {_COUNTED[found.group(1)] for source in folded for found in _IN_WORDS.finditer(source)}
    skipped = [match.span() for pattern in (_LIST_MARKER, _CITATION, URL) for match in pattern.finditer(body)]
    failed = [
        Check("facts", passed=False, detail=f"'{match.group()}' is in no source", span=match.span())
        for match in _NUMBER.finditer(body)
        if _plain_number(match.group()) not in known and not any(start <= match.start() < end for start, end in skipped)
    ]
    return passed_or("facts", failed + _in_words(body, known))


def _in_words(body: str, known: set[str]) -> list[Check]:
    plain = fold(body)
    keeps_places = len(plain) == len(body)
    return [
        Check(
            "facts",
            passed=False,
            detail=f"'{match.group()}' is in no source",
            span=match.span() if keeps_places else None,
        )
        for match in _IN_WORDS.finditer(plain)
        if _COUNTED[match.group(1)] not in known
    ]


def _plain_number(text: str) -> str:
    """`1,000.00` and `1000` are one number; `10.5` stays what it is."""
    plain = re.sub(r"[,.](?=\d{3}(?:\D|$))", "", text)
    plain = re.sub(r"[.,]0+$", "", plain.replace(",", "."))
    return plain.lstrip("0") or "0"
