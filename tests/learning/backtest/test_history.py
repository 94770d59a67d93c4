"""Reading what another desk exported: forgiving about what is missing, clear about what is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from desk.errors import InvalidInputError
from learning.backtest.history import HistoryTicket, RefusedLine, history_files, read_history

FULL = {
    "id": "t-1",
    "created_at": "2023-01-01T02:21:46Z",
    "channel": "forum",
    "subject": "No mail",
    "body": "Nothing arrives",
    "customer": {"external_id": "c-1", "email": "a@b.example", "name": "Anna"},
    "department": "mail",
    "messages": [
        {"from": "customer", "at": "2023-01-01T03:00:00Z", "body": "Anyone?"},
        {"from": "agent", "agent": "bob", "at": "2023-01-01T10:19:50+02:00", "body": "Which server?"},
    ],
}


def read(path: Path, *lines: object) -> tuple[list[HistoryTicket], list[RefusedLine]]:
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"\n".join(raw))
    refused: list[RefusedLine] = []
    return list(read_history(path, refused.append)), refused


def test_a_full_line_is_read_whole(tmp_path: Path) -> None:
    (ticket,), refused = read(tmp_path / "t.jsonl", FULL)

    assert not refused
    assert (ticket.id, ticket.subject, ticket.customer.name, ticket.department) == ("t-1", "No mail", "Anna", "mail")
    assert ticket.first_reply is not None
    assert (ticket.first_reply.agent, ticket.first_reply.body) == ("bob", "Which server?")
    assert ticket.first_reply.at == datetime(2023, 1, 1, 8, 19, 50, tzinfo=UTC)


def test_missing_fields_are_no_reason_to_lose_a_ticket(tmp_path: Path) -> None:
    lines = (
        {
            "created_at": "2023-01-01T02:00:00",
            "body": "Help",
            "customer": None,
            "messages": [{"from": "agent", "body": "Yes"}],
        },
    )

    (ticket,), refused = read(tmp_path / "t.jsonl", *lines)
    (again,), _ = read(tmp_path / "u.jsonl", b"", *lines)

    assert not refused
    assert ticket.created_at == datetime(2023, 1, 1, 2, tzinfo=UTC)
    assert ticket.first_reply is not None
    assert ticket.first_reply.at == ticket.created_at
    assert ticket.id
    assert again.id == ticket.id


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{not json", "not a JSON object"),
        (b"[1]", "must be a JSON object, not a list"),
        (b"\xff\xfe{}", "not UTF-8"),
        ({**FULL, "created_at": None}, "created_at is missing"),
        ({**FULL, "created_at": "yesterday"}, "not an ISO 8601 time"),
        ({**FULL, "created_at": 1_672_539_706}, "created_at must be a text, not a number"),
        ({**FULL, "subject": "", "body": None}, "both empty"),
        ({**FULL, "body": 3}, "body must be a text"),
        ({**FULL, "customer": "Anna"}, "customer must be an object"),
        ({**FULL, "customer": {"email": True}}, "customer.email must be a text, not true or false"),
        ({**FULL, "messages": {}}, "messages must be a list"),
        ({**FULL, "messages": [{"from": "robot", "body": "x"}]}, "messages[0].from"),
        ({**FULL, "messages": [{"from": "agent", "at": "x"}]}, "messages[0].at"),
    ],
)
def test_a_wrong_line_is_named_with_its_number_and_the_others_are_read(
    tmp_path: Path, line: object, reason: str
) -> None:
    tickets, refused = read(tmp_path / "t.jsonl", FULL, line, {**FULL, "id": "t-3"})

    assert [ticket.id for ticket in tickets] == ["t-1", "t-3"]
    assert [one.line for one in refused] == [2]
    assert reason in refused[0].reason
    assert str(refused[0]).startswith("t.jsonl, line 2: ")


def test_what_a_database_cannot_hold_is_taken_out(tmp_path: Path) -> None:
    (ticket,), _ = read(tmp_path / "t.jsonl", {**FULL, "body": "a\x00b\ud800c"})

    assert ticket.body == "ab\ufffdc"
    assert ticket.body.encode()


def test_a_path_without_histories_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="neither a ticket history nor a folder"):
        history_files(tmp_path)
