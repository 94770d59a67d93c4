"""FAQs worth having: answers that agents approved again and again, to questions no FAQ answers yet.

They are proposals for a person to edit and publish; nothing here publishes anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein
from sqlalchemy import select

from desk.accounts.identity import Actor
from desk.db.unit_of_work import Database
from desk.drafting.slots import ApprovedAnswer, SlotFiller, TicketFacts
from desk.errors import InvalidInputError
from desk.faqs import LONGEST_ANSWER, LONGEST_QUESTION
from desk.learned import REPEATED
from desk.models import Example, Faq
from desk.paging import LARGEST_PAGE
from desk.plain_text import clean_line, excerpt

_ALIKE = 0.85
"""Levenshtein similarity from which two approved answers are one: that of an answer sent with another name in it."""
_FEWEST = 3
"""Approved so often, by whomever, before it is worth a FAQ."""
_MOST_READ = 1_000
"""The newest approved answers; comparing them all takes about a second."""
_LONGEST_COMPARED = 1_200


@dataclass(frozen=True, slots=True)
class FaqSuggestion:
    question: str
    """As the customer put it whose question is the shortest."""
    answer: str
    """The newest of the answers, without what was personal to its customer."""
    times: int
    ticket_ids: tuple[UUID, ...]
    """Newest first; imported history has no tickets of its own."""
    last_at: datetime
    phrasings: tuple[str, ...]
    """How other customers put it."""


async def suggest_faqs(database: Database, actor: Actor, limit: int) -> list[FaqSuggestion]:
    """The most repeated first. Raises InvalidInputError for a limit that is no page."""
    if not 1 <= limit <= LARGEST_PAGE:
        msg = f"limit is 1 to {LARGEST_PAGE}"
        raise InvalidInputError(msg)
    async with database.transaction(actor.scope) as session:
        found = await session.execute(
            select(Example)
            .where((Example.state == "active") | (Example.state_reason == REPEATED))
            .order_by(Example.answered_at.desc(), Example.id.desc())
            .limit(_MOST_READ)
        )
        examples = list(found.scalars())
        known = list((await session.execute(select(Faq.answer))).scalars())
    return await asyncio.to_thread(_suggestions, examples, known, limit)


def _suggestions(examples: Sequence[Example], known: Sequence[str], limit: int) -> list[FaqSuggestion]:
    answers = [_compared(example.answer) for example in examples]
    groups = [group for group in _alike_groups(answers) if len(group) >= _FEWEST]
    groups.sort(key=lambda group: (-len(group), group[0]))
    covered = _resemble([answers[group[0]] for group in groups], [_compared(answer) for answer in known])
    kept = [group for group, is_known in zip(groups, covered, strict=True) if not is_known][:limit]
    approved = [ApprovedAnswer(one.question, one.answer, one.customer_name) for one in examples]
    return [_suggestion([examples[at] for at in group], [approved[at] for at in group]) for group in kept]


def _alike_groups(answers: Sequence[str]) -> list[list[int]]:
    """Each answer joins the first group whose first member it is like; members in the order given."""
    groups: list[list[int]] = []
    of_text: dict[str, list[int]] = {}
    leaders: list[str] = []
    for at, answer in enumerate(answers):
        group = of_text.get(answer)
        if group is None:
            best = process.extractOne(answer, leaders, scorer=Levenshtein.normalized_similarity, score_cutoff=_ALIKE)
            if best is None:
                leaders.append(answer)
                groups.append([])
            group = groups[-1] if best is None else groups[best[2]]
            of_text[answer] = group
        group.append(at)
    return groups


def _resemble(answers: Sequence[str], known: Sequence[str]) -> NDArray[np.bool_]:
    if not answers or not known:
        return np.zeros(len(answers), dtype=np.bool_)
    similarity = process.cdist(
        answers, known, scorer=Levenshtein.normalized_similarity, score_cutoff=_ALIKE, dtype=np.float32
    )
    return similarity.max(axis=1) > 0


def _suggestion(group: Sequence[Example], approved: Sequence[ApprovedAnswer]) -> FaqSuggestion:
    asked = {_without_name(_question(example.question), example.customer_name or "") for example in group}
    questions = sorted(asked, key=lambda text: (len(text), text))
    neutral = SlotFiller(TicketFacts("", ""), approved, ()).fill(approved[0])
    return FaqSuggestion(
        question=questions[0],
        answer=neutral.strip()[:LONGEST_ANSWER],
        times=len(group),
        ticket_ids=tuple(example.ticket_id for example in group if example.ticket_id is not None),
        last_at=group[0].answered_at,
        phrasings=tuple(questions[1:6]),
    )


def _question(stored: str) -> str:
    """The first paragraph of a stored question is its subject; one that asks something is the better title."""
    subject, _, body = stored.partition("\n\n")
    chosen = body if "?" in body and "?" not in subject and len(clean_line(body)) <= LONGEST_QUESTION else subject
    return excerpt(chosen, LONGEST_QUESTION)


def _without_name(question: str, name: str) -> str:
    """A FAQ is not signed by the customer who happened to ask."""
    kept = question
    for part in (name, *name.split()):
        if len(part) > 1 and kept.casefold().endswith(part.casefold()):
            kept = kept[: -len(part)].rstrip(" ,;-/\u2013")
    return kept or question


def _compared(answer: str) -> str:
    return clean_line(answer).casefold()[:_LONGEST_COMPARED]
