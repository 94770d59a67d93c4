"""The conversation: messages, replies on their way, and what happened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from desk.judging import may_be_judged
from desk.models import Attachment, Delivery, Message, PictureDescription, TicketEvent
from desk.policy.decide import REASON_TEXTS
from ui.presenting.files import ShownFile, shown_files
from ui.presenting.texts import Piece, linked
from ui.presenting.words import STATUSES, Chip


@dataclass(frozen=True, slots=True)
class ShownMessage:
    seq: int
    author: str
    name: str
    label: str
    moment: datetime
    pieces: list[Piece]
    files: list[ShownFile]
    quoted: str = ""
    """Quoted history and signature, shown on request."""
    html: str = ""
    """The message as it was formatted, cleaned before it was stored."""
    delivery_id: UUID | None = None
    """Of a reply that was sent from a draft and that nobody has judged; empty for all else."""
    verdict: Chip | None = None
    mark: str = ""
    """Of a reply by a messenger: how far it has come."""
    reactions: str = ""
    """Signs the customer has put to it."""


@dataclass(frozen=True, slots=True)
class OpenReply:
    """A reply that is not in the thread yet, or whose fate a person has to decide."""

    id: UUID
    by: str
    label: str
    words: str
    pieces: list[Piece]
    until: datetime | None
    seconds: int
    may_undo: bool
    is_undecided: bool
    is_problem: bool
    files: list[ShownFile]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    words: str
    detail: str
    by: str
    moment: datetime


_VERDICTS = {"good": Chip("Found right", "good"), "wrong": Chip("Found wrong", "bad")}
_AUTOMATIC = {"bounce": "Delivery report", "report": "Automatic reply", "": ""}


def shown_message(
    message: Message,
    customer_name: str,
    people: Mapping[UUID, str],
    files: Sequence[Attachment] = (),
    delivery: Delivery | None = None,
    descriptions: Mapping[UUID, PictureDescription] | None = None,
    mark: str = "",
) -> ShownMessage:
    labels = {"note": "Internal note", "machine": "Sent automatically"}
    names = {"customer": message.author_name or customer_name, "machine": "Draftdesk"}
    return ShownMessage(
        seq=message.seq,
        author=message.author,
        name=names.get(message.author) or _person(message.user_id, message.author_name, people),
        label=_AUTOMATIC.get(message.automatic, message.automatic.capitalize()) or labels.get(message.author, ""),
        moment=message.sent_at,
        pieces=linked(message.body),
        files=shown_files(files, descriptions),
        quoted=message.quoted,
        html=message.html,
        delivery_id=delivery.id if delivery is not None and may_be_judged(delivery) else None,
        verdict=_VERDICTS.get(delivery.judgement or "") if delivery is not None else None,
        mark=mark,
        reactions=" ".join(message.reactions.values()),
    )


def _person(user_id: UUID | None, label: str, people: Mapping[UUID, str]) -> str:
    known = people.get(user_id) if user_id is not None else None
    return known or label or "Agent"


def open_replies(
    deliveries: Sequence[Delivery],
    people: Mapping[UUID, str],
    now: datetime,
    files: Mapping[UUID, Sequence[Attachment]],
) -> list[OpenReply]:
    """`deliveries` newest first. A failed one shows only while nothing newer stands in its place."""
    shown = [
        delivery
        for index, delivery in enumerate(deliveries)
        if delivery.state in {"pending", "sending", "uncertain"} or (delivery.state == "failed" and index == 0)
    ]
    return [_open_reply(delivery, people, now, files.get(delivery.id, ())) for delivery in reversed(shown)]


def _open_reply(
    delivery: Delivery, people: Mapping[UUID, str], now: datetime, files: Sequence[Attachment]
) -> OpenReply:
    waits = delivery.state == "pending" and delivery.undo_until > now
    return OpenReply(
        id=delivery.id,
        by="Draftdesk" if delivery.is_automatic else _person(delivery.approved_by_id, delivery.approved_by, people),
        label="sent automatically" if delivery.is_automatic else "",
        words=_delivery_words(delivery, waits=waits),
        pieces=linked(delivery.body),
        until=delivery.undo_until if waits else None,
        seconds=max(0, round((delivery.undo_until - now).total_seconds())),
        may_undo=waits,
        is_undecided=delivery.state in {"uncertain", "failed"},
        is_problem=delivery.state in {"uncertain", "failed"},
        files=shown_files(files),
    )


def _delivery_words(delivery: Delivery, *, waits: bool) -> str:
    detail = f" ({delivery.detail})" if delivery.detail else ""
    if waits:
        return "Goes out in"
    return {
        "pending": f"Waits for the next try{detail}" if delivery.attempts else "Is being sent",
        "sending": "Is being sent",
        "uncertain": f"May have been sent{detail}. Check whether it arrived before you send it again.",
        "failed": f"Was not sent{detail}.",
    }[delivery.state]


_EVENTS = {
    "ticket_created": "Ticket came in",
    "message_received": "Customer wrote",
    "note_added": "Note added",
    "priority_raised": "Priority raised",
    "draft_ready": "Draft ready",
    "draft_failed": "No draft could be written",
    "draft_requested": "New draft asked for",
    "draft_approved": "Draft approved",
    "draft_rejected": "Draft rejected",
    "reply_written": "Reply written without a draft",
    "reply_sent": "Reply sent",
    "reply_failed": "Reply not sent",
    "reply_uncertain": "Reply may have been sent",
    "reply_delayed": "Reply delayed",
    "reply_cancelled": "Automatic reply held back",
    "reply_undone": "Reply undone",
    "reply_returned": "Reply came back undelivered",
    "automatic_reply": "Automatic reply came in",
    "participant_wrote": "Somebody else wrote in this conversation",
    "sender_not_genuine": "The sender's address was found to be false",
    "delivery_decided": "Delivery decided",
    "answered_elsewhere": "Answered elsewhere",
    "gone_elsewhere": "Not there any more",
    "merged_elsewhere": "Merged elsewhere, kept apart here: the tickets are of different customers",
    "subject_changed": "Subject changed",
    "change_failed": "Change not handed over",
    "change_uncertain": "Change may have been handed over",
    "ticket_escalated": "Escalated",
    "escalation_settled": "Escalation settled",
    "ticket_changed": "Changed",
    "ticket_merged": "Merged",
    "ticket_split": "Split",
    "learned": "Learned from",
    "ticket_imported": "Imported",
    "handed_over": "The visitor was told that a person will answer",
    "ticket_reopened": "Opened again",
    "chat_rated": "Visitor rated the chat",
    "chat_closed": "Chat closed",
    "contact_left": "Visitor left an address",
    "visitor_identified": "Visitor identified by your site",
    "details_asked": "The visitor was greeted and asked what it is about",
    "reply_judged": "Sent reply checked",
    "opted_out": "The customer told the channel to stop",
    "opted_in": "The customer allowed messages again",
    "template_sent": "Template chosen",
    "reply_unread": "Told by e-mail, or not",
}


def history(events: Sequence[TicketEvent], people: dict[UUID, str]) -> list[HistoryEntry]:
    """Newest first."""
    return [
        HistoryEntry(
            words=_EVENTS.get(event.kind, event.kind.replace("_", " ").capitalize()),
            detail=_event_detail(event, people),
            by="the desk" if event.actor == "desk" else event.actor,
            moment=event.created_at,
        )
        for event in reversed(events)
    ]


def _event_detail(event: TicketEvent, people: dict[UUID, str]) -> str:
    detail: dict[str, Any] = event.detail
    if event.kind == "ticket_changed":
        return "; ".join(_change(name, change, people) for name, change in detail.items())
    words = _DETAILS.get(event.kind)
    if words is not None:
        return words(detail)
    reason = str(detail.get("reason") or detail.get("detail") or detail.get("instruction") or "")
    return REASON_TEXTS.get(reason, reason)


def _judged(detail: dict[str, Any]) -> str:
    if detail.get("good"):
        return "right"
    return f"wrong: {detail['reason']}" if detail.get("reason") else "wrong"


_DETAILS: dict[str, Callable[[dict[str, Any]], str]] = {
    "draft_ready": lambda detail: f"{float(detail.get('score', 0)):.0f}, {detail.get('decision', '')}",
    "draft_approved": lambda detail: "with edits" if detail.get("edited") else "as it was",
    "chat_rated": lambda detail: f"{detail.get('rating')} of 5",
    "priority_raised": lambda detail: str(detail.get("reason", "")),
    "reply_judged": _judged,
    "answered_elsewhere": lambda detail: f"in {detail.get('where')}",
    "subject_changed": lambda detail: f"from '{detail.get('before')}'",
    "change_failed": lambda detail: f"{detail.get('field')}: {detail.get('detail')}",
    "change_uncertain": lambda detail: f"{detail.get('field')}: {detail.get('detail')}",
}


def _change(name: str, change: Any, people: dict[UUID, str]) -> str:
    to: Any = change["to"]
    if name == "assignee":
        return f"assigned to {people.get(UUID(to), 'somebody')}" if to else "assigned to nobody"
    if name == "status":
        return f"status {STATUSES.get(str(to), str(to)).lower()}"
    if name == "tags":
        listed = ", ".join(str(tag) for tag in to)
        return f"{name} {listed or 'none'}"
    return f"{name.replace('_', ' ')} {to if to is not None else 'none'}"
