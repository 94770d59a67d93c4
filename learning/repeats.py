"""Whether a draft says again what somebody had corrected (design section 6: a correction is a regression case)."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from desk.ports import EditChange, Mistake, Span
from learning.edits.analysis import EXAMPLE_SIMILARITY, analyse
from learning.edits.envelope import open_envelope
from learning.edits.statements import Statement, split

_WORTH_COMPARING = 0.35
"""Likeness below which two statements surely speak of different things; spares most of the analyses."""
_SAME_STATEMENT = 0.6


class MistakeFinder:
    """Fulfils `desk.ports.MistakeFinder`. Pure and deterministic."""

    def mistakes(self, avoid: str, instead: str, draft: str) -> tuple[Mistake, ...]:
        """A change that the correction made counts as repeated when a statement of the draft says what the corrected
        one said and not what was put in its place, or when the draft would need the very same change again."""
        if not draft.strip():
            return ()
        if not instead.strip():
            return _rejected_again(avoid, draft)
        wrong = [change for change in analyse(avoid, instead).changes if change.meaning]
        if not wrong:
            return _rewritten_again(avoid, instead, draft)
        said = _statements(draft)
        needed = [change for change in analyse(draft, instead).changes if change.meaning]
        found: dict[tuple[str, Span], Mistake] = {}
        for change in wrong:
            mistake = _said_again(change, avoid, instead, said) or _needed_again(change, avoid, draft, needed)
            if mistake is not None:
                found.setdefault((mistake.kind, mistake.span), mistake)
        return tuple(found.values())


def _said_again(change: EditChange, avoid: str, instead: str, said: Sequence[Statement]) -> Mistake | None:
    """A statement of the draft that says what the corrected one said."""
    mine = _covering(avoid, change.span_before)
    if mine is None:
        return None
    right = _covering(instead, change.span_after)
    for statement in said:
        if _says(mine, statement.raw) and not (right is not None and _says(right, statement.raw)):
            return Mistake(change.kind, statement.raw, right or "", statement.span)
    return None


def _needed_again(change: EditChange, avoid: str, draft: str, needed: Sequence[EditChange]) -> Mistake | None:
    """The same change, needed once more to make of the draft what was sent."""
    for other in needed:
        same = other.kind == change.kind and _plain(other.before) == _plain(change.before)
        if not same or _plain(other.after) != _plain(change.after):
            continue
        if not change.before.strip() and not _is_as(avoid, draft):
            continue  # another reply that leaves the same thing out has not made this mistake
        return Mistake(change.kind, other.before, other.after, other.span_before)
    return None


def _rejected_again(avoid: str, draft: str) -> tuple[Mistake, ...]:
    if not _is_as(avoid, draft):
        return ()
    return (Mistake("rejected", draft.strip(), "", (0, len(draft))),)


def _rewritten_again(avoid: str, instead: str, draft: str) -> tuple[Mistake, ...]:
    """Nothing in the corrected draft was false, but so little of it was kept that it is not to come again."""
    if not _is_as(avoid, draft) or analyse(draft, instead).verdict == "example":
        return ()
    return (Mistake("rewritten", draft.strip(), instead.strip(), (0, len(draft))),)


def _is_as(avoid: str, draft: str) -> bool:
    again = analyse(avoid, draft)
    return not again.meaning_changed and again.similarity >= EXAMPLE_SIMILARITY


def _says(wanted: str, statement: str) -> bool:
    if Levenshtein.normalized_similarity(wanted.casefold(), statement.casefold()) < _WORTH_COMPARING:
        return False
    compared = analyse(wanted, statement)
    return not compared.meaning_changed and (compared.similarity >= _SAME_STATEMENT or compared.verdict == "example")


def _statements(text: str) -> list[Statement]:
    return split(text, open_envelope(text).body)


def _covering(text: str, span: Span) -> str | None:
    """The statement the span lies in; None for a change that has no place on this side."""
    start, end = span
    if start == end:
        return None
    return next((one.raw for one in _statements(text) if one.start < end and start < one.end), None)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(".,;:!?")
