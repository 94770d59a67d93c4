"""CSV files as spreadsheets write them: whichever encoding and separator they choose."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass

from desk.errors import InvalidInputError

_SEPARATOR_LINE = re.compile(r"sep=([,;\t])")
"""Some spreadsheets say in a line of its own, above the header, what separates the cells."""


@dataclass(frozen=True, slots=True)
class BrokenRow:
    line: int
    """Where it begins in the file, counted from 1."""
    reason: str


def _decoded(raw: bytes) -> str:
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        msg = "the file is not UTF-8; in the spreadsheet choose to save as 'CSV UTF-8'"
        raise InvalidInputError(msg) from error


def _delimiter(header: str) -> str:
    """Whatever separates the names of the columns."""
    return max((",", ";", "\t"), key=header.count)


def csv_rows(raw: bytes) -> Iterator[tuple[int, list[str]] | BrokenRow]:
    """Cells with the number of the line they begin in, from 1; empty lines are passed over.

    Raises InvalidInputError when the file is in no encoding that is known.
    """
    lines = list(io.StringIO(_decoded(raw), newline=""))
    start = next((at for at, line in enumerate(lines) if line.strip()), 0)
    announced = _SEPARATOR_LINE.fullmatch(lines[start].strip()) if lines else None
    start += announced is not None
    delimiter = announced.group(1) if announced else _delimiter(lines[start] if lines else "")
    while start < len(lines):
        number = start + 1
        reader = csv.reader((lines[at] for at in range(start, len(lines))), delimiter=delimiter, strict=True)
        try:
            cells = next(reader)
        except csv.Error as error:
            # Read on behind the broken line: a quotation mark that is never closed would take the rest with it.
            yield BrokenRow(number, _words(error, lines_read=reader.line_num))
            start += 1
            continue
        start += reader.line_num
        if any(cell.strip() for cell in cells):
            yield number, cells


def _words(error: csv.Error, *, lines_read: int) -> str:
    if lines_read > 1 or "unexpected end of data" in str(error):
        return "a quotation mark opens here and is never closed"
    if "expected after" in str(error):
        return "there is text behind a closing quotation mark; write quotation marks inside a text twice"
    return f"it cannot be read: {error}"
