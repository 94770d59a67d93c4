"""What an agent's edit would teach, while it is being made."""

from __future__ import annotations

from dataclasses import dataclass

from desk.ports import EditAnalyser, EditAnalysis, EditChange
from ui.presenting.texts import DifferencePiece, word_difference
from ui.presenting.words import CHANGES, Chip

MOST_LISTED = 8
"""Changes in the list; more would not be read while writing."""


@dataclass(frozen=True, slots=True)
class ShownChange:
    kind: str
    words: str
    meaning: bool


@dataclass(frozen=True, slots=True)
class ShownLearning:
    chip: Chip
    words: str
    kinds: str
    """The kinds of change, those that alter the meaning first."""
    said: str
    """The whole in one sentence, to be read out."""
    pieces: list[DifferencePiece]
    changes: list[ShownChange]
    left_out: int
    """Changes that are not listed."""


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
    shown = [_change(each) for each in meaning_first]
    kinds = ", ".join(dict.fromkeys(each.kind for each in shown))
    said = f"{chip.words}. {words}{f' Changed: {kinds}.' if kinds else ''}"
    return ShownLearning(
        chip, words, kinds, said, word_difference(draft, sent), shown[:MOST_LISTED], max(0, len(shown) - MOST_LISTED)
    )


def learned_words(learned: str, analysis: EditAnalysis) -> str:
    """What a reply that was just sent teaches; the kinds of what changed the meaning when it is a correction."""
    if learned == "example":
        return "Learns an example."
    if learned != "correction":
        return ""
    kinds = ", ".join(dict.fromkeys(_change(each).kind for each in analysis.changes if each.meaning))
    return f"Learns a correction: {kinds or 'most of it is new'}."


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
