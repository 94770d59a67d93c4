"""The rolling summary of a long ticket: one line for each message that no longer fits among the last six.

It is extracted, not generated, so it cannot say what nobody wrote.
"""

from __future__ import annotations

from collections.abc import Sequence

from desk.drafting.context import LAST_MESSAGES, SaidMessage
from desk.models import Ticket
from desk.plain_text import excerpt

LONGEST_SUMMARY = 2_000
_LINE = 200


def renew_summary(ticket: Ticket, thread: Sequence[SaidMessage]) -> None:
    """Carry the summary up to the message before the last six of `thread`, which begins where it ends.

    The ticket must be locked.
    """
    older = thread[:-LAST_MESSAGES]
    if not older:
        return
    ticket.summary = extend_summary(ticket.summary, [(message.author, message.body) for message in older])
    ticket.summary_through_seq = older[-1].seq


def extend_summary(summary: str, messages: list[tuple[str, str]]) -> str:
    """Add a line a message; when it grows too long the oldest lines after the first (the request) go."""
    lines = summary.splitlines()
    lines += [
        f"{'Customer' if author == 'customer' else 'Support'}: {excerpt(body, _LINE)}" for author, body in messages
    ]
    while len(lines) > 2 and sum(len(line) + 1 for line in lines) > LONGEST_SUMMARY:
        del lines[1]
    return "\n".join(lines)
