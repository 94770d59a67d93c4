"""Statements that stand in another order than before."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from .alignment import Alignment
from .kinds import Difference
from .statements import Statement, ordered
from .vocabulary import vocabulary


def moved(before: Sequence[Statement], after: Sequence[Statement], alignment: Alignment) -> Iterable[Difference]:
    """Steps in another order alter what the customer does; sentences in another order do not."""
    pairs = sorted(alignment.same + [(group.before[0], group.after[0]) for group in alignment.groups])
    staying = _increasing([a for _, a in pairs])
    anchored = [pair for index, pair in enumerate(pairs) if index in staying]
    for index, (b, a) in enumerate(pairs):
        if index in staying:
            continue
        crossed = [x for x, y in anchored if (x < b) != (y < a)]
        one, two = before[b], after[a]
        step = _is_step(one) and any(_is_step(before[x]) for x in crossed)
        if one.reading.courtesy or not step:
            yield Difference("formatting", one.span, two.span, meaning=False)
        else:
            yield Difference("step_removed", one.span, (two.start, two.start), meaning=True)
            yield Difference("step_added", (one.end, one.end), two.span, meaning=True)


def _is_step(statement: Statement) -> bool:
    """A numbered item, "then ..." or an instruction that opens with its verb."""
    if ordered(statement):
        return True
    soft = statement.reading.covered("tone", "wrapper")
    tokens = [t for i, t in enumerate(statement.tokens) if i not in soft]
    if len(tokens) < 2 or tokens[0].kind != "word":
        return False
    return tokens[0].key not in vocabulary().function_words and tokens[1].key in vocabulary().objects


def _increasing(values: Sequence[int]) -> set[int]:
    """Indexes of one longest increasing run of values: what stayed in order (patience sorting)."""
    smallest: list[int] = []
    tails: list[int] = []
    previous: list[int] = []
    for index, value in enumerate(values):
        length = bisect_left(smallest, value)
        previous.append(tails[length - 1] if length else -1)
        smallest[length : length + 1] = [value]
        tails[length : length + 1] = [index]
    staying: set[int] = set()
    index = tails[-1] if tails else -1
    while index >= 0:
        staying.add(index)
        index = previous[index]
    return staying
