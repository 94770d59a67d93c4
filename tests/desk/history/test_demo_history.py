"""The demo's old tickets: the same whenever they are made, readable to the last line, and of the past."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

from desk.demo.history import FILE_NAME, old_tickets
from learning.backtest.history import RefusedLine, tickets_in

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_the_first_demo_company_brings_tickets_of_an_earlier_desk() -> None:
    raw = old_tickets("larkspur", NOW)
    assert raw is not None
    refused: list[RefusedLine] = []
    tickets = list(tickets_in(FILE_NAME, io.BytesIO(raw), refused.append))
    assert (len(tickets), refused) == (260, [])
    assert len({ticket.id for ticket in tickets}) == 260
    assert [ticket.created_at for ticket in tickets] == sorted(ticket.created_at for ticket in tickets)
    said = [message.at for ticket in tickets for message in ticket.messages]
    assert max(said) < NOW - timedelta(days=30)
    assert 240 <= len(said) < 260
    later = old_tickets("larkspur", NOW + timedelta(days=3))
    assert later is not None
    assert [json.loads(line)["body"] for line in later.splitlines()] == [
        json.loads(line)["body"] for line in raw.splitlines()
    ]
    assert old_tickets("tidewell", NOW) is None
