"""Ticket histories as CSV: a row a ticket with the reply it got, its columns named in the first line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from desk.csv_rows import BrokenRow, csv_rows
from desk.errors import InvalidInputError
from desk.plain_text import clean_line, question_key

COLUMNS = (
    "id", "created_at", "subject", "body", "reply", "replied_at", "agent", "channel", "department",
    "customer_id", "customer_email", "customer_name",
)  # fmt: skip
_NAMES: Final[Mapping[str, str]] = {
    name: column
    for column, names in {
        "id": "id ticket_id ticket number",
        "created_at": "created_at created date opened_at created_on",
        "subject": "subject title topic",
        "body": "body question message description text",
        "reply": "reply answer response first_reply",
        "replied_at": "replied_at answered_at reply_date first_reply_at",
        "agent": "agent assignee answered_by",
        "channel": "channel source via",
        "department": "department group team",
        "customer_id": "customer_id requester_id",
        "customer_email": "customer_email email requester_email",
        "customer_name": "customer_name customer name requester requester_name",
    }.items()
    for name in names.split()
}


def csv_lines(raw: bytes) -> Iterator[tuple[int, bytes | InvalidInputError]]:
    """Each row as the JSON line it stands for, or why it cannot be read, with the number of the line it begins in.

    Raises InvalidInputError when the first line does not name the columns.
    """
    rows = csv_rows(raw)
    header = next(rows, None)
    if header is None or isinstance(header, BrokenRow):
        raise InvalidInputError(f"The file has no header; its first line names the columns: {', '.join(COLUMNS)}.")
    columns = _columns(header[1])
    for row in rows:
        if isinstance(row, BrokenRow):
            yield row.line, InvalidInputError(f"{row.reason[:1].upper()}{row.reason[1:]}.")
            continue
        number, cells = row
        if any(cell.strip() for cell in cells[len(columns) :]):
            yield number, InvalidInputError("It has more cells than the header; put texts with separators in quotes.")
            continue
        named = {column: cell for column, cell in zip(columns, cells, strict=False) if column and cell.strip()}
        yield number, json.dumps(_ticket(named)).encode()


def _columns(header: Sequence[str]) -> list[str]:
    """Our name of each column, empty for one we do not know. Raises InvalidInputError."""
    columns = [_NAMES.get(question_key(name).replace(" ", "_").replace("-", "_"), "") for name in header]
    for needed in ("created_at", "body", "reply"):
        if columns.count(needed) != 1:
            how = "no column" if needed not in columns else "more than one column"
            names = ", ".join(clean_line(name) for name in header)
            raise InvalidInputError(f"The first line names {how} '{needed}'; it names: {names}.")
    return columns


def _ticket(cells: Mapping[str, str]) -> dict[str, object]:
    """A reply without a time counts as given when the ticket came."""
    taken = ("id", "created_at", "subject", "body", "channel", "department")
    ticket: dict[str, object] = {name: cells[name] for name in taken if name in cells}
    customer = {"external_id": "customer_id", "email": "customer_email", "name": "customer_name"}
    ticket["customer"] = {name: cells[column] for name, column in customer.items() if column in cells}
    if "reply" in cells:
        reply = {"from": "agent", "body": cells["reply"], "at": cells.get("replied_at"), "agent": cells.get("agent")}
        ticket["messages"] = [reply]
    return ticket
