"""Background jobs over a tenant's knowledge: its gaps, passages that disagree, and everything read and embedded anew.

One row a kind. The clock makes gaps and passages due when something has happened since the last run; a person asks
for a rebuild.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from desk.accounts.identity import Actor
from desk.db.index_log import last_sequence
from desk.db.leases import Claim, due_in, finish, hold
from desk.db.tenancy import Scope, session_scope
from desk.db.unit_of_work import Database, announce, wake
from desk.documents import ReadingProgress, reading_progress
from desk.knowledge import reindex_document
from desk.models import GLOBAL_TENANT_ID, Document, KnowledgeJob, TicketEvent
from desk.ports import KnowledgeUpkeep

KIND = "knowledge_jobs"
JobKind = Literal["gaps", "passages", "rebuild"]
GAP_EVENTS = ("draft_ready", "draft_failed", "draft_rejected", "reply_written", "reply_undone", "handed_over")
"""What happens to a ticket when its question may have had no answer, or no longer has none."""
_TOGETHER = 50
"""Documents that are asked for in one transaction."""
_LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RebuildState:
    id: UUID | None
    """None when nobody has asked for one yet."""
    state: Literal["none", "reading", "embedding", "done", "failed"]
    documents_waiting: int
    documents_done: int
    asked_by: str
    asked_at: datetime | None
    finished_at: datetime | None
    error: str

    @property
    def is_running(self) -> bool:
        return self.state in ("reading", "embedding")

    @property
    def percent(self) -> int:
        return ReadingProgress(self.documents_waiting, self.documents_done).percent


class UpkeepDesk:
    """Does the jobs, a bounded piece at a time."""

    def __init__(self, database: Database, upkeep: KnowledgeUpkeep) -> None:
        self._database = database
        self._upkeep = upkeep

    async def work(self, held: Claim) -> None:
        async with self._database.transaction(held.scope) as session:
            kind = (await hold(session, KnowledgeJob, held)).kind
        given = (held.tenant_id, held.row_id, held.fence)
        if kind == "rebuild":
            is_left = await self._rebuild(held)
        else:
            is_left = await (
                self._upkeep.renew_gaps(*given) if kind == "gaps" else self._upkeep.compare_passages(*given)
            )
        async with self._database.transaction(held.scope) as session:
            job = await hold(session, KnowledgeJob, held)
            job.attempts, job.last_error = 0, None
            if is_left:
                await due_in(session, job, _LOOK_SECONDS if kind == "rebuild" else 0)
                wake(session, KIND)
            else:
                finish(job)
                job.state, job.finished_at = "done", (await session.execute(func.now().select())).scalar_one()
            await announce(session, held.tenant_id, "document", job=job.id)

    async def _rebuild(self, held: Claim) -> bool:
        """Ask for every document once, embed what was learned, then wait until the documents have been read."""
        async with self._database.transaction(held.scope) as session:
            stage = str((await hold(session, KnowledgeJob, held)).cursor.get("stage", "asking"))
        if stage == "asking":
            await self._ask_for_documents(held)
        if stage in {"asking", "embedding"}:
            await self._upkeep.relearn(held.tenant_id)
            await self._reach(held, {"stage": "reading"})
        async with self._database.transaction(held.scope) as session:
            return (await reading_progress(session)).waiting > 0

    async def _ask_for_documents(self, held: Claim) -> None:
        after: UUID | None = None
        while True:
            async with self._database.transaction(held.scope) as session:
                job = await hold(session, KnowledgeJob, held)
                after = after or (UUID(job.cursor["after"]) if "after" in job.cursor else None)
                wanted = select(Document.id).where(Document.tenant_id == held.tenant_id, ~Document.is_deleted)
                if after is not None:
                    wanted = wanted.where(Document.id > after)
                ids = list((await session.execute(wanted.order_by(Document.id).limit(_TOGETHER))).scalars())
                for document_id in ids:
                    await reindex_document(session, document_id)
                if not ids:
                    job.cursor = {"stage": "embedding"}
                    return
                after = ids[-1]
                job.cursor = {"stage": "asking", "after": str(after)}

    async def _reach(self, held: Claim, cursor: dict[str, str]) -> None:
        async with self._database.transaction(held.scope) as session:
            (await hold(session, KnowledgeJob, held)).cursor = cursor


async def ask_for(session: AsyncSession, kind: JobKind, by: str) -> UUID:
    """Make the job due unless it is already; returns its id."""
    tenant_id = session_scope(session.sync_session).tenant_id
    new: dict[str, Any] = {
        "id": uuid7(),
        "tenant_id": tenant_id,
        "kind": kind,
        "state": "done",
        "asked_by": by,
        "cursor": {},
    }
    await session.execute(
        insert(KnowledgeJob)
        .values(**new, fence=0, attempts=0)
        .on_conflict_do_nothing(constraint="uq_knowledge_jobs_kind")
    )
    found = await session.execute(select(KnowledgeJob).where(KnowledgeJob.kind == kind).with_for_update())
    job = found.scalar_one()
    if job.due_at is None:
        job.state, job.asked_by, job.attempts, job.last_error = "waiting", by, 0, None
        await due_in(session, job, 0)
        job.asked_at = job.due_at
        if kind == "rebuild":
            job.cursor = {}
        wake(session, KIND)
        await session.flush()
    return job.id


async def ask_for_rebuild(database: Database, actor: Actor) -> RebuildState:
    """Everything of the tenant read and embedded anew; one that is under way goes on."""
    async with database.transaction(actor.scope) as session:
        await ask_for(session, "rebuild", actor.label)
        await announce(session, actor.tenant_id, "document", job="rebuild")
        return await rebuild_state(session)


async def rebuild_state(session: AsyncSession) -> RebuildState:
    found = await session.execute(select(KnowledgeJob).where(KnowledgeJob.kind == "rebuild"))
    job = found.scalar_one_or_none()
    if job is None:
        return RebuildState(None, "none", 0, 0, "", None, None, "")
    progress = ReadingProgress(0, 0)
    state: Literal["reading", "embedding", "done", "failed"] = "failed" if job.state == "failed" else "done"
    if job.state == "waiting":
        progress = await reading_progress(session)
        state = "embedding" if job.cursor.get("stage") == "embedding" else "reading"
    return RebuildState(
        id=job.id,
        state=state,
        documents_waiting=progress.waiting,
        documents_done=progress.done,
        asked_by=job.asked_by,
        asked_at=job.asked_at,
        finished_at=job.finished_at if state == "done" else None,
        error=(job.last_error or "") if state == "failed" else "",
    )


async def schedule_upkeep(database: Database, tenant_id: UUID) -> None:
    """Make due what something has happened for since the last run. Two look-ups when nothing has."""
    async with database.transaction(Scope(tenant_id)) as session:
        rows = await session.execute(select(KnowledgeJob).where(KnowledgeJob.kind != "rebuild"))
        known = {job.kind: job for job in rows.scalars()}
        if not _is_due(known.get("passages")) and await _has_new_passages(session, tenant_id, known.get("passages")):
            await ask_for(session, "passages", "desk")
        if not _is_due(known.get("gaps")) and await _has_new_events(session, known.get("gaps")):
            await ask_for(session, "gaps", "desk")


def _is_due(job: KnowledgeJob | None) -> bool:
    return job is not None and job.due_at is not None


async def _has_new_passages(session: AsyncSession, tenant_id: UUID, job: KnowledgeJob | None) -> bool:
    reached = {} if job is None else job.cursor
    own = await last_sequence(session, tenant_id)
    everybody = await last_sequence(session, GLOBAL_TENANT_ID)
    return own > int(reached.get("own", 0)) or everybody > int(reached.get("global", 0))


async def _has_new_events(session: AsyncSession, job: KnowledgeJob | None) -> bool:
    wanted = select(TicketEvent.id).where(TicketEvent.kind.in_(GAP_EVENTS))
    if job is not None and "event" in job.cursor:
        wanted = wanted.where(TicketEvent.id > UUID(job.cursor["event"]))
    return (await session.execute(wanted.limit(1))).scalar_one_or_none() is not None
