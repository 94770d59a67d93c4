"""What is compared at the end: what was written and delivered, what the desk holds, what the other sides have taken."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.faults.counterparts.counterpart import Counterpart, Key
from tests.faults.desk import LEASE_SECONDS, Desk
from tests.faults.journal import Journal, Taken
from tests.faults.people import People
from tests.faults.plan import Plan, PlannedTicket

VISIBLE_WITHIN_SECONDS = 60.0
_CLOCK_SECONDS = 0.05
"""The clocks of database and run are the same; their readings are rounded."""
_OUT = ("sent", "uncertain")


@dataclass(frozen=True, slots=True)
class Breach:
    kind: str
    detail: str


@dataclass(frozen=True, slots=True)
class Evidence:
    desk: Desk
    plan: Plan
    journal: Journal
    sides: Mapping[str, Counterpart]
    people: Sequence[People]
    unsettled: Sequence[str]


@dataclass
class _Thread:
    """A ticket as the desk holds it."""

    id: UUID
    number: int
    customer: str
    messages: list[Any] = field(default_factory=list[Any])
    deliveries: list[Any] = field(default_factory=list[Any])

    @property
    def written(self) -> list[str]:
        return [_words(row.body) for row in self.messages if row.author == "customer"]


async def judge(evidence: Evidence) -> tuple[list[Breach], dict[str, Any]]:
    """Every promise that was broken, and what was counted on the way."""
    threads = await _threads(evidence.desk)
    events = await _events(evidence.desk)
    taken = _by_delivery(evidence, threads)
    breaches = [Breach("not done in time", what) for what in evidence.unsettled]
    breaches += _inbound(evidence.plan, threads)
    breaches += await _acknowledged(evidence, threads)
    breaches += [Breach("kept, and never read", str(row.last_error)) for row in await _unread(evidence.desk)]
    breaches += _threads_own(threads)
    breaches += _outbound(evidence, threads, taken)
    late, slowest = _visible_late(taken, events)
    breaches += late
    breaches += await _not_shown(evidence, threads)
    for side in evidence.sides.values():
        breaches += [Breach("a status lost, or taken back", f"{side.kind}: {each}") for each in await side.untold()]
    breaches += _needless(evidence, threads, events)
    breaches += [Breach("two approvals won", draft) for people in evidence.people for draft in people.both_won]
    states = Counter(row.state for thread in threads for row in thread.deliveries)
    doubted = {key for key, found in events.items() if "reply_uncertain" in found}
    figures = {
        "messages kept": sum(len(thread.written) for thread in threads),
        "replies": dict(states),
        "replies by machine": sum(row.is_automatic for thread in threads for row in thread.deliveries),
        "taken by the other sides": len(evidence.journal.taken),
        "answers lost after it was taken": sum(each.mishap in {"lost", "error_after", "hang"} for each in _all(taken)),
        "uncertain": states["uncertain"],
        "uncertain, then settled by looking it up": len(doubted) - states["uncertain"],
        "slowest from taken to visible, s": round(slowest, 1),
        "unexpected errors in the log": evidence.desk.log().count('"work_failed"'),
    }
    return breaches, figures


def _words(body: str) -> str:
    return " ".join(body.split())


async def _threads(desk: Desk) -> list[_Thread]:
    rows = await desk.rows(
        "SELECT t.id, t.number, coalesce(c.email, replace(c.name, 'Customer ', 'c') || '@customer.test') AS email"
        " FROM tickets t JOIN customers c ON c.id = t.customer_id"
    )
    found = {row.id: _Thread(row.id, row.number, row.email) for row in rows}
    for row in await desk.rows(
        "SELECT ticket_id, seq, author, body, delivery_id, sent_at FROM messages ORDER BY ticket_id, seq"
    ):
        found[row.ticket_id].messages.append(row)
    for row in await desk.rows(
        "SELECT d.id, d.ticket_id, d.inbound_seq, d.state, d.body, d.is_automatic, d.detail, d.created_at,"
        " r.based_on_seq FROM deliveries d LEFT JOIN drafts r ON r.id = d.draft_id ORDER BY d.id"
    ):
        found[row.ticket_id].deliveries.append(row)
    return list(found.values())


async def _events(desk: Desk) -> dict[UUID, dict[str, float]]:
    """By delivery: when which of its ends was first recorded, in seconds since the epoch."""
    rows = await desk.rows(
        "SELECT detail->>'delivery' AS delivery, kind, min(created_at) AS at FROM ticket_events"
        " WHERE kind IN ('reply_sent', 'reply_uncertain', 'reply_failed') GROUP BY 1, 2"
    )
    found: dict[UUID, dict[str, float]] = defaultdict(dict)
    for row in rows:
        if row.delivery:
            found[UUID(row.delivery)][row.kind] = row.at.timestamp()
    return found


async def _unread(desk: Desk) -> list[Any]:
    return await desk.rows("SELECT last_error FROM inbox WHERE state = 'failed'")


def _inbound(plan: Plan, threads: Iterable[_Thread]) -> list[Breach]:
    """Every message once, in its ticket, in its order; and none that nobody has written."""
    breaches: list[Breach] = []
    by_customer: dict[str, list[_Thread]] = defaultdict(list)
    for thread in threads:
        by_customer[thread.customer].append(thread)
    for ticket in plan.tickets:
        found = [thread for thread in by_customer.pop(ticket.customer, []) if thread.written]
        breaches += _of_ticket(ticket, found)
    for customer, found in by_customer.items():
        breaches += [
            Breach("nobody has written this", f"ticket {each.number} of {customer or 'nobody'}") for each in found
        ]
    return breaches


def _of_ticket(ticket: PlannedTicket, found: Sequence[_Thread]) -> list[Breach]:
    name = f"{ticket.channel}, ticket {ticket.number}"
    planned = [_words(message.body) for message in ticket.messages]
    kept = [body for thread in found for body in thread.written]
    lost, more = Counter(planned) - Counter(kept), Counter(kept) - Counter(planned)
    breaches = [Breach("lost", f"{name}: {body}") for body in lost.elements()]
    for body in more.elements():
        kind = "taken in twice" if body in planned else "nobody has written this"
        breaches.append(Breach(kind, f"{name}: {body}"))
    if not lost and not more and len(found) > 1:
        breaches.append(Breach("in the wrong ticket", f"{name}: its messages are in {len(found)} tickets"))
    elif not lost and not more and kept != planned:
        breaches.append(Breach("in the wrong order", name))
    return breaches


async def _acknowledged(evidence: Evidence, threads: Iterable[_Thread]) -> list[Breach]:
    """Nothing was confirmed before it was kept."""
    kept_at: dict[tuple[str, str], float] = {}
    for thread in threads:
        for row in thread.messages:
            kept_at.setdefault((thread.customer, _words(row.body)), row.sent_at.timestamp())
    planned = {ticket.number: ticket for ticket in evidence.plan.tickets}
    breaches: list[Breach] = []
    for side in evidence.sides.values():
        if side.kind == "email":
            continue  # a mailbox is what confirms there
        kept = await side.kept(side.told.first)
        for key, told in side.told.first.items():
            at = _kept(key, planned, kept_at) if kept is None else kept[key].timestamp() if key in kept else None
            if at is None or at > told + _CLOCK_SECONDS:
                late = "never kept" if at is None else f"kept {at - told:.2f} s later"
                breaches.append(Breach("confirmed before it was kept", f"{side.kind}, message {key}: {late}"))
    return breaches


def _kept(key: Key, planned: Mapping[int, PlannedTicket], kept_at: Mapping[tuple[str, str], float]) -> float | None:
    ticket = planned[key[0]]
    return kept_at.get((ticket.customer, _words(ticket.messages[key[1]].body)))


def _threads_own(threads: Iterable[_Thread]) -> list[Breach]:
    breaches: list[Breach] = []
    for thread in threads:
        shown = Counter(row.delivery_id for row in thread.messages if row.delivery_id is not None)
        name = f"ticket {thread.number} of {thread.customer}"
        breaches += [Breach("a reply shown twice", name) for number in shown.values() if number > 1]
        breaches += [
            Breach("the desk's own reply taken for another's", name)
            for row in thread.messages
            if row.author in {"agent", "machine"} and row.delivery_id is None
        ]
    return breaches


def _by_delivery(evidence: Evidence, threads: Iterable[_Thread]) -> dict[UUID, list[Taken]]:
    """What the journals hold of each delivery. Where none is named, by customer and words: those that are said to be
    sent first."""
    by_words: dict[tuple[str, str], list[UUID]] = defaultdict(list)
    for thread in threads:
        for row in sorted(thread.deliveries, key=lambda each: each.state != "sent"):
            if row.state != "cancelled":
                by_words[thread.customer, _words(row.body)].append(row.id)
    found: dict[UUID, list[Taken]] = defaultdict(list)
    used: Counter[tuple[str, str]] = Counter()
    for taken in evidence.journal.taken:
        if taken.delivery:
            found[UUID(taken.delivery)].append(taken)
            continue
        key = (taken.customer, _words(taken.body))
        known = by_words.get(key, [])
        place = known[min(used[key], len(known) - 1)] if known else UUID(int=len(found))
        used[key] += 1
        found[place].append(taken)
    return found


def _outbound(evidence: Evidence, threads: Iterable[_Thread], taken: Mapping[UUID, Sequence[Taken]]) -> list[Breach]:
    breaches: list[Breach] = []
    channels = {ticket.customer: ticket.channel for ticket in evidence.plan.tickets}
    known: set[UUID] = set()
    for thread in threads:
        side = evidence.sides.get(channels.get(thread.customer, ""))
        answered: Counter[int] = Counter()
        for row in thread.deliveries:
            known.add(row.id)
            name = f"{side.kind if side else '?'}, ticket {thread.number} of {thread.customer}, {row.state}"
            times = len(taken.get(row.id, ()))
            if times > 1:
                how = ", ".join(f"{each.mishap or 'well'} at {each.at:.2f}" for each in taken[row.id])
                breaches.append(Breach("sent twice", f"{name}: {how}"))
            if side is not None and side.journal_is_full and row.state == "sent" and not times:
                breaches.append(Breach("said to be sent, and never taken", name))
            if times and row.state in {"failed", "cancelled"}:
                breaches.append(Breach("said not to be sent, and taken", f"{name}: {row.detail}"))
            if row.state in _OUT and row.based_on_seq is not None and row.based_on_seq != row.inbound_seq:
                breaches.append(Breach("a stale draft was sent", name))
            answered[row.inbound_seq] += bool(times) or row.state == "sent"
        breaches += [
            Breach("answered twice", f"ticket {thread.number} of {thread.customer}, message {seq}")
            for seq, number in answered.items()
            if number > 1
        ]
    for delivery in taken.keys() - known:
        breaches += [Breach("sent, and the desk knows of no reply", str(each)) for each in taken[delivery]]
    return breaches


def _all(taken: Mapping[UUID, Sequence[Taken]]) -> list[Taken]:
    return [each for found in taken.values() for each in found]


def _visible_late(
    taken: Mapping[UUID, Sequence[Taken]], events: Mapping[UUID, Mapping[str, float]]
) -> tuple[list[Breach], float]:
    """What was taken is known to be sent, or shown to be uncertain, within a minute."""
    breaches: list[Breach] = []
    slowest = 0.0
    for delivery, found in taken.items():
        known = min((events.get(delivery) or {}).values(), default=None)
        seconds = (known - found[0].at) if known is not None else float("inf")
        slowest = max(slowest, seconds)
        if seconds > VISIBLE_WITHIN_SECONDS:
            breaches.append(
                Breach("not visible within 60 s", f"{found[0].channel}: {seconds:.0f} s, {found[0].body[:60]}")
            )
    return breaches, slowest


async def _not_shown(evidence: Evidence, threads: Iterable[_Thread]) -> list[Breach]:
    """Every uncertain reply is in the view that people look at."""
    listed: set[str] = set()
    for people in evidence.people:
        offset, total = 0, 1
        while offset < total:
            asked = {"view": "failed_or_uncertain", "limit": 100, "offset": offset}
            page = (await people.api.get("/api/v1/tickets", params=asked)).raise_for_status().json()
            listed |= {line["id"] for line in page["items"]}
            offset, total = offset + 100, page["total"]
    return [
        Breach("uncertain, and not shown", f"ticket {thread.number} of {thread.customer}")
        for thread in threads
        if any(row.state == "uncertain" for row in thread.deliveries) and str(thread.id) not in listed
    ]


def _needless(
    evidence: Evidence, threads: Iterable[_Thread], events: Mapping[UUID, Mapping[str, float]]
) -> list[Breach]:
    """People are asked to decide only where the other side gave no clear answer, or a process was held up or ended."""
    breaches: list[Breach] = []
    troubled = {customer for side in evidence.sides.values() for customer in side.troubled}
    for thread in threads:
        for row in thread.deliveries:
            at = (events.get(row.id) or {}).get("reply_uncertain")
            if at is None or thread.customer in troubled:
                continue
            begun = row.created_at.timestamp() - 10 * LEASE_SECONDS
            if not any(blow_begun < at and blow_ended > begun for blow_begun, blow_ended, _ in evidence.desk.blows):
                breaches.append(Breach("uncertain without a reason", f"ticket {thread.number}: {row.detail}"))
    return breaches
