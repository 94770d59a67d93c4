"""Which source weights the tenant's own approved replies speak for, and what other weights would have changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.models import Draft, DraftSource, Review, Ticket
from desk.ports import SourceWeights

WEIGHED = ("global_kb", "tenant_kb", "example", "correction")
APPROVED = ("approved", "edited")
"""What an agent did with a draft that then went out; what the machine sent by itself says nothing of people."""
MOST_REPLIES = 500
"""The newest approved replies a recommendation is made from: what a desk knows grows, and with it what answers."""
ENOUGH_REPLIES = 30
_PRIOR_REPLIES = 20.0
"""The default weights count like so many replies, so that a few cannot overthrow them."""
_LEAST_WEIGHT = 0.05
"""A source that answered nothing yet must stay findable, or it never will."""


@dataclass(frozen=True, slots=True)
class SourceEvidence:
    kind: str
    used: float
    """Replies that came from it; one that came from several counts in parts."""
    found: int
    """Replies for which it was among what was found."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    weights: SourceWeights
    """Normalised; close to the default ones while there is little evidence."""
    replies: int
    needed: int
    sources: tuple[SourceEvidence, ...]

    @property
    def is_enough(self) -> bool:
        return self.replies >= self.needed


@dataclass(frozen=True, slots=True)
class FoundSource:
    kind: str
    title: str
    score: float
    used: bool


@dataclass(frozen=True, slots=True)
class PastReply:
    """An approved reply, and everything that was found for it."""

    ticket_id: UUID
    number: int
    subject: str
    sources: tuple[FoundSource, ...]


@dataclass(frozen=True, slots=True)
class MovedReply:
    ticket_id: UUID
    number: int
    subject: str
    title: str
    """Of the best placed source the reply came from, by the candidate weights."""
    kind: str
    before: int
    after: int
    """Places from 1; a source that is no longer found by weight has the place behind the last."""


@dataclass(frozen=True, slots=True)
class WeightsPreview:
    replies: int
    better: int
    worse: int
    same: int
    first_before: int
    """Replies whose source came first."""
    first_after: int
    moved: tuple[MovedReply, ...]
    """The most changed first, those that get worse before those that get better."""


async def past_replies(session: AsyncSession, most: int = MOST_REPLIES) -> list[PastReply]:
    """The newest approved replies that came from a source the weights speak of."""
    used = select(DraftSource.draft_id).where(DraftSource.used, DraftSource.kind.in_(WEIGHED))
    newest = (
        select(Review.draft_id.label("id"))
        .where(Review.action.in_(APPROVED), Review.state != "cancelled", Review.draft_id.in_(used))
        .order_by(Review.id.desc())
        .limit(most)
        .subquery()
    )
    rows = await session.execute(
        select(
            DraftSource.draft_id,
            DraftSource.kind,
            DraftSource.title,
            DraftSource.score,
            DraftSource.used,
            Ticket.id,
            Ticket.number,
            Ticket.subject,
        )
        .join(newest, newest.c.id == DraftSource.draft_id)
        .join(Draft, Draft.id == DraftSource.draft_id)
        .join(Ticket, Ticket.id == Draft.ticket_id)
        .where(DraftSource.kind.in_(WEIGHED))
        .order_by(DraftSource.draft_id.desc(), DraftSource.ordinal)
    )
    found: dict[UUID, list[FoundSource]] = defaultdict(list)
    tickets: dict[UUID, tuple[UUID, int, str]] = {}
    for draft_id, kind, title, score, was_used, ticket_id, number, subject in rows:
        found[draft_id].append(FoundSource(kind, title, score, was_used))
        tickets[draft_id] = ticket_id, number, subject
    return [PastReply(*tickets[draft_id], tuple(sources)) for draft_id, sources in found.items()]


def recommend(replies: Sequence[PastReply]) -> Recommendation:
    """Each source's share of the replies, smoothed towards the default weights."""
    used: dict[str, float] = dict.fromkeys(WEIGHED, 0.0)
    found: dict[str, int] = dict.fromkeys(WEIGHED, 0)
    for reply in replies:
        own = [source.kind for source in reply.sources if source.used]
        for kind in own:
            used[kind] += 1 / len(own)
        for kind in {source.kind for source in reply.sources}:
            found[kind] += 1
    defaults: Mapping[str, float] = asdict(SourceWeights().normalised())
    total = sum(used.values()) + _PRIOR_REPLIES
    shares = {kind: max((used[kind] + _PRIOR_REPLIES * defaults[kind]) / total, _LEAST_WEIGHT) for kind in WEIGHED}
    return Recommendation(
        weights=SourceWeights(**shares).normalised(),
        replies=len(replies),
        needed=ENOUGH_REPLIES,
        sources=tuple(SourceEvidence(kind, round(used[kind], 2), found[kind]) for kind in WEIGHED),
    )


def preview(replies: Iterable[PastReply], before: SourceWeights, after: SourceWeights) -> WeightsPreview:
    """Places of the sources the replies came from, under both weights, among what was found at the time.

    Both orders are made anew from the recorded scores, so the difference is that of the weights alone.
    """
    now, then = asdict(before.normalised()), asdict(after.normalised())
    counted = {"better": 0, "worse": 0, "same": 0}
    firsts = [0, 0]
    moved: list[MovedReply] = []
    total = 0
    for reply in replies:
        total += 1
        old, _ = _best_place(reply.sources, now)
        new, source = _best_place(reply.sources, then)
        firsts[0] += old == 1
        firsts[1] += new == 1
        counted["better" if new < old else "worse" if new > old else "same"] += 1
        if old != new:
            moved.append(MovedReply(reply.ticket_id, reply.number, reply.subject, source.title, source.kind, old, new))
    moved.sort(key=lambda one: (one.after < one.before, -abs(one.after - one.before), -one.number))
    return WeightsPreview(total, **counted, first_before=firsts[0], first_after=firsts[1], moved=tuple(moved))


def _best_place(sources: Sequence[FoundSource], weights: Mapping[str, float]) -> tuple[int, FoundSource]:
    """Of the sources that were used, the best place and which it is. A source of weight 0 is not found at all."""
    ranked = sorted(sources, key=lambda one: (-weights[one.kind] * one.score, -one.score, one.kind, one.title))
    kept = [one for one in ranked if weights[one.kind] > 0]
    for place, one in enumerate(kept, 1):
        if one.used:
            return place, one
    return len(kept) + 1, next(one for one in ranked if one.used)
