"""Where certified sending stands, for the people who decide about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from desk.accounts.preferences import CertificationTerms, load_preferences
from desk.errors import InvalidInputError, NotFoundError
from desk.models import CertificationGroup, Connection, SendingCertificate, TenantSettings
from desk.paging import Page, read_page
from desk.policy.certification import Certification, Label, Progress, Terms
from desk.policy.evidence import (
    CoveragePoint,
    ReliabilityBin,
    Simulation,
    calibration_error,
    outcome,
    reliability,
    risk_coverage,
    simulate,
    would_go_out,
)
from desk.policy.groups import group_names, group_of
from desk.policy.labels import ReviewedDraft, reviewed_drafts
from desk.policy.looks import active_certificate, certified_channels, drafts_changed_at, labels_of_group

MOST_SIMULATED = 2_000


@dataclass(frozen=True, slots=True)
class GroupStanding:
    name: str
    progress: Progress
    """Towards the next look: "41 of 72"."""
    labels: int
    """Of the group in all."""
    certificate: SendingCertificate | None


@dataclass(frozen=True, slots=True)
class Standing:
    terms: CertificationTerms
    channels: list[str]
    """Those counted: the channels in mode `certified`, or every one while there is none."""
    is_on: bool
    labels: int
    groups: list[GroupStanding]
    reliability: list[ReliabilityBin]
    calibration_error: float
    risk_coverage: list[CoveragePoint]


async def standing(session: AsyncSession, terms: CertificationTerms | None = None) -> Standing:
    """Of the session's tenant; with `terms` as if an admin had accepted these."""
    chosen = await certified_channels(session)
    channels = chosen or await _all_channels(session)
    accepted = terms or (await load_preferences(session)).certification
    reviewed = await reviewed_drafts(session, channels)
    names = group_names(accepted.grouping, channels, sorted({draft.intent for draft in reviewed}))
    labels = [draft.label for draft in reviewed]
    return Standing(
        terms=accepted,
        channels=channels,
        is_on=bool(chosen),
        labels=len(labels),
        groups=[await _group(session, name, channels, reviewed, accepted.to_terms()) for name in names],
        reliability=reliability(labels),
        calibration_error=calibration_error(labels),
        risk_coverage=risk_coverage(labels),
    )


async def _all_channels(session: AsyncSession) -> list[str]:
    return list((await session.execute(select(Connection.channel).distinct().order_by(Connection.channel))).scalars())


async def _group(
    session: AsyncSession, name: str, channels: Sequence[str], reviewed: Sequence[ReviewedDraft], terms: Terms
) -> GroupStanding:
    counted = labels_of_group(name, channels, reviewed)
    found = await session.execute(select(CertificationGroup).where(CertificationGroup.name == name))
    group = found.scalar_one_or_none()
    spent = 0
    since = await _since(session) if group is None else group.since
    counted = [draft for draft in counted if draft.written_at > since]
    if group is not None:
        same = (group.risk, group.confidence) == (terms.risk, terms.confidence)
        spent = group.looks_before if same else group.looks_spent
    played = Certification.play((draft.label for draft in counted), terms, spent)
    return GroupStanding(name, played.progress(), len(counted), await active_certificate(session, name))


async def _since(session: AsyncSession) -> datetime:
    return drafts_changed_at((await session.execute(select(TenantSettings))).scalar_one())


async def get_certificate(session: AsyncSession, certificate_id: UUID) -> SendingCertificate:
    """Raises NotFoundError."""
    found = await session.execute(select(SendingCertificate).where(SendingCertificate.id == certificate_id))
    certificate = found.scalar_one_or_none()
    if certificate is None:
        msg = "there is no such certificate"
        raise NotFoundError(msg)
    return certificate


async def list_certificates(session: AsyncSession, *, limit: int, offset: int) -> Page[SendingCertificate]:
    """Newest first, those that have ended too."""
    statement = select(SendingCertificate).order_by(SendingCertificate.id.desc())
    rows, total = await read_page(session, statement, limit=limit, offset=offset)
    return Page([row[0] for row in rows], total, limit, offset)


async def simulate_policy(
    session: AsyncSession,
    *,
    mode: str,
    threshold: float | None = None,
    channels: Sequence[str] = (),
    terms: CertificationTerms | None = None,
    last: int = 200,
) -> Simulation:
    """What a policy would have done with the latest reviewed drafts that could have gone out.

    `threshold` is a score from 0 to 100: the plain one in mode `threshold`, the calibrated probability in per cent in
    mode `certified`; without one, mode `certified` is played forward from the first draft on, certificates earned and
    lost as they would have been. Raises InvalidInputError.
    """
    is_plain = mode == "threshold"
    if not (is_plain or mode == "certified") or not 1 <= last <= MOST_SIMULATED:
        msg = f"mode is threshold or certified, and last 1 to {MOST_SIMULATED:,}"
        raise InvalidInputError(msg)
    if not (mode == "certified" if threshold is None else 0 <= threshold <= 100):
        msg = "the threshold is a number from 0 to 100"
        raise InvalidInputError(msg)
    accepted = terms or (await load_preferences(session)).certification
    reviewed = await reviewed_drafts(session, channels or await _all_channels(session), calibrated=not is_plain)
    if threshold is None:
        return _played_forward(reviewed, accepted, last)
    labels = [
        Label(draft.plain_score / 100, draft.label.good, draft.label.sampled) if is_plain else draft.label
        for draft in reviewed[-last:]
    ]
    return simulate(labels, threshold / 100, accepted.confidence)


def _played_forward(reviewed: Sequence[ReviewedDraft], accepted: CertificationTerms, last: int) -> Simulation:
    groups: dict[str, list[ReviewedDraft]] = {}
    for draft in reviewed:
        groups.setdefault(group_of(accepted.grouping, draft.channel, draft.intent), []).append(draft)
    gone: set[UUID] = set()
    for drafts in groups.values():
        flags = would_go_out([draft.label for draft in drafts], accepted.to_terms())
        gone |= {draft.draft_id for draft, is_sent in zip(drafts, flags, strict=True) if is_sent}
    newest = reviewed[-last:]
    return outcome(len(newest), [draft.label for draft in newest if draft.draft_id in gone], accepted.confidence)
