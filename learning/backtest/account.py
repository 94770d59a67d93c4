"""From replayed drafts to what people want to see of them: curves, tables, the best and the worst drafts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import numpy as np

from desk.history.account import (
    RISKS,
    BacktestAccount,
    CitedSource,
    DraftBesideReply,
    SentAtRisk,
    Stretch,
    TenantAccount,
    Why,
)
from desk.plain_text import excerpt
from desk.policy.certification import Label
from desk.policy.evidence import reliability, risk_coverage
from learning.backtest import figures
from learning.backtest.replay import GOOD, Judged, Source
from learning.backtest.run import Prepared, Replayed, ReplayedTenant, figures_of, replay_prepared
from learning.backtest.sending import play_again

_STRETCHES = 20
_FEWEST_A_STRETCH = 5
_COVERAGE_POINTS = 50
_LONGEST_TEXT = 3_000
"""Characters of a question, a draft or a reply that are kept."""
_LONGEST_SOURCE = 600


@dataclass(frozen=True, slots=True)
class AccountTerms:
    risk: float
    confidence: float
    best: int
    worst: int
    """How many drafts are shown of each."""


def account_of(
    prepared: Prepared, terms: AccountTerms, advanced: Callable[[str, int, int], None]
) -> BacktestAccount | None:
    """Replay with and without learning, and count. None when every ticket was among the first, or unanswered."""
    learning, bare = (
        replay_prepared(prepared, terms.risk, terms.confidence, learning=learns, advanced=advanced)
        for learns in (True, False)
    )
    drafts = list(zip(learning.judged, bare.judged, strict=True))
    if not drafts:
        return None
    labels = [Label(one.probability, one.good, sampled=True) for one in learning.judged]
    named = [(tenant.name, one) for tenant in learning.of_tenants for one in tenant.judged]
    return BacktestAccount(
        figures=figures_of(learning, terms.risk, terms.confidence),
        first_at=min(history.tickets[0].created_at for history in prepared.histories),
        last_at=max(history.tickets[-1].created_at for history in prepared.histories),
        over_time=_over_time(drafts),
        reliability=tuple(reliability(labels)),
        risk_coverage=tuple(risk_coverage(labels, _COVERAGE_POINTS)),
        sending=tuple(_sending(learning, risk, terms.confidence, advanced) for risk in RISKS),
        tenants=tuple(map(_tenant, learning.of_tenants, bare.of_tenants)),
        best=_best(named, terms.best),
        worst=_worst(named, terms.worst),
        without_text=sum(not one.body for one in learning.judged),
    )


def _over_time(drafts: Sequence[tuple[Judged, Judged]]) -> tuple[Stretch, ...]:
    in_time = sorted(drafts, key=lambda pair: pair[0].created_at)
    count = max(1, min(_STRETCHES, len(in_time) // _FEWEST_A_STRETCH))
    edges = np.linspace(0, len(in_time), count + 1).round().astype(int).tolist()
    return tuple(_stretch(in_time[low:high]) for low, high in pairwise(edges))


def _stretch(part: Sequence[tuple[Judged, Judged]]) -> Stretch:
    return Stretch(
        until=part[-1][0].created_at,
        drafts=len(part),
        similarity=_mean(one.similarity for one, _ in part),
        good=_mean(one.good for one, _ in part),
        similarity_without=_mean(one.similarity for _, one in part),
        good_without=_mean(one.good for _, one in part),
    )


def _sending(
    replayed: Replayed, risk: float, confidence: float, advanced: Callable[[str, int, int], None]
) -> SentAtRisk:
    played = [play_again(tenant.judged, risk, confidence) for tenant in replayed.of_tenants]
    advanced("play automatic sending", RISKS.index(risk) + 1, len(RISKS))
    sent = sum(one.sent for one in played)
    return SentAtRisk(
        risk=risk,
        sent=sent,
        errors=sum(one.errors for one in played),
        coverage=round(sent / len(replayed.judged), 4),
        certified_tenants=sum(one.was_certified for one in played),
    )


def _tenant(learning: ReplayedTenant, bare: ReplayedTenant) -> TenantAccount:
    judged = learning.judged
    good = np.array([one.good for one in judged], dtype=np.bool_)
    probability = np.array([one.probability for one in judged], dtype=np.float64)
    return TenantAccount(
        name=learning.name,
        tickets=learning.tickets,
        drafts=len(judged),
        similarity=_mean(one.similarity for one in judged),
        good=_mean(one.good for one in judged),
        good_without=_mean(one.good for one in bare.judged),
        ceiling=_mean(one.best_earlier >= GOOD for one in judged),
        auroc=round(figures.auroc(probability, good), 4),
        sent=sum(one.sent for one in judged),
        errors=sum(one.sent and not one.good for one in judged),
    )


def _best(drafts: Sequence[tuple[str, Judged]], count: int) -> tuple[DraftBesideReply, ...]:
    """Most alike first, longer replies before shorter ones, and no reply twice."""
    ranked = sorted(
        (pair for pair in drafts if pair[1].good),
        key=lambda pair: (-round(pair[1].similarity, 2), -len(pair[1].reply.body)),
    )
    return _shown(ranked, count, lambda one: one.body)


def _worst(drafts: Sequence[tuple[str, Judged]], count: int) -> tuple[DraftBesideReply, ...]:
    """Least alike first, the surer before the less sure, and no reply twice."""
    ranked = sorted(
        (pair for pair in drafts if pair[1].body and not pair[1].good),
        key=lambda pair: (round(pair[1].similarity, 2), -pair[1].probability),
    )
    return _shown(ranked, count, lambda one: one.reply.body)


def _shown(
    ranked: Sequence[tuple[str, Judged]], count: int, told_apart: Callable[[Judged], str]
) -> tuple[DraftBesideReply, ...]:
    different = {" ".join(told_apart(pair[1]).split()).lower(): pair for pair in reversed(ranked)}
    kept = [pair for pair in ranked if different[" ".join(told_apart(pair[1]).split()).lower()] is pair]
    return tuple(_beside(name, one) for name, one in islice(kept, count))


def _beside(tenant: str, one: Judged) -> DraftBesideReply:
    return DraftBesideReply(
        tenant=tenant,
        ticket=one.ticket.id,
        created_at=one.created_at,
        subject=excerpt(one.ticket.subject, 200),
        question=_cut(one.ticket.body, _LONGEST_TEXT),
        draft=_cut(one.body, _LONGEST_TEXT),
        reply=_cut(one.reply.body, _LONGEST_TEXT),
        similarity=round(one.similarity, 4),
        probability=round(one.probability, 4),
        writer=one.writer,
        sources=tuple(_cited(source) for source in one.sources),
        why=_why(one),
    )


def _cited(source: Source) -> CitedSource:
    title = source.hit.title or excerpt(source.hit.question or source.hit.text, 120)
    return CitedSource(
        kind=source.hit.kind,
        title=excerpt(title, 200),
        text=_cut(source.hit.text, _LONGEST_SOURCE),
        score=round(source.hit.score, 4),
        ticket=source.ticket.id if source.ticket else "",
        used=source.used,
    )


def _why(one: Judged) -> Why:
    if one.good:
        return "good"
    if one.best_earlier < GOOD:
        return "no_earlier_answer"
    if one.best_found < GOOD:
        return "not_found"
    return "not_chosen" if one.chosen < GOOD else "changed_in_fitting"


def _cut(text: str, longest: int) -> str:
    text = text.strip()
    return text if len(text) <= longest else f"{text[:longest].rstrip()} …"


def _mean(values: Iterable[Any]) -> float:
    given = [float(value) for value in values]
    return round(sum(given) / len(given), 4) if given else 0.0
