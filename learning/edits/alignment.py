"""Which statement of the draft became which of the sent text, and which words differ inside a pair."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rapidfuzz.distance import Indel, Levenshtein

from .statements import Statement

ALIKE = 0.45
"""Share of common words from which two statements count as one that was reworded."""
ALONE = 0.34
"""The same for the only two statements that are left at one place."""
SHORT = 8
"""Statements of so few tokens are compared by all their words, function words included."""
CONTAINED = 0.7
"""Share of the shorter statement's words that the longer must hold to count as its extension."""
HELD = 0.6
"""Share of a left-over statement's words that must be free on the other side of the pair it joins."""
WINDOW = 12
"""Unmatched statements are compared with this many around the same place, which keeps long texts linear."""


@dataclass(slots=True)
class Group:
    """Statements that correspond; one side has several where a sentence was split or joined."""

    before: list[int] = field(default_factory=list[int])
    after: list[int] = field(default_factory=list[int])


@dataclass(slots=True)
class Alignment:
    same: list[tuple[int, int]]
    """Pairs with the same wording, in draft order."""
    groups: list[Group]
    removed: list[int]
    added: list[int]


def align(before: Sequence[Statement], after: Sequence[Statement]) -> Alignment:
    """Pair equal statements first, then the most alike of the rest."""
    same = _equal(before, after)
    left_before = sorted(set(range(len(before))) - {b for b, _ in same})
    left_after = sorted(set(range(len(after))) - {a for _, a in same})
    groups = _alike(before, after, left_before, left_after, same)
    taken_before = {b for group in groups for b in group.before}
    taken_after = {a for group in groups for a in group.after}
    removed = [b for b in left_before if b not in taken_before]
    added = [a for a in left_after if a not in taken_after]
    _join_split(before, after, groups, removed, added)
    return Alignment(same, groups, removed, added)


def _equal(before: Sequence[Statement], after: Sequence[Statement]) -> list[tuple[int, int]]:
    raw_before, raw_after = [s.raw for s in before], [s.raw for s in after]
    pairs: list[tuple[int, int]] = []
    for block in Indel.opcodes(raw_before, raw_after):
        if block.tag == "equal":
            pairs.extend(
                zip(range(block.src_start, block.src_end), range(block.dest_start, block.dest_end), strict=True)
            )
    taken = {a for _, a in pairs}
    elsewhere: dict[str, list[int]] = defaultdict(list)
    for index, raw in enumerate(raw_after):
        if index not in taken:
            elsewhere[raw].append(index)
    matched = {b for b, _ in pairs}
    for index, raw in enumerate(raw_before):
        if index not in matched and elsewhere.get(raw):
            pairs.append((index, elsewhere[raw].pop(0)))
    return sorted(pairs)


def _alike(
    before: Sequence[Statement],
    after: Sequence[Statement],
    left_before: Sequence[int],
    left_after: Sequence[int],
    same: Sequence[tuple[int, int]],
) -> list[Group]:
    scored: list[tuple[float, int, int, int]] = []
    place_before, place_after = _places(left_before, same, 0), _places(left_after, same, 1)
    holding: dict[object, list[int]] = defaultdict(list)
    for position, a in enumerate(left_after):
        for key in after[a].content or (None,):
            holding[key].append(position)
    for i, b in enumerate(left_before):
        expected = i * len(left_after) // max(1, len(left_before))
        sharing = {
            position
            for key in before[b].content or (None,)
            for position in holding.get(key, ())
            if abs(position - expected) <= WINDOW
        }
        for position in sharing:
            a = left_after[position]
            score = _likeness(before[b], after[a])
            if score > 0:
                scored.append((-score, abs(place_before[b] - place_after[a]), b, a))
    scored.sort()
    groups: list[Group] = []
    used_before: set[int] = set()
    used_after: set[int] = set()
    for _, _, b, a in scored:
        if b not in used_before and a not in used_after:
            used_before.add(b)
            used_after.add(a)
            groups.append(Group([b], [a]))
    fixed = [*same, *((group.before[0], group.after[0]) for group in groups)]
    groups.extend(
        Group([b], [a])
        for b, a in _alone(
            _places([b for b in left_before if b not in used_before and not _is_polite(before[b])], fixed, 0),
            _places([a for a in left_after if a not in used_after and not _is_polite(after[a])], fixed, 1),
        )
        if _barely_alike(before[b], after[a])
    )
    return sorted(groups, key=lambda group: group.before)


def _places(left: Sequence[int], same: Sequence[tuple[int, int]], side: int) -> dict[int, int]:
    """How many pairs of equal statements stand before each of these: the place between fixed points."""
    fixed = sorted(pair[side] for pair in same)
    places: dict[int, int] = {}
    passed = 0
    for index in left:
        while passed < len(fixed) and fixed[passed] < index:
            passed += 1
        places[index] = passed
    return places


def _alone(before: Mapping[int, int], after: Mapping[int, int]) -> Iterator[tuple[int, int]]:
    """Pairs that are the only ones left at their place on either side."""
    counts = Counter(before.values()), Counter(after.values())
    there = {place: a for a, place in after.items()}
    for b, place in before.items():
        if counts[0][place] == counts[1][place] == 1:
            yield b, there[place]


def _is_polite(statement: Statement) -> bool:
    """Thanks and apologies are nobody's other wording of a fact; a bare "Yes." may be."""
    reading = statement.reading
    return bool(reading.courtesy and reading.covered("courtesy", "apology"))


def _barely_alike(before: Statement, after: Statement) -> bool:
    common = len(before.content & after.content)
    if 2 * common >= ALONE * (len(before.content) + len(after.content)):
        return True
    one, other = ({token.key for token in statement.tokens} for statement in (before, after))
    return max(len(one), len(other)) <= SHORT and len(one & other) >= ALIKE * max(len(one), len(other))


def _likeness(before: Statement, after: Statement) -> float:
    one, other = before.content, after.content
    if not one or not other:
        same = bool(before.tokens) and [t.key for t in before.tokens] == [t.key for t in after.tokens]
        return 1.0 if same else 0.0
    common = len(one & other)
    if common == 0:
        return 0.0
    dice = 2 * common / (len(one) + len(other))
    if dice >= ALIKE:
        return dice
    shorter = min(len(one), len(other))
    if common / shorter >= CONTAINED and any(isinstance(key, str) for key in one & other):
        return 0.3 + dice / 4
    return 0.0


def _join_split(
    before: Sequence[Statement], after: Sequence[Statement], groups: list[Group], removed: list[int], added: list[int]
) -> None:
    """Give a left-over statement to the pair next to it when the other side of that pair holds its words."""
    _join_side(before, after, [(group.before, group.after) for group in groups], removed)
    _join_side(after, before, [(group.after, group.before) for group in groups], added)


def _join_side(
    mine: Sequence[Statement], theirs: Sequence[Statement], pairs: list[tuple[list[int], list[int]]], left: list[int]
) -> None:
    neighbours = {place: pair for pair in pairs for place in pair[0]}
    # Once in each direction, so that a chain of left-over statements joins from whichever end its pair is on.
    for index in [*left, *reversed(left)]:
        if index in neighbours:
            continue
        for pair in (neighbours.get(index - 1), neighbours.get(index + 1)):
            if pair is not None and _holds(mine, theirs, pair, index):
                pair[0].append(index)
                pair[0].sort()
                neighbours[index] = pair
                left.remove(index)
                break


def _holds(
    mine: Sequence[Statement], theirs: Sequence[Statement], pair: tuple[list[int], list[int]], index: int
) -> bool:
    words = mine[index].exact
    held: Counter[Hashable] = Counter()
    for place in pair[1]:
        held.update(theirs[place].exact)
    for place in pair[0]:
        held.subtract(mine[place].exact)
    return bool(words) and (words & held).total() >= HELD * words.total()


def differences(before: Sequence[object], after: Sequence[object]) -> list[tuple[int, int, int, int]]:
    """Runs that differ, as [start, end) in both sequences; neighbouring operations are one run."""
    runs: list[tuple[int, int, int, int]] = []
    for op in Levenshtein.opcodes(before, after):  # pyright: ignore[reportArgumentType] - any hashable works
        if op.tag == "equal":
            continue
        if runs and runs[-1][1] == op.src_start and runs[-1][3] == op.dest_start:
            runs[-1] = (runs[-1][0], op.src_end, runs[-1][2], op.dest_end)
        else:
            runs.append((op.src_start, op.src_end, op.dest_start, op.dest_end))
    return runs
