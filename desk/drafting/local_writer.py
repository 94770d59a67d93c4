"""Writes a draft without a language model: the approved answer most tickets like this one got, or cited passages.

The answer is the floor; where it leaves a part of the question open that a passage speaks about, that is quoted too.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from desk.drafting.frames import frame_for
from desk.drafting.passages import Quote, joined, marked, quote, source_line, wanted_words
from desk.drafting.slots import ApprovedAnswer, SlotFiller, TicketFacts
from desk.drafting.supplement import supplemented
from desk.drafting.voting import MOST_VOTERS, vote
from desk.drafting.written import WrittenDraft
from desk.ports import Evidence, Hit

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


def write_locally(ticket: TicketFacts, evidence: Evidence) -> WrittenDraft | None:
    """The draft the evidence allows; None when nothing in it is worth quoting.

    The better of the two sources writes: an approved answer when its question is at least as close as the best
    passage, or no passage is worth quoting.
    """
    quotable = [hit for hit in evidence.hits if hit.kind in ("tenant_kb", "global_kb") and hit.score >= _WORTH_QUOTING]
    neighbours, passages = _in_language(evidence.neighbours[:MOST_VOTERS], quotable, evidence.language)
    nearest = _best_score(neighbours)
    if neighbours and (not passages or nearest >= _best_score(passages)):
        return _from_approved(ticket, neighbours, passages, evidence)
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


def _from_approved(
    ticket: TicketFacts, neighbours: Sequence[Hit], passages: Sequence[Hit], evidence: Evidence
) -> WrittenDraft | None:
    result = vote(neighbours, evidence.approved_answers)
    answers = [ApprovedAnswer(hit.question, hit.text, hit.customer_name, hit.language) for hit in neighbours]
    knowledge = [hit.text for hit in evidence.hits if hit.kind in ("tenant_kb", "global_kb", "faq")]
    body = SlotFiller(ticket, answers, knowledge).fill(answers[result.chosen])
    if not body.strip():
        return None
    used = (result.chosen, *(member for member in result.members if member != result.chosen))
    language = neighbours[result.chosen].language
    body, quoted = supplemented(
        body,
        f"{ticket.subject}\n{ticket.body}",
        [neighbours[index].question for index in used],
        [hit for hit in passages if hit.language in ("", language)],
        evidence.hits,
        evidence.language,
    )
    return WrittenDraft(
        body,
        "approved_answer",
        (*(neighbours[index].item_id for index in used), *quoted),
        language=language,
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
