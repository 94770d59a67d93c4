"""Adds to an approved answer what the documentation says about the part of a question the answer leaves open."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from desk.drafting.frames import frame_for
from desk.drafting.passages import marked, quote, source_line, stems_of, wanted_words
from desk.drafting.signature import parted
from desk.ports import Hit
from desk.sentences import sentence_spans

_CLOSE = 0.5
"""Fused similarity from which a passage is about the very thing; `local_writer` quotes alone from 0.35 on."""
_LEFT_OPEN = 0.6
"""One of a customer's questions is open when this part of what it asks for is neither in the answer nor in any question
the answer was given to."""
_SAYS = 0.6
"""What a quote must say of the open question."""
_FEWEST_WORDS = 3
"""Words left open: one or two are a product's name or the customer's way to put it."""


def supplemented(
    body: str, question: str, answered: Sequence[str], passages: Sequence[Hit], around: Sequence[Hit], language: str
) -> tuple[str, tuple[UUID, ...]]:
    """The answer, with at most one cited quote before its sign-off, and the ids of what was quoted.

    `answered` are the questions the approved answer had been given to: what they asked it answers, however it is put.
    `passages` may be quoted, `around` are all that were found, to tell common words from telling ones.
    """
    left_open = _open_question(wanted_words(question, around), question, stems_of("\n".join((body, *answered))))
    missing = sum(left_open.values())
    best: tuple[float, str, Hit] | None = None
    for hit in passages:
        text = quote(hit, left_open) if left_open and hit.score >= _CLOSE else None
        if text is None or text.continues or text.text in body:
            continue
        # A quote's title counts for what it says when it stands alone; here its own words have to say it.
        said = sum(left_open[stem] for stem in stems_of(text.text) if stem in left_open)
        if best is None or said > best[0]:
            best = (said, text.text, hit)
    if best is None or best[0] < _SAYS * missing:
        return body, ()
    _, text, hit = best
    _, frame = frame_for(hit.language, language)
    answer, sign_off = parted(body)
    added = "\n\n".join((answer, frame.supplement, marked(text, "[1]"), f"[1] {source_line(hit)}"))
    return f"{added}\n\n{sign_off}" if sign_off else added, (hit.item_id,)


def _open_question(wanted: Mapping[str, float], text: str, known: Collection[str]) -> dict[str, float]:
    """What the most open of the customer's questions asks for beyond what is known; empty without an open one.

    Only what is asked with a question mark counts: that somebody is in a hurry is in no earlier question either, and
    nothing to look up.
    """
    best: dict[str, float] = {}
    for start, end in sentence_spans(text, (0, len(text))):
        if not text[start:end].rstrip().endswith("?"):
            continue
        asked = {stem: wanted[stem] for stem in stems_of(text[start:end]) if stem in wanted}
        left = {stem: weight for stem, weight in asked.items() if stem not in known}
        is_open = len(left) >= _FEWEST_WORDS and sum(left.values()) >= _LEFT_OPEN * sum(asked.values())
        if is_open and sum(left.values()) > sum(best.values()):
            best = left
    return best
