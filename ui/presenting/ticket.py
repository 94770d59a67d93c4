"""A ticket's head, conversation and details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from desk.accounts.identity import Actor
from desk.conversation import LIVE_CHANNELS
from desk.models import ChatSession, Delivery, Ticket
from desk.quality import band_of
from desk.tickets import TicketView
from desk.widget.reply_mail import NOTICE_WORDS
from ui.presenting.customers import customer_name
from ui.presenting.draft_card import Bar
from ui.presenting.messaging import ShownWindow, mark_words, shown_window
from ui.presenting.remote import ShownRemote, ShownSheet, shown_remote, shown_sheets
from ui.presenting.thread import HistoryEntry, OpenReply, ShownMessage, history, open_replies, shown_message
from ui.presenting.words import (
    PRIORITIES,
    QUALITY_PARTS,
    QUALITY_TONES,
    STATUSES,
    Chip,
    Choices,
    channel_words,
    choices,
    quality_chip,
    signal_chips,
)


@dataclass(frozen=True, slots=True)
class ShownCustomer:
    name: str
    email: str
    address: str
    """Of the person's page."""
    proofs: list[str]
    """Addresses that are proved."""
    others: list[str]
    """Names of further customers who are the same person."""
    suggestions: list[tuple[str, str]]
    """Name, and the proved address they have in common."""


@dataclass(frozen=True, slots=True)
class Visit:
    """Of a live conversation: where it began, and what the visitor made of it."""

    page_title: str
    page_address: str
    rating: str
    known_as: str
    """What the host site has signed, and what is only what the visitor said."""
    seen: str


@dataclass(frozen=True, slots=True)
class EarlierTicket:
    number: str
    subject: str
    status: str
    address: str


@dataclass(frozen=True, slots=True)
class ShownQuality:
    chip: Chip
    parts: Sequence[tuple[Bar, str]]
    """With what each was read from."""


@dataclass(frozen=True, slots=True)
class ShownTicket:
    id: UUID
    title: str
    subject: str
    number: str
    channel: str
    chips: Sequence[Chip]
    is_mine: bool
    is_finished: bool
    inbound_seq: int
    newest: str
    """Changes when the conversation looks different."""
    seen: str
    """Changes when somebody adds to the conversation; a reply is refused when its writer has not seen that."""
    query: str
    refresh_address: str
    queue_address: str
    customer: ShownCustomer
    visit: Visit | None
    recipient: str
    window: ShownWindow | None
    """Of a conversation by a messenger."""
    messages: Sequence[ShownMessage]
    open_replies: Sequence[OpenReply]
    earlier: Sequence[EarlierTicket]
    history: Sequence[HistoryEntry]
    status: str
    statuses: Choices
    assignee: str
    people: Choices
    priority: str
    priorities: Choices
    department: str
    has_department: bool
    tags: str
    remote: ShownRemote | None
    sheets: Sequence[ShownSheet]
    quality: ShownQuality | None


def shown_ticket(view: TicketView, people: dict[UUID, str], actor: Actor, query: str, now: datetime) -> ShownTicket:
    """`query` is the filter of the list the ticket was opened from."""
    ticket, customer = view.ticket, view.customer
    name = customer.name or customer.email or "Unknown customer"
    replies = open_replies(view.deliveries, people, now, view.outgoing_files)
    marks: Mapping[UUID, str] = view.messaging.marks if view.messaging is not None else {}
    sent: dict[UUID | None, Delivery] = {delivery.id: delivery for delivery in view.deliveries}
    return ShownTicket(
        id=ticket.id,
        title=f"#{ticket.number} {ticket.subject or 'No subject'}",
        subject=ticket.subject or "No subject",
        number=f"#{ticket.number}",
        channel=channel_words(ticket.channel),
        chips=_chips(ticket, view.assignee_name),
        is_mine=ticket.assignee_id is not None and ticket.assignee_id == actor.user_id,
        is_finished=ticket.status in {"resolved", "closed"},
        inbound_seq=ticket.last_inbound_seq,
        newest=f"{ticket.last_seq}.{'.'.join(reply.words for reply in replies)}",
        seen=seen_of(view),
        query=query,
        refresh_address=f"/tickets/{ticket.id}/refresh?{query}",
        queue_address=_queue_address(query),
        customer=_customer(view, name),
        visit=_visit(view),
        recipient=_recipient(view, name),
        window=shown_window(view.messaging, now),
        messages=[
            shown_message(
                message,
                name,
                people,
                view.files.get(message.id, ()),
                sent.get(message.delivery_id),
                view.descriptions,
                mark_words(marks, message.delivery_id),
            )
            for message in view.messages
        ],
        open_replies=replies,
        earlier=[
            EarlierTicket(
                f"#{each.number}", each.subject or "No subject", STATUSES[each.status], f"/tickets/{each.id}?view=all"
            )
            for each in view.earlier_tickets
        ],
        history=history(view.events, people),
        status=ticket.status,
        statuses=choices(STATUSES),
        assignee=str(ticket.assignee_id or ""),
        people=tuple((str(user_id), person) for user_id, person in people.items()),
        priority=ticket.priority,
        priorities=choices(PRIORITIES),
        department=ticket.department or "",
        has_department=bool(ticket.department) or view.remote is not None,
        tags=", ".join(ticket.tags),
        remote=shown_remote(view),
        sheets=shown_sheets(view.fact_sheets),
        quality=_quality(ticket),
    )


def _quality(ticket: Ticket) -> ShownQuality | None:
    if ticket.quality is None:
        return None
    return ShownQuality(
        quality_chip(ticket.quality),
        [
            (Bar(QUALITY_PARTS[part["name"]], round(100 * part["share"]), _bar_tone(part["share"])), part["reason"])
            for part in ticket.quality_parts
        ],
    )


def _bar_tone(share: float) -> str:
    return QUALITY_TONES[band_of(round(100 * share))]


def _customer(view: TicketView, name: str) -> ShownCustomer:
    return ShownCustomer(
        name=name,
        email=view.customer.email or "",
        address=f"/customers/{view.customer.id}",
        proofs=list(dict.fromkeys(proof.value for proof in view.proofs)),
        others=[customer_name(each) for each in view.others],
        suggestions=[(customer_name(each.second), each.value) for each in view.suggestions],
    )


def seen_of(view: TicketView) -> str:
    """A reply counts from its approval on, so that its being sent is nothing new."""
    written = sum(message.delivery_id is None for message in view.messages)
    replies = sum(delivery.state != "cancelled" for delivery in view.deliveries)
    return f"{written}.{replies}"


def _recipient(view: TicketView, name: str) -> str:
    if view.remote is not None:
        return f"{name} in {view.remote_name}"
    if view.ticket.channel in LIVE_CHANNELS or not view.customer.email:
        return f"{name} by {channel_words(view.ticket.channel)}"
    return view.customer.email


def _visit(view: TicketView) -> Visit | None:
    chat = view.chat
    if chat is None:
        return None
    replies = [message.seq for message in view.messages if message.author in {"agent", "machine"}]
    rating = "" if chat.rating is None else f"{chat.rating} of 5"
    return Visit(
        page_title=chat.page_title or chat.page_url,
        page_address=chat.page_url,
        rating=f"{rating}: {chat.rating_comment}" if rating and chat.rating_comment else rating,
        known_as=_known_as(view, chat),
        seen=_seen(view, chat, replies[-1]) if replies else "",
    )


def _known_as(view: TicketView, chat: ChatSession) -> str:
    is_proved = bool(view.customer.email) and view.customer.email == view.verified_email
    if chat.user_id is None:
        said = "the address is proved, the name is what the visitor said"
        return f"Not signed in; {said}" if is_proved else "Not verified: name and address are what the visitor said"
    return "Signed in at your site" + ("" if is_proved or not view.customer.email else "; the address is not verified")


def _seen(view: TicketView, chat: ChatSession, newest_reply: int) -> str:
    if chat.read_seq >= newest_reply:
        return "Seen by the visitor"
    notice = view.reply_notice
    if notice is None or notice.state == "read":
        return "Not seen yet"
    words = NOTICE_WORDS[notice.state].capitalize()
    return f"{words} ({notice.detail})" if notice.detail else words


def _chips(ticket: Ticket, assignee: str | None) -> list[Chip]:
    chips = [Chip(STATUSES[ticket.status], "good" if ticket.status == "resolved" else "")]
    if ticket.escalated_at is not None:
        chips.append(Chip("Escalated", "bad", title=ticket.escalation_reason or ""))
    if ticket.priority in {"high", "urgent"}:
        chips.append(Chip(f"{PRIORITIES[ticket.priority]} priority", "weak"))
    chips += signal_chips(ticket.signals)
    if assignee:
        chips.append(Chip(assignee, "line", title="Assigned to"))
    return chips + [Chip(tag, "line") for tag in ticket.tags]


def _queue_address(query: str) -> str:
    parts = query.split("&")
    view = next((part.removeprefix("view=") for part in parts if part.startswith("view=")), "needs_reply")
    rest = "&".join(part for part in parts if not part.startswith("view="))
    return f"/queue/{view}?{rest}" if rest else f"/queue/{view}"
