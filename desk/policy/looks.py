"""Looking at the labels again: certificates are granted and revoked here, by the clock (design section 7).

Done late it looks at the same labels in the same order; done twice it finds nothing new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.preferences import load_preferences
from desk.db.unit_of_work import announce
from desk.drafting.prompts import active_prompt
from desk.models import (
    GLOBAL_TENANT_ID,
    CertificationGroup,
    ChannelPolicy,
    ModelProvider,
    SendingCertificate,
    TenantSettings,
)
from desk.policy.certificate import Certificate
from desk.policy.certification import Certification, Terms
from desk.policy.endings import DRIFTED, REPLACED, end_all, end_certificate
from desk.policy.groups import group_names, in_group
from desk.policy.labels import ReviewedDraft, reviewed_drafts


@dataclass(frozen=True, slots=True)
class SharedModels:
    """What the installation's environment names; compared, never shown."""

    writing: str
    """Empty without a language model."""
    searching: str


async def certified_channels(session: AsyncSession) -> list[str]:
    found = await session.execute(
        select(ChannelPolicy.channel).where(ChannelPolicy.mode == "certified").order_by(ChannelPolicy.channel)
    )
    return list(found.scalars())


async def look_again(session: AsyncSession, tenant_id: UUID, models: SharedModels) -> None:
    """Bring every group of the session's tenant up to date with its labels; `models`: the installation's."""
    await _notice_models(session, models)
    channels = await certified_channels(session)
    if not channels:
        return
    settings = (await session.execute(select(TenantSettings).with_for_update())).scalar_one()
    await _notice_standard_prompt(session, settings)
    terms = (await load_preferences(session)).certification
    reviewed = await reviewed_drafts(session, channels)
    intents = sorted({draft.intent for draft in reviewed})
    for name in group_names(terms.grouping, channels, intents):
        counted = [name.removeprefix("channel:")] if name.startswith("channel:") else channels
        group = await _group(session, name, counted, terms.to_terms(), drafts_changed_at(settings))
        if await _look_at(session, group, reviewed, terms.to_terms()):
            await announce(session, tenant_id, "certificate")


def drafts_changed_at(settings: TenantSettings) -> datetime:
    """Before a first certificate nothing was sent by itself, so all drafts were reviewed and count from then on."""
    return settings.drafts_changed_at or settings.created_at


async def _notice_models(session: AsyncSession, models: SharedModels) -> None:
    """They are changed by the installation's environment, of which no tenant hears."""
    now = asdict(models)
    before = (await session.execute(select(TenantSettings.models_seen))).scalar_one()
    if before == now:
        return
    await session.execute(update(TenantSettings).values(models_seen=now))
    if not before:
        return
    own = (await session.execute(select(exists().where(ModelProvider.is_active)))).scalar_one()
    if before["searching"] != models.searching:
        await end_all(session, "texts are searched by another embedding model")
    elif not own:
        await end_all(session, "the installation's language models were changed")


async def _notice_standard_prompt(session: AsyncSession, settings: TenantSettings) -> None:
    """An operator changes it for everybody who uses it, without being able to touch any tenant's certificates."""
    prompt = await active_prompt(session)
    if prompt.tenant_id == GLOBAL_TENANT_ID and prompt.updated_at > drafts_changed_at(settings):
        await end_all(session, "the standard prompt has changed")
        await session.refresh(settings)


async def _group(
    session: AsyncSession, name: str, channels: list[str], terms: Terms, since: datetime
) -> CertificationGroup:
    found = await session.execute(select(CertificationGroup).where(CertificationGroup.name == name).with_for_update())
    group = found.scalar_one_or_none()
    if group is None:
        group = CertificationGroup(
            id=uuid7(), name=name, channels=channels, since=since, risk=terms.risk, confidence=terms.confidence
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
    labels = [draft for draft in labels if draft.written_at > group.since]
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
        await end_certificate(session, active, "revoked", DRIFTED)
        active = None
    found = played.certificate
    if found is None or (active is not None and active.threshold <= found.threshold):
        return drifted
    if active is not None:
        await end_certificate(session, active, "replaced", REPLACED)
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
