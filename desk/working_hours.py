"""The hours in which a tenant's people answer: what waiting is measured against."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from desk.errors import InvalidInputError

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_DAYS = 400
"""Longer waits are not counted to the end: they are worth nothing long before."""


class WorkingHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `start` until `end`, HH:MM in `time_zone`, on `days`: 0 is Monday. The end is the later of the two."""

    days: tuple[int, ...] = (0, 1, 2, 3, 4)
    start: str = "09:00"
    end: str = "17:00"
    time_zone: str = "UTC"


def checked_hours(hours: WorkingHours) -> WorkingHours:
    """The same when it can be used. Raises InvalidInputError."""
    try:
        start, end = time.fromisoformat(hours.start), time.fromisoformat(hours.end)
    except ValueError as error:
        msg = "working hours are written like 09:00"
        raise InvalidInputError(msg) from error
    if start.tzinfo is not None or end.tzinfo is not None or start >= end:
        msg = "working hours must end after they begin, on the same day"
        raise InvalidInputError(msg)
    if not hours.days or not set(hours.days) <= set(range(len(DAYS))):
        msg = "choose at least one working day"
        raise InvalidInputError(msg)
    try:
        ZoneInfo(hours.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        msg = f"there is no time zone '{hours.time_zone}'; use a name such as Europe/Berlin"
        raise InvalidInputError(msg) from error
    return hours


def hours_between(hours: WorkingHours | None, start: datetime, end: datetime) -> float:
    """How many working hours lie between two moments with a zone; all hours count where none are set."""
    if end <= start:
        return 0.0
    if hours is None:
        return (end - start).total_seconds() / 3600
    zone = ZoneInfo(hours.time_zone)
    opens, closes = time.fromisoformat(hours.start), time.fromisoformat(hours.end)
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    last = min(last, day + timedelta(days=MOST_DAYS))
    seconds = 0.0
    while day <= last:
        if day.weekday() in hours.days:
            # In UTC: two times of one zone are subtracted by the clock on the wall, whatever it was set to between.
            first = max(start, datetime.combine(day, opens, zone).astimezone(UTC))
            until = min(end, datetime.combine(day, closes, zone).astimezone(UTC))
            seconds += max(0.0, (until - first).total_seconds())
        day += timedelta(days=1)
    return seconds / 3600
