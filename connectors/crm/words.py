"""Statuses and priorities of a CRM in the desk's words, and back. Tenants rename them and add their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from desk.errors import InvalidInputError
from desk.ports import FormField, RemoteValue

DESK_STATUSES = ("open", "pending", "on_hold", "resolved", "closed")


@dataclass(frozen=True, slots=True)
class TicketWords:
    meanings: Mapping[str, tuple[str, ...]]
    """By the CRM's status, case-folded."""
    statuses: Mapping[str, str]
    """The CRM's status by that of the desk; one that is missing is not handed over."""
    priorities: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """By the CRM's priority, case-folded."""
    priorities_out: Mapping[str, str] = field(default_factory=dict[str, str])

    def with_own(self, meanings: str, statuses: str) -> TicketWords:
        """With what a tenant has written into the form. Raises InvalidInputError."""
        own, out = _read_lines(MEANINGS.label, meanings), _read_lines(STATUSES_OUT.label, statuses)
        for status in (*own.values(), *out):
            if status not in DESK_STATUSES:
                msg = f"'{status}' is no status of the desk; they are {', '.join(DESK_STATUSES)}"
                raise InvalidInputError(msg)
        known = {**self.meanings, **{there.casefold(): (here,) for here, there in out.items()}}
        known |= {there.casefold(): (here,) for there, here in own.items()}
        return TicketWords(known, {**self.statuses, **out}, self.priorities, self.priorities_out)

    def status(self, there: str, otherwise: tuple[str, ...] = ()) -> RemoteValue:
        return RemoteValue(there, self.meanings.get(there.casefold(), otherwise))

    def priority(self, there: str) -> RemoteValue:
        return RemoteValue(there, self.priorities.get(there.casefold(), ()))


MEANINGS = FormField(
    "statuses",
    "What its statuses mean",
    kind="lines",
    is_advanced=True,
    placeholder="Waiting for vendor = on_hold",
    help="One a line: the status there, then open, pending, on_hold, resolved or closed. The usual ones are known.",
)
STATUSES_OUT = FormField(
    "statuses_out",
    "Statuses to set there",
    kind="lines",
    is_advanced=True,
    placeholder="on_hold = Waiting for vendor",
    help="One a line: the status in the desk, then the one to set there.",
)
SHARE_CHANGES = FormField(
    "share_changes", "Hand over status and priority when they are changed in the desk", kind="switch", default="1"
)
SHARE_NOTES = FormField("share_notes", "Hand over notes that are written in the desk", kind="switch", default="1")
BEGIN = FormField(
    "begin",
    "Tickets to begin with",
    kind="choice",
    choices=(("new", "Only what is new from now on"), ("open", "Also tickets that are open now")),
)
POLL = FormField(
    "poll_seconds",
    "Look for news every",
    kind="choice",
    is_advanced=True,
    choices=(("60", "minute"), ("120", "2 minutes"), ("300", "5 minutes"), ("900", "15 minutes")),
    help="Its calls bring news at once; this fills what they leave out. Every look costs a few API calls.",
)


def _read_lines(label: str, written: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in filter(str.strip, written.splitlines()):
        first, sign, second = line.partition("=")
        if not sign or not first.strip() or not second.strip():
            msg = f"{label}: write one a line, such as 'Waiting for vendor = on_hold'; this is none: {line.strip()!r}"
            raise InvalidInputError(msg)
        found[first.strip()] = second.strip()
    return found
