"""What the analysis of an edit costs beside the bare distance of the two texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from learning.edits.analysis import analyse

LENGTHS = (2_000, 10_000)
"""Characters of the draft: a long reply, and one far beyond."""
_PARAGRAPH = (
    "Thank you for writing. The certificate of {host} is renewed every {days} days by a job of the panel. Open SSL in "
    "the panel, choose the domain and press Renew. You can watch the progress in the log at https://{host}/log. "
    "If the job fails, check that port 80 answers and that the A record points at 203.0.113.{number}. A renewal costs "
    "EUR {number}.50 on the basic plan. We will look at it with you when it does not work.\n\n"
)


@dataclass(frozen=True, slots=True)
class EditPair:
    """A reply and what an agent made of it: a fact here, a word there."""

    characters: int
    analyse: Callable[[], object]
    distance: Callable[[], object]


def edit_pairs() -> list[EditPair]:
    return [_pair(characters) for characters in LENGTHS]


def _pair(characters: int) -> EditPair:
    paragraphs = [
        _PARAGRAPH.format(host=f"site{number}.example", days=60 + number, number=number)
        for number in range(1, characters // 300 + 2)
    ]
    draft = "".join(paragraphs)[:characters]
    paragraphs[1] = paragraphs[1].replace("You can watch", "You cannot watch")
    paragraphs[2] = paragraphs[2].replace("port 80", "port 443").replace("Thank you for writing.", "Many thanks!")
    sent = "".join(paragraphs)[:characters]
    return EditPair(characters, lambda: analyse(draft, sent), lambda: Levenshtein.normalized_similarity(draft, sent))
