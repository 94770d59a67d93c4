"""How certificates end. What drafts are made of calls this when it changes: certificates speak of the drafts before."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from desk.db.leases import database_time
from desk.db.unit_of_work import announce
from desk.errors import ConflictError, NotFoundError
from desk.models import CertificationGroup, SendingCertificate, TenantSettings

DRIFTED = "more of the latest replies were changed than it promised"
REPLACED = "a certificate with a lower threshold took its place"


async def end_certificate(session: AsyncSession, certificate: SendingCertificate, state: str, why: str) -> None:
    """`state` is replaced or revoked; `why` goes on after "because"."""
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
    await end_certificate(session, certificate, "revoked", why)
    await _begin_anew(session, certificate.group_name)
    await announce(session, certificate.tenant_id, "certificate")
    return certificate


async def end_all(session: AsyncSession, why: str) -> int:
    """What the drafts of the session's tenant are made of has changed, so nothing that was reviewed before speaks of
    those to come.

    Returns how many certificates that ended.
    """
    found = await session.execute(
        select(SendingCertificate).where(SendingCertificate.state == "active").with_for_update()
    )
    ended = found.scalars().all()
    for certificate in ended:
        await end_certificate(session, certificate, "revoked", why)
    await session.execute(update(TenantSettings).values(drafts_changed_at=await database_time(session)))
    await _begin_anew(session)
    if ended:
        await announce(session, ended[0].tenant_id, "certificate")
    return len(ended)


async def _begin_anew(session: AsyncSession, name: str | None = None) -> None:
    statement = select(CertificationGroup).with_for_update()
    if name is not None:
        statement = statement.where(CertificationGroup.name == name)
    now = await database_time(session)
    for group in (await session.execute(statement)).scalars():
        group.since, group.looks_before, group.labels_seen = now, group.looks_spent, 0
    await session.flush()
