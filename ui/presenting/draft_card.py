"""The draft card: how far a draft is proposed, why, and what its score is made of (design section 5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast
from urllib.parse import urlencode
from uuid import UUID

from desk.models import Delivery, Draft, DraftSource, Ticket
from desk.plain_text import excerpt
from desk.policy.decide import REASON_TEXTS
from desk.tickets import DraftView
from ui.presenting.texts import Piece, failed_marks, marked
from ui.presenting.words import CHECKS, SOURCE_KINDS, WRITERS, Chip, counted, level_chip, topic_words

Shows = Literal["writing", "failed", "none", "prefilled", "banner", "collapsed", "notes"]
_PARTS = {
    "example_similarity": "Similar approved answers",
    "kb_similarity": "Similar knowledge",
    "intent_certainty": "Sure of the topic",
    "correction_safety": "No similar mistake before",
}
_UNSAFE = 0.9
_EVIDENCE = 3
_START = 150


@dataclass(frozen=True, slots=True)
class Bar:
    words: str
    percent: int
    tone: str


@dataclass(frozen=True, slots=True)
class ShownConfidence:
    chip: Chip
    basis: str
    parts: list[Bar]


@dataclass(frozen=True, slots=True)
class ShownSource:
    title: str
    kind: str
    version: int | None
    score: str
    weighted: str
    used: bool
    excerpt: str
    start: str
    href: str
    link_words: str


@dataclass(frozen=True, slots=True)
class FailedCheck:
    words: str
    detail: str


@dataclass(frozen=True, slots=True)
class SimilarTicket:
    title: str
    href: str
    score: str


@dataclass(frozen=True, slots=True)
class DraftCard:
    id: str = ""
    shows: Shows = "none"
    words: str = ""
    """Said where there is nothing to propose."""
    may_ask: bool = False
    failure: str = ""
    asked_words: str = ""
    chip: Chip = field(default_factory=lambda: Chip(""))
    headline: str = ""
    text: str | None = None
    """The draft while it can still be used."""
    restored: str | None = None
    """The text of a reply that was undone, to go on with."""
    prefilled_id: str = ""
    initial: str = ""
    pieces: list[Piece] = field(default_factory=list[Piece])
    failed_checks: list[FailedCheck] = field(default_factory=list[FailedCheck])
    evidence: list[ShownSource] = field(default_factory=list[ShownSource])
    suggests_escalation: bool = False
    escalation_words: str = ""
    similar_correction: str = ""
    confidence: ShownConfidence | None = None
    reasons: list[str] = field(default_factory=list[str])
    facts: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    sources: list[ShownSource] = field(default_factory=list[ShownSource])
    similar: list[SimilarTicket] = field(default_factory=list[SimilarTicket])


def draft_card(
    ticket: Ticket,
    view: DraftView | None,
    deliveries: Sequence[Delivery],
    now: datetime,
    tickets_of_examples: dict[UUID, UUID],
) -> DraftCard:
    """`tickets_of_examples`: from which ticket an approved answer came, for links."""
    if view is None:
        words = "" if ticket.last_inbound_seq == 0 or ticket.waiting_since is None else "There is no draft."
        return DraftCard(
            words=words, may_ask=ticket.waiting_since is not None, restored=_undone(ticket, deliveries, None)
        )
    draft = view.draft
    if draft.state == "writing":
        return _being_written(draft, now)
    if draft.state == "failed":
        return DraftCard(id=str(draft.id), shows="failed", failure=_failure(draft))
    shown = _with_decision(view, tickets_of_examples)
    if draft.state != "ready":
        words = "The draft was rejected." if draft.state == "rejected" else ""
        return DraftCard(
            id=str(draft.id),
            words=words,
            may_ask=draft.state == "rejected",
            restored=_undone(ticket, deliveries, draft),
            **shown,
        )
    return _ready(ticket, view, deliveries, shown)


def _ready(ticket: Ticket, view: DraftView, deliveries: Sequence[Delivery], shown: dict[str, Any]) -> DraftCard:
    draft = view.draft
    presentation = cast("Shows", draft.presentation or "notes")
    is_prefilled = presentation == "prefilled"
    sources: list[ShownSource] = shown["sources"]
    escalation = _escalation(ticket, draft, presentation)
    return DraftCard(
        id=str(draft.id),
        shows=presentation,
        chip=shown["confidence"].chip if shown["confidence"] else Chip("No score"),
        headline=_headline(draft, view.sources),
        text=draft.body,
        restored=_undone(ticket, deliveries, draft),
        prefilled_id=str(draft.id) if is_prefilled else "",
        initial=draft.body if is_prefilled else "",
        pieces=marked(draft.body, failed_marks(draft.checks)),
        failed_checks=[
            FailedCheck(CHECKS.get(check["name"], str(check["name"])), str(check["detail"]))
            for check in draft.checks
            if not check["passed"]
        ],
        evidence=[each for each in sources if each.used][:_EVIDENCE] or sources[:_EVIDENCE],
        suggests_escalation=bool(escalation),
        escalation_words=escalation,
        similar_correction=_similar_correction(draft, view.sources),
        **shown,
    )


def _being_written(draft: Draft, now: datetime) -> DraftCard:
    wait = (now - draft.created_at).total_seconds()
    asked = f" ({draft.instruction})" if draft.instruction else ""
    if draft.last_error and draft.attempts:
        asked = f"; the last try failed: {draft.last_error}"
    elif wait > 60:
        asked += ", which takes longer than usual"
    return DraftCard(id=str(draft.id), shows="writing", asked_words=asked)


def _failure(draft: Draft) -> str:
    reason = (draft.last_error or "the reason was not recorded").strip()
    sentence = reason[0].upper() + reason[1:]
    return sentence if sentence[-1] in ".!?" else f"{sentence}."


def _with_decision(view: DraftView, tickets_of_examples: dict[UUID, UUID]) -> dict[str, Any]:
    """What the side shows of a finished draft, whatever became of it."""
    draft = view.draft
    return {
        "confidence": shown_confidence(draft.confidence),
        "reasons": [REASON_TEXTS.get(reason, reason) for reason in (draft.policy or {}).get("reasons", ())],
        "facts": _facts(draft),
        "sources": [shown_source(source) for source in view.sources],
        "similar": [
            SimilarTicket(excerpt(source.title, 90), f"/tickets/{ticket_id}?view=all", f"{source.score:.2f}")
            for source in view.sources
            if source.kind == "example" and (ticket_id := tickets_of_examples.get(source.item_id)) is not None
        ],
    }


def _facts(draft: Draft) -> list[tuple[str, str]]:
    facts = [("Topic", topic_words(draft.intent or {}))]
    facts.append(("Writer", WRITERS.get(draft.writer or "", draft.writer or "unknown")))
    if draft.model:
        facts.append(("Model", draft.model))
    total = draft.timings_ms.get("total")
    if total is not None:
        facts.append(("Took", f"{total / 1000:.1f} s" if total >= 1000 else f"{total:.0f} ms"))
    if draft.tokens_in or draft.tokens_out:
        facts.append(("Cost", f"{draft.tokens_in + draft.tokens_out:,} tokens, {draft.usd:.4f} USD"))
    if draft.instruction:
        facts.append(("Asked for", draft.instruction))
    return facts


def shown_confidence(confidence: dict[str, Any] | None) -> ShownConfidence | None:
    if confidence is None:
        return None
    chip = level_chip(confidence["level"], confidence["score"]) or Chip("")
    calibrated = confidence.get("calibrated")
    renormalised = confidence.get("renormalised")
    if calibrated is not None:
        basis = f"{100 * calibrated:.0f} % of drafts like this one went out unchanged in meaning."
    elif renormalised is not None and renormalised - confidence["score"] >= 0.5:
        basis = f"{renormalised:.0f} over the sources that hold anything yet; that decides how it is shown."
    else:
        basis = "The plain score; no reviews to calibrate it by yet."
    bars = [
        Bar(words, round(100 * confidence["parts"][name]), _tone(confidence["parts"][name]))
        for name, words in _PARTS.items()
    ]
    return ShownConfidence(chip, basis, bars)


def _tone(value: float) -> str:
    return "good" if value >= 0.75 else "fair" if value >= 0.5 else "weak"


def _headline(draft: Draft, sources: Sequence[DraftSource]) -> str:
    used = [source for source in sources if source.used]
    answers = sum(source.kind in {"example", "faq"} for source in used)
    articles = sum(source.kind in {"global_kb", "tenant_kb"} for source in used)
    rests = [counted(answers, "approved answer", "approved answers")] if answers else []
    rests += [counted(articles, "passage", "passages")] if articles else []
    topic = str((draft.intent or {}).get("label", "other")).replace("_", " ")
    words = f"Rests on {' and '.join(rests)}" if rests else "Rests on no source"
    return words if topic == "other" else f"{words} · topic {topic}"


def _escalation(ticket: Ticket, draft: Draft, presentation: str) -> str:
    if ticket.escalated_at is not None or presentation != "notes":
        return ""
    given: list[str] = (draft.policy or {}).get("reasons", [])
    reasons = [reason for reason in given if reason != "policy_off"]
    return " ".join(REASON_TEXTS.get(reason, reason) for reason in reasons[:2]) or REASON_TEXTS["very_low"]


def _similar_correction(draft: Draft, sources: Sequence[DraftSource]) -> str:
    safety = (draft.confidence or {}).get("parts", {}).get("correction_safety", 1.0)
    found = [source for source in sources if source.kind == "correction"]
    if safety >= _UNSAFE or not found:
        return ""
    return excerpt(found[0].title or found[0].excerpt, 160)


def _undone(ticket: Ticket, deliveries: Sequence[Delivery], draft: Draft | None) -> str | None:
    """The newest reply, when a person undid it and nothing has happened since."""
    if not deliveries:
        return None
    newest = deliveries[0]
    is_of_draft = newest.draft_id is None or (draft is not None and newest.draft_id == draft.id)
    if newest.state != "cancelled" or newest.is_automatic or newest.inbound_seq != ticket.last_inbound_seq:
        return None
    return newest.body if is_of_draft and (draft is None or newest.body != draft.body) else None


def shown_source(source: DraftSource) -> ShownSource:
    return ShownSource(
        title=source.title or "Untitled",
        kind=SOURCE_KINDS.get(source.kind, source.kind),
        version=source.version if source.kind in {"global_kb", "tenant_kb"} else None,
        score=f"{source.score:.2f}",
        weighted=f"{source.weighted_score:.2f}",
        used=source.used,
        excerpt=source.excerpt,
        start=excerpt(source.excerpt, _START),
        href=source_address(
            source.kind, source.item_id, source.parent_id, source.version, source.span_start, source.span_end
        ),
        link_words="Open the document at this passage" if source.kind in {"global_kb", "tenant_kb"} else "Open it",
    )


def source_address(kind: str, item_id: UUID, parent_id: UUID, version: int, start: int | None, end: int | None) -> str:
    """Where the source can be read; empty when it has no page."""
    if kind in {"global_kb", "tenant_kb"}:
        query: dict[str, int] = {"version": version}
        if start is not None and end is not None:
            query |= {"from": start, "to": end}
        return f"/knowledge/{parent_id}?{urlencode(query)}#passage"
    if kind == "example":
        return f"/examples/{item_id}"
    if kind == "correction":
        return f"/corrections/{item_id}"
    return ""
