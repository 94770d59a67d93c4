"""Replays one tenant's tickets in time order; each draft sees only what had been answered before its ticket came."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from desk.policy.certification import Terms
from desk.ports import Evidence, Hit
from learning.backtest.history import HistoryMessage, HistoryTicket
from learning.backtest.memory import MemoryDesk, Vector
from learning.backtest.sending import SendingLane
from learning.calibration import draft_features

GOOD = 0.70
"""Similarity to the reply really sent from which a draft is good."""
FIRST_TICKETS = 20
"""Of each tenant, learned from but not drafted."""
_MOST_SOURCES = 3


@dataclass(frozen=True, slots=True)
class Source:
    """What a draft was made from, or what was found beside it."""

    hit: Hit
    ticket: HistoryTicket | None
    """Whose reply it is; None for a passage of a document."""
    used: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """One draft beside the reply really sent."""

    ticket: HistoryTicket
    reply: HistoryMessage
    body: str
    """Empty when nothing could be written."""
    writer: str
    sources: tuple[Source, ...]
    """Those used first, then the best of the others."""
    created_at: datetime
    similarity: float
    best_earlier: float
    """Similarity of the best reply that had been written before the ticket came, 0 when none reaches `GOOD`."""
    nearest: float
    """Of the answer of the nearest question by cosine, as it stands: what a draft is measured against."""
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
    def __init__(self, desk: MemoryDesk, terms: Terms, *, learning: bool) -> None:
        self._desk = desk
        self._lane = SendingLane(terms, learning=learning)
        self._learning = learning
        self._learned: list[HistoryTicket] = []
        """In the order in which the desk has learned their replies."""
        self._waiting: list[tuple[datetime, int, _Pending]] = []
        self._replies: dict[str, None] = {}
        """Lower-cased and distinct, in the order they were learned."""

    @property
    def was_certified(self) -> bool:
        return self._lane.was_certified

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
                self._learned.append(pending.ticket)
                self._replies[_plain(pending.reply.body)] = None
            judged = pending.judged
            if judged is not None and not judged.sent:
                self._lane.reviewed(judged.ticket.id, judged.features, judged.probability, good=judged.good)

    def _draft(self, ticket: HistoryTicket, reply: HistoryMessage, vector: Vector) -> Judged:
        drafted = self._desk.draft(ticket, vector)
        scored = time.perf_counter()
        body, writer = (drafted.written.body, drafted.written.writer) if drafted.written else ("", "")
        features = draft_features(drafted.evidence, body, writer)
        probability, sent = self._lane.decide(ticket.id, features, written=drafted.written is not None)
        score_ms = 1000 * (time.perf_counter() - scored)
        really_sent = _plain(reply.body)
        neighbours = drafted.evidence.neighbours
        used = drafted.written.used if drafted.written else ()
        source = used[0] if used else None
        return Judged(
            ticket=ticket,
            reply=reply,
            body=body,
            writer=writer,
            sources=self._sources(drafted.evidence, used),
            created_at=ticket.created_at,
            similarity=_likeness(body, really_sent),
            best_earlier=_best(really_sent, list(self._replies)),
            nearest=_likeness(max(neighbours, key=lambda hit: hit.dense).text, really_sent) if neighbours else 0.0,
            best_found=_best(really_sent, [_plain(hit.text) for hit in neighbours]),
            chosen=max((_likeness(hit.text, really_sent) for hit in neighbours if hit.item_id == source), default=0.0),
            features=features,
            probability=probability,
            sent=sent,
            retrieve_ms=drafted.retrieve_ms,
            draft_ms=drafted.total_ms + score_ms,
        )

    def _sources(self, evidence: Evidence, used: Sequence[UUID]) -> tuple[Source, ...]:
        found = {hit.item_id: hit for hit in (*evidence.hits, *evidence.neighbours)}
        shown = dict.fromkeys([*(item for item in used if item in found), *(hit.item_id for hit in evidence.hits)])
        return tuple(
            Source(found[item], self._learned[item.int - 1] if found[item].kind == "example" else None, item in used)
            for item in list(shown)[:_MOST_SOURCES]
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
