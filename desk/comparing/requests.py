"""Asking for a comparison, and publishing the change that was compared."""

from __future__ import annotations

from uuid import UUID

import msgspec
from sqlalchemy import exists, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.identity import Actor
from desk.accounts.preferences import save_weights
from desk.accounts.providers import ProviderChange, change_provider, get_provider
from desk.comparing.candidates import PRESENT, Candidate, checked
from desk.comparing.cases import correction_cases, reply_cases
from desk.db.leases import database_time, due_in
from desk.db.unit_of_work import announce, wake
from desk.drafting.prompts import activate, deactivate_own, get_prompt
from desk.errors import ConflictError, InvalidInputError, NotFoundError
from desk.knowledge import delete_document, get_document
from desk.models import Comparison, ComparisonCase

MOST_WAITING = 3


async def ask_for_regression(session: AsyncSession, actor: Actor, after: Candidate, *, most: int) -> Comparison:
    """Replay the corrections: in the present state, or before and after a change. Without a case it is finished.

    Raises NotFoundError, InvalidInputError, ConflictError when enough others are at work.
    """
    before = None if after.is_present else PRESENT
    available, cases = await correction_cases(session, most)
    return await _ask(session, actor, "corrections", before, after, available, cases)


async def ask_for_replies(
    session: AsyncSession, actor: Actor, before: Candidate, after: Candidate, *, most: int
) -> Comparison:
    """Draft past tickets in two states, and see which comes closer to what was really sent. Raises as above."""
    if before == after:
        msg = "choose two that differ"
        raise InvalidInputError(msg)
    available, cases = await reply_cases(session, most)
    return await _ask(session, actor, "replies", before, after, available, cases)


async def _ask(
    session: AsyncSession,
    actor: Actor,
    kind: str,
    before: Candidate | None,
    after: Candidate,
    available: int,
    cases: list[ComparisonCase],
) -> Comparison:
    waiting = await session.execute(select(func.count()).where(Comparison.state == "waiting"))
    if waiting.scalar_one() >= MOST_WAITING:
        msg = f"{MOST_WAITING} comparisons are at work already; wait until one has finished"
        raise ConflictError(msg)
    title = await title_of(session, await checked(session, after))
    if before is not None and not before.is_present:
        title = f"{await title_of(session, await checked(session, before))} → {title}"
    comparison = Comparison(
        id=uuid7(),
        kind=kind,
        title=title,
        before=None if before is None else msgspec.to_builtins(before),
        after=msgspec.to_builtins(after),
        asked_by=actor.label,
        available=available,
        state="waiting",
    )
    session.add(comparison)
    await session.flush()
    for case in cases:
        case.comparison_id = comparison.id
    session.add_all(cases)
    if cases:
        await due_in(session, comparison, 0)
        wake(session, "comparisons")
    else:
        comparison.state, comparison.finished_at = "finished", await database_time(session)
    await session.flush()
    await announce(session, actor.tenant_id, "comparison", comparison=comparison.id)
    return comparison


async def title_of(session: AsyncSession, candidate: Candidate) -> str:
    """What it changes, in words."""
    parts: list[str] = []
    if candidate.prompt_id is not None:
        prompt = await get_prompt(session, candidate.prompt_id)
        parts.append(f"{prompt.name}, version {prompt.number}")
    if candidate.standard_prompt:
        parts.append("the standard prompt")
    if candidate.weights is not None:
        parts.append("other weights")
    if candidate.provider_id is not None:
        provider = await get_provider(session, candidate.provider_id)
        parts.append(f"with {provider.name}, {provider.model}")
    parts += [f"without {(await get_document(session, one)).title}" for one in candidate.without_documents]
    told = "; ".join(parts) or "as the desk is now"
    return told[0].upper() + told[1:]


async def publish(session: AsyncSession, comparison_id: UUID, by: str) -> Comparison:
    """Make the change that was compared, whatever came out: that is for the person to judge who asks for it, and is
    on record where something breaks.

    Raises NotFoundError, ConflictError while it is still at work, or when it was published before.
    """
    comparison = await session.get(Comparison, comparison_id, with_for_update=True, populate_existing=True)
    if comparison is None:
        msg = "there is no such comparison"
        raise NotFoundError(msg)
    candidate = msgspec.convert(comparison.after, Candidate)
    if comparison.kind != "corrections" or candidate.is_present:
        msg = "there is nothing to publish: nothing was changed"
        raise ConflictError(msg)
    if comparison.state == "waiting" or comparison.published_at is not None:
        msg = "it is still being checked" if comparison.state == "waiting" else "it has been published already"
        raise ConflictError(msg)
    if candidate.prompt_id is not None:
        await activate(session, candidate.prompt_id)
    elif candidate.standard_prompt:
        await deactivate_own(session)
    if candidate.weights is not None:
        await save_weights(session, candidate.weights)
    if candidate.provider_id is not None:
        await change_provider(session, candidate.provider_id, ProviderChange(active=True))
    for document_id in candidate.without_documents:
        await delete_document(session, document_id)
    comparison.published_at = await database_time(session)
    if comparison.state != "finished" or await breaks_something(session, comparison.id):
        comparison.published_anyway_by = by
    return comparison


async def breaks_something(session: AsyncSession, comparison_id: UUID) -> bool:
    broken = exists().where(ComparisonCase.comparison_id == comparison_id, ComparisonCase.outcome == "broken")
    return (await session.execute(select(broken))).scalar_one()
