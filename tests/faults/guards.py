"""The guards, each with what takes it out of the desk's processes and a short run that must then fail.

The product has no switch for any of this: functions are replaced from outside, when a process starts
(`tests/faults/site/sitecustomize.py`), or constraints are dropped in the run's own database. A guard that another one
stands behind is taken out together with that one; alone it changes nothing that could be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.faults import taking_out
from tests.faults.plan import Blow, Mishap, Weather

_WELL: tuple[tuple[Mishap, int], ...] = (("", 1),)
_SLOW: tuple[tuple[Mishap, int], ...] = (("slow", 1),)
_OFTEN_LOST: tuple[tuple[Mishap, int], ...] = (("", 1), ("lost", 1))
_KILLS: tuple[Blow, ...] = ("kill worker",)


def _weather(
    *channels: str,
    messages: int = 40,
    per_second: float = 4.0,
    blows: tuple[Blow, ...] = (),
    seconds_between_blows: float = 2.0,
    mishaps: tuple[tuple[Mishap, int], ...] = _WELL,
    together: bool = False,
) -> Weather:
    """Nothing goes wrong but what is asked for."""
    return Weather(channels, messages, per_second, blows, seconds_between_blows, mishaps, together)


@dataclass(frozen=True)
class Guard:
    """`take_out` runs in every process of the desk; `statements` once, in its database, as the superuser."""

    promise: str
    breaches: Sequence[str]
    """What is expected; any of them will do."""
    weather: Weather
    take_out: Callable[[], None] = taking_out.nothing
    statements: Sequence[str] = ()
    together_with: Sequence[str] = ()
    """Guards that hold when this one alone is gone."""
    settle_seconds: float = 45.0


GUARDS: dict[str, Guard] = {
    "external-ids": Guard(
        "a message that a tenant's system hands over again is known by its id",
        ("taken in twice", "in the wrong ticket"),
        _weather("rest"),
        taking_out.external_ids,
    ),
    "inbox": Guard(
        "a raw message that comes again is known by its id",
        ("taken in twice",),
        _weather("email"),
        taking_out.inbox,
        together_with=("copies",),
    ),
    "copies": Guard(
        "a copy of a message that came another way is known by its key",
        ("taken in twice",),
        _weather("email"),
        taking_out.copies,
        together_with=("inbox",),
    ),
    "widget-ids": Guard(
        "a visitor's message that is sent again is known by its id",
        ("taken in twice", "in the wrong ticket"),
        _weather("widget"),
        taking_out.widget_ids,
    ),
    "order": Guard(
        "messages of one sender are read one after another",
        ("in the wrong order", "in the wrong ticket"),
        _weather("email", messages=60, per_second=15.0, together=True),
        taking_out.order,
    ),
    "commit": Guard(
        "what is confirmed is on the disk",
        ("confirmed before it was kept", "lost"),
        _weather("rest", messages=120, per_second=8.0, blows=("kill database",), seconds_between_blows=2.5),
        taking_out.commit,
    ),
    "uncertain": Guard(
        "a reply whose sending was broken off is looked up, and never just sent again",
        ("sent twice", "answered twice"),
        _weather("rest blind", "rest", per_second=3.0, blows=_KILLS, seconds_between_blows=1.5, mishaps=_SLOW),
        taking_out.uncertain,
    ),
    "lost-answers": Guard(
        "a call without an answer counts as perhaps made",
        ("sent twice", "answered twice"),
        _weather("rest blind", mishaps=_OFTEN_LOST),
        taking_out.lost_answers,
    ),
    "lease": Guard(
        "what one worker works on no other one takes",
        ("uncertain without a reason", "sent twice"),
        _weather("rest blind", mishaps=_SLOW, messages=20),
        taking_out.lease,
    ),
    "renewal": Guard(
        "a worker that is still at work keeps its lease",
        ("uncertain without a reason", "sent twice"),
        _weather("rest blind", mishaps=(("", 1), ("slow", 2)), messages=20),
        taking_out.renewal,
    ),
    "fence": Guard(
        "a worker that has lost its lease changes nothing",
        ("sent twice", "taken in twice", "a reply shown twice", "said not to be sent, and taken"),
        _weather("rest", "email", blows=("stop worker",), seconds_between_blows=3.0, mishaps=(("", 2), ("slow", 1))),
        taking_out.fence,
        together_with=("ended", "copies"),
    ),
    "ended": Guard(
        "what has ended is not ended again",
        ("sent twice", "taken in twice", "a reply shown twice", "said not to be sent, and taken"),
        _weather("rest", "email", blows=("stop worker",), seconds_between_blows=3.0, mishaps=(("", 2), ("slow", 1))),
        taking_out.ended,
        together_with=("fence", "copies"),
    ),
    "newer-message": Guard(
        "a draft that does not know of the newest message is not sent",
        ("a stale draft was sent",),
        _weather("rest", messages=60, per_second=8.0),
        taking_out.newer_message,
    ),
    "first-approval": Guard(
        "of two who send the same draft one wins",
        ("two approvals won", "answered twice"),
        _weather("rest"),
        taking_out.first_approval,
        together_with=("one-reply-a-draft",),
    ),
    "one-reply-a-draft": Guard(
        "the database holds one reply and one review for a draft",
        ("two approvals won", "answered twice"),
        _weather("rest"),
        statements=("DROP INDEX uq_deliveries_draft_id", "DROP INDEX uq_reviews_draft_id"),
        together_with=("first-approval",),
    ),
    "own-mail": Guard(
        "the desk's own mail is known when it comes back",
        ("nobody has written this",),
        _weather("email"),
        taking_out.own_mail,
    ),
    "own-replies": Guard(
        "the desk's own reply is known in the ticket over there",
        ("the desk's own reply taken for another's",),
        _weather("whmcs"),
        taking_out.own_replies,
    ),
    "words-over-there": Guard(
        "before and after a reply is written, the ticket over there is read",
        ("uncertain, and not shown", "sent twice", "uncertain without a reason", "said not to be sent, and taken"),
        _weather("whmcs", mishaps=_OFTEN_LOST),
        taking_out.words_over_there,
    ),
    "polling": Guard(
        "work is found without a wake-up",
        ("not done in time",),
        _weather("rest", blows=("empty queue", "kill worker"), seconds_between_blows=1.0),
        taking_out.polling,
    ),
}
