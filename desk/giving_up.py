"""What happens to work that failed for a reason nobody foresaw: tried again later, then made visible. Never lost."""

from __future__ import annotations

from desk import events
from desk.db.leases import Claim, due_in, finish, hold
from desk.db.unit_of_work import Database, announce
from desk.models import Delivery, DocumentVersion, Draft, Review

_BACKOFF_SECONDS = 15.0
_Given = Draft | Delivery | Review | DocumentVersion
WORK_ROWS: dict[str, type[_Given]] = {
    "drafts": Draft,
    "deliveries": Delivery,
    "reviews": Review,
    "document_versions": DocumentVersion,
}


async def note_failure(database: Database, held: Claim, reason: str, *, most_attempts: int) -> None:
    """Raises LostLeaseError when someone else has the row by now."""
    async with database.transaction(held.scope) as session:
        row = await hold(session, WORK_ROWS[held.kind], held)
        if isinstance(row, Delivery) and row.state == "sending":
            # Nobody knows whether it went out: the lease ends, and whoever claims it looks it up.
            row.last_error = reason
            return
        row.last_error = reason
        if row.attempts < most_attempts:
            await due_in(session, row, _BACKOFF_SECONDS * 2 ** (row.attempts - 1))
            return
        finish(row)
        if isinstance(row, Draft) and row.state == "writing":
            row.state = "failed"
            events.record(session, row.ticket_id, "draft_failed", reason=reason, final=True)
            await announce(session, row.tenant_id, "draft", ticket=row.ticket_id, draft=row.id)
        elif isinstance(row, Delivery):
            row.state, row.detail = "failed", reason
            events.record(session, row.ticket_id, "reply_failed", delivery=str(row.id), detail=reason)
            await announce(session, row.tenant_id, "ticket", ticket=row.ticket_id)
        elif isinstance(row, DocumentVersion):
            row.state, row.reason = "refused", f"It could not be processed: {reason}"
            await announce(session, row.tenant_id, "document", document=row.document_id)
