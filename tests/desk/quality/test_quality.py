"""A conversation's score: explained part by part, kept with the ticket, and read by no guard."""

from __future__ import annotations

import ast
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import desk
from desk.accounts.identity import Actor
from desk.accounts.preferences import Preferences, save_preferences
from desk.db.unit_of_work import Database
from desk.errors import InvalidInputError
from desk.intake import NewMessage, accept_message
from desk.models import Ticket
from desk.quality.scoring import Conversation, EditedDraft, quality_of
from desk.tickets.changes import TicketChange, change_ticket
from desk.tickets.queue import TicketFilter, list_tickets
from desk.working_hours import WorkingHours, hours_between
from tests.desk.conversations import new_ticket, reload

BEST = Conversation(
    is_solved=True,
    is_escalated=False,
    replies=1,
    waits=[0.5],
    is_live=False,
    edits=[EditedDraft("approved", 1.0, False)],
    rating=5,
    moods=["negative", "positive"],
    times_reopened=0,
    complaint="",
)


def test_everything_right_is_a_hundred_and_each_fault_is_named_by_its_part() -> None:
    assert quality_of(BEST).score == 100
    faults = {
        "solved": replace(BEST, is_solved=False),
        "replies": replace(BEST, replies=5),
        "first_reply": replace(BEST, waits=[12.0]),
        "waiting": replace(BEST, waits=[0.5, 20.0]),
        "drafts": replace(BEST, edits=[EditedDraft("edited", 0.95, True)]),
        "rating": replace(BEST, rating=2),
        "mood": replace(BEST, moods=["neutral", "negative"]),
        "reopened": replace(BEST, times_reopened=1),
        "complaint": replace(BEST, complaint="unacceptable"),
    }
    for name, conversation in faults.items():
        quality = quality_of(conversation)
        assert quality.score < 100
        assert [part.name for part in quality.parts if part.share < 1] == [name]


def test_what_nobody_knows_counts_neither_way() -> None:
    silent = replace(BEST, replies=1, waits=[0.5], edits=[], rating=None, moods=["neutral"])
    assert quality_of(silent).score == 100
    assert {part.name for part in quality_of(silent).parts} == {
        "solved",
        "replies",
        "first_reply",
        "reopened",
        "complaint",
    }


@given(st.integers(1, 9), st.lists(st.floats(0, 1e6), max_size=9), st.integers(1, 5), st.integers(0, 9))
def test_the_score_stays_between_0_and_100_and_waiting_longer_never_helps(
    replies: int, waits: list[float], rating: int, reopened: int
) -> None:
    said = replace(BEST, replies=replies, waits=waits, rating=rating, times_reopened=reopened)
    slower = replace(said, waits=[2 * wait for wait in waits])
    assert 0 <= quality_of(slower).score <= quality_of(said).score <= 100


def test_waiting_is_counted_in_working_hours_over_nights_weekends_and_a_changed_clock() -> None:
    berlin = WorkingHours(start="09:00", end="17:00", time_zone="Europe/Berlin")
    friday, monday = datetime(2026, 3, 27, 15, tzinfo=UTC), datetime(2026, 3, 30, 8, tzinfo=UTC)
    assert hours_between(None, friday, monday) == 65
    # Friday 16:00 to 17:00 of winter, Monday 9:00 to 10:00 of summer.
    assert hours_between(berlin, friday, monday) == 2
    assert hours_between(berlin, monday, friday) == 0


async def test_hours_that_are_none_are_refused(database: Database, actor: Actor) -> None:
    for hours in (WorkingHours(days=()), WorkingHours(start="18:00"), WorkingHours(time_zone="Mars/Olympus")):
        async with database.transaction(actor.scope) as session:
            with pytest.raises(InvalidInputError):
                await save_preferences(session, Preferences(working_hours=hours))


async def test_it_is_stored_when_the_ticket_is_resolved_falls_when_it_is_opened_again_and_can_be_listed_by(
    database: Database, actor: Actor
) -> None:
    ticket = await new_ticket(database, actor, "How long are my backups kept?")
    assert ticket.quality is None, "an open conversation has not gone any way yet"
    await change_ticket(database, actor, ticket.id, TicketChange(status="resolved"))
    first = await reload(database, actor, Ticket, ticket.id)
    assert first.quality is not None
    angry = NewMessage("This is unacceptable, nothing is solved!")
    await accept_message(database, actor, ticket.id, angry, debounce_seconds=0)
    again = await reload(database, actor, Ticket, ticket.id)
    assert again.quality is not None
    assert again.quality < first.quality
    reasons = {part["name"]: part["reason"] for part in again.quality_parts}
    assert (reasons["solved"], reasons["reopened"], reasons["complaint"]) == ("open again", "once", "“unacceptable”")
    calm = await new_ticket(database, actor)
    await change_ticket(database, actor, calm.id, TicketChange(status="resolved"))
    async with database.transaction(actor.scope) as session:
        worst = await list_tickets(session, TicketFilter(sort="quality", limit=1))
        poor = await list_tickets(session, TicketFilter(quality="poor"))
    assert worst.items[0].ticket.id == ticket.id
    assert [line.ticket.id for line in poor.items] == [ticket.id]


def test_no_guard_reads_the_score() -> None:
    root = Path(desk.__file__).parent
    guards = [*root.glob("policy/*.py"), *root.glob("drafting/**/*.py"), root / "delivery.py", root / "escalation.py"]
    for path in guards:
        read = {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}
        assert not read & {"quality", "quality_parts"}, path
