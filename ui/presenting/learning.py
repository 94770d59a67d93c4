"""What an agent's edit would teach, while it is being made."""

from __future__ import annotations

from dataclasses import dataclass

from desk.ports import EditAnalyser, EditChange
from ui.presenting.texts import DifferencePiece, word_difference
from ui.presenting.words import CHANGES, Chip


@dataclass(frozen=True, slots=True)
class ShownChange:
    kind: str
    words: str
    meaning: bool


@dataclass(frozen=True, slots=True)
class ShownLearning:
    chip: Chip
    words: str
    pieces: list[DifferencePiece]
    changes: list[ShownChange]


def shown_learning(draft: str, sent: str, analyser: EditAnalyser) -> ShownLearning:
    analysis = analyser.analyse(draft, sent)
    alike = f"{100 * analysis.similarity:.0f} % alike"
    if analysis.verdict == "correction":
        chip = Chip("Will be learned as a correction", "fair", alike)
        words = "The meaning changes." if analysis.meaning_changed else "Most of the draft is replaced."
    else:
        chip = Chip("Will be learned as an example", "good", alike)
        words = "The meaning stays."
    meaning_first = sorted(analysis.changes, key=lambda change: not change.meaning)
    return ShownLearning(chip, words, word_difference(draft, sent), [_change(each) for each in meaning_first[:6]])


def _change(change: EditChange) -> ShownChange:
    return ShownChange(
        CHANGES.get(change.kind, change.kind.replace("_", " ")),
        change_words(change.before, change.after),
        change.meaning,
    )


def change_words(before: str, after: str) -> str:
    """`before → after`, shortened; a side that is empty says so."""
    old, new = (" ".join(each.split())[:80] for each in (before, after))
    if not old:
        return f"added “{new}”"
    if not new:
        return f"left out “{old}”"
    return f"“{old}” became “{new}”"
