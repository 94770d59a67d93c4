"""Hours in which a channel sends nothing by machine."""

from __future__ import annotations

import re
from datetime import datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec

from desk.errors import InvalidInputError
from desk.models import ChannelPolicy

TIME_ZONES = ("UTC", *sorted(name for name in available_timezones() if "/" in name and name[:3] != "Etc"))
"""To choose from; names of one word, such as CET, can be used as well."""
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


class QuietHours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From `start` until `end`, HH:MM in `time_zone`; over midnight when the end is the earlier one."""

    start: str
    end: str
    time_zone: str = "UTC"


def checked(hours: QuietHours) -> QuietHours:
    """The same when it can be used. Raises InvalidInputError."""
    for value in (hours.start, hours.end):
        if _CLOCK.fullmatch(value) is None:
            msg = f"quiet hours are written like 22:00, not '{value}'"
            raise InvalidInputError(msg)
    if hours.start == hours.end:
        msg = "quiet hours that begin when they end are no hours; switch automatic sending off instead"
        raise InvalidInputError(msg)
    try:
        ZoneInfo(hours.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        msg = f"there is no time zone '{hours.time_zone}'; use a name such as Europe/Berlin"
        raise InvalidInputError(msg) from error
    return hours


def quiet_hours(policy: ChannelPolicy) -> QuietHours | None:
    if policy.quiet_from is None or policy.quiet_until is None:
        return None
    return QuietHours(policy.quiet_from, policy.quiet_until, policy.time_zone)


def is_quiet(hours: QuietHours | None, now: datetime) -> bool:
    """Whether `now`, a time with a zone, lies in the quiet hours."""
    if hours is None:
        return False
    local = now.astimezone(ZoneInfo(hours.time_zone)).time()
    start, end = time.fromisoformat(hours.start), time.fromisoformat(hours.end)
    return start <= local < end if start < end else local >= start or local < end
