"""What happens to work that failed for a reason nobody foresaw: tried again later, then made visible. Never lost."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from desk import events
from desk.chat.handover import tell_who_waits
from desk.conversation import LIVE_CHANNELS, lock_ticket
from desk.db.leases import Claim, LostLeaseError, database_time, due_in, finish, hold
from desk.db.unit_of_work import Database, announce
from desk.models import (
    Backtest,
    Comparison,
    Correction,
    CustomerFactSheet,
    Delivery,
    DocumentVersion,
    Draft,
    HistoryImport,
    KnowledgeJob,
    PictureDescription,
    RemoteChange,
    ReplyNotice,
    Review,
    Ticket,
    WebhookDelivery,
)
from desk.models.tickets import ConnectionWatch, InboxEntry
from desk.models.websites import Website
from desk.tickets.changes import reopen
from desk.websites.rounds import give_up

_BACKOFF_SECONDS = 15.0
LONGEST_BACKOFF_SECONDS = 900.0
_Given = (
    InboxEntry
    | Website
    | ConnectionWatch
    | Draft
    | Delivery
    | Review
    | RemoteChange
    | CustomerFactSheet
    | DocumentVersion
    | ReplyNotice
    | KnowledgeJob
    | Comparison
    | HistoryImport
    | Backtest
    | WebhookDelivery
    | PictureDescription
    | Correction
)
WORK_ROWS: dict[str, type[_Given]] = {
    "drafts": Draft,
    "deliveries": Delivery,
    "reviews": Review,
    "remote_changes": RemoteChange,
    "customer_fact_sheets": CustomerFactSheet,
    "inbox": InboxEntry,
    "connection_watches": ConnectionWatch,
    "document_versions": DocumentVersion,
    "websites": Website,
    "reply_notices": ReplyNotice,
    "history_imports": HistoryImport,
    "backtests": Backtest,
    "comparisons": Comparison,
    "knowledge_jobs": KnowledgeJob,
    "webhook_deliveries": WebhookDelivery,
    "picture_descriptions": PictureDescription,
    "corrections": Correction,
}


async def note_failure(database: Database, held: Claim, reason: str, *, most_attempts: int) -> None:
    """Raises LostLeaseError when someone else has the row by now."""
    async with database.transaction(held.scope) as session:
        row, ticket = await _hold(session, held)
        row.last_error = reason
        if row.attempts < most_attempts:
            if isinstance(row, Delivery | ReplyNotice | RemoteChange) and row.state == "sending":
                # Nobody knows whether it went out: the lease ends, and whoever claims it looks it up.
                return
            await due_in(session, row, _BACKOFF_SECONDS * 2 ** (row.attempts - 1))
            return
        if isinstance(row, ConnectionWatch):
            # A connection is never given up: what it failed of may be gone in a quarter of an hour.
            row.failures, row.attempts = row.failures + 1, 0
            await due_in(session, row, LONGEST_BACKOFF_SECONDS)
            return
        if isinstance(row, Website):
            await give_up(session, row, f"The crawl was broken off: {reason}.")
            return
        finish(row)
        if isinstance(row, Draft) and ticket is not None and row.state == "writing":
            await _give_up_draft(session, row, ticket, reason)
        elif isinstance(row, Delivery) and ticket is not None and row.state in {"pending", "sending"}:
            await _give_up_delivery(session, row, ticket, reason)
        else:
            await _mark_failed(session, row, reason)


async def _mark_failed(session: AsyncSession, row: _Given, reason: str) -> None:
    """Work that has no ticket waiting for it."""
    if isinstance(row, InboxEntry) and row.state == "received":
        row.state = "failed"
        await announce(session, row.tenant_id, "inbox", connection=row.connection_id)
    elif isinstance(row, KnowledgeJob | PictureDescription):
        row.state = "failed"
    elif isinstance(row, WebhookDelivery):
        row.state, row.detail = "failed", reason
    elif isinstance(row, Comparison):
        row.state, row.reason = "failed", reason
        await announce(session, row.tenant_id, "comparison", comparison=row.id)
    elif isinstance(row, HistoryImport | Backtest):
        row.state, row.reason, row.finished_at = "failed", reason, await database_time(session)
        await announce(session, row.tenant_id, "history")
    elif isinstance(row, DocumentVersion):
        row.state, row.reason = "refused", f"It could not be processed: {reason}"
        await announce(session, row.tenant_id, "document", document=row.document_id)
    elif isinstance(row, CustomerFactSheet):
        row.problem = reason
    elif isinstance(row, RemoteChange):
        row.state, row.detail = "uncertain" if row.state == "sending" else "failed", reason
        events.record(session, row.ticket_id, f"change_{row.state}", field=row.field, value=row.value, detail=reason)
        await announce(session, row.tenant_id, "ticket", ticket=row.ticket_id)
    elif isinstance(row, ReplyNotice):
        row.state, row.detail = "uncertain" if row.state == "sending" else "failed", reason


async def ended_its_workers(database: Database, held: Claim, most_attempts: int) -> bool:
    """Whether the row was claimed more often than `most_attempts` since it was last asked for."""
    async with database.transaction(held.scope) as session:
        row = await session.get(WORK_ROWS[held.kind], held.row_id)
        return row is not None and row.attempts > most_attempts


async def _hold(session: AsyncSession, held: Claim) -> tuple[_Given, Ticket | None]:
    """Ticket first, row second: everyone locks in this order."""
    kind = WORK_ROWS[held.kind]
    found = await session.get(kind, held.row_id)
    if found is None:
        raise LostLeaseError(f"{held.kind} {held.row_id} is gone")
    if isinstance(found, InboxEntry | Website | ConnectionWatch | HistoryImport | Backtest):
        return await hold(session, kind, held), None
    has_none = isinstance(
        found,
        DocumentVersion
        | ReplyNotice
        | KnowledgeJob
        | Comparison
        | CustomerFactSheet
        | WebhookDelivery
        | PictureDescription
        | Correction,
    )
    ticket = None if has_none else await lock_ticket(session, found.ticket_id)
    return await hold(session, kind, held), ticket


async def _give_up_draft(session: AsyncSession, draft: Draft, ticket: Ticket, reason: str) -> None:
    draft.state, ticket.level = "failed", "very_low"
    if ticket.channel in LIVE_CHANNELS:
        await tell_who_waits(session, ticket, "draft_failed")
    events.record(session, ticket.id, "draft_failed", reason=reason, final=True)
    await announce(session, ticket.tenant_id, "draft", ticket=ticket.id, draft=draft.id)


async def _give_up_delivery(session: AsyncSession, delivery: Delivery, ticket: Ticket, reason: str) -> None:
    """Back into the queue. One that may have gone out is a person's to decide."""
    delivery.state, delivery.detail = "uncertain" if delivery.state == "sending" else "failed", reason
    if delivery.state == "uncertain":
        ticket.status = "open"
    else:
        await reopen(session, ticket)
    events.record(session, ticket.id, f"reply_{delivery.state}", delivery=str(delivery.id), detail=reason)
    await announce(session, ticket.tenant_id, "ticket", ticket=ticket.id)
