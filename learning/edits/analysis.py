"""From a draft and what was sent to a verdict (design section 6)."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from rapidfuzz.distance import Levenshtein

from desk.ports import EditAnalysis, EditChange, Span

from .alignment import Alignment, align
from .comparison import compare
from .envelope import Envelope, open_envelope
from .kinds import Difference, Side
from .notes import notes_of
from .order import moved
from .reading import joined
from .statements import Statement, split
from .vocabulary import vocabulary

EXAMPLE_SIMILARITY = 0.70
REWORDED = 0.15
"""Share of the draft's telling words that may be reworded in a reply that is still the draft."""
LARGEST_TABLE = 10**10
"""Characters times characters up to which the distance counts characters; files beyond count words and white space."""
FEW_WORDS = 2
"""Telling words that may always be added to it: "use port 587 instead"."""


_PIECES = re.compile(r"\w+|\s+|\W")


@dataclass(frozen=True)
class _Text:
    text: str
    envelope: Envelope
    statements: list[Statement]

    @cached_property
    def words(self) -> frozenset[Hashable]:
        """To know a name that is mentioned elsewhere in the text."""
        return frozenset(word.strip(".,;:!?()\"'") for word in self.text.casefold().split())

    def mentions(self, word: Hashable) -> bool:
        return word in self.words


class Analyser:
    """`analyse` as the port `EditAnalyser` asks for it."""

    def analyse(self, draft: str, sent: str) -> EditAnalysis:
        return analyse(draft, sent)


def analyse(draft: str, sent: str) -> EditAnalysis:
    """What an agent changed in a draft and whether the result is to be learned as good or as a correction.

    Similarity ignores case, as the backtest does. Spans refer to the two texts as given. Swapping the texts
    swaps both sides of every change, because the pair is always compared in one order.
    """
    if (len(draft), draft) <= (len(sent), sent):
        before, after = _read(draft), _read(sent)
        found = _differences(before, after)
    else:
        before, after = _read(sent), _read(draft)
        found = [_turned(difference) for difference in _differences(before, after)]
        before, after = after, before
    similarity = _similarity(before, after)
    changes = tuple(
        EditChange(d.kind, draft[slice(*d.before)], sent[slice(*d.after)], d.before, d.after, d.meaning)
        for d in sorted(found, key=lambda d: (d.before, d.after, d.kind))
    )
    meaning = any(change.meaning for change in changes)
    example = not meaning and (similarity >= EXAMPLE_SIMILARITY or _kept(before, found))
    return EditAnalysis(
        similarity=similarity,
        meaning_changed=meaning,
        changes=changes,
        verdict="example" if example else "correction",
        notes=notes_of(changes, sent, rewritten=not meaning and not example),
    )


def _read(text: str) -> _Text:
    envelope = open_envelope(text)
    return _Text(text, envelope, split(text, envelope.body))


def _similarity(before: _Text, after: _Text) -> float:
    one, two = (
        _plain_lines("".join(side.text[start:end] for start, end in side.envelope.body)).strip().lower()
        for side in (before, after)
    )
    if len(one) * len(two) <= LARGEST_TABLE:
        return Levenshtein.normalized_similarity(one, two)
    return Levenshtein.normalized_similarity(_PIECES.findall(one), _PIECES.findall(two))


def _kept(before: _Text, found: Iterable[Difference]) -> bool:
    """Whether every statement of the draft is still there in nearly the same words."""
    lost, gained = sum(difference.lost for difference in found), sum(difference.gained for difference in found)
    told = sum(len(statement.reading.telling) for statement in before.statements)
    return lost <= told * REWORDED and gained <= max(FEW_WORDS, told * REWORDED)


_TURNED = {"step_added": "step_removed", "step_removed": "step_added"}


def _turned(difference: Difference) -> Difference:
    kind = _TURNED.get(difference.kind, difference.kind)
    return Difference(kind, difference.after, difference.before, difference.meaning, difference.gained, difference.lost)


def _differences(before: _Text, after: _Text) -> list[Difference]:
    found = list(_around(before, after))
    if [s.raw for s in before.statements] == [s.raw for s in after.statements]:
        alignment = Alignment([(i, i) for i in range(len(before.statements))], [], [], [])
    else:
        alignment = align(before.statements, after.statements)
        found.extend(_inside(before, after, alignment))
        found.extend(moved(before.statements, after.statements, alignment))
        there = dict(alignment.same) | {group.before[-1]: group.after[-1] for group in alignment.groups}
        back = {a: b for b, a in alignment.same} | {group.after[-1]: group.before[-1] for group in alignment.groups}
        for b, place in _places(after, there, alignment.removed):
            found.append(_whole(before.statements[b], "step_removed", place))
        for a, place in _places(before, back, alignment.added):
            found.append(_turned(_whole(after.statements[a], "step_removed", place)))
    found.extend(_layout(before, after, alignment))
    return found


def _around(before: _Text, after: _Text) -> Iterable[Difference]:
    """Greeting and signature, and the mail quoted below."""
    one, two = before.envelope, after.envelope
    for span, other in ((one.greeting, two.greeting), (one.signature, two.signature)):
        mine, theirs = _stripped(before.text, span), _stripped(after.text, other)
        if _plain_lines(before.text[slice(*mine)]) != _plain_lines(after.text[slice(*theirs)]):
            yield Difference("greeting", mine, theirs, meaning=False)
    quoted = [
        _plain_lines("".join(side.text[a:b] for a, b in side.envelope.quoted)).strip() for side in (before, after)
    ]
    if quoted[0] != quoted[1]:
        yield Difference("formatting", _outer(before), _outer(after), meaning=False)


def _plain_lines(text: str) -> str:
    """How the lines end says nothing."""
    return text.replace("\r\n", "\n")


def _outer(side: _Text) -> Span:
    quoted = side.envelope.quoted
    return (quoted[0][0], quoted[-1][1]) if quoted else (len(side.text), len(side.text))


def _stripped(text: str, span: Span) -> Span:
    start, end = span
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _inside(before: _Text, after: _Text, alignment: Alignment) -> Iterable[Difference]:
    if not alignment.groups:
        return
    german = _is_german(before.statements), _is_german(after.statements)
    for group in alignment.groups:
        sides = [
            Side(
                side.text,
                joined([side.statements[index].reading for index in places]),
                side.statements[places[0]].body_start,
                side.mentions,
                capitals,
            )
            for side, places, capitals in zip((before, after), (group.before, group.after), german, strict=True)
        ]
        yield from compare(sides[0], sides[1])


def _is_german(statements: Sequence[Statement]) -> bool:
    telltale = vocabulary().german
    words = [word for statement in statements for word in statement.raw.casefold().split()[:12]]
    return sum(1 for word in words if word in telltale) * 8 > len(words)


def _whole(statement: Statement, kind: str, place: int) -> Difference:
    """A statement only one side has."""
    reading = statement.reading
    if reading.courtesy:
        return Difference(reading.courtesy, statement.span, (place, place), meaning=False)
    if not reading.telling:
        return Difference(
            "formatting" if all(t.kind == "sign" for t in reading.tokens) else "tone",
            statement.span,
            (place, place),
            meaning=False,
        )
    return Difference("promise" if reading.promises else kind, statement.span, (place, place), meaning=True)


def _places(other: _Text, partner: dict[int, int], left: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Where a statement without a partner would stand in the other text: behind what stands before it in its own."""
    body = other.envelope.body
    start = body[0][0] if body else other.envelope.greeting[1]
    known = sorted(partner)
    for index in left:
        before = bisect_left(known, index)
        yield index, other.statements[partner[known[before - 1]]].end if before else start


def _layout(before: _Text, after: _Text, alignment: Alignment) -> Iterable[Difference]:
    """List markers and the white space between statements that stand next to each other in both texts."""
    partner = dict(alignment.same) | {group.before[0]: group.after[0] for group in alignment.groups}
    ends = dict(alignment.same) | {group.before[-1]: group.after[-1] for group in alignment.groups}
    for b, a in sorted(partner.items()):
        start = before.statements[b - 1].end if b and ends.get(b - 1) == a - 1 else before.statements[b].start
        other = after.statements[a - 1].end if b and ends.get(b - 1) == a - 1 else after.statements[a].start
        one, two = (start, before.statements[b].body_start), (other, after.statements[a].body_start)
        if _plain_lines(before.text[slice(*one)]).split(" ") != _plain_lines(after.text[slice(*two)]).split(" "):
            yield Difference("formatting", one, two, meaning=False)
