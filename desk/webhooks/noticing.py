"""Events are written where the change is written: as a flush sees it, in the same transaction.

Nothing that changes a ticket has to remember to tell. A change that is rolled back takes its event along; a committed
one has its event and, for each endpoint that listens, a delivery that is due.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import event, func, insert, select
from sqlalchemy.orm import Session, attributes
from sqlalchemy.orm.unitofwork import UOWTransaction
from uuid_utils.compat import uuid7

from desk.db.gathering import listen_for_written
from desk.db.tenancy import session_scope
from desk.db.unit_of_work import wake
from desk.models import (
    Customer,
    Delivery,
    DocumentVersion,
    Draft,
    Message,
    SendingCertificate,
    Ticket,
    TicketEvent,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from desk.webhooks.payloads import certificate_data, document_data, draft_data, message_data, ticket_data

DUTY = "webhook_deliveries"
_LISTENING = "webhook_endpoints"
_REPLIES = {"reply_sent": "reply.sent", "reply_failed": "reply.failed", "reply_uncertain": "reply.uncertain"}


@dataclass(frozen=True, slots=True)
class _Told:
    type: str
    ticket_id: UUID | None
    row: Message | TicketEvent | DocumentVersion | SendingCertificate | None


def install_noticing() -> None:
    """Listen on every Session of this process."""
    if not event.contains(Session, "after_flush", _notice):
        event.listen(Session, "after_flush", _notice)
    listen_for_written(_notice_written)


def _notice(session: Session, _: UOWTransaction) -> None:
    """The rows are written, and the session still knows what was new and what each attribute was before."""
    _tell(session, [*_new(list(session.new)), *_changed(session)])


def _notice_written(session: Session, rows: Sequence[Any]) -> None:
    """Of a transaction that writes everything new at its end."""
    _tell(session, list(_new(rows)))


def _tell(session: Session, told: Sequence[_Told]) -> None:
    scope = session_scope(session)
    if scope.tenant_id is None or not told:
        return
    listening = _endpoints(session)
    for one in told:
        endpoints = [endpoint_id for endpoint_id, events in listening if one.type in events]
        if not endpoints:
            continue
        data = _data(session, one)
        if data is not None:
            _write(session, scope.tenant_id, one, data, endpoints)


def _write(session: Session, tenant_id: UUID, one: _Told, data: dict[str, Any], endpoints: list[UUID]) -> None:
    event_id = uuid7()
    session.execute(
        insert(WebhookEvent).values(id=event_id, tenant_id=tenant_id, type=one.type, ticket_id=one.ticket_id, data=data)
    )
    for endpoint_id in endpoints:
        session.execute(
            insert(WebhookDelivery).values(
                id=uuid7(), tenant_id=tenant_id, endpoint_id=endpoint_id, event_id=event_id, due_at=func.now()
            )
        )
    wake(session, DUTY)


def _endpoints(session: Session) -> list[tuple[UUID, frozenset[str]]]:
    """Who listens, asked once a transaction and only when there is something to tell."""
    known: list[tuple[UUID, frozenset[str]]] | None = session.info.get(_LISTENING)
    if known is None:
        with session.no_autoflush:
            rows = session.execute(
                select(WebhookEndpoint.id, WebhookEndpoint.events).where(WebhookEndpoint.state == "active")
            )
            known = [(endpoint_id, frozenset(events)) for endpoint_id, events in rows]
        session.info[_LISTENING] = known
    return known


def _new(rows: Sequence[Any]) -> Iterator[_Told]:
    for row in rows:
        if isinstance(row, TicketEvent):
            if (kind := _of_history(row)) is not None:
                yield _Told(kind, row.ticket_id, row)
        elif isinstance(row, Message) and row.author == "customer":
            yield _Told("message.received", row.ticket_id, row)
        elif isinstance(row, DocumentVersion) and row.state == "indexed":
            yield _Told("document.indexed", None, row)
        elif isinstance(row, SendingCertificate) and row.state in {None, "active"}:
            yield _Told("certificate.granted", None, row)


def _of_history(row: TicketEvent) -> str | None:
    if row.kind == "ticket_created" or (row.kind == "ticket_split" and "source" in row.detail):
        return "ticket.created"
    if row.kind == "ticket_escalated":
        return "ticket.escalated"
    if row.kind == "draft_ready":
        return "draft.ready"
    return _REPLIES.get(row.kind)


def _changed(session: Session) -> Iterator[_Told]:
    for row in list(session.dirty):
        if isinstance(row, Ticket) and _became(row, "status", "resolved"):
            yield _Told("ticket.resolved", row.id, None)
        elif isinstance(row, DocumentVersion) and _became(row, "state", "indexed"):
            yield _Told("document.indexed", None, row)
        elif isinstance(row, SendingCertificate) and _became(row, "state", "revoked"):
            yield _Told("certificate.revoked", None, row)


def _became(row: Any, name: str, value: str) -> bool:
    history = attributes.get_history(row, name)
    return value in (history.added or ()) and value not in (history.deleted or ())


def _data(session: Session, one: _Told) -> dict[str, Any] | None:
    """None for what is only history, and for what is gone by now."""
    if isinstance(one.row, DocumentVersion):
        return {"document": document_data(one.row)}
    if isinstance(one.row, SendingCertificate):
        return {"certificate": certificate_data(one.row)}
    with session.no_autoflush:
        ticket = session.get(Ticket, one.ticket_id)
        if ticket is None or ticket.is_history:
            return None
        data: dict[str, Any] = {"ticket": ticket_data(ticket, session.get(Customer, ticket.customer_id))}
        if isinstance(one.row, Message):
            data["message"] = message_data(one.row)
        elif isinstance(one.row, TicketEvent):
            data.update(_detail(session, one.row))
    return data


def _detail(session: Session, row: TicketEvent) -> dict[str, Any]:
    if row.kind == "ticket_escalated":
        return {"reason": row.detail.get("reason", "")}
    if row.kind == "draft_ready" and (draft := session.get(Draft, UUID(row.detail["draft"]))) is not None:
        return {"draft": draft_data(draft)}
    if row.kind in _REPLIES and (sent := session.get(Delivery, UUID(row.detail["delivery"]))) is not None:
        said = str(row.detail.get("detail") or "")
        return {"reply": {"delivery_id": str(sent.id), "automatic": sent.is_automatic, "detail": said}}
    return {}
