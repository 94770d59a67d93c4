"""The differences inside a pair of corresponding statements, each with its kind."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from .alignment import differences
from .kinds import (
    Difference,
    Side,
    are_opposite,
    bare,
    is_bare_future,
    is_name,
    same_value,
    stemmed,
    value_kind,
)
from .reading import Marked
from .tokens import Token
from .vocabulary import Mark, vocabulary

CLAUSE = 4
"""Telling words from which an insertion inside a sentence counts as a statement of its own."""
MOST_REPLACED = 0.5
FEWEST_REPLACED = 2
Run = tuple[int, int, int, int]
"""[start, end) in the draft's tokens and in the sent ones."""


def compare(before: Side, after: Side) -> list[Difference]:
    """The differences of two corresponding statements, in no particular order."""
    runs = differences([t.key for t in before.tokens], [t.key for t in after.tokens])
    comparison = _Comparison(before, after, runs)
    comparison.explain()
    return comparison.found


class _Comparison:
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
        self._negations()
        self._opposites()
        self._modality()
        self._promises()
        self._entities()
        for run in self.runs:
            self._rest(run)
        self._reworded()

    def _reworded(self) -> None:
        """A sentence with most of its telling words replaced says something else, in whatever words."""
        told = max(len(self.before.reading.telling), len(self.after.reading.telling))
        replaced = sum(difference.replaced for difference in self.found)
        if replaced >= FEWEST_REPLACED and replaced > told * MOST_REPLACED:
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

    def _pieces(self, run: Run) -> tuple[list[int], list[int]]:
        return (
            [i for i in range(run[0], run[1]) if i in self.before.open],
            [i for i in range(run[2], run[3]) if i in self.after.open],
        )

    def _close(self, one: Iterable[int], two: Iterable[int]) -> None:
        self.before.open.difference_update(one)
        self.after.open.difference_update(two)

    def _add(self, kind: str, run: Run, one: Sequence[int], two: Sequence[int], *, meaning: bool) -> None:
        """Report a change that spans these positions; an empty side stands where the run stands."""
        before = self.before.span(one[0], one[-1] + 1) if one else self.before.span(run[0], run[0])
        after = self.after.span(two[0], two[-1] + 1) if two else self.after.span(run[2], run[2])
        self.found.append(Difference(kind, before, after, meaning))
        self._close(one, two)

    def _signs(self, run: Run) -> None:
        one, two = self._pieces(run)
        tokens = [self.before.tokens[i] for i in one] + [self.after.tokens[i] for i in two]
        if tokens and all(token.kind == "sign" for token in tokens):
            picture = any(unicodedata.category(token.text[0]) in ("So", "Sk", "Cn", "Cs") for token in tokens)
            self._add("tone" if picture else "formatting", run, one, two, meaning=False)

    def _courtesy(self, run: Run) -> None:
        one, two = self._pieces(run)
        for mine, other, side in ((one, two, self.before), (two, one, self.after)):
            if not mine:
                continue
            opposite = self.after if side is self.before else self.before
            if any(opposite.tokens[i].kind != "sign" and i not in opposite.reading.soft for i in other):
                continue
            part = side.reading.part(mine)
            if part.courtesy and part.covered("courtesy", "apology", "tone"):
                pair = (mine, other) if side is self.before else (other, mine)
                self._add(part.courtesy, run, pair[0], pair[1], meaning=False)
                return

    def _clause(self, run: Run) -> None:
        one, two = self._pieces(run)
        for mine, other, side in ((one, two, self.before), (two, one, self.after)):
            opposite = self.after if side is self.before else self.before
            part = side.reading.part(mine)
            new = self._new(side, mine, part.telling)
            replaced = self._new(
                opposite,
                other,
                opposite.reading.part(other).telling,
            )
            if replaced > 0:
                continue
            clause = new >= 2 and (part.conditions or any(token.key in vocabulary().finite for token in part.tokens))
            if new >= CLAUSE or clause:
                step = "promise" if part.promises else "step_removed" if side is self.before else "step_added"
                pair = (mine, other) if side is self.before else (other, mine)
                self._add(step, run, pair[0], pair[1], meaning=True)
                return

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
            one, two = self._pieces(run)
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
        self._add("wording" if equal else kind, run, [i or 0], [j or 0], meaning=not equal)

    def _lone_value(self, run: Run, i: int | None, j: int | None) -> None:
        """A value against words: "free" became "$25"; against nothing when the run is only an insertion."""
        left, right = self._pieces(run)
        kind = self.before.tokens[i].kind if i is not None else self.after.tokens[j or 0].kind
        one = [i] if i is not None else [p for p in left if self.before.tokens[p].kind != "sign"][:3]
        two = [j] if j is not None else [p for p in right if self.after.tokens[p].kind != "sign"][:3]
        self._add(kind, run, one, two, meaning=True)

    # Negation and modality -------------------------------------------------------------------------------

    def _negations(self) -> None:
        one = [i for i in self.before.reading.negations if i in self.before.open]
        two = [j for j in self.after.reading.negations if j in self.after.open]
        while one and two:
            self._close([one.pop(0)], [two.pop(0)])
        for i in one:
            self._negation(self.before, i)
        for j in two:
            self._negation(self.after, j)

    def _negation(self, side: Side, place: int) -> None:
        """Shown with the verb it denies, so that "can" -> "cannot" reads as that."""
        run = self._run_of(side, place)
        one, two = self._pieces(run)
        if max(len(one), len(two)) > 4:
            one = [i for i in one if side is self.before and i == place]
            two = [j for j in two if side is self.after and j == place]
        one, two = self._with_auxiliary(run, one, two)
        self._add("negation", run, one, two, meaning=True)

    def _with_auxiliary(self, run: Run, one: list[int], two: list[int]) -> tuple[list[int], list[int]]:
        first, other = run[0], run[2]
        starts = (not one or one[0] == first) and (not two or two[0] == other)
        if starts and first > 0 and other > 0 and self.before.tokens[first - 1].key in vocabulary().auxiliaries:
            return [first - 1, *one], [other - 1, *two]
        return one, two

    def _run_of(self, side: Side, place: int) -> Run:
        at = 0 if side is self.before else 2
        return next(run for run in self.runs if run[at] <= place < run[at + 1])

    def _opposites(self) -> None:
        for run in self.runs:
            one, two = self._pieces(run)
            if max(len(one), len(two)) > 8:
                continue
            for i in one:
                word = self.before.tokens[i].word
                match = next(
                    (j for j in two if j in self.after.open and are_opposite(word, self.after.tokens[j].word)),
                    None,
                )
                if match is not None:
                    self._add("negation", run, [i], [match], meaning=True)

    def _modality(self) -> None:
        one, two = self._modals(self.before), self._modals(self.after)
        for mark in list(one):
            same = next((other for other in two if other.value == mark.value), None)
            if same is not None:
                one.remove(mark)
                two.remove(same)
                self._modal_pair("wording", mark, same)
        while one and two:
            self._modal_pair("modality", one.pop(0), two.pop(0))
        for mark in [*one, *two]:
            side = self.before if mark in one else self.after
            if mark.value == "certain" or self._is_polite(side, mark):
                continue
            places = [i for i in range(mark.first, mark.after) if i in side.open]
            if not places:
                continue
            run = self._run_of(side, places[0])
            one_side, other_side = (places, list[int]()) if side is self.before else (list[int](), places)
            if mark.value in ("always", "mostly", "sometimes"):
                self._add("tone", run, one_side, other_side, meaning=False)
            else:
                self._add("modality", run, one_side, other_side, meaning=True)

    def _is_polite(self, side: Side, mark: Marked) -> bool:
        """Part of a polite wrapper, or the modal a question opens with."""
        question = mark.first <= 2 and side.tokens[-1].key == "?"
        return question or set(mark.places) <= side.reading.covered("wrapper", "courtesy", "tone")

    def _modal_pair(self, kind: str, first: Marked, second: Marked) -> None:
        run = self._run_of(self.before, next(i for i in range(first.first, first.after) if i in self.before.changed))
        places = list(range(first.first, first.after)), list(range(second.first, second.after))
        self._add(kind, (run[0], run[1], second.first, second.after), *places, meaning=kind == "modality")
        for side, modal in ((self.before, first), (self.after, second)):
            for mark in side.reading.marks:
                if mark.mark == "wrapper" and mark.first <= modal.first and modal.after <= mark.after:
                    side.open.difference_update(range(mark.first, mark.after))

    def _modals(self, side: Side) -> list[Marked]:
        """Modal words that differ, without polite questions such as "could you"."""
        questions = {
            index
            for mark in side.reading.marks
            if mark.mark == "wrapper"
            and any(m.mark == "modality" and m.first == mark.first for m in side.reading.marks)
            for index in range(mark.first, mark.after)
        }
        found: list[Marked] = []
        taken: set[int] = set()
        for mark in side.reading.marks:
            places = set(range(mark.first, mark.after))
            if mark.mark == "modality" and places & side.changed and not places & (questions | taken):
                found.append(mark)
                taken |= places
        return found

    def _promises(self) -> None:
        for side, other in ((self.before, self.after), (self.after, self.before)):
            if other.reading.promises:
                continue
            for mark in side.reading.marks:
                places = [i for i in range(mark.first, mark.after) if i in side.open]
                if mark.mark != "promise" or not places or is_bare_future(side, mark):
                    continue
                run = self._run_of(side, places[0])
                one, two = self._pieces(run)
                if max(len(one), len(two)) > 4:
                    one, two = (places, []) if side is self.before else ([], places)
                self._add("promise", run, one, two, meaning=True)

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
            self._add("wording", run, one, two, meaning=False)
            return
        one, two = self._whole_name(self.before, one), self._whole_name(self.after, two)
        if not one or not two:
            one, two = self._name_against_words(run, one, two)
        self._add("entity", run, one, two, meaning=True)

    def _name_against_words(self, run: Run, one: list[int], two: list[int]) -> tuple[list[int], list[int]]:
        """A name in place of a word or two ("the panel" -> "cPanel"), or a short phrase that holds a name."""
        left, right = self._pieces(run)
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
        one, two = self._pieces(run)
        if not one and not two:
            return
        left, right = self._told(self.before, one), self._told(self.after, two)
        if not left and not right:
            apology = self._either("apology", one=one, two=two)
            toned = self._either("tone", "courtesy", "wrapper", one=one, two=two)
            kind = "apology" if apology else "tone" if toned else self._sign_or_word(one, two)
            self._add(kind, run, one, two, meaning=False)
            return
        self._add("wording", run, one, two, meaning=False)
        self.found[-1] = replace(self.found[-1], lost=len(left), gained=len(right))

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
