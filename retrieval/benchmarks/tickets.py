"""Measures on real tickets what cleaning their text is worth: does the nearest earlier ticket have the right answer?

FILES are ticket histories as `desk import-tickets` reads them, each of one tenant. A ticket may use what was opened
before it; its draft is the reply of the nearest one by the product's search, and *good* is a draft at least 0.70 alike
to the reply really sent. Once with subject and body as they came, once as `retrieval.query.clean_question` leaves them.

    python -m retrieval.benchmarks.tickets FILE [FILE ...] [--tickets 300] [--json]
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

import click
from rapidfuzz.distance import Levenshtein

from retrieval.benchmarks.ranking import embed_with_progress
from retrieval.query import clean_question
from retrieval.source_index import SourceIndex

_SKIPPED = 20
"""First tickets of a tenant, which have too little before them."""
_GOOD = 0.7


@dataclass(frozen=True, slots=True)
class Measured:
    text: str
    drafts: int
    good: float
    likeness: float
    words: float
    """Searched with, on average."""


@dataclass(frozen=True, slots=True)
class _Ticket:
    subject: str
    body: str
    reply: str


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--tickets", type=click.IntRange(min=_SKIPPED + 1), help="The first so many of each file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def main(files: Sequence[Path], tickets: int | None, *, as_json: bool) -> None:
    """Draft every ticket of FILES from the nearest before it, as written and cleaned."""
    tenants = [_read(path)[:tickets] for path in files]
    for name, text_of in (("as written", _as_written), ("cleaned", _cleaned)):
        found = _measure(name, tenants, text_of)
        if as_json:
            click.echo(json.dumps(asdict(found)))
        else:
            click.echo(
                f"{name:<11} good {found.good:.3f}, likeness {found.likeness:.3f}, {found.words:.0f} words a question "
                f"({found.drafts} drafts)"
            )


def _measure(name: str, tenants: Sequence[Sequence[_Ticket]], text_of: Callable[[_Ticket], str]) -> Measured:
    likeness, words = list[float](), list[int]()
    for number, tickets in enumerate(tenants, 1):
        texts = [text_of(ticket) for ticket in tickets]
        vectors = embed_with_progress(texts, f"{name}, {number} of {len(tenants)}")
        index = SourceIndex(vectors.shape[1])
        for at, (ticket, text, vector) in enumerate(zip(tickets, texts, vectors, strict=True)):
            if at >= _SKIPPED:
                (nearest,) = index.search(text, vector, 1)
                draft = tickets[nearest.item_id.int - 1].reply
                likeness.append(Levenshtein.normalized_similarity(draft.lower(), ticket.reply.lower()))
                words.append(len(text.split()))
            index.upsert(UUID(int=at + 1), text, vector)
    good = statistics.fmean(one >= _GOOD for one in likeness)
    return Measured(name, len(likeness), good, statistics.fmean(likeness), statistics.fmean(words))


def _as_written(ticket: _Ticket) -> str:
    return f"{ticket.subject}\n{ticket.body}".strip()


def _cleaned(ticket: _Ticket) -> str:
    return clean_question(ticket.subject, ticket.body)


def _read(path: Path) -> list[_Ticket]:
    """Those somebody answered, in the order of the file."""
    found: list[_Ticket] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        ticket = json.loads(line)
        replies = [message["body"] for message in ticket.get("messages", ()) if message["from"] == "agent"]
        if replies:
            found.append(_Ticket(ticket.get("subject", ""), ticket["body"], replies[0]))
    if len(found) <= _SKIPPED:
        raise click.ClickException(f"{path.name} has too few answered tickets.")
    return found


if __name__ == "__main__":
    main()
