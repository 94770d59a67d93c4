"""What becomes of a FAQ that matches: its own text as the draft, or one more source beside the others."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from desk.drafting.context import DraftContext
from desk.drafting.written import WrittenDraft
from desk.policy.presentation import level_of
from desk.ports import Confidence, ConfidenceSettings, Evidence, FaqMatch


def may_answer(context: DraftContext) -> bool:
    """An agent who asks for a draft in other words does not want the published ones."""
    return not context.instruction and not context.tone


def was_said(match: FaqMatch, context: DraftContext) -> bool:
    """Saying the same again helps nobody: whoever asks again needs another answer, or a person."""
    answer = match.hit.text.strip()
    return any(message.author != "customer" and message.body.strip() == answer for message in context.messages)


def writes_itself(match: FaqMatch, evidence: Evidence, *, has_model: bool) -> bool:
    """A sure match always; a likely one only where no model could use it, and no approved answer is nearer."""
    if match.certain:
        return True
    nearest = max((hit.score for hit in evidence.neighbours), default=0.0)
    return not has_model and match.hit.score >= nearest


def with_faq(evidence: Evidence, match: FaqMatch) -> Evidence:
    return replace(evidence, hits=(match.hit, *evidence.hits))


def write_from_faq(match: FaqMatch) -> WrittenDraft:
    """The answer as a person approved it, to the letter."""
    return WrittenDraft(match.hit.text, "faq", (match.hit.item_id,), language=match.hit.language)


def faq_confidence(formula: Confidence, match: FaqMatch, settings: ConfidenceSettings) -> Confidence:
    """The text needs no evidence, only the match does: the score is the probability that this FAQ is meant.

    The parts stay those of the formula, so that the agent sees what else was found.
    """
    score = 100.0 * match.probability
    return replace(formula, score=score, level=level_of(score, settings), renormalised=score, calibrated=None)


def faq_record(match: FaqMatch | None) -> dict[str, Any] | None:
    """For the decision record; the answer itself stands among its hits."""
    if match is None:
        return None
    figures = {key: value for key, value in asdict(match).items() if key != "hit"}
    return {
        "id": match.hit.item_id,
        "version": match.hit.version,
        "question": match.hit.title,
        "wording": match.hit.question,
        "cosine": round(match.hit.dense, 4),
        "letters": round(match.hit.lexical, 4),
        **figures,
    }
