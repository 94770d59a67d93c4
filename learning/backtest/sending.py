"""Who sees which label when: probabilities from what was reviewed so far, and the policy that decides on them."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from desk.policy.certification import Certification, Label, Terms, drawn_for_review
from learning.calibration import Calibrator

if TYPE_CHECKING:
    from learning.backtest.replay import Judged

_REFIT_GROWTH = 1.02


class SendingLane:
    """One tenant's calibrated probability and certification, moving forward in time together.

    What is drawn for blind review goes to a person even where it may be sent, as live. A draft that is sent by itself
    gets no label, so the risk that is accepted changes what is known later on.
    """

    def __init__(self, terms: Terms, *, learning: bool) -> None:
        self.was_certified = False
        self._certification = Certification(terms)
        self._learning = learning
        self._calibrator = Calibrator.unfitted()
        self._rows: list[tuple[float, ...]] = []
        self._labels: list[bool] = []
        self._refit_at = 1

    def decide(self, ticket_id: str, features: tuple[float, ...], *, written: bool) -> tuple[float, bool]:
        """The probability that the draft is good, and whether it goes out by itself."""
        probability = self._calibrator.probability(features) if written else 0.0
        certificate = self._certification.certificate
        may_go_out = certificate is not None and probability >= certificate.threshold
        return probability, may_go_out and not self._is_drawn(ticket_id)

    def _is_drawn(self, ticket_id: str) -> bool:
        return drawn_for_review(ticket_id, self._certification.terms.review_share, salt="")

    def reviewed(self, ticket_id: str, features: tuple[float, ...], probability: float, *, good: bool) -> None:
        """The label of a draft that went to a person."""
        self._certification.add(Label(probability, good, self._is_drawn(ticket_id)))
        self.was_certified = self.was_certified or self._certification.certificate is not None
        if not self._learning:
            return
        self._rows.append(features)
        self._labels.append(good)
        if len(self._labels) >= self._refit_at:
            self._calibrator = Calibrator.fit(self._rows, self._labels)
            self._refit_at = max(len(self._labels) + 1, int(_REFIT_GROWTH * len(self._labels)))


@dataclass(frozen=True, slots=True)
class Played:
    sent: int
    errors: int
    was_certified: bool


def play_again(judged: Sequence[Judged], risk: float, confidence: float) -> Played:
    """The drafts of one tenant, in the order they were made, under another accepted risk.

    What is drafted does not depend on what is sent, so nothing has to be drafted again.
    """
    lane = SendingLane(Terms(risk, confidence), learning=True)
    waiting: list[tuple[datetime, int, float]] = []
    sent = errors = 0
    for number, one in enumerate(judged):
        while waiting and waiting[0][0] < one.created_at:
            _, earlier, probability = heapq.heappop(waiting)
            known = judged[earlier]
            lane.reviewed(known.ticket.id, known.features, probability, good=known.good)
        probability, goes_out = lane.decide(one.ticket.id, one.features, written=bool(one.body))
        if goes_out:
            sent += 1
            errors += not one.good
        else:
            heapq.heappush(waiting, (one.reply.at, number, probability))
    return Played(sent, errors, lane.was_certified)
