"""How the wording of two questions differs, word by word.

Embeddings see that two questions are about the same thing, and miss the one word that turns one into another: "turn
on" and "turn off" renewal have a cosine of 0.94. So before an answer is sent, every word counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import OSA

from retrieval.embedding.tokens import is_known_word
from retrieval.tokens import fold

_WORD = re.compile(r"[^\W_]+(?:[.\-'@:/][^\W_]+)*[+#]*")
_CONTRACTION = re.compile(r"'(?:s|m|re|ve|ll|d)$")
_FUNCTION_WORDS = (
    "a an the i me my mine we us our you your it its this that these those there is are was were be been being am do "
    "does did done can could would should will shall may might must have has had to of in on at for by as and or if so "
    "how what which any some way ways possible please want wish need like get know tell hi hello thanks thank let"
)
_CARRIES_NOTHING = frozenset(_FUNCTION_WORDS.split())
"""English words that may come and go without changing what is asked. Left out on purpose: from, off, with, without,
not, no, only, all, back, before, after, and why, when, where, who. In other languages every word counts."""
_REMOVING_WORDS = (
    "not no never without off away only stop end avoid prevent exclude except omit ignore skip leave lose lost "
    "hide remove delete erase cancel disable deactivate uninstall unsubscribe unlock unblock undo refuse reject "
    "block quit"
)
_TAKES_AWAY = frozenset(_REMOVING_WORDS.split())
"""English words that turn what is asked into its opposite: to keep the formatting, to leave out the formatting."""
_SHORTEST_STEM = 5
_SHORTEST_MISSPELT = 7
_SHORTEST_MISSPELT_TWICE = 10
_SHORTEST_TRANSPOSED = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """What remains of two questions when the words they share are taken away."""

    asked_only: tuple[str, ...]
    """Words of the customer that the FAQ's wording does not have."""
    faq_only: tuple[str, ...]
    same_order: bool
    """The shared words come in the same order; "from A to B" is not "from B to A"."""

    @property
    def is_none(self) -> bool:
        return not self.asked_only and not self.faq_only and self.same_order

    @property
    def is_opposed(self) -> bool:
        """Only one of the two wants something gone, stopped or left out."""
        return _takes_away(self.asked_only) != _takes_away(self.faq_only)


def difference(asked: str, wording: str) -> Difference:
    mine, theirs = meaningful_words(asked), meaningful_words(wording)
    shared = [next((at for at, other in enumerate(theirs) if same_word(word, other)), None) for word in mine]
    order = [at for at in shared if at is not None]
    return Difference(
        asked_only=tuple(word for word, at in zip(mine, shared, strict=True) if at is None),
        faq_only=tuple(other for other in theirs if not any(same_word(word, other) for word in mine)),
        same_order=order == sorted(order),
    )


def _takes_away(words: Sequence[str]) -> bool:
    return any(same_word(word, removing) for word in words for removing in _TAKES_AWAY)


def is_misspelling(asked: str, wording: str) -> bool:
    """Word for word the same, small words included, but for forms and slips."""
    mine, theirs = _WORD.findall(fold(asked)), _WORD.findall(fold(wording))
    return len(mine) == len(theirs) and all(same_word(*pair) for pair in zip(mine, theirs, strict=True))


def meaningful_words(text: str) -> list[str]:
    """Folded words in reading order, each once, without those that may come and go; every negation is `not`."""
    found: dict[str, None] = {}
    for raw in _WORD.findall(fold(text.replace("\u2019", "'"))):
        word = "not" if raw.endswith("n't") or raw == "cannot" else _CONTRACTION.sub("", raw)
        if word not in _CARRIES_NOTHING:
            found[word] = None
    return list(found)


def same_word(first: str, second: str) -> bool:
    """Equal, or one word in two forms, or one of them misspelt. Anything with a digit or sign must be equal."""
    if first == second:
        return True
    if not (first.isalpha() and second.isalpha()):
        return False
    short, long = sorted((first, second), key=len)
    return long in {f"{short}s", f"{short}es"} or _share_stem(short, long) or _is_misspelt(short, long)


def _share_stem(short: str, long: str) -> bool:
    common = next((at for at, pair in enumerate(zip(short, long, strict=False)) if pair[0] != pair[1]), len(short))
    return common >= max(_SHORTEST_STEM, len(short) - 1) and len(long) - common <= _SHORTEST_STEM


def _is_misspelt(short: str, long: str) -> bool:
    """One slip in a longer word, and only where one side is no word of the language: `charged` is not `changed`."""
    if short[0] != long[0] or len(short) < _SHORTEST_TRANSPOSED:
        return False
    distance = OSA.distance(short, long, score_cutoff=2)
    transposed = distance == 1 and sorted(short) == sorted(long)
    allowed = 2 if len(short) >= _SHORTEST_MISSPELT_TWICE else 1 if len(short) >= _SHORTEST_MISSPELT else 0
    if not transposed and distance > allowed:
        return False
    return not _all_known((short, long))


def _all_known(words: Sequence[str]) -> bool:
    return all(is_known_word(word) for word in words)
