"""Changes of what is denied, allowed, demanded or promised inside a pair of statements."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Protocol

from .kinds import Run, Side, are_opposite, is_bare_future, stemmed
from .reading import Marked
from .vocabulary import vocabulary

DENIED = 2
"""Telling words behind a negation that are taken for what it denies."""
FREQUENCIES = ("always", "mostly", "sometimes")
"""Classes of modal words that alone only colour a sentence; one against another changes it."""


class Pair(Protocol):
    """Two corresponding statements and their differences, as far as they are explained."""

    before: Side
    after: Side
    runs: list[Run]

    def pieces(self, run: Run) -> tuple[list[int], list[int]]: ...

    def close(self, one: Sequence[int], two: Sequence[int]) -> None: ...

    def run_of(self, side: Side, place: int) -> Run: ...

    def add(self, kind: str, run: Run, one: Sequence[int], two: Sequence[int], *, meaning: bool) -> None: ...


def explain_polarity(pair: Pair) -> None:
    """Report negations, opposites, modal words and promises among the open differences of a pair."""
    polarity = _Polarity(pair)
    polarity.negations()
    polarity.opposites()
    polarity.modality()
    polarity.promises()


class _Polarity:
    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.before = pair.before
        self.after = pair.after

    def negations(self) -> None:
        one = [i for i in self.before.reading.negations if i in self.before.open]
        two = [j for j in self.after.reading.negations if j in self.after.open]
        for i in list(one):
            match = next((j for j in two if self._deny_the_same(i, j)), None)
            if match is not None:
                one.remove(i)
                two.remove(match)
                self.pair.close([i], [match])
        for i in one:
            self._negation(self.before, i)
        for j in two:
            self._negation(self.after, j)

    def _deny_the_same(self, i: int, j: int) -> bool:
        """In one run, or before the same word; "does not apply" is no other way to say "nothing changes"."""
        if self.pair.run_of(self.before, i) == self.pair.run_of(self.after, j):
            return True
        return bool({*self._denied(self.before, i)} & {*self._denied(self.after, j)})

    def _denied(self, side: Side, place: int) -> list[Hashable]:
        """The telling words a negation stands before."""
        return [stemmed(side.tokens[at]) for at in side.reading.telling if at > place][:DENIED]

    def _negation(self, side: Side, place: int) -> None:
        """Shown with the verb it denies, so that "can" -> "cannot" reads as that."""
        run = self.pair.run_of(side, place)
        one, two = self.pair.pieces(run)
        if max(len(one), len(two)) > 4:
            one = [i for i in one if side is self.before and i == place]
            two = [j for j in two if side is self.after and j == place]
        one, two = self._with_auxiliary(run, one, two)
        self.pair.add("negation", run, one, two, meaning=True)

    def _with_auxiliary(self, run: Run, one: list[int], two: list[int]) -> tuple[list[int], list[int]]:
        first, other = run[0], run[2]
        starts = (not one or one[0] == first) and (not two or two[0] == other)
        if starts and first > 0 and other > 0 and self.before.tokens[first - 1].key in vocabulary().auxiliaries:
            return [first - 1, *one], [other - 1, *two]
        return one, two

    def opposites(self) -> None:
        for run in self.pair.runs:
            one, two = self.pair.pieces(run)
            if max(len(one), len(two)) > 8:
                continue
            for i in one:
                word = self.before.tokens[i].word
                match = next(
                    (j for j in two if j in self.after.open and are_opposite(word, self.after.tokens[j].word)),
                    None,
                )
                if match is not None:
                    self.pair.add("negation", run, [i], [match], meaning=True)

    def modality(self) -> None:
        one, two = self._modals(self.before), self._modals(self.after)
        for mark in list(one):
            same = next((other for other in two if other.value == mark.value), None)
            if same is not None:
                one.remove(mark)
                two.remove(same)
                self._modal_pair("modality" if self._lifts_one_bans_other(mark, same) else "wording", mark, same)
        while one and two:
            self._modal_pair("modality", one.pop(0), two.pop(0))
        for mark in [*one, *two]:
            side = self.before if mark in one else self.after
            if mark.value == "certain" or self._is_polite(side, mark):
                continue
            places = [i for i in range(mark.first, mark.after) if i in side.open]
            if not places:
                continue
            run = self.pair.run_of(side, places[0])
            one_side, other_side = (places, list[int]()) if side is self.before else (list[int](), places)
            if mark.value in FREQUENCIES:
                self.pair.add("tone", run, one_side, other_side, meaning=False)
            else:
                self.pair.add("modality", run, one_side, other_side, meaning=True)

    def _lifts_one_bans_other(self, mark: Marked, other: Marked) -> bool:
        """ "You do not have to return it" and "you must not return it" """
        if not (mark.value == "required" and self.before.reading.negations and self.after.reading.negations):
            return False
        waived = vocabulary().waived
        return (self.before.tokens[mark.first].key in waived) != (self.after.tokens[other.first].key in waived)

    def _is_polite(self, side: Side, mark: Marked) -> bool:
        """Part of a polite wrapper, or the modal a question opens with."""
        question = mark.first <= 2 and side.tokens[-1].key == "?"
        return question or set(mark.places) <= side.reading.covered("wrapper", "courtesy", "tone")

    def _modal_pair(self, kind: str, first: Marked, second: Marked) -> None:
        run = self.pair.run_of(
            self.before, next(i for i in range(first.first, first.after) if i in self.before.changed)
        )
        places = list(range(first.first, first.after)), list(range(second.first, second.after))
        self.pair.add(kind, (run[0], run[1], second.first, second.after), *places, meaning=kind == "modality")
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

    def promises(self) -> None:
        for side, other in ((self.before, self.after), (self.after, self.before)):
            if other.reading.promises:
                continue
            for mark in side.reading.marks:
                places = [i for i in range(mark.first, mark.after) if i in side.open]
                if mark.mark != "promise" or not places or is_bare_future(side, mark):
                    continue
                run = self.pair.run_of(side, places[0])
                one, two = self.pair.pieces(run)
                if max(len(one), len(two)) > 4:
                    one, two = (places, []) if side is self.before else ([], places)
                self.pair.add("promise", run, one, two, meaning=True)
