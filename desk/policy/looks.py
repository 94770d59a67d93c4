"""Looking at the labels again: certificates are granted and revoked here, by the clock (design section 7).

Done late it looks at the same labels in the same order; done twice it finds nothing new.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.preferences import load_preferences
from desk.db.leases import database_time
from desk.db.unit_of_work import announce
from desk.errors import ConflictError, NotFoundError
from desk.models import CertificationGroup, ChannelPolicy, SendingCertificate, TenantSettings
from desk.policy.certificate import Certificate
from desk.policy.certification import Certification, Terms
from desk.policy.groups import group_names, in_group
from desk.policy.labels import ReviewedDraft, reviewed_drafts

DRIFTED = "more of the latest replies were changed than it promised"


async def certified_channels(session: AsyncSession) -> list[str]:
    found = await session.execute(
        select(ChannelPolicy.channel).where(ChannelPolicy.mode == "certified").order_by(ChannelPolicy.channel)
    )
    return list(found.scalars())


async def look_again(session: AsyncSession, tenant_id: UUID) -> None:
    """Bring every group of the session's tenant up to date with its labels."""
    channels = await certified_channels(session)
    if not channels:
        return
    await session.execute(select(TenantSettings.id).with_for_update())
    terms = (await load_preferences(session)).certification
    reviewed = await reviewed_drafts(session, channels)
    intents = sorted({draft.intent for draft in reviewed})
    for name in group_names(terms.grouping, channels, intents):
        counted = [name.removeprefix("channel:")] if name.startswith("channel:") else channels
        group = await _group(session, name, counted, terms.to_terms())
        if await _look_at(session, group, reviewed, terms.to_terms()):
            await announce(session, tenant_id, "certificate")


async def _group(session: AsyncSession, name: str, channels: list[str], terms: Terms) -> CertificationGroup:
    found = await session.execute(select(CertificationGroup).where(CertificationGroup.name == name).with_for_update())
    group = found.scalar_one_or_none()
    if group is None:
        # The labels of before count too: nothing was sent by itself yet, so all of them were reviewed.
        began = (await session.execute(select(TenantSettings.created_at))).scalar_one()
        group = CertificationGroup(
            id=uuid7(), name=name, channels=channels, since=began, risk=terms.risk, confidence=terms.confidence
        )
        group.looks_before = group.looks_spent = group.labels_seen = 0
        session.add(group)
    if (group.risk, group.confidence, group.channels) != (terms.risk, terms.confidence, channels):
        group.risk, group.confidence, group.channels = terms.risk, terms.confidence, channels
        group.looks_before, group.labels_seen = group.looks_spent, 0
    return group


async def _look_at(
    session: AsyncSession, group: CertificationGroup, reviewed: Sequence[ReviewedDraft], terms: Terms
) -> bool:
    """Whether a certificate was granted or ended."""
    labels = labels_of_group(group.name, group.channels, reviewed)
    labels = [draft for draft in labels if draft.at > group.since]
    if len(labels) == group.labels_seen:
        return False
    group.labels_seen = len(labels)
    active = await active_certificate(session, group.name)
    played, drifted = Certification(terms, group.looks_before), False
    for draft in labels:
        change = played.add(draft.label)
        if change == "revoked" and active is not None and draft.at > active.created_at:
            drifted = True
    group.looks_spent = max(group.looks_spent, played.looks_spent)
    if drifted and active is not None:
        await _end(session, active, "revoked", DRIFTED)
        active = None
    found = played.certificate
    if found is None or (active is not None and active.threshold <= found.threshold):
        return drifted
    if active is not None:
        await _end(session, active, "replaced", "a certificate with a lower threshold took its place")
    await _grant(session, group, found)
    return True


def labels_of_group(name: str, channels: Sequence[str], reviewed: Sequence[ReviewedDraft]) -> list[ReviewedDraft]:
    return [draft for draft in reviewed if draft.channel in channels and in_group(name, draft.channel, draft.intent)]


async def active_certificate(session: AsyncSession, name: str) -> SendingCertificate | None:
    found = await session.execute(
        select(SendingCertificate).where(SendingCertificate.group_name == name, SendingCertificate.state == "active")
    )
    return found.scalar_one_or_none()


async def _grant(session: AsyncSession, group: CertificationGroup, found: Certificate) -> None:
    await session.flush()
    session.add(
        SendingCertificate(
            id=uuid7(),
            group_name=group.name,
            channels=list(group.channels),
            state="active",
            threshold=found.threshold,
            risk=found.risk,
            confidence=found.confidence,
            bound=found.bound,
            labels=found.labels,
            errors=found.errors,
            look=group.looks_spent,
        )
    )
    await session.flush()


async def _end(session: AsyncSession, certificate: SendingCertificate, state: str, why: str) -> None:
    certificate.state, certificate.ended_because = state, why
    certificate.ended_at = await database_time(session)
    await session.flush()


async def revoke(session: AsyncSession, certificate_id: UUID, why: str) -> SendingCertificate:
    """By hand. Its group begins anew: what was reviewed before counts no more.

    Raises NotFoundError, ConflictError when it had ended already.
    """
    found = await session.execute(
        select(SendingCertificate).where(SendingCertificate.id == certificate_id).with_for_update()
    )
    certificate = found.scalar_one_or_none()
    if certificate is None:
        msg = "there is no such certificate"
        raise NotFoundError(msg)
    if certificate.state != "active":
        msg = f"this certificate was {certificate.state} already"
        raise ConflictError(msg)
    await _end(session, certificate, "revoked", why)
    await _begin_anew(session, certificate.group_name)
    await announce(session, certificate.tenant_id, "certificate")
    return certificate


async def end_all(session: AsyncSession, tenant_id: UUID, why: str) -> int:
    """What drafts are made of has changed, so nothing that was reviewed before speaks of those to come.

    Returns how many certificates that ended.
    """
    found = await session.execute(
        select(SendingCertificate).where(SendingCertificate.state == "active").with_for_update()
    )
    ended = found.scalars().all()
    for certificate in ended:
        await _end(session, certificate, "revoked", why)
    await _begin_anew(session)
    if ended:
        await announce(session, tenant_id, "certificate")
    return len(ended)


async def _begin_anew(session: AsyncSession, name: str | None = None) -> None:
    statement = select(CertificationGroup).with_for_update()
    if name is not None:
        statement = statement.where(CertificationGroup.name == name)
    now = await database_time(session)
    for group in (await session.execute(statement)).scalars():
        group.since, group.looks_before, group.labels_seen = now, group.looks_spent, 0
