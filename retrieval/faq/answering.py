"""Whether the FAQ that ranks first may answer: apart from the ranking, and much stricter.

Two numbers come out. `certain` says that the published answer may be sent without a person; it asks for the very
wording, for the same words, or for a paraphrase nearer than any wrong one that was measured. `probability` says how
likely the first FAQ is the right one, for what an agent is shown. Both are for one embedding model; under another only
wordings count. Measured with `python -m retrieval.benchmarks.faq`, which also prints the constants below.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from retrieval.embedding.minilm import MODEL
from retrieval.faq.index import FaqCandidate, Phrasing
from retrieval.faq.wording import Difference, difference, is_misspelling
from retrieval.ingestion.languages import detect_language

How = Literal["exact", "misspelt", "same_words", "reworded", "near_wording", "ambiguous"]

CALIBRATED_MODEL: Final = MODEL
SAME_WORDS_COSINE = 0.90
"""With the same words in the same order; below it the sentence around them says something else."""
REWORDED_COSINE = 0.92
"""Half the way from the nearest wrong match that the rules on words let pass (0.835, among the confusable pairs of the
tests; 0.789 between any two wordings of the benchmark) to identity (1)."""
CERTAIN_LEAD = 0.05
"""Cosine over the next FAQ. Two FAQs nearer than this to one question are for a person to tell apart."""
LEAST_REPLACED = 2
"""Words replaced on either side: a question that differs from a FAQ by one word, or only by words more, asks
something else ("lock" and "unlock", "my plan" and "my plan back") as often as not, whatever its cosine."""
EVEN = 0.5
"""What such a near wording is given at most: nothing measured speaks for either."""
LIKELY = 0.5
"""More likely right than not: worth showing to an agent as a proposal."""
SURE = 0.99
_INTERCEPT, _PER_COSINE, _PER_LEAD = -10.1, 15.8, 7.8
LARGEST_LEAD = 0.3
"""A greater one says no more: with few FAQs every lead is great."""


@dataclass(frozen=True, slots=True)
class Verdict:
    phrasing: Phrasing
    how: How
    certain: bool
    probability: float
    lead: float
    """Cosine over the next FAQ's; over 0 when there is no other."""


def judge(
    question: str, found: Sequence[FaqCandidate], model: str, reworded_cosine: float = REWORDED_COSINE
) -> Verdict | None:
    """On the first of `found`, best first, all for the same `question`; None when it is unlikely to be meant."""
    if not found:
        return None
    best = found[0]
    lead = best.cosine - max((other.cosine for other in found[1:]), default=0.0)
    if best.best.exact:
        alone = not any(other.best.exact for other in found[1:])
        return Verdict(best.best, "exact" if alone else "ambiguous", alone, 1.0 if alone else EVEN, lead)
    if model == CALIBRATED_MODEL:
        return _by_meaning(question, found, lead, reworded_cosine)
    nearest = max(best.phrasings, key=lambda phrasing: phrasing.fuzzy)
    if not difference(question, nearest.text).is_none:
        return None
    return Verdict(nearest, "near_wording", certain=False, probability=EVEN, lead=lead)


def _misspelt(question: str, candidate: FaqCandidate) -> Phrasing | None:
    return next((one for one in candidate.phrasings if is_misspelling(question, one.text)), None)


def _by_meaning(question: str, found: Sequence[FaqCandidate], lead: float, reworded_cosine: float) -> Verdict | None:
    best, *others = found
    if (misspelt := _misspelt(question, best)) is not None:
        # A slip takes the vector far away, so here the letters count, and no other FAQ may be a slip away.
        certain = all(_misspelt(question, other) is None for other in others)
        return Verdict(misspelt, "misspelt", certain, SURE if certain else EVEN, lead)
    for phrasing in best.phrasings:
        if phrasing.cosine >= SAME_WORDS_COSINE and difference(question, phrasing.text).is_none:
            certain = lead >= CERTAIN_LEAD
            return Verdict(phrasing, "same_words", certain, SURE if certain else EVEN, lead)
    phrasing = best.best
    probability = min(probability_of(best.cosine, lead), SURE)
    if not is_rewording(difference(question, phrasing.text)):
        # Only a nearer wording could tell; without one the vectors' word is not enough.
        probability = min(probability, EVEN)
        return Verdict(phrasing, "near_wording", False, probability, lead) if probability >= LIKELY else None
    if probability < LIKELY:
        return None
    certain = phrasing.cosine >= reworded_cosine and lead >= CERTAIN_LEAD and detect_language(question) in {"", "en"}
    return Verdict(phrasing, "reworded", certain, probability, lead)


def is_rewording(found: Difference) -> bool:
    """Whether so much differs that the rest decides: neither one word in the place of another nor only more words."""
    enough = min(len(found.asked_only), len(found.faq_only)) >= LEAST_REPLACED
    return enough and not found.is_opposed


def probability_of(cosine: float, lead: float) -> float:
    """That the first FAQ is the right one, by a logistic model of cosine and lead."""
    return 1.0 / (1.0 + math.exp(-(_INTERCEPT + _PER_COSINE * cosine + _PER_LEAD * min(lead, LARGEST_LEAD))))
