"""Which approved answer a question gets: like answers of near questions vote together.

Kernel regression (Nadaraya 1964, Watson 1964) over the tenant's approved answers, read as minimum Bayes risk (Kumar and
Byrne 2004): the winner has the best chance of being at least `ALIKE` to what will be sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from desk.ports import Hit

ALIKE = 0.70
"""Levenshtein similarity from which two replies are one answer, the border of an example (design section 6)."""
MOST_VOTERS = 60
_BANDWIDTH = 0.09
"""With `_BANDWIDTH_HELD` approved answers, a lead of this much similarity gives one 2.7 times the vote."""
_BANDWIDTH_HELD = 50
_NARROWING = 0.3
"""The bandwidth falls with this power of the number of answers held: the more there are, the less the far ones need to
help (Stone 1982 on the best rate of a kernel regression). Measured; docs/decisions has the figures."""
_NARROWEST, _WIDEST = 0.05, 0.15
_SHARP, _WIDE, _WORDING = 0.03, 0.15, 0.08
"""Bandwidths of the second opinions: the very nearest alone, the whole neighbourhood, common words alone."""
_AGEING_DAYS = 730.0
"""An approved answer counts 2.7 times less for every two years by which another is newer."""
_LATELY, _LATELY_DAYS = 0.7, 14.0
"""And one of these days counts so much more: what is asked again and again this week gets this week's answer. Fades by
2.7 with every `_LATELY_DAYS`."""


@dataclass(frozen=True, slots=True)
class AnswerVote:
    """Which approved answer the neighbours speak for. Shares are of all votes, in (0, 1]."""

    chosen: int
    """Index in the neighbours of the answer to draft from."""
    members: tuple[int, ...]
    """Indices of the answers like it, the heaviest vote first; `chosen` is among them."""
    share: float
    sharp_share: float
    """Of the same answer when only the very nearest speak."""
    wide_share: float
    """When the whole neighbourhood speaks."""
    wording_share: float
    """When only common words count, not meaning."""
    similarity: NDArray[np.float32]
    """Of every two neighbours' answers, shape (neighbours, neighbours); 0 below `ALIKE`."""


def vote(neighbours: Sequence[Hit], held: int) -> AnswerVote:
    """Let the neighbours vote for answers like their own; `neighbours` must not be empty.

    `held` is how many approved answers there are to be near to. An answer's votes are those of all neighbours
    whose answers are at least `ALIKE` to it. Of answers with the same voters the one most like the others is
    drafted from.
    """
    similarity = likeness_of(tuple(hit.text.strip().lower() for hit in neighbours))
    alike = similarity >= ALIKE
    # The mean of both scores: words count, but less than in the search, where they also have to find rare codes.
    nearness = np.array([(hit.dense + hit.score) / 2 for hit in neighbours], dtype=np.float64)
    wording = np.array([hit.lexical for hit in neighbours], dtype=np.float64)
    standing = _standing(neighbours)
    weights = _weights(nearness, bandwidth(max(held, len(neighbours))), standing)
    votes = alike @ weights
    central = (similarity * alike) @ weights
    chosen = int(np.lexsort((-central, -np.round(votes, 9)))[0])
    members = np.flatnonzero(alike[chosen])
    return AnswerVote(
        chosen=chosen,
        members=tuple(members[np.argsort(-weights[members], kind="stable")].tolist()),
        share=float(votes[chosen]),
        sharp_share=float(_weights(nearness, _SHARP, standing)[members].sum()),
        wide_share=float(_weights(nearness, _WIDE, standing)[members].sum()),
        wording_share=float(_weights(wording, _WORDING, standing)[members].sum()),
        similarity=similarity,
    )


def bandwidth(held: int) -> float:
    """The lead in similarity that is worth 2.7 times the vote, where so many approved answers are held."""
    return float(np.clip(_BANDWIDTH * (held / _BANDWIDTH_HELD) ** -_NARROWING, _NARROWEST, _WIDEST))


@lru_cache(maxsize=16)
def likeness_of(texts: tuple[str, ...]) -> NDArray[np.float32]:
    """Of every two texts, 0 below `ALIKE`. Kept, because a draft's calibration asks for what its writer just did."""
    similarity = process.cdist(
        texts, texts, scorer=Levenshtein.normalized_similarity, score_cutoff=ALIKE, dtype=np.float32
    )
    np.fill_diagonal(similarity, 1.0)
    similarity.setflags(write=False)
    return similarity


def _weights(nearness: NDArray[np.float64], lead: float, standing: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = np.exp((nearness - nearness.max()) / lead) * standing
    return weights / weights.sum()


def _standing(neighbours: Sequence[Hit]) -> NDArray[np.float64]:
    """What each answer's age makes of its vote, against the newest; an unknown age is none."""
    newest = max((hit.created_at for hit in neighbours if hit.created_at is not None), default=None)
    days = np.array([_days_older(hit.created_at, newest) for hit in neighbours], dtype=np.float64)
    return np.exp(-days / _AGEING_DAYS) * (1.0 + _LATELY * np.exp(-days / _LATELY_DAYS))


def _days_older(moment: datetime | None, newest: datetime | None) -> float:
    return 0.0 if moment is None or newest is None else (newest - moment).total_seconds() / 86_400
