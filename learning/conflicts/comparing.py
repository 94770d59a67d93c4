"""Do two passages say the same, or disagree about it? Pure and deterministic.

Sentences are laid beside each other by their words. Two that are about the same thing and differ in a value or a
negation disagree; the kinds are those of the edit analysis. Whether two sentences are about the same thing is decided
strictly, because a list with every second pair wrong is not read: "Basic costs 5 EUR" and "Pro costs 9 EUR" are two
facts, not a contradiction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rapidfuzz import fuzz

from desk.plain_text import fold
from desk.ports import EditAnalyser, EditChange, Span
from desk.sentences import sentence_spans

KINDS = frozenset({"number", "date", "amount", "duration", "negation"})
"""Kinds of change that make two sentences about the same thing disagree."""
DUPLICATE = 0.80
"""Share of the shorter passage that stands in the other one, from which they are one passage twice."""
_SAME_SENTENCE = 96.0
"""rapidfuzz ratio of two sentences that say the same in the same words."""
_FEWEST_WORDS = 3
"""Telling words that two sentences must have in common; one less is enough in a long sentence."""
_LONG_SENTENCE = 6
_SHARED = 0.7
"""Share of the telling words of both that they have in common."""
_LIKE_WORD = 75.0
"""rapidfuzz ratio of two forms of one word: kept, keep; mailbox, mailboxes."""
_LONGEST = 6_000
"""Characters of a passage that are compared."""
_MOST_SENTENCES = 60
_WORD = re.compile(r"(?<!\w)[^\W\d_]{2,}(?!\w)")
_ANY_WORD = re.compile(r"\w+")
_LITTLE_WORDS = (
    "the a an of to in on at for from by with and or if is are was were be been being it its this that these those you"
    " your we our us they their he she his her as not no can cannot could will would may might must should do does did"
    " have has had than then there here when which who what how per each every all any up out into over under after"
    " before also only more most very so too about der die das den dem des ein eine einer eines einem einen und oder"
    " ist sind war waren wird werden von zu zum zur im in an am auf fur mit bei nach aus als auch nicht kein keine nur"
    " sie ihr ihre ihren wir uns unser es man kann konnen le la les un une des du de et ou est sont avec pour par dans"
    " sur ne pas vous votre nous notre que qui el los las una y o es son con para por en no su se al del"
)
_STOP_WORDS = frozenset(_LITTLE_WORDS.split())


@dataclass(frozen=True, slots=True)
class Disagreement:
    kind: str
    """Of `KINDS`."""
    first: str
    second: str
    first_span: Span
    """In the passage as it was given."""
    second_span: Span
    first_sentence: Span
    second_sentence: Span


@dataclass(frozen=True, slots=True)
class Comparison:
    kind: Literal["duplicate", "contradiction"]
    similarity: float
    """Share of the shorter passage's words that stand in sentences both have, in [0, 1]."""
    disagreements: tuple[Disagreement, ...]


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: str
    span: Span
    telling: frozenset[str]
    size: int


def compare(first: str, second: str, analyser: EditAnalyser) -> Comparison | None:
    """None when the passages are about different things, or agree in other words."""
    one, two = _sentences(first[:_LONGEST]), _sentences(second[:_LONGEST])
    if not one or not two:
        return None
    same = 0
    found: list[Disagreement] = []
    taken: set[int] = set()
    short, long = (one, two) if _words(one) <= _words(two) else (two, one)
    for sentence in short:
        at = _partner(sentence, long, taken)
        if at is None:
            continue
        partner = long[at]
        left, right = (sentence, partner) if short is one else (partner, sentence)
        meant = (
            [] if left.text == right.text else [c for c in analyser.analyse(left.text, right.text).changes if c.meaning]
        )
        differing = list(_disagreements(left, right, meant))
        is_same = not meant and fuzz.ratio(fold(left.text), fold(right.text)) >= _SAME_SENTENCE
        found += differing
        same += sentence.size if is_same else 0
        if differing or is_same:
            taken.add(at)
    similarity = same / max(1, _words(short))
    if found:
        return Comparison("contradiction", similarity, tuple(found))
    return Comparison("duplicate", similarity, ()) if similarity >= DUPLICATE else None


def _words(sentences: Sequence[_Sentence]) -> int:
    return sum(sentence.size for sentence in sentences)


@lru_cache(maxsize=512)
def _sentences(text: str) -> tuple[_Sentence, ...]:
    """Sentences and lines that say enough to be compared."""
    found: list[_Sentence] = []
    for line in re.finditer(r"[^\n]+", text):
        for span in sentence_spans(text, line.span()):
            words = text[slice(*span)]
            telling = frozenset(word for word in _WORD.findall(fold(words)) if word not in _STOP_WORDS)
            if telling:
                found.append(_Sentence(words, span, telling, len(telling)))
    return tuple(found[:_MOST_SENTENCES])


def _partner(sentence: _Sentence, others: Sequence[_Sentence], taken: set[int]) -> int | None:
    """The sentence of the other passage that has most of its words."""
    best, found = 0.0, None
    for at, other in enumerate(others):
        shared = len(sentence.telling & other.telling) / max(len(sentence.telling), len(other.telling))
        if at not in taken and shared > best:
            best, found = shared, at
    return found


def _disagreements(left: _Sentence, right: _Sentence, meant: Sequence[EditChange]) -> Iterator[Disagreement]:
    """`meant`: the changes from the one to the other that alter what is said."""
    if not meant or any(_is_other_subject(change) for change in meant) or not _about_the_same(left, right, meant):
        return
    for change in meant:
        if change.kind in KINDS and (change.before or change.after):
            yield Disagreement(
                kind=change.kind,
                first=change.before,
                second=change.after,
                first_span=_placed(left, change.span_before),
                second_span=_placed(right, change.span_after),
                first_sentence=left.span,
                second_sentence=right.span,
            )


def _about_the_same(left: _Sentence, right: _Sentence, meant: Sequence[EditChange]) -> bool:
    """Whether nearly all words that tell something are in both, each side having none or one of its own."""
    values = [change for change in meant if change.kind in KINDS - {"negation"}]
    only_left = set(left.telling - right.telling - _words_of(change.before for change in values))
    only_right = set(right.telling - left.telling - _words_of(change.after for change in values))
    for word in sorted(only_left):
        like = next((other for other in sorted(only_right) if fuzz.ratio(word, other) >= _LIKE_WORD), None)
        if like is not None:
            only_left.discard(word)
            only_right.discard(like)
    common = len(left.telling) - len(only_left)
    is_long = min(len(_ANY_WORD.findall(one.text)) for one in (left, right)) >= _LONG_SENTENCE
    if common < _FEWEST_WORDS - is_long or common < _SHARED * max(len(left.telling), len(right.telling)):
        return False
    if not only_left or not only_right:
        return True
    # A word on either side: another way to say it, unless it is a name, or few words are left to tell.
    return (
        common > _FEWEST_WORDS + 1
        and all(_unit(one.before) == _unit(one.after) for one in values)
        and not (_names(left.text, only_left) or _names(right.text, only_right))
    )


def _unit(value: str) -> str:
    """What is counted: "90 days" and "10 minutes" are seldom two answers to one question."""
    return "".join(character for character in fold(value) if character.isalpha())[:3]


def _words_of(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in _WORD.findall(fold(text))}


def _names(text: str, words: set[str]) -> bool:
    """Whether one of the words stands in the text with a capital letter, not at its beginning, or with a digit."""
    for match in _ANY_WORD.finditer(text):
        if fold(match.group()) in words and match.start() > 0 and not match.group().islower():
            return True
    return False


def _is_other_subject(change: EditChange) -> bool:
    """A name, a link or an address on both sides that differs: two facts about two things."""
    return change.kind in {"entity", "url", "email", "phone"} and bool(change.before) and bool(change.after)


def _placed(sentence: _Sentence, span: Span) -> Span:
    start = sentence.span[0]
    return start + span[0], start + span[1]
