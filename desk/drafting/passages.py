"""Quotes from a passage of the knowledge base what answers a question, the way a person would copy it.

Whole sentences, list items, table rows and lines of code; headings stay out, they stand in the list of sources.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from textwrap import dedent
from typing import Literal
from uuid import UUID

from desk.plain_text import fold
from desk.ports import Hit
from desk.sentences import sentence_spans

LONGEST_PROSE = 520
"""Characters of running text in one quote."""
LONGEST_LISTING = 1_500
"""Of a quote with steps, a table or code, which are of no use in halves."""

UnitKind = Literal["sentence", "item", "row", "code"]

_ITEM = re.compile(r"^(?P<indent>[ \t]*)(?:[-*+\u2022]|(?P<number>\d{1,9})[.)]|[a-z]\))(?=\s)")
_FIRST_LETTER = re.compile(r"[\"'\u201c\u201e\u00ab(\[]*(?P<letter>[^\W\d_])(?=[^\W\d_]*(?:[\s,;'\u2019]|$))")
"""Of a word in running text; what has dots, slashes or digits in it is a file, a command or an address."""
_ENDS = ".!?\u2026"
_WIDE_ENDS = "\u3002\uff01\uff1f"
_CLOSERS = "\"'\u201d\u2019\u00bb)]"
_CODE = re.compile(
    r"[{}\\$<>=;`]|^[ \t#/~.-]|\s--?\w|^[a-z][^A-Z]*[./_\d-][^A-Z]*$|^[a-z]\S*(?: \S+){0,3}$|^\w+[^\s\w]\S*$|\w/\w+/"
)
"""What a line of code or output has and prose rarely; lines that end a sentence or announce something are prose."""
_NOTHING_BUT_LINKS = re.compile(r"(?:\W*\w*\W*(?:https?://|www\.)\S+\W*)+")
_WORD = re.compile(r"[^\W_]{3,}")
_FEWEST_WORDS = 5
_STEM = 5
"""Letters by which invoice and invoices, renew and renewal are one word."""
_LONGEST_HEADING = 80
_MOST_HEADING_WORDS = 12
_SHORT_LINE = 45
_BETWEEN_BLOCKS = 2
"""Characters between two blocks of a document's text, one between lines and sentences."""
_BEGINS_LATE = 0.1
_BEGINS_INSIDE = 0.1
_NUMBERED_INSIDE = 0.4
_ENDS_INSIDE = 0.05
_ENDS_IN_LIST = 0.2
_FREE_CHARACTERS = 400
_PER_CHARACTER = 0.0004
"""What a quote loses, in parts of all that the question asks for: by beginning after the first paragraph under its
heading, inside a paragraph or list, at step 3; by ending inside a paragraph or a list; by every character beyond
the free ones, those of list items left out."""


@dataclass(frozen=True, slots=True)
class Quote:
    text: str
    said: float
    """The part of what is wanted that it says, in [0, 1]."""
    continues: bool
    """Whether it begins inside a list or listing, or in one whose heading the passage does not have."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """What is quoted whole or not at all."""

    kind: UnitKind
    text: str
    heading: str
    """The one it stands under; "" for what a passage begins with, when the heading is in an earlier passage."""
    block: int
    opens: bool = False
    """Whether it is the first of its block."""
    closes: bool = False

    @property
    def stems(self) -> frozenset[str]:
        return stems_of(self.text)

    @property
    def announces(self) -> bool:
        """Whether it is of no use without what follows."""
        return self.kind in ("sentence", "item") and self.text.endswith(":")


def wanted_words(question: str, passages: Sequence[Hit]) -> dict[str, float]:
    """The stems of a question's words and how much each tells: little when it is in most sentences around."""
    counts: Counter[str] = Counter()
    sentences = 0
    for hit in passages:
        for unit in _units(hit):
            counts.update(stems_of(unit.text))
            sentences += 1
    wanted = {stem: math.log1p(sentences / (1 + counts[stem])) for stem in stems_of(question) if counts[stem]}
    total = sum(wanted.values())
    return {stem: weight / total for stem, weight in wanted.items()} if total else {}


def quote(hit: Hit, wanted: Mapping[str, float]) -> Quote | None:
    """The part of a passage that says most of what is wanted; None when it says next to nothing."""
    units = _units(hit)
    if not units:
        return None
    runs = list(_runs(units)) or [_forced(units)]
    start, stop = max(runs, key=lambda run: (*_worth(units, *run, wanted), -run[0]))
    run = units[start:stop]
    told = " ".join(unit.text for unit in run)
    if len(told.split()) < _FEWEST_WORDS and told.isascii():
        return None
    above = stems_of("\n".join((hit.title, *hit.heading_path)))
    continues = run[0].kind != "sentence" and not (run[0].opens and run[0].heading)
    return Quote(_rendered(units, start, stop, _lead_in(run, hit)), _said(run, wanted, above), continues)


def joined(hit: Hit, others: Iterable[Hit]) -> tuple[Hit, tuple[UUID, ...]]:
    """The passage with those that continue it, or that it continues, in the same text; and the ids of all of them."""
    ids = [hit.item_id]
    for other in sorted(others, key=lambda other: other.span or (0, 0)):
        whole = None if other.item_id in ids else _put_together(hit, other)
        if whole is not None:
            hit = whole
            ids.append(other.item_id)
    return hit, tuple(ids)


def _put_together(hit: Hit, other: Hit) -> Hit | None:
    """Two passages under one heading that overlap or follow each other; None for any others."""
    same = (hit.parent_id, hit.version, hit.heading_path) == (other.parent_id, other.version, other.heading_path)
    if not same or hit.span is None or other.span is None:
        return None
    (start, middle, text), (follows, end, rest) = sorted([(*hit.span, hit.text), (*other.span, other.text)])
    if not start < follows <= middle + _BETWEEN_BLOCKS or end <= middle:
        return None
    between = "\n" * (follows - middle)
    return replace(hit, text=f"{text}{between}{rest[max(0, middle - follows) :]}", span=(start, end))


def marked(text: str, mark: str) -> str:
    """The quote with the number of its source behind it; a table or code keeps its last line to itself."""
    last = text.rpartition("\n")[2]
    apart = "\n" in text and _ITEM.match(last) is None and last[-1:] not in f"{_ENDS}{_WIDE_ENDS}{_CLOSERS}"
    return f"{text}\n{mark}" if apart else f"{text} {mark}"


def source_line(hit: Hit) -> str:
    """Title, heading where it says more than the title, and address."""
    heading = hit.heading_path[-1] if hit.heading_path else ""
    says_more = heading and fold(heading) not in fold(hit.title) and fold(hit.title) not in fold(heading)
    name = f"{hit.title} \u2013 {heading}" if says_more else hit.title
    return f"{name}: {hit.url}" if hit.url else name


# Reading ---------------------------------------------------------------------------------------------------


def _units(hit: Hit) -> list[_Unit]:
    headings = {fold(heading) for heading in (hit.title, *hit.heading_path)}
    units: list[_Unit] = []
    under = ""
    blocks = [block.split("\n") for block in re.split(r"\n{2,}", hit.text.strip("\n")) if block.strip()]
    for number, lines in enumerate(blocks):
        announced = bool(units) and units[-1].announces
        below = list(lines)
        while below and (fold(below[0].strip()) in headings or _is_heading(below, announced=announced)):
            under = below.pop(0).strip()
        found = _of_block(below, under, number, announced=announced) if below else []
        if found and found[0].kind == "code" and units and (units[-1].kind, units[-1].heading) == ("code", under):
            units[-1] = replace(units[-1], text=f"{units[-1].text}\n{found[0].text}")
        elif not _NOTHING_BUT_LINKS.fullmatch("\n".join(below)):
            units += found
    return units


def _is_heading(lines: Sequence[str], *, announced: bool) -> bool:
    """A short line by itself that is no sentence, item, row or command."""
    if len(lines) != 1 or announced:
        return False
    line = lines[0].strip()
    return (
        len(line) <= _LONGEST_HEADING
        and len(line.split()) <= _MOST_HEADING_WORDS
        and (line[:1].isupper() or line[:1].isdigit())
        and line[-1:] not in f"{_ENDS}:;,|"
        and _ITEM.match(line) is None
        and " | " not in line
        and _CODE.search(line) is None
    )


def _of_block(lines: Sequence[str], heading: str, block: int, *, announced: bool) -> list[_Unit]:
    kind, texts = _split(lines, announced=announced)
    units = [_Unit(kind, text, heading, block) for text in texts]
    if units:
        units[0] = replace(units[0], opens=True)
        units[-1] = replace(units[-1], closes=True)
    return units


def _split(lines: Sequence[str], *, announced: bool) -> tuple[UnitKind, list[str]]:
    if _ITEM.match(lines[0]):
        items: list[str] = []
        for line in lines:
            if _ITEM.match(line) or not items:
                items.append(line.rstrip())
            else:
                items[-1] += f"\n{line.rstrip()}"
        return "item", items
    if all(" | " in line for line in lines):
        return "row", [line.strip() for line in lines]
    if _is_listing(lines, announced=announced):
        return "code", ["\n".join(line.rstrip() for line in lines)]
    text = " ".join(line.strip() for line in lines)
    return "sentence", [text[start:end] for start, end in sentence_spans(text, (0, len(text)))]


def _is_listing(lines: Sequence[str], *, announced: bool) -> bool:
    """Whether line breaks matter: code, output, an address; text that was only wrapped has long lines."""
    if any(line[:1] in " \t" for line in lines[1:]):
        return True
    unended = [line for line in lines if line.rstrip().rstrip(_CLOSERS)[-1:] not in f"{_ENDS}{_WIDE_ENDS}:,"]
    unlike = [line for line in unended if announced or _CODE.search(line)]
    return len(unlike) >= len(lines) / 2 or (len(lines) > 2 and max(map(len, lines)) < _SHORT_LINE)


@lru_cache(maxsize=2048)
def stems_of(text: str) -> frozenset[str]:
    """The beginnings of a text's words, folded: what two words have in common."""
    return frozenset(word[:_STEM] for word in _WORD.findall(fold(text)))


# Choosing --------------------------------------------------------------------------------------------------


def _runs(units: Sequence[_Unit]) -> Iterator[tuple[int, int]]:
    """Ranges of neighbouring units under one heading that can be quoted."""
    for start in range(len(units)):
        if start and units[start - 1].announces and units[start - 1].heading == units[start].heading:
            continue
        for stop in range(start + 1, len(units) + 1):
            if units[stop - 1].heading != units[start].heading:
                break
            run = units[start:stop]
            listing = any(unit.kind != "sentence" for unit in run)
            prose = sum(len(unit.text) + 1 for unit in run if unit.kind == "sentence")
            whole = sum(len(unit.text) + 1 for unit in run)
            if prose > LONGEST_PROSE or whole > (LONGEST_LISTING if listing else LONGEST_PROSE):
                break
            if not run[-1].announces:
                yield start, stop


def _forced(units: Sequence[_Unit]) -> tuple[int, int]:
    """Where nothing fits, the first unit however long, with what it announces."""
    return 0, 2 if units[0].announces and len(units) > 1 else 1


def _worth(units: Sequence[_Unit], start: int, stop: int, wanted: Mapping[str, float]) -> tuple[float, int]:
    """What a run is worth, and its length, for which of equals the longer is better: it leaves less to look up."""
    run = units[start:stop]
    worth = _said(run, wanted)
    first, last = run[0], run[-1]
    if start and units[start - 1].heading == first.heading:
        worth -= _BEGINS_LATE
    if not first.opens and first.kind != "row":
        number = _ITEM.match(first.text)
        worth -= _NUMBERED_INSIDE if number and number["number"] else _BEGINS_INSIDE
    if not last.closes:
        worth -= _ENDS_IN_LIST if last.kind == "item" else _ENDS_INSIDE
    length = sum(len(unit.text) for unit in run)
    excess = sum(len(unit.text) for unit in run if unit.kind != "item") - _FREE_CHARACTERS
    return round(worth - _PER_CHARACTER * max(0, excess), 6), length


def _said(run: Sequence[_Unit], wanted: Mapping[str, float], above: Collection[str] = ()) -> float:
    stems = {stem for unit in run for stem in unit.stems}.union(above)
    return sum(wanted.get(stem, 0.0) for stem in stems)


# Writing ---------------------------------------------------------------------------------------------------


def _lead_in(run: Sequence[_Unit], hit: Hit) -> str:
    """What announces steps, a table or code that no sentence announces: the heading they stand under."""
    if run[0].kind == "sentence":
        return ""
    heading = run[0].heading or (hit.heading_path[-1] if hit.heading_path else hit.title)
    return heading if heading[-1:] in f"{_ENDS}:" else f"{heading}:"


def _rendered(units: Sequence[_Unit], start: int, stop: int, lead_in: str) -> str:
    run = list(units[start:stop])
    head = _table_head(units, start)
    if head is not None:
        run.insert(0, head)
    text = ""
    for before, unit in zip([None, *run], run, strict=False):
        text += _gap(before, unit) + unit.text
    text = f"{lead_in}\n{dedent(text)}" if lead_in else _capitalised(text)
    return _ended(text) if run[-1].kind == "sentence" else text


def _table_head(units: Sequence[_Unit], start: int) -> _Unit | None:
    """The first row of a table whose later rows are quoted: what the columns are."""
    if units[start].kind != "row" or units[start].opens:
        return None
    return next((unit for unit in units if unit.block == units[start].block and unit.opens), None)


def _gap(before: _Unit | None, unit: _Unit) -> str:
    if before is None:
        return ""
    if before.block == unit.block:
        return " " if unit.kind == "sentence" else "\n"
    return "\n" if unit.kind != "sentence" and (before.announces or before.kind == unit.kind) else "\n\n"


def _capitalised(text: str) -> str:
    first = _FIRST_LETTER.match(text)
    if first is None:
        return text
    at = first.start("letter")
    return text[:at] + text[at].upper() + text[at + 1 :]


def _ended(text: str) -> str:
    """With a full stop where there is no end; a colon announces what is not quoted."""
    bare = text.rstrip(_CLOSERS)
    if bare and bare[-1] in f"{_ENDS}{_WIDE_ENDS}":
        return text
    return f"{text.rstrip(':;, ')}."
