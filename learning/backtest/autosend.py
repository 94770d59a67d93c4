"""Plays the certified policy of one tenant forward in time (design section 7)."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import Literal

from desk.policy.certificate import Certificate, certify, labels_needed, surely_above

BLIND_REVIEW_SHARE = 0.10
"""Of the drafts that could go out, so many go to a person anyway, so that labels keep coming."""
_NEXT_LOOK = 1.5
"""A certificate is sought again when there are so many times the labels of the last look."""
_DRIFT_WINDOW = 60
"""Latest blind reviews a certificate is watched by."""

Route = Literal["sent", "reviewed"]


@dataclass(slots=True)
class CertifiedPolicy:
    """Sees every draft's probability when it is written and its label only once a person has answered."""

    risk: float
    confidence: float
    certificate: Certificate | None = None
    was_certified: bool = False
    _scores: list[float] = field(default_factory=list[float])
    _labels: list[bool] = field(default_factory=list[bool])
    _blind: list[bool] = field(default_factory=list[bool])
    _look: int = 0
    _next_look_at: int = 0

    def __post_init__(self) -> None:
        self._next_look_at = labels_needed(0, self.risk, self.confidence, 1)

    def route(self, ticket_id: str, probability: float) -> Route:
        """Whether the draft is sent by itself or goes to a person."""
        if self.certificate is None or probability < self.certificate.threshold or _is_blind_review(ticket_id):
            return "reviewed"
        return "sent"

    def reviewed(self, probability: float, good: bool) -> None:
        """The label of a draft that went to a person. Labels of sent drafts do not exist."""
        self._scores.append(probability)
        self._labels.append(good)
        if self.certificate is not None and probability >= self.certificate.threshold:
            self._watch(good)
        if len(self._labels) >= self._next_look_at:
            self._look_again()

    def _watch(self, good: bool) -> None:
        self._blind = [*self._blind[1 - _DRIFT_WINDOW :], good]
        if surely_above(self._blind.count(False), len(self._blind), self.risk, self.confidence):
            self.certificate = None
            self._scores.clear()
            self._labels.clear()
            self._blind.clear()
            self._next_look_at = labels_needed(0, self.risk, self.confidence, self._look + 1)

    def _look_again(self) -> None:
        self._look += 1
        found = certify(self._scores, self._labels, self.risk, self.confidence, self._look)
        if found is not None and (self.certificate is None or found.threshold < self.certificate.threshold):
            self.certificate, self.was_certified = found, True
            self._blind.clear()
        needed = labels_needed(0, self.risk, self.confidence, self._look + 1)
        self._next_look_at = max(needed, math.ceil(_NEXT_LOOK * len(self._labels)))


def _is_blind_review(ticket_id: str) -> bool:
    """Random to whoever writes the ticket, the same in every run."""
    digest = hashlib.sha256(ticket_id.encode("utf-8")).digest()
    return int.from_bytes(digest[:8]) < BLIND_REVIEW_SHARE * 2**64
