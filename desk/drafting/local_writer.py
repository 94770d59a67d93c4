"""Writes a draft without a language model: the approved answer most tickets like this one got, or cited passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from desk.drafting.frames import frame_for
from desk.drafting.passages import Quote, joined, marked, quote, source_line, wanted_words
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
_FIRST_SAYS = 0.5
"""A passage that says less than this share of what another says of the question is not quoted before it."""
_SECOND_SAYS = 0.7
"""And says at least this share of what the first says of the question."""
_NEAR_ENOUGH = 0.75
"""An answer in the customer's language is preferred to a nearer one in another from this share of its score on."""


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
    quotable = [hit for hit in evidence.hits if hit.kind in ("tenant_kb", "global_kb") and hit.score >= _WORTH_QUOTING]
    neighbours, passages = _in_language(evidence.neighbours[:MOST_VOTERS], quotable, evidence.language)
    nearest = _best_score(neighbours)
    if neighbours and (not passages or nearest >= _best_score(passages)):
        return _from_approved(ticket, neighbours, evidence)
    return _from_passages(ticket, passages, evidence) if passages else None


def _in_language(
    neighbours: Sequence[Hit], passages: Sequence[Hit], language: str
) -> tuple[Sequence[Hit], Sequence[Hit]]:
    """Without what is in another language than the customer's, unless nothing else is near the question.

    What is left in another language fails the check `language` and is shown as notes.
    """
    if not language:
        return neighbours, passages
    own_neighbours, own_passages = (
        [hit for hit in hits if hit.language in ("", language)] for hits in (neighbours, passages)
    )
    if _best_score(own_neighbours) < _NEAR_ENOUGH * _best_score(neighbours):
        own_neighbours = []
    if own_neighbours or own_passages:
        return own_neighbours, own_passages
    return neighbours, passages


def _best_score(hits: Sequence[Hit]) -> float:
    return max((hit.score for hit in hits), default=0.0)


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
    return WrittenDraft(
        body,
        "approved_answer",
        tuple(neighbours[index].item_id for index in used),
        language=neighbours[result.chosen].language,
    )


# Passages --------------------------------------------------------------------------------------------------


def _from_passages(ticket: TicketFacts, passages: Sequence[Hit], evidence: Evidence) -> WrittenDraft | None:
    wanted = wanted_words(f"{ticket.subject}\n{ticket.body}", evidence.hits)
    near = [hit for hit in passages if hit.score >= _SECOND_PASSAGE * _best_score(passages)]
    around = [hit for hit in evidence.hits if hit.kind in ("tenant_kb", "global_kb")]
    whole = [joined(hit, around) for hit in sorted(near, key=lambda hit: -hit.score)]
    found = [(hit, parts, text) for hit, parts in whole if (text := quote(hit, wanted)) is not None]
    most = max((text.said for _, _, text in found), default=0.0)
    found.sort(key=lambda one: (one[2].continues, one[2].said < _FIRST_SAYS * most))
    quoted: list[tuple[Hit, tuple[UUID, ...], Quote]] = []
    for hit, parts, text in found:
        if len(quoted) < _MOST_PASSAGES and all(_adds(text, hit, first_hit, first) for first_hit, _, first in quoted):
            quoted.append((hit, parts, text))
    if not quoted:
        return None
    language, frame = frame_for(evidence.language, quoted[0][0].language)
    body = "\n\n".join(
        [
            frame.greet(ticket.customer_name),
            frame.introduction,
            *(marked(text.text, f"[{number}]") for number, (_, _, text) in enumerate(quoted, start=1)),
            "\n".join(f"[{number}] {source_line(hit)}" for number, (hit, _, _) in enumerate(quoted, start=1)),
            frame.closing,
        ]
    )
    used = dict.fromkeys(part for _, parts, _ in quoted for part in parts)
    # What is quoted decides: a German frame around an English passage is no German answer.
    return WrittenDraft(body, "passages", tuple(used), language=quoted[0][0].language or language)


def _adds(found: Quote, hit: Hit, earlier_hit: Hit, earlier: Quote) -> bool:
    """Whether a further quote is worth the customer's time: to the point, in the same language, not said before."""
    return (
        not found.continues
        and found.said >= _SECOND_SAYS * earlier.said
        and hit.language in ("", earlier_hit.language)
        and found.text not in earlier.text
        and earlier.text not in found.text
    )
