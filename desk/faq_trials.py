"""Asking a question only to see which FAQ would answer it, and on which channels by itself. Nothing is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from desk.accounts.identity import Actor
from desk.db.unit_of_work import Database
from desk.drafting.pipeline import DraftingDesk
from desk.drafting.trials import try_question
from desk.errors import InvalidInputError
from desk.faqs import LONGEST_QUESTION
from desk.models import Faq
from desk.plain_text import clean_text
from desk.policy.decide import PolicyDecision
from desk.ports import FaqLane, FaqMatch

_NEAREST = 3
_RELATED = 0.35
"""Similarity below which a FAQ has nothing to do with the question."""


@dataclass(frozen=True, slots=True)
class FaqTrial:
    question: str
    match: FaqMatch | None
    """What would answer; None when no FAQ is likelier meant than not."""
    decisions: Sequence[tuple[str, PolicyDecision]]
    """What each channel would do with the answer; empty when the FAQ is only one source among others."""
    nearest: Sequence[tuple[Faq, float]]
    """Others that are near, best first, each with its similarity in [0, 1]."""


async def try_faqs(
    database: Database, lane: FaqLane, drafting: DraftingDesk, actor: Actor, question: str, channels: Sequence[str]
) -> FaqTrial:
    """What the FAQs make of a customer's question, decided by the rules of each channel as for a new ticket.

    No language model is asked. Raises InvalidInputError.
    """
    asked = clean_text(question).strip()
    if not asked:
        msg = "write a question as a customer would"
        raise InvalidInputError(msg)
    match = await lane.answer_for(actor.tenant_id, "", asked)
    found = await lane.search(actor.tenant_id, asked[:LONGEST_QUESTION], _NEAREST + 1)
    near = {one.faq_id: one.score for one in found if one.score >= _RELATED}
    if match is not None:
        near.pop(match.hit.item_id, None)
    async with database.transaction(actor.scope) as session:
        rows = (await session.execute(select(Faq).where(Faq.id.in_(near)))).scalars()
        nearest = sorted(((row, near[row.id]) for row in rows), key=lambda one: -one[1])[:_NEAREST]
    decisions: list[tuple[str, PolicyDecision]] = []
    if match is not None:
        for channel in channels:
            trial = await try_question(
                database,
                drafting.without_models(),
                actor,
                subject="",
                body=asked,
                prompt_id=None,
                weights=None,
                channel=channel,
            )
            if trial.finished.written.writer == "faq":
                decisions.append((channel, trial.finished.policy))
    return FaqTrial(asked, match, decisions, nearest)
