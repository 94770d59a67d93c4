"""Writes a draft without a language model: the approved answer most tickets like this one got, or cited passages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from desk.drafting.slots import ApprovedAnswer, SlotFiller, TicketFacts
from desk.drafting.written import WrittenDraft
from desk.ports import Evidence, Hit

ALIKE = 0.70
"""Levenshtein similarity from which two replies are one answer, the border of an example (design section 6)."""
_TEMPERATURE = 0.065
"""A lead of this much similarity gives an example 2.7 times the vote."""
_AGEING_DAYS = 365.0
"""An approved answer counts 2.7 times less for every year by which another is newer."""
MOST_VOTERS = 60
_WORTH_QUOTING = 0.35
"""Fused similarity from which a passage is about the question; unrelated texts reach about 0.2."""
_MOST_PASSAGES = 2
_SECOND_PASSAGE = 0.9
"""A second passage is quoted when it scores at least this share of the first."""
_LONGEST_QUOTE = 420


@dataclass(frozen=True, slots=True)
class AnswerVote:
    """Which approved answer the neighbours speak for."""

    chosen: int
    """Index in the neighbours of the answer to draft from."""
    members: tuple[int, ...]
    """Indices of the answers like it, the heaviest vote first; `chosen` is among them."""
    share: float
    """Their part of all votes, in (0, 1]."""
    runner_up: float
    """The part of the best answer that is not like the chosen one; 0 without one."""
    similarity: NDArray[np.float32]
    """Of every two neighbours' answers, shape (neighbours, neighbours); 0 below `ALIKE`."""


def write_locally(ticket: TicketFacts, evidence: Evidence) -> WrittenDraft | None:
    """The draft the evidence allows; None when nothing in it is worth quoting.

    The better of the two sources writes: an approved answer when its question is at least as close as the best
    passage, or no passage is worth quoting.
    """
    passages = [hit for hit in evidence.hits if hit.kind in ("tenant_kb", "global_kb") and hit.score >= _WORTH_QUOTING]
    neighbours = evidence.neighbours[:MOST_VOTERS]
    nearest = max((hit.score for hit in neighbours), default=0.0)
    if neighbours and (not passages or nearest >= max(hit.score for hit in passages)):
        return _from_approved(ticket, neighbours, evidence)
    if passages:
        return _from_passages(ticket, passages)
    return None


# Approved answers ------------------------------------------------------------------------------------------


def vote(neighbours: Sequence[Hit]) -> AnswerVote:
    """Let the neighbours vote for answers like their own; `neighbours` must not be empty.

    Every neighbour weighs exp(similarity / temperature) and less with age. An answer's votes are those of all
    neighbours whose answers are at least `ALIKE` to it, so the winner is the answer with the best chance of
    being at least that similar to what will be sent (minimum Bayes risk; Kumar and Byrne 2004). Of answers
    with the same voters the one most like the others is drafted from.
    """
    similarity = _similarity(tuple(hit.text.strip().lower() for hit in neighbours))
    alike = similarity >= ALIKE
    weights = _weights(neighbours)
    votes = alike @ weights
    central = (similarity * alike) @ weights
    chosen = int(np.lexsort((-central, -np.round(votes, 9)))[0])
    members = np.flatnonzero(alike[chosen])
    others = np.flatnonzero(~alike[chosen])
    total = float(weights.sum())
    runner_up = float(max((weights[others[alike[other, others]]].sum() for other in others), default=0.0))
    return AnswerVote(
        chosen=chosen,
        members=tuple(members[np.argsort(-weights[members], kind="stable")].tolist()),
        share=float(votes[chosen]) / total,
        runner_up=runner_up / total,
        similarity=similarity,
    )


@lru_cache(maxsize=16)
def _similarity(texts: tuple[str, ...]) -> NDArray[np.float32]:
    """Of every two texts, 0 below `ALIKE`. Kept, because a draft's calibration asks for what its writer just did."""
    similarity = process.cdist(
        texts, texts, scorer=Levenshtein.normalized_similarity, score_cutoff=ALIKE, dtype=np.float32
    )
    np.fill_diagonal(similarity, 1.0)
    similarity.setflags(write=False)
    return similarity


def _weights(neighbours: Sequence[Hit]) -> NDArray[np.float64]:
    # The mean of both scores: words count, but less than in the search, where they also have to find rare codes.
    nearness = np.array([(hit.dense + hit.score) / 2 for hit in neighbours], dtype=np.float64)
    dated = [hit.created_at for hit in neighbours if hit.created_at is not None]
    newest = max(dated, default=None)
    age = np.array([_days_older(hit.created_at, newest) for hit in neighbours], dtype=np.float64)
    return np.exp((nearness - nearness.max()) / _TEMPERATURE - age / _AGEING_DAYS)


def _days_older(moment: datetime | None, newest: datetime | None) -> float:
    return 0.0 if moment is None or newest is None else (newest - moment).total_seconds() / 86_400


def _from_approved(ticket: TicketFacts, neighbours: Sequence[Hit], evidence: Evidence) -> WrittenDraft | None:
    result = vote(neighbours)
    answers = [ApprovedAnswer(hit.question, hit.text, hit.customer_name) for hit in neighbours]
    knowledge = [hit.text for hit in evidence.hits if hit.kind in ("tenant_kb", "global_kb", "faq")]
    body = SlotFiller(ticket, answers, knowledge).fill(answers[result.chosen])
    if not body.strip():
        return None
    used = (result.chosen, *(member for member in result.members if member != result.chosen))
    return WrittenDraft(body, "approved_answer", tuple(neighbours[index].item_id for index in used))


# Passages --------------------------------------------------------------------------------------------------

_SENTENCE = re.compile(r"(?<=[.!?])[ \t]+(?=[^a-z])|\n+")
_WORD = re.compile(r"[^\W_]{3,}")


def _from_passages(ticket: TicketFacts, passages: Sequence[Hit]) -> WrittenDraft:
    best = sorted(passages, key=lambda hit: -hit.score)
    quoted = [best[0]]
    for hit in best[1:]:
        if len(quoted) < _MOST_PASSAGES and hit.score >= _SECOND_PASSAGE * best[0].score and hit.text != best[0].text:
            quoted.append(hit)
    wanted = set(_WORD.findall(f"{ticket.subject}\n{ticket.body}".casefold()))
    quotes = [f"{_relevant(hit.text, wanted)} [{number}]" for number, hit in enumerate(quoted, start=1)]
    sources = [
        f"[{number}] {hit.title}{f': {hit.url}' if hit.url else ''}" for number, hit in enumerate(quoted, start=1)
    ]
    name = ticket.customer_name.split()
    body = "\n\n".join(
        [
            f"Hello {name[0]}," if name else "Hello,",
            "thank you for your message. This is what our documentation says about it:",
            *quotes,
            "\n".join(sources),
            "If this does not answer your question, please reply and we will look into it with you.",
        ]
    )
    return WrittenDraft(body, "passages", tuple(hit.item_id for hit in quoted))


def _relevant(text: str, wanted: set[str]) -> str:
    """The run of sentences that shares most words with the question, at most `_LONGEST_QUOTE` characters."""
    sentences = [sentence.strip() for sentence in _SENTENCE.split(text) if _WORD.search(sentence)]
    if not sentences:
        return text.strip()[:_LONGEST_QUOTE]
    common = [len(wanted & set(_WORD.findall(sentence.casefold()))) for sentence in sentences]
    best_run, best_words = (0, 1), -1
    for start in range(len(sentences)):
        length, words = 0, 0
        for stop in range(start, len(sentences)):
            length += len(sentences[stop]) + 1
            if stop > start and length > _LONGEST_QUOTE:
                break
            words += common[stop]
            if words > best_words:
                best_run, best_words = (start, stop + 1), words
    quote = " ".join(sentences[slice(*best_run)])
    if len(quote) <= _LONGEST_QUOTE:
        return quote
    return quote[:_LONGEST_QUOTE].rpartition(" ")[0] + " \u2026"
