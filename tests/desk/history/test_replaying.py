"""Histories from a page: taken in once, replayed honestly, stopped and begun again."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import Actor
from desk.db.leases import LostLeaseError, claim_these
from desk.db.unit_of_work import Database
from desk.errors import ConflictError, InvalidInputError, NotFoundError, TooLargeError
from desk.history.account import BacktestAccount
from desk.history.backtests import account_of, ask_for_backtest, get_backtest, stop_backtest
from desk.history.imports import upload_history
from desk.installation import Installation
from desk.models import Backtest, Decision, Delivery, Draft, Embedding, Example, HistoryImport, Ticket
from tests.conftest import new_owner
from tests.desk.history.histories import TOPICS, imported, jsonl, replayed, steady, take_in, ticket

ZEBRA = "A zebra crossing is painted black and white; the council sends the paint within two working days."


def found(row: Backtest) -> BacktestAccount:
    account = account_of(row)
    assert account is not None, row.reason
    return account


async def test_a_file_is_taken_in_once_with_a_reason_for_every_line_left_out(
    installation: Installation, actor: Actor
) -> None:
    raw = b"{broken\n" + jsonl(steady(6)) + b'\n{"id": "x", "body": "no date"}\n'
    first = await imported(installation, actor, raw)
    again = await imported(installation, actor, raw)
    assert (first.state, first.total, first.done, first.tickets, first.examples) == ("done", 6, 6, 6, 6)
    assert [one["line"] for one in first.refused] == [1, 8]
    assert "created_at" in first.refused[1]["reason"]
    assert (again.tickets, again.known, again.examples) == (0, 6, 0)
    async with installation.database.transaction(actor.scope) as session:
        assert (await session.execute(select(func.count()).select_from(Ticket))).scalar_one() == 6
    assert [key async for key in installation.storage.keys(actor.tenant_id.hex)] == []


async def test_a_table_from_a_spreadsheet_is_a_history_too(installation: Installation, actor: Actor) -> None:
    raw = (
        "Ticket ID;Created;Question;Answer;Replied at;Customer name\n"
        '7;2024-01-02 08:00;"Hello,\nwhere is my invoice?";Under Billing.;2024-01-02 09:00;Mia\n'
        "8;soon;Why?;So.;;\n"
        "9;2024-01-03;Nobody answered;;;\n"
    ).encode("utf-8-sig")
    row = await imported(installation, actor, raw, name="Tickets.CSV")
    assert (row.tickets, row.messages, row.examples) == (2, 3, 1)
    assert [one["line"] for one in row.refused] == [4]
    async with installation.database.transaction(actor.scope) as session:
        example = (await session.execute(select(Example))).scalar_one()
    assert (example.question, example.answer) == ("Hello,\nwhere is my invoice?", "Under Billing.")
    assert example.answered_at.isoformat() == "2024-01-02T09:00:00+00:00"
    nameless = await imported(installation, actor, b"a,b\n1,2\n", name="t.csv")
    assert (nameless.state, "created_at" in nameless.reason) == ("failed", True)


async def test_files_that_cannot_be_a_history_are_refused_at_once(installation: Installation, actor: Actor) -> None:
    for name, raw, error in (
        ("a.pdf", b"%PDF", InvalidInputError),
        ("a.jsonl", b" \n", InvalidInputError),
        ("a.jsonl", b"x" * 2_000_000, TooLargeError),
    ):
        with pytest.raises(error):
            await imported(installation, actor, raw, name=name)


async def test_an_import_whose_worker_died_goes_on_without_counting_twice(
    installation: Installation, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("learning.history_import._BATCH", 4)
    row = await upload_history(
        installation.database,
        installation.storage,
        actor,
        "a.jsonl",
        jsonl(steady(10)),
        then_backtest=True,
        maximum_bytes=1_000_000,
    )
    embed, calls = installation.embedder.embed, 0

    async def dies(texts: list[str]) -> object:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError("the machine went away")
        return await embed(texts)

    monkeypatch.setattr(installation.embedder, "embed", dies)
    with pytest.raises(OSError, match="went away"):
        await take_in(installation, row)
    async with installation.database.transaction(actor.scope) as session:
        await session.execute(update(HistoryImport).values(lease_until=None))
    await take_in(installation, row)
    async with installation.database.transaction(actor.scope) as session:
        ended = await session.get_one(HistoryImport, row.id)
        asked = (await session.execute(select(Backtest))).scalar_one()
    assert (ended.state, ended.done, ended.tickets, ended.known) == ("done", 10, 10, 0)
    assert (asked.state, asked.asked_by) == ("waiting", actor.label)


async def test_a_replay_finds_what_people_want_to_know_and_leaves_nothing_else(
    installation: Installation, actor: Actor
) -> None:
    await imported(installation, actor, jsonl(steady(60)))
    async with installation.database.transaction(actor.scope) as session:
        before = await _counts(session)
    account = found(await replayed(installation, actor))
    async with installation.database.transaction(actor.scope) as session:
        assert await _counts(session) == before
        newest = select(Ticket.id).order_by(Ticket.created_at)
        ids = [str(one) for one in (await session.execute(newest)).scalars()]
    assert (account.figures["tickets"], account.figures["drafted"], account.figures["skipped"]) == (60, 40, 20)
    assert account.figures["similarity"]["share_at_least_0.70"] > 0.9
    assert sum(stretch.drafts for stretch in account.over_time) == 40
    assert [each.risk for each in account.sending] == [0.01, 0.02, 0.05, 0.10]
    assert len(account.best) == len(TOPICS)
    best = account.best[0]
    assert best.ticket in ids[20:]
    used = next(source for source in best.sources if source.used)
    assert ids.index(used.ticket) < ids.index(best.ticket)
    assert best.draft in TOPICS.values() or best.reply in best.draft


async def test_an_answer_from_the_future_is_not_found(installation: Installation, database: Database) -> None:
    """Asked before, answered only after the last ticket came: it existed for nobody."""
    shares: dict[str, float] = {}
    for name, delay in (("early", timedelta(minutes=5)), ("late", timedelta(days=30))):
        actor = await new_owner(database)
        planted = [*steady(25), ticket(25, "zebra crossing colours", ZEBRA, answered_after=delay)]
        asked = ticket(40, "zebra crossing colours", ZEBRA)
        await imported(installation, actor, jsonl([*planted, asked]))
        account = found(await replayed(installation, actor))
        shares[name] = account.figures["similarity"]["share_at_least_0.70"]
        if name == "late":
            drafts = [each for each in account.worst if each.question.startswith("zebra")]
            assert {each.why for each in drafts} == {"no_earlier_answer"}
            assert not any("zebra" in source.text for each in drafts for source in each.sources)
    assert shares["late"] < shares["early"]


async def test_one_replay_at_a_time_of_ones_own_tickets_only(installation: Installation, actor: Actor) -> None:
    with pytest.raises(InvalidInputError, match="import a ticket history first"):
        async with installation.database.transaction(actor.scope) as session:
            await ask_for_backtest(session, actor.label)
    await imported(installation, actor, jsonl(steady(21)))
    async with installation.database.transaction(actor.scope) as session:
        row = await ask_for_backtest(session, actor.label)
    with pytest.raises(ConflictError, match="under way"):
        async with installation.database.transaction(actor.scope) as session:
            await ask_for_backtest(session, actor.label)
    stranger = await new_owner(installation.database)
    with pytest.raises(NotFoundError):
        async with installation.database.transaction(stranger.scope) as session:
            await stop_backtest(session, row.id)


async def test_a_stopped_replay_ends_its_process_and_stores_nothing(
    installation: Installation, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("learning.backtest.job._MODULE", "tests.desk.history.endless")
    monkeypatch.setattr("learning.backtest.job._TELL_SECONDS", 0.05)
    await imported(installation, actor, jsonl(steady(21)))
    async with installation.database.transaction(actor.scope) as session:
        row = await ask_for_backtest(session, actor.label)
        (held,) = await claim_these(session, Backtest, [row.id], 60)
    work = asyncio.create_task(installation.history_replayer.replay(held.tenant_id, held.row_id, held.fence))
    while True:
        async with installation.database.transaction(actor.scope) as session:
            if (await get_backtest(session, row.id)).stage == "endless":
                break
        await asyncio.sleep(0.02)
    async with installation.database.transaction(actor.scope) as session:
        await stop_backtest(session, row.id)
    with pytest.raises(LostLeaseError):
        await work
    async with installation.database.transaction(actor.scope) as session:
        ended = await get_backtest(session, row.id)
    assert (ended.state, ended.account, ended.due_at) == ("stopped", None, None)
    assert (await replayed_with_few(installation, actor)).state == "failed"


async def replayed_with_few(installation: Installation, actor: Actor) -> Backtest:
    """With the real process again; 21 tickets, of which 20 are only learned from."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("learning.backtest.job._MODULE", "learning.backtest.child")
        async with installation.database.transaction(actor.scope) as session:
            row = await ask_for_backtest(session, actor.label, most_tickets=20)
            (held,) = await claim_these(session, Backtest, [row.id], 60)
        await installation.history_replayer.replay(held.tenant_id, held.row_id, held.fence)
    async with installation.database.transaction(actor.scope) as session:
        ended = await get_backtest(session, row.id)
    assert "nothing to compare" in ended.reason
    return ended


async def _counts(session: AsyncSession) -> dict[str, int]:
    tables = (Ticket, Draft, Delivery, Decision, Example, Embedding)
    return {
        str(table.__tablename__): (await session.execute(select(func.count()).select_from(table))).scalar_one()
        for table in tables
    }
