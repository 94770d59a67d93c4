"""The differences inside a pair of corresponding statements, each with its kind."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from .alignment import differences
from .kinds import (
    Difference,
    Run,
    Side,
    bare,
    is_misspelling,
    is_name,
    same_value,
    stemmed,
    value_kind,
)
from .polarity import explain_polarity
from .tokens import Token
from .vocabulary import Mark, vocabulary

SHORTEST_CLAUSE = 2
CLAUSE = 4
"""Telling words from which an insertion inside a sentence counts as a statement of its own."""
INSERTED = 3
"""The same for one that takes the place of nothing."""
MOST_REPLACED = 0.5
FEWEST_REPLACED = 2


def compare(before: Side, after: Side) -> list[Difference]:
    """The differences of two corresponding statements, in no particular order."""
    runs = differences([t.key for t in before.tokens], [t.key for t in after.tokens])
    comparison = Comparison(before, after, runs)
    comparison.explain()
    return comparison.found


class Comparison:
    def __init__(self, before: Side, after: Side, runs: list[Run]) -> None:
        self.before = before
        self.after = after
        self.runs = runs
        self.found: list[Difference] = []
        for first, stop, other_first, other_stop in runs:
            before.open.update(range(first, stop))
            after.open.update(range(other_first, other_stop))

        before.changed, after.changed = frozenset(before.open), frozenset(after.open)

    def explain(self) -> None:
        self._same_said_differently()
        self._cancel_moved()
        for run in self.runs:
            self._signs(run)
            self._courtesy(run)
            self._clause(run)
        self._values()
        explain_polarity(self)
        self._entities()
        for run in self.runs:
            self._rest(run)
        self._reworded()

    def _reworded(self) -> None:
        """A sentence with most of its telling words replaced says something else, in whatever words."""
        replaced = sum(difference.replaced for difference in self.found)
        if replaced < FEWEST_REPLACED:
            return
        told = max(len(self.before.reading.telling), len(self.after.reading.telling))
        if replaced > told * MOST_REPLACED:
            self.found = [replace(d, meaning=True) if d.replaced else d for d in self.found]

    # Equal keys ------------------------------------------------------------------------------------------

    def _same_said_differently(self) -> None:
        """ "5 days" and "five days", "can't" and "cannot", "Please" and "please"."""
        position = other = 0
        for run in [*self.runs, (len(self.before.tokens), 0, len(self.after.tokens), 0)]:
            start = other_start = None
            while position < run[0]:
                one, two = self.before.shown(position, position + 1), self.after.shown(other, other + 1)
                if one != two:
                    start, other_start = (position, other) if start is None else (start, other_start)
                elif start is not None and other_start is not None:
                    self._equivalent(start, position, other_start, other)
                    start = None
                position, other = position + 1, other + 1
            if start is not None and other_start is not None:
                self._equivalent(start, position, other_start, other)
            position, other = run[1], run[3]

    def _equivalent(self, first: int, stop: int, other_first: int, other_stop: int) -> None:
        one, two = self.before.shown(first, stop), self.after.shown(other_first, other_stop)
        kind = "formatting" if bare(one) == bare(two) else "wording"
        self.found.append(
            Difference(kind, self.before.span(first, stop), self.after.span(other_first, other_stop), meaning=False)
        )

    def _cancel_moved(self) -> None:
        """A value or a clause that only moved inside the sentence says the same at its new place."""
        counted = Counter(self.before.tokens[i].key for i in self.before.open if self.before.tokens[i].is_value)
        if not counted:
            return
        for place in sorted(self.after.open):
            key = self.after.tokens[place].key
            if not self.after.tokens[place].is_value or counted[key] == 0:
                continue
            counted[key] -= 1
            self.after.open.discard(place)
            source = next(i for i in sorted(self.before.open) if self.before.tokens[i].key == key)
            self.before.open.discard(source)

    # Runs ------------------------------------------------------------------------------------------------

    def pieces(self, run: Run) -> tuple[list[int], list[int]]:
        return (
            [i for i in range(run[0], run[1]) if i in self.before.open],
            [i for i in range(run[2], run[3]) if i in self.after.open],
        )

    def run_of(self, side: Side, place: int) -> Run:
        at = 0 if side is self.before else 2
        return next(run for run in self.runs if run[at] <= place < run[at + 1])

    def close(self, one: Iterable[int], two: Iterable[int]) -> None:
        self.before.open.difference_update(one)
        self.after.open.difference_update(two)

    def add(self, kind: str, run: Run, one: Sequence[int], two: Sequence[int], *, meaning: bool) -> None:
        """Report a change that spans these positions; an empty side stands where the run stands."""
        before = self.before.span(one[0], one[-1] + 1) if one else self.before.span(run[0], run[0])
        after = self.after.span(two[0], two[-1] + 1) if two else self.after.span(run[2], run[2])
        self.found.append(Difference(kind, before, after, meaning))
        self.close(one, two)

    def _signs(self, run: Run) -> None:
        one, two = self.pieces(run)
        tokens = [self.before.tokens[i] for i in one] + [self.after.tokens[i] for i in two]
        if tokens and all(token.kind == "sign" for token in tokens):
            picture = any(unicodedata.category(token.text[0]) in ("So", "Sk", "Cn", "Cs") for token in tokens)
            self.add("tone" if picture else "formatting", run, one, two, meaning=False)

    def _courtesy(self, run: Run) -> None:
        one, two = self.pieces(run)
        for mine, other, side in ((one, two, self.before), (two, one, self.after)):
            if not mine or side.reading.soft.isdisjoint(mine):
                continue
            opposite = self.after if side is self.before else self.before
            if any(opposite.tokens[i].kind != "sign" and i not in opposite.reading.soft for i in other):
                continue
            part = side.reading.part(mine)
            if part.courtesy and part.covered("courtesy", "apology", "tone"):
                pair = (mine, other) if side is self.before else (other, mine)
                self.add(part.courtesy, run, pair[0], pair[1], meaning=False)
                return

    def _clause(self, run: Run) -> None:
        one, two = self.pieces(run)
        for mine, other, side in ((one, two, self.before), (two, one, self.after)):
            if len(mine) < SHORTEST_CLAUSE:
                continue
            opposite = self.after if side is self.before else self.before
            part = side.reading.part(mine)
            new = self._new(side, mine, part.telling)
            chained = not other and self._hangs_on(side, mine)
            if new < (1 if chained else SHORTEST_CLAUSE) or (
                other and self._new(opposite, other, opposite.reading.part(other).telling)
            ):
                continue
            finite = any(token.key in vocabulary().finite for token in part.tokens)
            clause = chained or part.conditions or part.promises or finite
            if new >= (CLAUSE if other else INSERTED) or clause:
                step = "promise" if part.promises else "step_removed" if side is self.before else "step_added"
                pair = (mine, other) if side is self.before else (other, mine)
                self.add(step, run, pair[0], pair[1], meaning=True)
                return

    def _hangs_on(self, side: Side, mine: Sequence[int]) -> bool:
        """Whether an insertion is a further step: ", then Security", "and clear the cache", "y pulse Eliminar"."""
        words = vocabulary()
        if any(side.tokens[i].key in words.chain for i in mine):
            return True
        joined = [i for i in mine if side.tokens[i].kind == "sign" or side.tokens[i].key in words.joiners]
        if not joined or joined[0] != mine[0]:
            return False
        if side.tokens[joined[0]].key in words.joiners and not any(is_name(side, i) for i in mine):
            return True
        opening = [i for i in mine if i not in joined][:2]
        if len(opening) < SHORTEST_CLAUSE or is_name(side, opening[0]) or side.tokens[opening[0]].kind != "word":
            return False
        told = side.tokens[opening[0]].key not in words.function_words
        return told and (side.tokens[opening[1]].key in words.objects or opening[1] in side.reading.telling)

    def _new(self, side: Side, mine: Sequence[int], places: Iterable[int]) -> int:
        """How many of these telling words the other side does not hold among its own differences."""
        opposite = self.after if side is self.before else self.before
        there = {stemmed(opposite.tokens[i]) for i in opposite.open}
        return sum(1 for place in places if stemmed(side.tokens[mine[place]]) not in there)

    # Values ----------------------------------------------------------------------------------------------

    def _values(self) -> None:
        self._pair_up(lambda token: token.is_value, self._value)

    def _pair_up(self, wanted: Callable[[Token], bool], report: Callable[[Run, int | None, int | None], None]) -> None:
        """Report what is wanted in pairs: of one kind in one run, of any kind in one run, of one kind anywhere."""
        rest_before: list[tuple[Run, int]] = []
        rest_after: list[tuple[Run, int]] = []
        for run in self.runs:
            one, two = self.pieces(run)
            one = [i for i in one if wanted(self.before.tokens[i])]
            two = [i for i in two if wanted(self.after.tokens[i])]
            for same_kind in (True, False):
                for i in list(one):
                    match = next((j for j in two if not same_kind or self._alike_kind(i, j)), None)
                    if match is not None:
                        one.remove(i)
                        two.remove(match)
                        report(run, i, match)
            rest_before.extend((run, i) for i in one)
            rest_after.extend((run, j) for j in two)
        for run, i in rest_before:
            match = next(((other, j) for other, j in rest_after if self._alike_kind(i, j)), None)
            if match is None:
                report(run, i, None)
            else:
                rest_after.remove(match)
                report((run[0], run[1], match[0][2], match[0][3]), i, match[1])
        for run, j in rest_after:
            report(run, None, j)

    def _alike_kind(self, i: int, j: int) -> bool:
        return self.before.tokens[i].kind == self.after.tokens[j].kind

    def _value(self, run: Run, i: int | None, j: int | None) -> None:
        one = self.before.tokens[i] if i is not None else None
        two = self.after.tokens[j] if j is not None else None
        if one is None or two is None:
            self._lone_value(run, i, j)
            return
        kind = value_kind(one, two)
        equal = same_value(one, two)
        self.add("wording" if equal else kind, run, [i or 0], [j or 0], meaning=not equal)

    def _lone_value(self, run: Run, i: int | None, j: int | None) -> None:
        """A value against words: "free" became "$25"; against nothing when the run is only an insertion."""
        left, right = self.pieces(run)
        kind = self.before.tokens[i].kind if i is not None else self.after.tokens[j or 0].kind
        one = [i] if i is not None else [p for p in left if self.before.tokens[p].kind != "sign"][:3]
        two = [j] if j is not None else [p for p in right if self.after.tokens[p].kind != "sign"][:3]
        self.add(kind, run, one, two, meaning=True)

    # Names and the rest ----------------------------------------------------------------------------------

    def _entities(self) -> None:
        names = {id(side.tokens[i]) for side in (self.before, self.after) for i in side.open if is_name(side, i)}
        self._pair_up(lambda token: id(token) in names, self._entity)

    def _entity(self, run: Run, i: int | None, j: int | None) -> None:
        one = [i] if i is not None else []
        two = [j] if j is not None else []
        if i is None and j is not None and self.before.mentions(self.after.tokens[j].key):
            return
        if j is None and i is not None and self.after.mentions(self.before.tokens[i].key):
            return
        if not (set(one) <= self.before.open and set(two) <= self.after.open):
            return
        if i is not None and j is not None and stemmed(self.before.tokens[i]) == stemmed(self.after.tokens[j]):
            self.add("wording", run, one, two, meaning=False)
            return
        one, two = self._whole_name(self.before, one), self._whole_name(self.after, two)
        if not one or not two:
            one, two = self._name_against_words(run, one, two)
        self.add("entity", run, one, two, meaning=True)

    def _name_against_words(self, run: Run, one: list[int], two: list[int]) -> tuple[list[int], list[int]]:
        """A name in place of a word or two ("the panel" -> "cPanel"), or a short phrase that holds a name."""
        left, right = self.pieces(run)
        if left and right:
            words = [i for i in left if self.before.tokens[i].kind != "sign"] if not one else []
            others = [j for j in right if self.after.tokens[j].kind != "sign"] if not two else []
            return one or (words if len(words) <= 2 else []), two or (others if len(others) <= 2 else [])
        return (left if len(left) <= 5 else one), (right if len(right) <= 5 else two)

    def _whole_name(self, side: Side, places: list[int]) -> list[int]:
        """ "Plesk Obsidian" is one name."""
        while places and places[-1] + 1 in side.open and is_name(side, places[-1] + 1):
            places = [*places, places[-1] + 1]
        return places

    def _rest(self, run: Run) -> None:
        one, two = self.pieces(run)
        if not one and not two:
            return
        left, right = self._told(self.before, one), self._told(self.after, two)
        if len(left) == len(right) == 1 and self._are_one_word(left[0], right[0]):
            left, right = [], []
        if not left and not right:
            apology = self._either("apology", one=one, two=two)
            toned = self._either("tone", "courtesy", "wrapper", one=one, two=two)
            kind = "apology" if apology else "tone" if toned else self._sign_or_word(one, two)
            self.add(kind, run, one, two, meaning=False)
            return
        self.add("wording", run, one, two, meaning=self._exclude_each_other(left, right))
        self.found[-1] = replace(self.found[-1], lost=len(left), gained=len(right))

    def _exclude_each_other(self, left: Sequence[int], right: Sequence[int]) -> bool:
        """ "The green button" became "the red button"."""
        lists = vocabulary().exclusive
        one = {lists[word] for i in left if (word := self.before.tokens[i].word) in lists}
        return any(lists.get(self.after.tokens[j].word) in one for j in right)

    def _are_one_word(self, i: int, j: int) -> bool:
        return is_misspelling(self.before.tokens[i].word, self.after.tokens[j].word)

    def _either(self, *marks: Mark, one: Sequence[int], two: Sequence[int]) -> bool:
        covered = self.before.reading.covered(*marks), self.after.reading.covered(*marks)
        return not (covered[0].isdisjoint(one) and covered[1].isdisjoint(two))

    def _sign_or_word(self, one: Sequence[int], two: Sequence[int]) -> str:
        tokens = [self.before.tokens[i] for i in one] + [self.after.tokens[j] for j in two]
        return "formatting" if all(token.kind == "sign" for token in tokens) else "wording"

    def _told(self, side: Side, places: Sequence[int]) -> list[int]:
        """Telling words that do not stand, inflected or not, on the other side of the pair."""
        opposite = self.after if side is self.before else self.before
        there = {stemmed(token) for token in opposite.tokens}
        soft = side.reading.soft
        known = vocabulary().function_words
        return [
            i
            for i in places
            if i not in soft
            and side.tokens[i].kind != "sign"
            and side.tokens[i].key not in known
            and stemmed(side.tokens[i]) not in there
        ]
