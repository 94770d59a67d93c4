"""Where a tenant wants it, no change of what drafts are made of takes effect before the corrections were replayed."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.identity import Actor
from desk.accounts.preferences import load_preferences
from desk.comparing.candidates import PRESENT, Candidate, checked
from desk.comparing.requests import ask_for_regression, breaks_something, title_of
from desk.db.leases import database_time
from desk.db.unit_of_work import Database
from desk.errors import UncheckedChangeError
from desk.models import Comparison, Correction, TenantSettings

VALID_FOR = timedelta(hours=24)
"""How long a check speaks for a change, as long as nothing else was changed."""


async def require_check(database: Database, actor: Actor, change: Candidate, *, most: int, anyway: bool) -> None:
    """To be called before the change is made, in no transaction; starts the check where there is none.

    `anyway` lets it pass and puts on record who said so. An operator's changes belong to no tenant and are not held
    up. Raises UncheckedChangeError naming the check; NotFoundError, InvalidInputError for what is not there.
    """
    if actor.is_operator:
        return
    async with database.transaction(actor.scope) as session:
        if not (await load_preferences(session)).checks_required:
            return
        active = select(func.count()).select_from(Correction).where(Correction.state == "active")
        available = (await session.execute(active)).scalar_one()
        if available == 0:
            return
        check = await _newest(session, change)
        is_good = check is not None and check.state == "finished" and not await breaks_something(session, check.id)
        if is_good:
            return
        if anyway:
            await _record(session, actor, change, check, available)
            return
        if check is None or check.state == "failed":
            check = await ask_for_regression(session, actor, change, most=most)
            words = "the corrections are being replayed with this change; look at what it breaks and ask again"
        elif check.state == "waiting":
            words = "the corrections are still being replayed with this change; ask again when that has finished"
        else:
            words = "with this change drafts would say again what was corrected; publish it anyway, or change it"
        found = check.id
    raise UncheckedChangeError(words, found)


async def _newest(session: AsyncSession, change: Candidate) -> Comparison | None:
    """The newest check of this very change against the desk as it is now."""
    since = (await session.execute(select(TenantSettings.drafts_changed_at))).scalar_one()
    now = await database_time(session)
    oldest = max(now - VALID_FOR, since) if since is not None else now - VALID_FOR
    found = await session.scalars(
        select(Comparison)
        .where(
            Comparison.kind == "corrections",
            Comparison.after == msgspec.to_builtins(change),
            Comparison.published_at.is_(None),
            Comparison.created_at > oldest,
        )
        .order_by(Comparison.id.desc())
        .limit(1)
    )
    return found.one_or_none()


async def _record(
    session: AsyncSession, actor: Actor, change: Candidate, check: Comparison | None, available: int
) -> None:
    now = await database_time(session)
    if check is None:
        check = Comparison(
            id=uuid7(),
            kind="corrections",
            title=await title_of(session, await checked(session, change)),
            before=msgspec.to_builtins(PRESENT),
            after=msgspec.to_builtins(change),
            asked_by=actor.label,
            available=available,
            state="finished",
            finished_at=now,
        )
        session.add(check)
    check.published_at, check.published_anyway_by = now, actor.label
