"""How a newly approved answer stands to an older one: the same again, its successor, or something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import Levenshtein

from desk.ports import EditChange
from learning.edits.analysis import analyse
from retrieval.query import question_text

SUPERSEDED = "A newer approved answer to the same question says something else."
NEAR = 0.90
"""Cosine from which a question is looked at as perhaps the same."""
_SAME_QUESTION = 0.90
_SAME_ANSWER = 0.90
_FEWEST_WORDS = 4
"""Of a question; a shorter one ("any news?") is asked about everything."""

Relation = Literal["repeats", "supersedes", "other"]


@dataclass(frozen=True, slots=True)
class Answered:
    question: str
    answer: str
    customer_name: str


def relation(old: Answered, new: Answered) -> Relation:
    """What is personal to one of the two tickets (a name, an order number) makes no answer the older one's successor,
    and keeps both."""
    if not _same_question(old.question, new.question):
        return "other"
    edit = analyse(old.answer, new.answer)
    changed = [change for change in edit.changes if change.meaning]
    if not changed:
        return "repeats" if edit.similarity >= _SAME_ANSWER else "other"
    return "supersedes" if any(not _is_personal(change, old, new) for change in changed) else "other"


def _same_question(one: str, two: str) -> bool:
    mine, theirs = (" ".join(question_text(text).casefold().split()) for text in (one, two))
    if min(len(mine.split()), len(theirs.split())) < _FEWEST_WORDS:
        return False
    return Levenshtein.normalized_similarity(mine, theirs) >= _SAME_QUESTION


def _is_personal(change: EditChange, old: Answered, new: Answered) -> bool:
    return _stands_in(change.before, old) or _stands_in(change.after, new)


def _stands_in(words: str, answered: Answered) -> bool:
    return (
        bool(words.strip()) and words.strip().casefold() in f"{answered.question}\n{answered.customer_name}".casefold()
    )
