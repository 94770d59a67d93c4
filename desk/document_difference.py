"""What changed between two versions of a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from rapidfuzz.distance import Indel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.documents import VersionLine, document_view
from desk.errors import InvalidInputError, NotFoundError
from desk.models import Document, DocumentVersion
from desk.ports import Span

MOST_LINES = 20_000
"""On each side, after what both begin and end with alike; beyond it the rest is shown as replaced."""
_SEEN_AROUND = 2
"""Lines shown before and after a change."""


@dataclass(frozen=True, slots=True)
class Change:
    """Lines that were removed, added or replaced, or unchanged ones beside them."""

    kind: Literal["same", "removed", "added", "replaced"]
    before: str
    after: str
    before_span: Span
    """In the text of the earlier version."""
    after_span: Span
    skipped: int = 0
    """Unchanged lines before this change that are not shown."""


@dataclass(frozen=True, slots=True)
class Difference:
    document: Document
    before: VersionLine
    after: VersionLine
    changes: Sequence[Change]
    """In the order of the text, each with a few unchanged lines around it."""
    lines_removed: int
    lines_added: int
    lines_skipped: int
    """Unchanged ones after the last change."""


async def version_difference(
    session: AsyncSession, document_id: UUID, before: int | None = None, after: int | None = None
) -> Difference:
    """Without numbers, the newest indexed version beside the indexed one before it.

    Raises NotFoundError for versions that do not exist, InvalidInputError for ones that have no text.
    """
    view = await document_view(session, document_id)
    by_number = {version.number: version for version in view.versions}
    read = [version.number for version in view.versions if version.state == "indexed"]
    newer = after if after is not None else next(iter(read), None)
    older = before if before is not None else next((number for number in read if newer and number < newer), None)
    if newer is None or older is None:
        msg = "there are no two versions of this document that have been read"
        raise InvalidInputError(msg)
    for number in (older, newer):
        if number not in by_number:
            msg = f"the document has no version {number}"
            raise NotFoundError(msg)
        if by_number[number].state != "indexed":
            msg = f"version {number} has no text to compare: it is {by_number[number].state}"
            raise InvalidInputError(msg)
    texts = await session.execute(
        select(DocumentVersion.number, DocumentVersion.text).where(
            DocumentVersion.document_id == view.document.id, DocumentVersion.number.in_([older, newer])
        )
    )
    by_text = {row.number: row.text for row in texts}
    every = list(compare_texts(by_text[older], by_text[newer]))
    shown, skipped = _with_context(every)
    return Difference(
        document=view.document,
        before=by_number[older],
        after=by_number[newer],
        changes=shown,
        lines_removed=sum(len(each.before.splitlines()) for each in every if each.kind in {"removed", "replaced"}),
        lines_added=sum(len(each.after.splitlines()) for each in every if each.kind in {"added", "replaced"}),
        lines_skipped=skipped,
    )


def compare_texts(before: str, after: str) -> Iterator[Change]:
    """Line by line, blank lines aside: every line of both texts, in order."""
    old, new = _lines(before), _lines(after)
    old_words, new_words = [before[slice(*span)] for span in old], [after[slice(*span)] for span in new]
    for kind, i, j, k, m in _operations(old_words, new_words):
        before_span, after_span = _over(old, i, j, len(before)), _over(new, k, m, len(after))
        yield Change(kind, "\n".join(old_words[i:j]), "\n".join(new_words[k:m]), before_span, after_span)


_Operation = tuple[Literal["same", "removed", "added", "replaced"], int, int, int, int]


def _operations(old: Sequence[str], new: Sequence[str]) -> Iterator[_Operation]:
    head = _alike(old, new)
    tail = _alike(old[head:][::-1], new[head:][::-1])
    if head:
        yield "same", 0, head, 0, head
    yield from _merged(head, old[head : len(old) - tail], new[head : len(new) - tail])
    if tail:
        yield "same", len(old) - tail, len(old), len(new) - tail, len(new)


def _merged(offset: int, old: Sequence[str], new: Sequence[str]) -> Iterator[_Operation]:
    """Neighbouring removals and additions are one replacement."""
    i = k = 0
    for j, m, size in (*_common_runs(old, new), (len(old), len(new), 0)):
        if j > i or m > k:
            kind = "replaced" if j > i and m > k else "removed" if j > i else "added"
            yield kind, offset + i, offset + j, offset + k, offset + m
        if size:
            yield "same", offset + j, offset + j + size, offset + m, offset + m + size
        i, k = j + size, m + size


def _common_runs(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, int]]:
    """Where the same lines stand in both, and how many."""
    if max(len(old), len(new)) > MOST_LINES:
        return []
    runs = Indel.opcodes(list(old), list(new))
    return [
        (run.src_start, run.dest_start, run.src_end - run.src_start)
        for run in runs
        if run.tag == "equal" and run.src_end > run.src_start
    ]


def _alike(old: Sequence[str], new: Sequence[str]) -> int:
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count


def _lines(text: str) -> list[Span]:
    spans: list[Span] = []
    start = 0
    for line in text.split("\n"):
        if line.strip():
            spans.append((start, start + len(line)))
        start += len(line) + 1
    return spans


def _over(spans: Sequence[Span], first: int, last: int, length: int) -> Span:
    """From the first of these lines to the last; an empty range where there is none."""
    if first < last:
        return spans[first][0], spans[last - 1][1]
    place = spans[first][0] if first < len(spans) else length
    return place, place


def _with_context(changes: Sequence[Change]) -> tuple[list[Change], int]:
    """Of unchanged lines, the few next to a change."""
    shown: list[Change] = []
    waiting = 0
    for at, each in enumerate(changes):
        if each.kind != "same":
            shown.append(_skipping(each, waiting))
            waiting = 0
            continue
        lines = each.before.split("\n")
        lead = min(_SEEN_AROUND, len(lines)) if at else 0
        follow = min(_SEEN_AROUND, len(lines) - lead) if at + 1 < len(changes) else 0
        if lead:
            shown.append(_part(each, lines[:lead], at_start=True))
        waiting = len(lines) - lead - follow
        if follow:
            shown.append(_skipping(_part(each, lines[len(lines) - follow :], at_start=False), waiting))
            waiting = 0
    return shown, waiting


def _part(same: Change, lines: Sequence[str], *, at_start: bool) -> Change:
    text = "\n".join(lines)
    if at_start:
        spans = ((same.before_span[0], same.before_span[0]), (same.after_span[0], same.after_span[0]))
    else:
        spans = ((same.before_span[1], same.before_span[1]), (same.after_span[1], same.after_span[1]))
    return Change("same", text, text, *spans)


def _skipping(each: Change, skipped: int) -> Change:
    return Change(each.kind, each.before, each.after, each.before_span, each.after_span, skipped)
