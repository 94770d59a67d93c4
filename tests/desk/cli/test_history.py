"""Another desk's tickets: learned from, never answered."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from desk.accounts.tenants import tenant_by_slug
from desk.conversation import customer_words
from desk.db.tenancy import Scope
from desk.db.unit_of_work import Database
from desk.models import Connection, Customer, Delivery, Draft, Embedding, Example, Message, Ticket
from learning.backtest.history import read_history
from learning.history_import import CHANNEL, HistoryImporter
from retrieval.embedding.minilm import MiniLMEmbedder
from tests.conftest import new_owner
from tests.desk.cli.conftest import Command, in_thread

TWO_ROUNDS = {
    "id": "old-1",
    "created_at": "2024-03-01T08:00:00Z",
    "channel": "mail",
    "subject": "No  mail\x00 since Monday",
    "body": "Nothing arrives.",
    "customer": {"external_id": "c-7", "name": "Mia Berg"},
    "messages": [
        {"from": "customer", "at": "2024-03-01T08:05:00Z", "body": "Sending works."},
        {"from": "agent", "agent": "Jo", "at": "2024-03-01T09:00:00Z", "body": "Please raise the quota."},
        {"from": "agent", "agent": "Jo", "at": "2024-03-01T09:01:00Z", "body": "In the panel, I mean."},
        {"from": "customer", "at": "2024-03-02T08:00:00Z", "body": "Where in the panel?"},
        {"from": "agent", "agent": "Kim", "at": "2024-03-02T10:00:00Z", "body": "Under Mail, Quotas."},
    ],
}
UNANSWERED = {
    "id": "old-2",
    "created_at": "2024-03-03T08:00:00Z",
    "subject": "Domain transfer",
    "body": "How long does it take?",
    "customer": {"external_id": "c-7", "name": "Mia Berg"},
}


@pytest.fixture
def history(tmp_path: Path) -> Path:
    file = tmp_path / "history.jsonl"
    lines = [json.dumps(TWO_ROUNDS), "{not json", json.dumps(UNANSWERED), json.dumps({"id": "x", "body": "no date"})]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


async def test_a_history_becomes_threads_to_look_up_and_replies_to_learn_from(
    desk: Command, database: Database, history: Path
) -> None:
    slug = await in_thread(desk.new_tenant)
    report = await in_thread(desk.json, "import-tickets", str(history), "--tenant", slug)
    assert {name: report[name] for name in ("imported", "known", "messages", "examples")} == {
        "imported": 2,
        "known": 0,
        "messages": 7,
        "examples": 2,
    }
    assert [one["line"] for one in report["refused"]] == [2, 4]
    assert "created_at" in report["refused"][1]["reason"]

    async with database.transaction(Scope(await tenant_by_slug(database, slug))) as session:
        tickets = (await session.execute(select(Ticket).order_by(Ticket.number))).scalars().all()
        answered, unanswered = tickets
        messages = (
            (await session.execute(select(Message).where(Message.ticket_id == answered.id).order_by(Message.seq)))
            .scalars()
            .all()
        )
        examples = (await session.execute(select(Example).order_by(Example.answered_at))).scalars().all()
        asked = [await customer_words(session, answered, seq) for seq in (2, 5)]
        counts = {
            row: (await session.execute(select(func.count()).select_from(row))).scalar_one()
            for row in (Draft, Delivery, Customer, Embedding)
        }
    assert all(ticket.is_history and ticket.waiting_since is None for ticket in tickets)
    assert (answered.status, unanswered.status) == ("resolved", "closed")
    assert (answered.channel, answered.subject, answered.last_seq) == ("mail", "No mail since Monday", 6)
    assert [message.author for message in messages] == ["customer", "customer", "agent", "agent", "customer", "agent"]
    assert messages[2].sent_at.isoformat() == "2024-03-01T09:00:00+00:00"
    assert [example.question for example in examples] == asked
    assert asked[0] == "No mail since Monday\n\nNothing arrives.\n\nSending works."
    assert [(one.answer, one.author, one.customer_name) for one in examples] == [
        ("Please raise the quota.", "Jo", "Mia Berg"),
        ("Under Mail, Quotas.", "Kim", "Mia Berg"),
    ]
    assert counts == {Draft: 0, Delivery: 0, Customer: 1, Embedding: 2}


def test_importing_twice_imports_once(desk: Command, history: Path) -> None:
    slug = desk.new_tenant()
    desk.json("import-tickets", str(history), "--tenant", slug)
    with history.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**UNANSWERED, "id": "old-3"}) + "\n")
    again = desk.json("import-tickets", str(history), "--tenant", slug)
    assert (again["imported"], again["known"], again["examples"]) == (1, 2, 0)
    other = desk.json("import-tickets", str(history), "--tenant", desk.new_tenant())
    assert other["imported"] == 3


async def test_two_imports_at_once_import_once(database: Database, history: Path) -> None:
    tenant_id = (await new_owner(database)).tenant_id
    tickets = list(read_history(history, lambda _: None))
    importers = [HistoryImporter(database, MiniLMEmbedder()) for _ in range(2)]
    counts = await asyncio.gather(*(one.run(tenant_id, tickets, lambda: None) for one in importers))
    assert sorted(one.tickets for one in counts) == [0, 2]
    assert [one.tickets + one.known for one in counts] == [2, 2]
    async with database.transaction(Scope(tenant_id)) as session:
        numbers = (await session.execute(select(Ticket.number).order_by(Ticket.number))).scalars().all()
        connections = (await session.execute(select(func.count()).where(Connection.channel == CHANNEL))).scalar_one()
    assert numbers == [1, 2]
    assert connections == 1


def test_backtest_prints_the_figures_and_needs_no_database(tmp_path: Path) -> None:
    file, out = tmp_path / "shop.jsonl", tmp_path / "figures.json"
    file.write_text("\n".join(json.dumps(_ticket(number)) for number in range(24)) + "\n", encoding="utf-8")
    desk = Command({"DESK_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    printed = json.loads(desk.run("backtest", str(file), "--json", "-").stdout)
    assert (printed["tenants"], printed["tickets"], printed["drafted"], printed["skipped"]) == (1, 24, 4, 20)
    assert printed["auto_send"]["risk"] == 0.05
    summary = desk.run("backtest", str(file), "--limit", "22", "--json", str(out)).stdout
    assert json.loads(out.read_text(encoding="utf-8"))["drafted"] == 2
    assert "2 drafted" in summary


def test_the_report_stands_alone_and_says_the_same(tmp_path: Path) -> None:
    file, page = tmp_path / "shop.jsonl", tmp_path / "report.html"
    asked = "<script>alert(1)</script> where is my invoice?"
    lines = [json.dumps({**_ticket(number), "body": asked}) for number in range(25)]
    lines.append("{broken")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    desk = Command({"DESK_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    printed = json.loads(desk.run("backtest", str(file), "--html", str(page), "--json", "-").stdout)
    html = page.read_text(encoding="utf-8")
    assert printed["drafted"] == 5
    assert "Of 5 tickets, Draftdesk would have drafted 5" in html
    assert html.count("<polyline") >= 6
    assert "shop.jsonl, line 26" in html
    assert "&lt;script&gt;" in html
    assert not re.search(r"<script|<link|<img|src=|url\(|https?://", html)
    assert str(tmp_path) not in html
    refused = desk.run("backtest", str(file), "--html", str(page), "--no-learning")
    assert (refused.exit_code, "leave --no-learning out" in refused.output) == (2, True)


def _ticket(number: int) -> dict[str, Any]:
    at = f"2024-01-{number + 1:02d}"
    return {
        "id": f"t{number}",
        "created_at": f"{at}T08:00:00Z",
        "subject": "Invoice",
        "body": f"Where is invoice {number}?",
        "messages": [{"from": "agent", "at": f"{at}T09:00:00Z", "body": "Invoices are under Billing in your panel."}],
    }
