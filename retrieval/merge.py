"""The weighted merge of the four sources into one ranking (design section 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from rapidfuzz import fuzz

from desk.ports import Hit, SourceKind, SourceWeights
from retrieval.candidates import Candidate
from retrieval.tokens import terms

_ALIKE = 95.0
"""rapidfuzz ratio from which two texts are the same but for a typo, a greeting or their layout."""
_OTHER_LANGUAGE = 0.85
"""Factor on the weighted score of a hit in another language than the question's: of two that fit about equally, the
one the customer can read comes first, and a clearly better one still stays ahead."""
_NEGATIONS = frozenset({"no", "not", "never", "none", "cannot", "without", "t"})
"""Words that reverse a text however alike the rest is; `t` is what is left of don't and can't."""


@dataclass(frozen=True, slots=True)
class MergedHit:
    """A candidate of one source with its place in the common ranking."""

    kind: SourceKind
    item_id: UUID
    score: float
    """Fused similarity in [0, 1] inside its source."""
    weighted_score: float
    dense: float
    lexical: float


def merge(
    candidates: Mapping[SourceKind, Sequence[Candidate]],
    weights: SourceWeights,
    top_k: int,
    texts: Mapping[UUID, str],
    score_threshold: float = 0.0,
) -> list[MergedHit]:
    """The best `top_k` of all sources by weight x score, best first.

    Weights are normalised to a sum of 1; a source of weight 0, or one that has no weight such as the FAQ,
    never gets in. Candidates whose own (unweighted) score is below `score_threshold` are dropped. Ties go
    by the better unweighted score, then by source and id, so the order in which candidates come makes no
    difference. Of texts that say the same only the best placed stays; an item missing in `texts` is kept.
    """
    share = weights.normalised()
    weight_of: Mapping[SourceKind, float] = {
        "global_kb": share.global_kb,
        "tenant_kb": share.tenant_kb,
        "example": share.example,
        "correction": share.correction,
    }
    ranked = [
        MergedHit(kind, found.item_id, found.score, weight * found.score, found.dense, found.lexical)
        for kind, source in candidates.items()
        if (weight := weight_of.get(kind, 0.0)) > 0
        for found in source
        if found.score >= score_threshold
    ]
    ranked.sort(key=lambda hit: (-hit.weighted_score, -hit.score, hit.kind, hit.item_id))
    return _distinct(ranked, texts, top_k)


def preferring(hits: Sequence[Hit], language: str) -> list[Hit]:
    """The hits in their new order; where either language is not known nothing changes.

    Similarities stay as they are, and so does the confidence that is made of them.
    """
    if not language:
        return list(hits)
    weighed = [
        replace(hit, weighted_score=_OTHER_LANGUAGE * hit.weighted_score)
        if hit.language and hit.language != language
        else hit
        for hit in hits
    ]
    return sorted(weighed, key=lambda hit: -hit.weighted_score)


@dataclass(frozen=True, slots=True)
class _Reading:
    words: str
    distinct: frozenset[str]

    @classmethod
    def of(cls, text: str) -> _Reading:
        found = terms(text)
        return cls(" ".join(found), frozenset(found))


def _alike(first: _Reading, second: _Reading) -> bool:
    """Whether two texts differ in nothing but typos, case, punctuation or a few harmless words.

    A differing number, address or negation makes them different however long the common rest is.
    """
    if first.words == second.words:
        return True
    longer, shorter = max(len(first.words), len(second.words)), min(len(first.words), len(second.words))
    if 200 * shorter < _ALIKE * (longer + shorter):
        return False  # so much is missing that the rest cannot make up for it; most pairs end here
    differing = first.distinct ^ second.distinct
    if any(word in _NEGATIONS or not word.isalpha() for word in differing):
        return False
    return fuzz.ratio(first.words, second.words, score_cutoff=_ALIKE) > 0


def _distinct(ranked: Sequence[MergedHit], texts: Mapping[UUID, str], top_k: int) -> list[MergedHit]:
    kept: list[MergedHit] = []
    readings: list[_Reading] = []
    seen: set[tuple[SourceKind, UUID]] = set()
    for hit in ranked:
        if len(kept) >= top_k:
            break
        if (hit.kind, hit.item_id) in seen:
            continue
        text = texts.get(hit.item_id)
        if text is not None:
            reading = _Reading.of(text)
            if any(_alike(reading, earlier) for earlier in readings):
                continue
            readings.append(reading)
        seen.add((hit.kind, hit.item_id))
        kept.append(hit)
    return kept
