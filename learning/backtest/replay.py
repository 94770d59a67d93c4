"""Replays one tenant's tickets in time order; each draft sees only what had been answered before its ticket came."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from learning.backtest.autosend import CertifiedPolicy
from learning.backtest.history import HistoryMessage, HistoryTicket
from learning.backtest.memory import MemoryDesk, Vector
from learning.calibration import Calibrator, draft_features

GOOD = 0.70
"""Similarity to the reply really sent from which a draft is good."""
FIRST_TICKETS = 20
"""Of each tenant, learned from but not drafted."""
_REFIT_GROWTH = 1.02


@dataclass(frozen=True, slots=True)
class Judged:
    """One draft beside the reply really sent."""

    created_at: datetime
    similarity: float
    best_earlier: float
    """Similarity of the best reply that had been written before the ticket came, 0 when none reaches `GOOD`."""
    best_found: float
    """Of the best among the approved answers that were found for it, likewise."""
    chosen: float
    """Of the approved answer it was drafted from, before that was fitted to the customer."""
    features: tuple[float, ...]
    probability: float
    sent: bool
    retrieve_ms: float
    draft_ms: float

    @property
    def good(self) -> bool:
        return self.similarity >= GOOD


@dataclass(slots=True)
class _Pending:
    """A ticket whose reply has not been written yet at the moment the replay stands at."""

    ticket: HistoryTicket
    reply: HistoryMessage
    vector: Vector
    position: int
    judged: Judged | None = None


class TenantReplay:
    def __init__(self, desk: MemoryDesk, policy: CertifiedPolicy, *, learning: bool) -> None:
        self._desk = desk
        self._policy = policy
        self._learning = learning
        self._calibrator = Calibrator.unfitted()
        self._rows: list[tuple[float, ...]] = []
        self._labels: list[bool] = []
        self._refit_at = 1
        self._waiting: list[tuple[datetime, int, _Pending]] = []
        self._replies: dict[str, None] = {}
        """Lower-cased and distinct, in the order they were learned."""

    def run(self, tickets: Sequence[HistoryTicket], vectors: Vector, done: Callable[[], None]) -> Iterator[Judged]:
        """`tickets` in time order with their `vectors`, one row each; tickets nobody answered are passed over."""
        for position, (ticket, vector) in enumerate(zip(tickets, vectors, strict=True)):
            self._catch_up(ticket.created_at)
            reply = ticket.first_reply
            if reply is not None:
                pending = _Pending(ticket, reply, vector, position)
                if position >= FIRST_TICKETS:
                    pending.judged = self._draft(ticket, reply, vector)
                    yield pending.judged
                heapq.heappush(self._waiting, (reply.at, position, pending))
            done()

    def _catch_up(self, now: datetime) -> None:
        """Learn from every reply that was written strictly before `now`."""
        while self._waiting and self._waiting[0][0] < now:
            _, _, pending = heapq.heappop(self._waiting)
            if self._learning or pending.position < FIRST_TICKETS:
                self._desk.learn(pending.ticket, pending.reply.body, pending.reply.at, pending.vector)
                self._replies[_plain(pending.reply.body)] = None
            if pending.judged is not None and not pending.judged.sent:
                self._label(pending.judged)

    def _label(self, judged: Judged) -> None:
        self._policy.reviewed(judged.probability, judged.good)
        if not self._learning:
            return
        self._rows.append(judged.features)
        self._labels.append(judged.good)
        if len(self._labels) >= self._refit_at:
            self._calibrator = Calibrator.fit(self._rows, self._labels)
            self._refit_at = max(len(self._labels) + 1, int(_REFIT_GROWTH * len(self._labels)))

    def _draft(self, ticket: HistoryTicket, reply: HistoryMessage, vector: Vector) -> Judged:
        drafted = self._desk.draft(ticket, vector)
        scored = time.perf_counter()
        body, writer = (drafted.written.body, drafted.written.writer) if drafted.written else ("", "")
        features = draft_features(drafted.evidence, body, writer)
        probability = self._calibrator.probability(features) if drafted.written else 0.0
        score_ms = 1000 * (time.perf_counter() - scored)
        really_sent = _plain(reply.body)
        neighbours = drafted.evidence.neighbours
        source = drafted.written.used[0] if drafted.written else None
        return Judged(
            created_at=ticket.created_at,
            similarity=_likeness(body, really_sent),
            best_earlier=_best(really_sent, list(self._replies)),
            best_found=_best(really_sent, [_plain(hit.text) for hit in neighbours]),
            chosen=max((_likeness(hit.text, really_sent) for hit in neighbours if hit.item_id == source), default=0.0),
            features=features,
            probability=probability,
            sent=self._policy.route(ticket.id, probability) == "sent",
            retrieve_ms=drafted.retrieve_ms,
            draft_ms=drafted.total_ms + score_ms,
        )


def _plain(text: str) -> str:
    return text.strip().lower()


def _likeness(text: str, really_sent: str) -> float:
    return Levenshtein.normalized_similarity(_plain(text), really_sent)


def _best(reply: str, earlier: Sequence[str]) -> float:
    """Similarity of the most similar earlier reply, 0 below `GOOD`."""
    found: tuple[str, float, int] | None = process.extractOne(
        reply, earlier, scorer=Levenshtein.normalized_similarity, score_cutoff=GOOD
    )
    return 0.0 if found is None else found[1]
