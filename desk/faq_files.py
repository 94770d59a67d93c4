"""FAQs from and into CSV files, as spreadsheets write and read them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.identity import Actor
from desk.csv_rows import BrokenRow, csv_rows
from desk.db.index_log import lock_index
from desk.db.unit_of_work import Database, announce
from desk.errors import InvalidInputError
from desk.faqs import FaqText, checked_text, embed_wordings, faq_of_question, store_faq, written_text
from desk.models import Faq
from desk.models.faqs import FAQ_STATES
from desk.plain_text import clean_line, question_key
from desk.ports import Embedder

MOST_LINES = 5_000
COLUMNS = ("question", "answer", "category", "phrasings", "language", "state")
_NAMES: Final[Mapping[str, str]] = {
    name: column
    for column, names in {
        "question": "question questions q title frage titel pregunta domanda vraag pergunta",
        "answer": "answer answers a reply response antwort reponse respuesta risposta antwoord resposta",
        "category": "category categories topic section group kategorie thema categorie categoria",
        "phrasings": "phrasings phrasing variants variant alternatives alternative synonyms further_phrasings "
        "other_questions varianten formulierungen variantes varianti",
        "language": "language lang locale sprache langue idioma lingua taal",
        "state": "state status stand",
    }.items()
    for name in names.split()
}
_BETWEEN_PHRASINGS = "|"
_BATCH = 100
"""Lines that are embedded and stored together."""
_FORMULA_STARTS = ("=", "+", "-", "@")
"""A spreadsheet would run such a cell; an apostrophe before it makes it text, and is taken off again here."""


@dataclass(frozen=True, slots=True)
class RefusedLine:
    line: int
    """Where it begins in the file, counted from 1."""
    reason: str


_Outcome = Literal["created", "changed", "unchanged"]


@dataclass(frozen=True, slots=True)
class TakenLine:
    line: int
    question: str
    outcome: _Outcome


@dataclass(frozen=True, slots=True)
class ImportReport:
    taken: tuple[TakenLine, ...]
    refused: tuple[RefusedLine, ...]

    @property
    def created(self) -> int:
        return self._count("created")

    @property
    def changed(self) -> int:
        return self._count("changed")

    @property
    def unchanged(self) -> int:
        return self._count("unchanged")

    def _count(self, outcome: _Outcome) -> int:
        return sum(one.outcome == outcome for one in self.taken)


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    cells: Mapping[str, str]
    """By our own column names; only the columns the file has."""


async def import_faqs(
    database: Database, embedder: Embedder, actor: Actor, raw: bytes, *, state: str = "published"
) -> ImportReport:
    """Take in every line that can be used. A question that is there already gets the line's answer, and keeps its
    state and whatever the file has no column for; the same file again changes nothing.

    `state` is that of new FAQs whose line says none. Raises InvalidInputError when the file as a whole cannot be read.
    """
    if state not in FAQ_STATES:
        msg = f"the state must be one of {', '.join(FAQ_STATES)}"
        raise InvalidInputError(msg)
    lines, refused = _read(raw)
    first_line: dict[str, int] = {}
    usable: list[_Line] = []
    for line in lines:
        key = question_key(line.cells["question"])
        if key and key in first_line:
            refused.append(RefusedLine(line.number, f"the same question stands in line {first_line[key]} already"))
            continue
        first_line[key] = line.number
        usable.append(line)
    taken: list[TakenLine] = []
    for start in range(0, len(usable), _BATCH):
        batch, failed = await _planned(database, actor, usable[start : start + _BATCH], state)
        refused += failed
        outcomes = await _stored(database, embedder, actor, list(batch.values()))
        taken += [
            TakenLine(number, text.question, outcome)
            for (number, text), outcome in zip(batch.items(), outcomes, strict=True)
        ]
    return ImportReport(tuple(taken), tuple(sorted(refused, key=lambda one: one.line)))


async def export_faqs(database: Database, actor: Actor) -> str:
    """All FAQs as CSV with a header, by category and question; what `import_faqs` reads."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    async with database.transaction(actor.scope) as session:
        rows = await session.execute(select(Faq).order_by(func.lower(Faq.category), func.lower(Faq.question), Faq.id))
        for faq in rows.scalars():
            text = await written_text(session, faq)
            phrasings = _BETWEEN_PHRASINGS.join(text.phrasings)
            cells = (text.question, text.answer, text.category, phrasings, text.language, text.state)
            writer.writerow([f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell for cell in cells])
    return out.getvalue()


# Storing ---------------------------------------------------------------------------------------------------


async def _planned(
    database: Database, actor: Actor, lines: Sequence[_Line], state: str
) -> tuple[dict[int, FaqText], list[RefusedLine]]:
    """What the FAQs of these lines are to become, by the line's number, and the lines that cannot be used."""
    texts: dict[int, FaqText] = {}
    refused: list[RefusedLine] = []
    async with database.transaction(actor.scope) as session:
        for line in lines:
            before = await _before(session, line)
            try:
                texts[line.number] = checked_text(_merged(line, before, state))
            except InvalidInputError as error:
                refused.append(RefusedLine(line.number, error.detail))
    return texts, refused


async def _stored(database: Database, embedder: Embedder, actor: Actor, texts: Sequence[FaqText]) -> list[_Outcome]:
    vectors = await embed_wordings(embedder, texts)
    outcomes: list[_Outcome] = []
    async with database.transaction(actor.scope) as session:
        await lock_index(session)
        for text in texts:
            faq = await faq_of_question(session, text.question)
            if faq is not None and await written_text(session, faq) == text:
                outcomes.append("unchanged")
                continue
            outcomes.append("created" if faq is None else "changed")
            await store_faq(session, actor, faq, text, vectors, embedder.model)
        await announce(session, actor.tenant_id, "faq")
    return outcomes


async def _before(session: AsyncSession, line: _Line) -> FaqText | None:
    faq = await faq_of_question(session, line.cells["question"])
    return None if faq is None else await written_text(session, faq)


def _merged(line: _Line, before: FaqText | None, state: str) -> FaqText:
    cells = line.cells
    text = before or FaqText(clean_line(cells["question"]), "", state=state)
    if "phrasings" in cells:
        phrasings = tuple(part for part in cells["phrasings"].split(_BETWEEN_PHRASINGS) if part.strip())
        text = replace(text, phrasings=phrasings)
    if stated := clean_line(cells.get("state", "")).lower():
        text = replace(text, state=stated)
    return replace(
        text,
        answer=cells.get("answer", ""),
        category=cells.get("category", text.category),
        language=cells.get("language", text.language),
    )


# Reading ---------------------------------------------------------------------------------------------------


def _read(raw: bytes) -> tuple[list[_Line], list[RefusedLine]]:
    rows = csv_rows(raw)
    header = next(rows, None)
    if header is None or isinstance(header, BrokenRow):
        msg = "the file has no header; its first line names the columns, at least question and answer"
        raise InvalidInputError(msg)
    columns = _columns(header[1])
    lines: list[_Line] = []
    refused: list[RefusedLine] = []
    for row in rows:
        if isinstance(row, BrokenRow):
            refused.append(RefusedLine(row.line, row.reason))
            continue
        number, cells = row
        if len(lines) >= MOST_LINES:
            msg = f"a file may have at most {MOST_LINES:,} FAQs; split it"
            raise InvalidInputError(msg)
        if len(cells) > len(columns) and any(cell.strip() for cell in cells[len(columns) :]):
            refused.append(
                RefusedLine(number, "it has more cells than the header; put texts with separators in quotes")
            )
            continue
        named = {column: _plain(cell) for column, cell in zip(columns, cells, strict=False) if column}
        lines.append(_Line(number, {"question": "", **named}))
    return lines, refused


def _columns(header: Sequence[str]) -> list[str]:
    """Our name of each column, empty for one we do not know. Raises InvalidInputError."""
    columns = [_NAMES.get(question_key(name).replace(" ", "_").replace("-", "_"), "") for name in header]
    for needed in ("question", "answer"):
        if columns.count(needed) != 1:
            how = "no column" if needed not in columns else "more than one column"
            msg = f"the first line names {how} '{needed}'; it names: {', '.join(clean_line(name) for name in header)}"
            raise InvalidInputError(msg)
    return columns


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA_STARTS) else cell
