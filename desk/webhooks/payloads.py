"""What an event says: ids, and as much as a receiver needs to decide whether to fetch the rest.

The shapes are a contract: fields are added, never renamed or taken away. No text that a machine has written and nobody
has read is in them.
"""

from __future__ import annotations

from typing import Any

import msgspec

from desk.models import Customer, Draft, Message, SendingCertificate, Ticket, WebhookEvent
from desk.models.knowledge import DocumentVersion
from desk.plain_text import excerpt

EVENTS: dict[str, str] = {
    "ticket.created": "A ticket has come in",
    "ticket.escalated": "A ticket was handed to a person",
    "ticket.resolved": "A ticket was resolved",
    "message.received": "A customer has written",
    "draft.ready": "A draft waits for somebody",
    "reply.sent": "A reply has reached its channel",
    "reply.failed": "A reply could not be sent",
    "reply.uncertain": "A reply may have been sent: somebody must look",
    "document.indexed": "A document can be cited",
    "certificate.granted": "Automatic sending was certified for a group of drafts",
    "certificate.revoked": "A certificate has ended",
}
"""Every event and what it means; the names are those of the API's contract."""
EXCERPT_CHARACTERS = 500


def ticket_data(ticket: Ticket, customer: Customer | None) -> dict[str, Any]:
    return {
        "id": str(ticket.id),
        "number": ticket.number,
        "subject": excerpt(ticket.subject, EXCERPT_CHARACTERS),
        "status": ticket.status,
        "priority": ticket.priority,
        "channel": ticket.channel,
        "department": ticket.department,
        "external_id": ticket.external_id,
        "customer": {
            "id": str(ticket.customer_id),
            "name": customer.name if customer is not None else "",
            "email": customer.email if customer is not None else None,
        },
    }


def message_data(message: Message) -> dict[str, Any]:
    return {
        "id": str(message.id),
        "seq": message.seq,
        "author_name": message.author_name,
        "excerpt": excerpt(message.body, EXCERPT_CHARACTERS),
    }


def draft_data(draft: Draft) -> dict[str, Any]:
    """Where to fetch it and how good it seems; never what it says, which nobody has read yet."""
    confidence = dict(draft.confidence or {})
    return {
        "id": str(draft.id),
        "based_on_seq": draft.based_on_seq,
        "score": confidence.get("score"),
        "level": confidence.get("level"),
        "decision": dict(draft.policy or {}).get("decision"),
    }


def document_data(version: DocumentVersion) -> dict[str, Any]:
    return {"id": str(version.document_id), "version": version.number, "file_name": version.file_name}


def certificate_data(certificate: SendingCertificate) -> dict[str, Any]:
    return {
        "id": str(certificate.id),
        "group": certificate.group_name,
        "channels": list(certificate.channels),
        "threshold": certificate.threshold,
        "ended_because": certificate.ended_because or None,
    }


def body_of(event: WebhookEvent) -> bytes:
    """The same bytes on every attempt."""
    return msgspec.json.encode(payload_of(event))


def payload_of(event: WebhookEvent) -> dict[str, Any]:
    return {
        "type": event.type,
        "timestamp": event.occurred_at.isoformat(),
        "data": {**event.data, "version": event.position},
    }


_TICKET: dict[str, Any] = {
    "id": "01920000-0000-7000-8000-000000000001",
    "number": 1042,
    "subject": "Certificate has not renewed",
    "status": "open",
    "priority": "normal",
    "channel": "email",
    "department": None,
    "external_id": None,
    "customer": {
        "id": "01920000-0000-7000-8000-000000000002",
        "name": "Marta Example",
        "email": "marta@example.com",
    },
}
_REPLY: dict[str, Any] = {"delivery_id": "01920000-0000-7000-8000-000000000005", "automatic": False, "detail": ""}
_CERTIFICATE: dict[str, Any] = {
    "id": "01920000-0000-7000-8000-000000000007",
    "group": "all",
    "channels": ["email"],
    "threshold": 0.93,
    "ended_because": None,
}
_SAMPLES: dict[str, dict[str, Any]] = {
    "ticket.created": {"ticket": _TICKET},
    "ticket.escalated": {"ticket": {**_TICKET, "priority": "high"}, "reason": "customer_asked"},
    "ticket.resolved": {"ticket": {**_TICKET, "status": "resolved"}},
    "message.received": {
        "ticket": _TICKET,
        "message": {
            "id": "01920000-0000-7000-8000-000000000003",
            "seq": 1,
            "author_name": "Marta Example",
            "excerpt": "Since this morning our shop shows a warning.",
        },
    },
    "draft.ready": {
        "ticket": _TICKET,
        "draft": {
            "id": "01920000-0000-7000-8000-000000000004",
            "based_on_seq": 1,
            "score": 82.4,
            "level": "high",
            "decision": "suggest",
        },
    },
    "reply.sent": {"ticket": {**_TICKET, "status": "pending"}, "reply": _REPLY},
    "reply.failed": {"ticket": _TICKET, "reply": {**_REPLY, "detail": "the mailbox is full"}},
    "reply.uncertain": {"ticket": _TICKET, "reply": {**_REPLY, "detail": "no answer after it was sent"}},
    "document.indexed": {
        "document": {"id": "01920000-0000-7000-8000-000000000006", "version": 2, "file_name": "backups.md"}
    },
    "certificate.granted": {"certificate": _CERTIFICATE},
    "certificate.revoked": {"certificate": {**_CERTIFICATE, "ended_because": "the language models were changed"}},
}


def sample_data(event_type: str) -> dict[str, Any]:
    """A made-up event of this type, with every field that a real one has."""
    return {**_SAMPLES[event_type]}
