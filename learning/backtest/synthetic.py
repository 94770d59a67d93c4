"""A made-up ticket history whose questions repeat: `python -m learning.backtest.synthetic > history.jsonl`.

What a desk with a dozen steady intents looks like: every intent has one answer its agents give again and again, greeted
by name and now and then reworded, and its questions come in many wordings. A stated share of answers is something else
altogether, so that a backtest has errors to be honest about.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

_NAMES = ("Amara", "Bjarne", "Chiara", "Dmitri", "Elif", "Farid", "Greta", "Hiroshi", "Imani", "Jonas", "Keiko", "Luca")
_OPENINGS = ("Hello,", "Hi,", "Good morning,", "Dear support,", "Hi there,", "")
_ASKS = (
    "{problem}. {detail}",
    "{problem}, can you help? {detail}",
    "Since yesterday {problem}. {detail}",
    "{detail} {problem}. What should I do?",
    "I need some help: {problem}. {detail}",
)
_DETAILS = (
    "I tried it twice already.",
    "This is rather urgent for us.",
    "My colleague sees the same.",
    "It worked fine last week.",
    "I am on my phone right now.",
    "Nothing in the help pages matched.",
    "Sorry if this was asked before.",
    "We are a small team of four.",
)
_CLOSINGS = ("Kind regards, the support team", "Best wishes, the support team")
_INTENTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("the invoice copy never arrived", "I cannot find my invoice", "where do I download the invoice"),
        "Every invoice is kept under Billing, Invoices. Open the month you need and choose Download as PDF.",
    ),
    (
        ("the password reset link does nothing", "I forgot my password", "the reset mail for my password is missing"),
        "Please open the sign-in page, choose Forgot password and use the newest link; older links stop working.",
    ),
    (
        ("my parcel has not come yet", "where is my parcel", "the tracking of my parcel has not moved"),
        "Parcels take up to five working days. The tracking page is renewed each night, so please look again tomorrow.",
    ),
    (
        ("I want to change my delivery address", "we moved to a new address", "the delivery address is wrong"),
        "You can change the delivery address under Account, Addresses until the parcel has been packed.",
    ),
    (
        ("the app closes itself at start", "the app crashes when I open it", "your app will not start any more"),
        "Please update the app, restart the telephone and open the app again. Your settings are kept.",
    ),
    (
        ("how do I add a second user", "my colleague needs an account", "I want to invite another user"),
        "Open Settings, Team and choose Invite. The colleague gets a mail and chooses a password of their own.",
    ),
    (
        ("the export file is empty", "the export to a spreadsheet fails", "I get no data in my export"),
        "Please choose a time range before you export. Without one the file has only the headings of its columns.",
    ),
    (
        ("the newsletter keeps coming", "please take me off the newsletter", "I want to stop the newsletter"),
        "We are sorry for the trouble. Every newsletter has an unsubscribe link in its last line; one click is enough.",
    ),
    (
        ("the calendar shows the wrong time zone", "events are off by one hour", "my calendar times are shifted"),
        "The calendar uses the time zone of your profile. Open Profile, Region and choose the zone you are in.",
    ),
    (
        ("the picture upload is refused", "I cannot upload a photo", "uploading images fails with an error"),
        "Pictures may have up to ten megabytes and must be JPEG or PNG. Please make it smaller and upload it again.",
    ),
)


def synthetic_history(tickets: int, seed: int = 7, other_answers: float = 0.01) -> Iterator[dict[str, Any]]:
    """Tickets in the form of `desk backtest`, oldest first, each answered within the hour.

    `other_answers` is the share of tickets that get another intent's answer, which no draft can foresee.
    """
    draw = random.Random(seed)  # noqa: S311 -- made-up tickets, the same for the same seed
    moment = datetime(2024, 1, 1, 8, tzinfo=UTC)
    for number in range(tickets):
        moment += timedelta(minutes=draw.randint(70, 240))
        problems, answer = draw.choice(_INTENTS)
        name = draw.choice(_NAMES)
        if draw.random() < other_answers:
            answer = draw.choice([other for _, other in _INTENTS if other != answer])
        asked = draw.choice(_ASKS).format(problem=draw.choice(problems), detail=draw.choice(_DETAILS))
        yield {
            "id": f"synthetic-{number}",
            "created_at": moment.isoformat(),
            "channel": "email",
            "subject": "",
            "body": f"{draw.choice(_OPENINGS)}\n{asked}\n\n{name}",
            "customer": {"name": name},
            "messages": [
                {
                    "from": "agent",
                    "at": (moment + timedelta(minutes=draw.randint(5, 60))).isoformat(),
                    "body": f"Hello {name},\n\n{answer}\n\n{draw.choice(_CLOSINGS)}",
                }
            ],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tickets", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--other-answers", type=float, default=0.01, help="share of answers no draft can foresee")
    arguments = parser.parse_args()
    for ticket in synthetic_history(arguments.tickets, arguments.seed, arguments.other_answers):
        sys.stdout.write(json.dumps(ticket) + "\n")


if __name__ == "__main__":
    main()
