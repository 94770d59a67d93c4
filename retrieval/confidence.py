"""The confidence of a draft, from what was found (design section 5). Every number is a tenant's setting."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from desk.policy.presentation import level_of
from desk.ports import Confidence, ConfidenceParts, ConfidenceSettings, IntentGuess, SourceKind

_GOOD_MATCHES_FOR_BOOST = 2
_DECIMALS = 9
"""Scores are rounded here so that a sum that should meet a border does meet it."""


def assess(
    scores: Mapping[SourceKind, Sequence[float]],
    intent: IntentGuess,
    correction_similarity: float,
    holding: Collection[SourceKind],
    settings: ConfidenceSettings,
) -> Confidence:
    """Score what was found.

    `scores` are the fused similarities in [0, 1] of each source's hits, in any order; `correction_similarity`
    is that of the nearest correction, 0 without one; `holding` names the sources that hold anything at all.

    `renormalised` gives the share of an evidence source that holds nothing to those that do: an empty KB's
    share to the other KB, and an empty examples or KB part to the other part. Intent and correction safety
    keep their own shares, so knowing what a question is about never stands in for an answer. With nothing
    held anywhere it is the plain score.
    """
    example = _example_similarity(scores.get("example", ()), settings)
    tenant, shared = _best(scores.get("tenant_kb", ())), _best(scores.get("global_kb", ()))
    penalty = _missing_tenant_factor(tenant, intent, settings)
    parts = ConfidenceParts(
        example_similarity=example,
        kb_similarity=penalty * _mix(tenant, shared, settings.tenant_share),
        intent_certainty=_clamp(intent.certainty),
        correction_safety=_correction_safety(correction_similarity, settings),
    )
    score = _score(parts, settings)
    held_share = _held_tenant_share(holding, settings)
    held_kb = 0.0 if held_share is None else penalty * _mix(tenant, shared, held_share)
    return Confidence(
        score=score,
        level=level_of(score, settings),
        parts=parts,
        renormalised=_renormalised(
            parts, held_kb, settings, has_examples="example" in holding, has_kb=held_share is not None
        ),
    )


def _example_similarity(scores: Sequence[float], settings: ConfidenceSettings) -> float:
    good = sum(score > settings.good_match for score in scores)
    boost = settings.example_boost if good >= _GOOD_MATCHES_FOR_BOOST else 0.0
    return _clamp(_best(scores) + boost)


def _missing_tenant_factor(tenant: float, intent: IntentGuess, settings: ConfidenceSettings) -> float:
    """A nearest neighbour always exists, so "found" asks for a good match rather than for any hit."""
    missing = intent.needs_tenant_knowledge and tenant <= settings.good_match
    return settings.missing_tenant_penalty if missing else 1.0


def _correction_safety(similarity: float, settings: ConfidenceSettings) -> float:
    """1.0 up to `good_match`, `unsafe_correction` from `similar_correction` on, linear in between.

    Where `good_match` is not below `similar_correction` there is no slope, only the step at the latter.
    """
    if similarity >= settings.similar_correction:
        return settings.unsafe_correction
    if similarity <= settings.good_match:
        return 1.0
    way = (similarity - settings.good_match) / (settings.similar_correction - settings.good_match)
    return 1.0 - way * (1.0 - settings.unsafe_correction)


def _held_tenant_share(holding: Collection[SourceKind], settings: ConfidenceSettings) -> float | None:
    """The tenant KB's share among the KBs that hold anything; None when neither does."""
    if "tenant_kb" in holding:
        return settings.tenant_share if "global_kb" in holding else 1.0
    return 0.0 if "global_kb" in holding else None


def _score(parts: ConfidenceParts, settings: ConfidenceSettings) -> float:
    earned = math.fsum(
        (
            settings.example_part * parts.example_similarity,
            settings.kb_part * parts.kb_similarity,
            settings.intent_part * parts.intent_certainty,
            settings.correction_part * parts.correction_safety,
        )
    )
    return round(100.0 * earned / _whole(settings), _DECIMALS)


def _renormalised(
    parts: ConfidenceParts,
    held_kb: float,
    settings: ConfidenceSettings,
    *,
    has_examples: bool,
    has_kb: bool,
) -> float:
    held_parts = settings.example_part * has_examples + settings.kb_part * has_kb
    if held_parts <= 0:
        return _score(parts, settings)
    evidence = (
        settings.example_part * parts.example_similarity * has_examples + settings.kb_part * held_kb
    ) / held_parts
    earned = math.fsum(
        (
            (settings.example_part + settings.kb_part) * evidence,
            settings.intent_part * parts.intent_certainty,
            settings.correction_part * parts.correction_safety,
        )
    )
    return round(min(100.0 * earned / _whole(settings), 100.0), _DECIMALS)


def _whole(settings: ConfidenceSettings) -> float:
    """The sum of the four parts, 1 by default: a tenant's own numbers need not add up to stay in bounds."""
    whole = math.fsum((settings.example_part, settings.kb_part, settings.intent_part, settings.correction_part))
    if whole <= 0:
        msg = "at least one part of the confidence must be above zero"
        raise ValueError(msg)
    return whole


def _mix(tenant: float, shared: float, tenant_share: float) -> float:
    return tenant_share * tenant + (1.0 - tenant_share) * shared


def _best(scores: Sequence[float]) -> float:
    return _clamp(max(scores, default=0.0))


def _clamp(value: float) -> float:
    return min(max(value, 0.0), 1.0)
