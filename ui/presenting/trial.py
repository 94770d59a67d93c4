"""A draft that was only tried out, and the record of one that was decided."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import msgspec

from desk.drafting.record import confidence_json
from desk.drafting.trials import Trial
from desk.plain_text import excerpt
from desk.policy.decide import REASON_TEXTS, PolicyDecision
from desk.ports import Hit
from ui.presenting.draft_card import ShownConfidence, ShownSource, shown_confidence, source_address
from ui.presenting.texts import Piece, failed_marks, marked
from ui.presenting.words import CHECKS, SOURCE_KINDS, WRITERS, Chip, channel_words

PRESENTATIONS = {
    "prefilled": "filled into the reply",
    "banner": "offered as ready to use",
    "collapsed": "folded away, with the evidence shown",
    "notes": "kept back, with the evidence shown",
}
_OUTCOMES = {
    "send": ("would be sent", "good"),
    "suggest": ("waits for an agent", "fair"),
    "notes": ("evidence only", "line"),
}
DECISIONS = {
    "send": "To be sent by itself.",
    "suggest": "To wait for an agent.",
    "notes": "Evidence only, no proposal.",
}


@dataclass(frozen=True, slots=True)
class ShownCheck:
    words: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Timing:
    words: str
    milliseconds: str
    share: int


@dataclass(frozen=True, slots=True)
class ShownTrial:
    body: str
    pieces: list[Piece]
    headline: str
    confidence: ShownConfidence | None
    checks: Sequence[ShownCheck]
    decision: str
    reasons: Sequence[str]
    sources: Sequence[ShownSource]
    facts: Sequence[tuple[str, str]]
    turns: Sequence[tuple[str, str]]
    """Role and text of the prompt as it was sent; empty when no model was asked."""
    timings: Sequence[Timing]


@dataclass(frozen=True, slots=True)
class ChannelDecision:
    channel: str
    chip: Chip
    reason: str


@dataclass(frozen=True, slots=True)
class ShownAttempt:
    """One side of a comparison."""

    name: str
    trial: ShownTrial | None
    failure: str
    """Why there is no draft; empty with one."""
    channels: Sequence[ChannelDecision]
    cost: str


@dataclass(frozen=True, slots=True)
class ShownDecision:
    facts: Sequence[tuple[str, str]]
    confidence: ShownConfidence | None
    reasons: Sequence[str]
    checks: Sequence[ShownCheck]
    hits: Sequence[ShownSource]
    turns: Sequence[tuple[str, str]]
    timings: Sequence[Timing]
    whole: str
    """The record itself, as JSON."""


def shown_trial(trial: Trial) -> ShownTrial:
    finished = trial.finished
    written, evidence = finished.written, finished.evidence
    checks = [check.to_json() for check in finished.checks]
    intent = evidence.intent
    return ShownTrial(
        body=written.body,
        pieces=marked(written.body, failed_marks(checks)),
        headline=f"{WRITERS[written.writer]}; {PRESENTATIONS[finished.presentation]}.",
        confidence=shown_confidence(confidence_json(finished.confidence)),
        checks=shown_checks(checks),
        decision=DECISIONS[finished.policy.decision],
        reasons=[REASON_TEXTS.get(reason, reason) for reason in finished.policy.reasons],
        sources=[_hit(hit, used=hit.item_id in written.used) for hit in evidence.hits],
        facts=[
            ("Topic", f"{intent.label.replace('_', ' ')} ({100 * intent.certainty:.0f} %)"),
            ("Prompt", trial.inputs.prompt.name),
            ("Weights", _weights(asdict(evidence.weights))),
            ("Embeddings", evidence.embedding_model),
            *_reranking(msgspec.to_builtins(evidence.reranking)),
            *([("Model", written.model)] if written.model else []),
        ],
        turns=[(turn.role, turn.content) for turn in finished.turns] if written.writer == "llm" else [],
        timings=shown_timings(finished.timings_ms),
    )


def shown_attempt(name: str, trial: Trial, decisions: Mapping[str, PolicyDecision]) -> ShownAttempt:
    attempts = trial.finished.written.attempts
    tokens = sum(each.tokens_in + each.tokens_out for each in attempts)
    usd = sum((each.usd for each in attempts), start=Decimal(0))
    return ShownAttempt(
        name=name,
        trial=shown_trial(trial),
        failure="",
        channels=[
            ChannelDecision(
                channel_words(channel),
                Chip(*_OUTCOMES[decision.decision]),
                reason=" ".join(REASON_TEXTS.get(reason, reason) for reason in decision.reasons[:1]),
            )
            for channel, decision in decisions.items()
        ],
        cost=f"{tokens:,} tokens, {usd:.4f} USD" if attempts else "",
    )


def failed_attempt(name: str, why: str) -> ShownAttempt:
    return ShownAttempt(name, None, f"{why[:1].upper()}{why[1:]}.", (), "")


def shown_decision(record: Mapping[str, Any]) -> ShownDecision:
    """Older records may lack what newer ones hold; the whole record is shown in any case."""
    policy: Mapping[str, Any] = record.get("policy") or {}
    prompt: Mapping[str, Any] = record.get("prompt") or {}
    intent: Mapping[str, Any] = record.get("intent") or {}
    used = {str(each) for each in record.get("used", ())}
    turns: Sequence[Mapping[str, str]] = record.get("prompt_as_sent") or ()
    return ShownDecision(
        facts=[
            (
                "Topic",
                f"{str(intent.get('label', 'other')).replace('_', ' ')} ({100 * intent.get('certainty', 0):.0f} %)",
            ),
            ("Writer", WRITERS.get(str(record.get("writer")), str(record.get("writer")))),
            ("Model", str(record.get("model") or "none")),
            ("Prompt", str(prompt.get("name", ""))),
            ("Shown", PRESENTATIONS.get(str(record.get("presentation")), "")),
            ("Decision", DECISIONS.get(str(policy.get("decision")), "")),
            ("Embeddings", str(record.get("embedding_model", ""))),
            ("Index position", str(record.get("index_sequence", ""))),
            ("Weights", _weights(record.get("weights") or {})),
            *_reranking(record.get("reranking")),
        ],
        confidence=shown_confidence(record.get("confidence")),
        reasons=[REASON_TEXTS.get(str(reason), str(reason)) for reason in policy.get("reasons", ())],
        checks=shown_checks(record.get("checks", ())),
        hits=[_recorded_hit(hit, used) for hit in record.get("hits", ())],
        turns=[(turn["role"], turn["content"]) for turn in turns],
        timings=shown_timings(record.get("timings_ms") or {}),
        whole=json.dumps(record, indent=2, ensure_ascii=False),
    )


def shown_checks(checks: Sequence[Mapping[str, Any]]) -> list[ShownCheck]:
    return [
        ShownCheck(
            CHECKS.get(str(check["name"]), str(check["name"]).capitalize()), bool(check["passed"]), str(check["detail"])
        )
        for check in checks
    ]


def shown_timings(timings: Mapping[str, float]) -> list[Timing]:
    """Longest first, the total at the end."""
    total = max(timings.values(), default=0.0) or 1.0
    steps = sorted((item for item in timings.items() if item[0] != "total"), key=lambda item: -item[1])
    ordered = [*steps, *([("total", timings["total"])] if "total" in timings else [])]
    return [
        Timing(name.replace("_", " ").capitalize(), f"{value:,.1f} ms", round(100 * value / total))
        for name, value in ordered
    ]


def _reranking(given: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if given is None:
        return []
    if given.get("failure"):
        return [("Reranking", f"{given['by']} failed, the first order stayed: {given['failure']}")]
    dropped = f", {given['dropped']} below {given['threshold']:g} dropped" if given.get("threshold") else ""
    return [("Reranking", f"{given['by']}: {given['considered']} looked at, {given['moved']} moved{dropped}")]


def _weights(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{SOURCE_KINDS.get(name, name)} {100 * value:.0f} %" for name, value in weights.items())


def _hit(hit: Hit, *, used: bool) -> ShownSource:
    start, end = hit.span or (None, None)
    is_document = hit.kind in {"global_kb", "tenant_kb"}
    return ShownSource(
        title=hit.title or hit.question or "Untitled",
        kind=SOURCE_KINDS[hit.kind],
        version=hit.version if is_document else None,
        score=f"{hit.score:.2f}" if hit.relevance is None else f"{hit.score:.2f}, relevance {hit.relevance:.2f}",
        weighted=f"{hit.weighted_score:.2f}",
        used=used,
        excerpt=hit.text,
        start=excerpt(hit.text, 220),
        href=source_address(hit.kind, hit.item_id, hit.parent_id, hit.version, start, end),
        link_words="Open the document at this passage" if is_document else "Open it",
    )


def _recorded_hit(hit: Mapping[str, Any], used: set[str]) -> ShownSource:
    return ShownSource(
        title=str(hit.get("title") or "Untitled"),
        kind=SOURCE_KINDS.get(str(hit.get("kind")), str(hit.get("kind"))),
        version=int(hit.get("version", 1)) if hit.get("kind") in {"global_kb", "tenant_kb"} else None,
        score=f"{hit.get('score', 0):.2f} (meaning {hit.get('dense', 0):.2f}, words {hit.get('lexical', 0):.2f})"
        + (f", relevance {hit['relevance']:.2f}" if hit.get("relevance") is not None else ""),
        weighted=f"{hit.get('weighted_score', 0):.2f}",
        used=str(hit.get("id")) in used,
        excerpt=str(hit.get("text", "")),
        start=excerpt(str(hit.get("text", "")), 220),
        href="",
        link_words="",
    )
