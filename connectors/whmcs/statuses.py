"""Statuses and priorities of WHMCS in the desk's words, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from desk.errors import InvalidInputError
from desk.ports import RemoteValue

DESK_STATUSES = ("open", "pending", "on_hold", "resolved", "closed")
_MEANINGS: Mapping[str, tuple[str, ...]] = {
    "open": ("open",),
    "answered": ("pending", "resolved"),
    "customer-reply": ("open",),
    "on hold": ("on_hold",),
    "in progress": ("open", "pending"),
    "closed": ("closed", "resolved"),
}
"""The statuses WHMCS comes with, case-folded; tenants rename them and add their own."""
_TITLES: Mapping[str, str] = {
    "open": "Open",
    "pending": "Answered",
    "on_hold": "On Hold",
    "resolved": "Closed",
    "closed": "Closed",
}
_PRIORITIES: Mapping[str, tuple[str, ...]] = {
    "low": ("low",),
    "medium": ("normal",),
    "high": ("high", "urgent"),
}
PRIORITY_TITLES: Mapping[str, str] = {"low": "Low", "normal": "Medium", "high": "High", "urgent": "High"}


@dataclass(frozen=True, slots=True)
class StatusWords:
    meanings: Mapping[str, tuple[str, ...]]
    """By title in WHMCS, case-folded."""
    titles: Mapping[str, str]
    """By status in the desk."""
    own_titles: frozenset[str]
    """Statuses of the desk for which the tenant has named a title."""

    @staticmethod
    def of(meanings: Mapping[str, str], titles: Mapping[str, str]) -> StatusWords:
        """Raises InvalidInputError."""
        for status in (*meanings.values(), *titles):
            if status not in DESK_STATUSES:
                msg = f"'{status}' is no status of the desk; they are {', '.join(DESK_STATUSES)}"
                raise InvalidInputError(msg)
        known = dict(_MEANINGS)
        for status, title in titles.items():
            known[title.casefold()] = (status,)
        for title, status in meanings.items():
            known[title.casefold()] = (status,)
        return StatusWords(known, {**_TITLES, **titles}, frozenset(titles))

    def status(self, title: str) -> RemoteValue:
        return RemoteValue(title, self.meanings.get(title.casefold(), ()))


def priority(title: str) -> RemoteValue:
    return RemoteValue(title, _PRIORITIES.get(title.casefold(), ()))


def read_lines(label: str, text: str) -> dict[str, str]:
    """Lines of the form `one = other`. Raises InvalidInputError."""
    found: dict[str, str] = {}
    for line in filter(str.strip, text.splitlines()):
        first, sign, second = line.partition("=")
        if not sign or not first.strip() or not second.strip():
            msg = f"{label}: write one a line, such as 'Waiting for vendor = on_hold'; this is none: {line.strip()!r}"
            raise InvalidInputError(msg)
        found[first.strip()] = second.strip()
    return found
